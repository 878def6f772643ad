"""The gate in front of Gradio: closed but for what the page needs."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from person_search.app.gate import EVENT, HEADERS, MOST_EVENT, MOST_UPLOAD, UPLOAD, Gate

HOST = "127.0.0.1:7860"


def ask(
    path, method="GET", headers=(), parts=(b"",), *, host="127.0.0.1", uploads=Path("/uploads"), kind="http"
):
    """Send one request through a gate; return the status, the headers, and the body that came through."""
    passed, sent = [], []

    async def behind(scope, receive, send):
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                passed.append(None)
                return
            body += message["body"]
            if not message.get("more_body"):
                break
        passed.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    left = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ]

    async def receive():
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    given_headers = {"host": HOST, **dict(headers)}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in given_headers.items()],
    }
    asyncio.run(Gate(behind, host, uploads)(scope, receive, send))
    start = sent[0] if sent else {"status": None, "headers": []}
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], answered, passed[0] if passed else None


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-DphvyggB.js", "/gradio_api/queue/data", "/manifest.json"],
)
def test_what_the_page_needs_is_open(path):
    status, headers, _ = ask(path)
    assert status == 200
    assert HEADERS.items() <= headers.items()
    assert ask(path, "HEAD")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=/uploads/one.png",
        "/gradio_api/file=http://192.0.2.1/",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://192.0.2.1/",
        "/gradio_api/run-history/connect",
        "/gradio_api/deep_link",
        "/gradio_api/component_server",
        "/gradio_api/info",
        "/gradio_api/call/clicked",
        "/gradio_api/run/predict",
        "/gradio_api/stream/x/1/1/playlist-file",
        "/gradio_api/custom_component/x/client/component/../../x.py",
        "/gradio_api/dev/reload",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/monitoring/summary",
        "/login",
        "/docs",
        "/openapi.json",
        "/svelte/x",
        "/assets/../../routes.py",
        "/static/..",
        "//assets/x",
        "/assets/",
        "/config/x",
        "/\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_all_else_is_closed(path, method):
    status, headers, passed = ask(path, method)
    assert status == 404
    assert passed is None
    assert HEADERS.items() <= headers.items()


def test_routes_are_open_for_their_own_method_alone():
    assert ask("/", "POST")[0] == 404
    assert ask(UPLOAD)[0] == 404
    assert ask(EVENT)[0] == 404
    assert ask("/", kind="websocket") == (None, {}, None)


@given(st.text(max_size=60))
def test_no_path_with_two_dots_or_a_file_comes_through(text):
    for path in (f"/{text}", f"/assets/{text}", f"/gradio_api/{text}"):
        if ask(path)[2] is not None:
            assert ".." not in path
            assert "file" not in path.removeprefix("/assets/")


@pytest.mark.parametrize(
    ("host", "asked", "status"),
    [
        ("127.0.0.1", "127.0.0.1:7860", 200),
        ("127.0.0.1", "localhost:7860", 200),
        ("127.0.0.1", "[::1]:7860", 200),
        ("127.0.0.1", "evil.example", 403),
        ("127.0.0.1", "evil.example:7860", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", 403),
        ("127.0.0.1", "", 403),
        ("127.0.0.1", "[", 403),
        ("192.0.2.7", "192.0.2.7:80", 200),
        ("192.0.2.7", "evil.example", 403),
        ("0.0.0.0", "any.example", 200),
    ],
)
def test_a_foreign_name_for_this_machine_is_refused(host, asked, status):
    assert ask("/", headers={"host": asked}, host=host)[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"http://{HOST}", 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("http://[", 403),
    ],
)
def test_requests_of_other_sites_are_refused(origin, status):
    body = b"{}"
    assert ask(EVENT, "POST", {"origin": origin}, [body])[0] == status


def test_what_says_that_it_is_too_large_is_refused_unread():
    for path, most in ((UPLOAD, MOST_UPLOAD), (EVENT, MOST_EVENT), ("/", MOST_EVENT)):
        method = "GET" if path == "/" else "POST"
        assert ask(path, method, {"content-length": f"{most + 1}"})[::2] == (413, None)
        assert ask(path, method, {"content-length": "-1"})[0] == 413
        assert ask(path, method, {"content-length": "nine"})[0] == 413


def test_what_does_not_say_that_it_is_too_large_is_cut_off():
    part = bytes(1_000_000)
    count = MOST_UPLOAD // len(part)
    assert ask(UPLOAD, "POST", parts=[part] * count)[2] == part * count
    assert ask(UPLOAD, "POST", parts=[*[part] * count, b"x"])[::2] == (413, None)
    assert ask(EVENT, "POST", parts=[b"[", bytes(MOST_EVENT)])[::2] == (413, None)


def test_an_event_comes_through_as_it_was_sent():
    body = json.dumps(
        {"data": [None, {"a": ["path", 1]}], "event_data": {"act": "at", "id": "0.1 0.2"}}
    ).encode()
    assert ask(EVENT, "POST", parts=[body[:9], body[9:]])[::2] == (200, body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_an_event_that_is_no_json_is_refused(body):
    assert ask(EVENT, "POST", parts=[body])[::2] == (400, None)


@pytest.mark.parametrize(
    "path",
    [
        "http://192.0.2.1/x.png",
        "https://192.0.2.1/x.png",
        "/etc/passwd",
        "{uploads}",
        "{uploads}/../secret.png",
        "{uploads}/link/secret.png",
        "uploads/one.png",
        "",
        "\0",
        None,
        3,
        ["x"],
    ],
)
def test_an_event_names_no_file_but_uploads(tmp_path, path):
    uploads, outside = tmp_path / "uploads", tmp_path / "outside"
    uploads.mkdir()
    outside.mkdir()
    (uploads / "link").symlink_to(outside)
    if isinstance(path, str):
        path = path.replace("{uploads}", str(uploads))
    for wrap in (lambda file: file, lambda file: [[{"deep": file}]]):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        body = json.dumps({"data": [wrap(file)]}).encode()
        assert ask(EVENT, "POST", parts=[body], uploads=uploads)[::2] == (403, None)


def test_an_event_may_name_an_upload(tmp_path):
    body = json.dumps({"data": [{"path": str(tmp_path / "ab" / "one.png")}]}).encode()
    assert ask(EVENT, "POST", parts=[body], uploads=tmp_path)[0] == 200


def test_an_upload_that_ends_too_early_reaches_nobody():
    parts = [{"type": "http.request", "body": b"--x", "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def behind(scope, receive, send):
        raise AssertionError

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": UPLOAD, "headers": [(b"host", HOST.encode())]}
    asyncio.run(Gate(behind, "127.0.0.1", Path("/uploads"))(scope, receive, send))
    assert sent[0]["status"] == 400
