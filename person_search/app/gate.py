"""What of Gradio's web server is open: the page and its events, nothing that reads or fetches a file.

Gradio serves files of its cache, fetches addresses that a browser names, connects to services, and has routes
for its developers. The page needs none of that: pictures are in its HTML.
"""

import json
import re
from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_UPLOAD = 50_000_000
"""Bytes of a picture."""
MOST_EVENT = 1_000_000
"""Bytes of any other request."""
UPLOADS_AT_ONCE = 4
"""Uploads that are in memory at the same time."""
UPLOAD, EVENT = "/gradio_api/upload", "/gradio_api/queue/join"
OPEN = {
    "GET": re.compile(
        r"/|/(?:assets|static)/[\w./-]+|/theme\.css|/favicon\.ico|/manifest\.json|/config/?"
        r"|/gradio_api/(?:theme\.css|app_id/?|startup-events|queue/data|upload_progress|heartbeat/\w+)"
    ),
    "POST": re.compile(rf"{UPLOAD}|{EVENT}|/gradio_api/(?:cancel|reset)/?"),
}
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Sent with all answers: the browser loads nothing from elsewhere, and keeps nobody's picture."""
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
ANYWHERE = frozenset(("0.0.0.0", "::"))


@dataclass
class RefusedError(Exception):
    """A request that is not let through, and what is answered."""

    status: int
    why: str


class Gate:
    """An ASGI application that lets through what the page needs.

    Args:
        app: Gradio's.
        host: the address that the server listens on. Where that is one of this machine alone, other names in
            `Host` are refused: a foreign site whose name leads here would read the page otherwise.
        uploads: the folder of uploaded files; an event names no other file.
    """

    def __init__(self, app: App, host: str, uploads: Path) -> None:
        self._app = app
        self._hosts = (
            None if host in ANYWHERE else LOOPBACK | {host} if host in LOOPBACK else {host} | LOOPBACK
        )
        self._uploads = uploads
        self._uploading = Semaphore(UPLOADS_AT_ONCE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            self._check(scope)
            receive = await self._read(scope, receive)
        except RefusedError as refused:
            await _answer(refused, send)
            return
        await self._app(scope, receive, _with_headers(send))

    def _check(self, scope: Message) -> None:
        """Raise `RefusedError` where the route is closed, or the request comes from another site."""
        headers = _headers(scope)
        host = headers.get("host", "")
        if self._hosts is not None and _split(f"//{host}").hostname not in self._hosts:
            raise RefusedError(403, "this page is for this machine alone")
        origin = headers.get("origin")
        if origin is not None and _split(origin).netloc != host:
            raise RefusedError(403, "requests of other sites are refused")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        route = OPEN.get(method)
        path = scope["path"]
        if route is None or route.fullmatch(path) is None or ".." in path:
            raise RefusedError(404, "there is no such page")

    async def _read(self, scope: Message, receive: Receive) -> Receive:
        """Read the body, and return what gives it; raise `RefusedError` if it is too large or names files.

        Gradio would leave the parts of an upload that ends too early on the disk.
        """
        upload = scope["path"] == UPLOAD
        most = MOST_UPLOAD if upload else MOST_EVENT
        declared = _headers(scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > most:
            raise RefusedError(413, f"too large: more than {most:,} bytes")
        if scope["method"] != "POST":
            return receive
        async with self._uploading if upload else nullcontext():
            body = await _body(receive, most)
        if scope["path"] == EVENT and _names_files(_parsed(body), self._uploads):
            raise RefusedError(403, "no such file was uploaded")
        return _given(body, receive)


def _headers(scope: Message) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _split(address: str) -> SplitResult:
    """Split an address; one that is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


async def _body(receive: Receive, most: int) -> bytes:
    parts, length, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, "the request ended too early")
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > most:
            raise RefusedError(413, f"too large: more than {most:,} bytes")
        more = message.get("more_body", False)
    return b"".join(parts)


def _given(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read, then what comes behind it."""
    first = True

    async def giving() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return giving


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "no JSON") from None


def _names_files(value: Any, uploads: Path) -> bool:
    """Tell whether a value has a file in it, as Gradio writes one, that is not below a folder."""
    values = [value]
    while values:
        one = values.pop()
        if isinstance(one, dict):
            if "path" in one and not _is_below(one["path"], uploads):
                return True
            values.extend(one.values())
        elif isinstance(one, list):
            values.extend(one)
    return False


def _is_below(path: Any, folder: Path) -> bool:
    """Tell whether a path leads below a folder, links followed."""
    try:
        return isinstance(path, str) and folder in Path(path).resolve().parents
    except (OSError, ValueError):
        return False


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [
                pair
                for pair in message.get("headers", [])
                if pair[0].decode("latin-1").lower() not in HEADERS
            ]
            message["headers"] = [*own, *((name.encode(), text.encode()) for name, text in HEADERS.items())]
        await send(message)

    return sending


async def _answer(refused: RefusedError, send: Send) -> None:
    text = refused.why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text))]
    headers.append((b"connection", b"close"))  # a body that was not read may follow
    await _with_headers(send)({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
