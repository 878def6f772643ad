"""Addresses of streams: which texts are addresses, and what is shown of them."""

import re

SCHEMES = ("rtsp", "rtsps", "http", "https")
WEBCAM = re.compile(r"webcam:(\d+|/.+)")
ADDRESS = re.compile(rf"({'|'.join(SCHEMES)})://(.*)", re.IGNORECASE | re.DOTALL)
SECRET = re.compile(
    r"(\b|_)(\w*?(?:pass|pwd|token|secret|key|auth|sig)\w*?)=.*?(?=_\w+=|[&;/?#]|$)",
    re.IGNORECASE | re.DOTALL,
)
"""A named secret in a path or query; `_` divides names in the addresses of some cameras."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of a stream, not the path of a file."""
    return ADDRESS.fullmatch(text) is not None


def shown_address(address: str) -> str:
    """Return an address without its password and without secrets in its path or query."""
    match = ADDRESS.fullmatch(address)
    if match is None:
        return address
    scheme, rest = match.groups()
    user, host = _split(rest)
    name = user.partition(":")[0]
    hidden = SECRET.sub(r"\1\2=...", host)
    return f"{scheme.lower()}://{name and name + '@'}{hidden}"


def _split(rest: str) -> tuple[str, str]:
    """Split what follows `://` into the user's name and password, and the rest.

    A password may hold an unescaped `@`, `/`, `?` or `#`: then what stands before it is no host and port.
    """
    network = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = network.rpartition("@")
    if at:
        return user, rest[len(user) + 1 :]
    _, colon, port = network.rpartition(":")
    if colon and not port.isdecimal() and not network.endswith("]"):
        user, at, host = rest.rpartition("@")
        if at:
            return user, host
    return "", rest
