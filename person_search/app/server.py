"""The page's web server: on this machine alone unless told otherwise, with nothing left behind."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from person_search.app.gate import MOST_UPLOAD, Gate
from person_search.app.session import SearchDesk
from person_search.extras import needed
from pipeline.basics.errors import UserError

INSTALL = "pip install '.[app]'"
SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1", "GRADIO_SHARE": "False"}
"""Of the environment, which Gradio reads when it is imported."""
FOLDERS = ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE")
MOST_SESSIONS = 200
SECONDS_TO_END = 2
FONTS = ["system-ui", "sans-serif"]
"""Of the system: Gradio's own themes name fonts that it would serve."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """Import Gradio with a temporary folder of its own, which nobody else can read; delete it at the end.

    Yields:
        The folder, for uploads. Gradio makes one for all programs otherwise, when it is imported.

    Raises:
        UserError: Gradio is not installed.
    """
    with TemporaryDirectory(prefix="person-search-app-") as name:
        folder = Path(name).resolve()
        own = SETTINGS | dict.fromkeys(FOLDERS, str(folder))
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            needed("gradio", INSTALL)
            yield folder
        finally:
            for variable, value in before.items():
                if value is None:
                    del os.environ[variable]
                else:
                    os.environ[variable] = value


@contextmanager
def serving(
    desk: SearchDesk, title: str, host: str, port: int, folder: Path
) -> Iterator[tuple["BoundServer", str]]:
    """Prepare the server of a page.

    Args:
        desk: does what users ask for.
        title: shown above all.
        host: the address to listen on.
        port: its port; 0 for any that is free.
        folder: of `own_folder`.

    Yields:
        The server, and the page's address. Whoever asks before it runs waits.

    Raises:
        UserError: nothing can listen there.
    """
    with listening(host, port) as bound:
        app = Gate(_application(desk, title), host, folder)
        yield BoundServer(app, bound), _address(bound)


class BoundServer:
    """A web server with the socket that it listens on.

    Args:
        app: an ASGI application.
        bound: the socket.
    """

    def __init__(self, app: Gate, bound: socket.socket) -> None:
        import uvicorn  # noqa: PLC0415 (comes with Gradio)

        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=SECONDS_TO_END
        )
        self._server = uvicorn.Server(config)
        self._socket = bound

    def stop(self) -> None:
        """Let `run` end soon."""
        self._server.should_exit = True

    def run(self) -> None:
        """Serve until a signal comes, or `stop` is called."""
        self._server.run(sockets=[self._socket])


def _application(desk: SearchDesk, title: str) -> Any:
    """Return Gradio's application, which nothing may reach but through the gate."""
    import fastapi  # noqa: PLC0415 (an extra)
    import gradio  # noqa: PLC0415

    from person_search.app.page import Page  # noqa: PLC0415
    from person_search.app.style import CSS  # noqa: PLC0415

    blocks = Page(desk, title).blocks
    blocks.state_session_capacity = MOST_SESSIONS
    return gradio.mount_gradio_app(
        fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        blocks,
        path="",
        theme=gradio.themes.Base(font=FONTS, font_mono=["monospace"]),
        css=CSS,
        allowed_paths=[],
        show_error=False,
        max_file_size=MOST_UPLOAD,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
    )


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address.

    Raises:
        UserError: it is none of this machine, or its port is taken or kept from the user.
    """
    try:
        family, kind, number, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, number)
    except OSError as error:
        raise UserError(f"--host {host}: {error.strerror}") from None
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(where)
            bound.listen()  # who asks before the server runs waits
        except OSError as error:
            raise UserError(f"{host}:{port}: {error.strerror}; give another --port or --host") from None
        yield bound


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
