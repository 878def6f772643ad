"""The real server, over HTTP: what it does, and what it refuses."""

import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import httpx
import psutil
import pytest

from person_search.app.indexed import PeopleIndex
from person_search.app.server import listening, own_folder
from person_search.app.session import SearchDesk
from pipeline.basics.errors import UserError
from tests.person_search.app.coloured import COLOURS, ColourNetwork, scene
from tests.person_search.app.serving import Visitor, served

pytest.importorskip("gradio", reason="Gradio is not installed")


@pytest.fixture(scope="module")
def network():
    return ColourNetwork()


@pytest.fixture(scope="module")
def desk(store, network):
    return SearchDesk(PeopleIndex(store.path), network)


@pytest.fixture(scope="module")
def address(desk, tmp_path_factory):
    """Serve the page of the scenes with a folder for temporary files that has nothing else."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("temporary")
    patch.setattr("tempfile.tempdir", str(folder))
    patch.setenv("GRADIO_SHARE", "True")
    patch.setenv("GRADIO_ALLOWED_PATHS", "/")
    with served(desk) as own:
        yield own
    patch.undo()
    assert list(folder.iterdir()) == []


def _remember_where_sockets_lead(patch):
    """Return the set of the names and addresses that anything asks for or connects to from now on."""
    reached, connect, resolve = set(), socket.socket.connect, socket.getaddrinfo

    def connecting(own, address):
        if own.family in (socket.AF_INET, socket.AF_INET6):
            reached.add(address[0])
        return connect(own, address)

    def resolving(host, *arguments, **options):
        reached.add(host)
        return resolve(host, *arguments, **options)

    patch.setattr(socket.socket, "connect", connecting)
    patch.setattr(socket, "getaddrinfo", resolving)
    return reached


@pytest.fixture
def visitor(address):
    return Visitor(address)


def names_in(html):
    """Return the names of the pictures that are shown as hits."""
    return re.findall(r'<span class="ps-line" title="[^"]*">([^<]*)</span>', html)


def test_the_page_comes_and_loads_nothing_from_elsewhere(visitor):
    page = visitor.web.get("/")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]*)"', page.text)
    assert loaded
    assert not [one for one in loaded if one.startswith(("http", "//"))]
    sheet = visitor.web.get("/theme.css").text
    assert not re.findall(r"url\((?!['\"]?data:)|@import", sheet)


def test_an_upload_a_click_and_more_like_these(visitor, red_and_blue):
    visitor.load()
    assert "Upload a picture" in visitor.shown["status"]
    visitor.upload(red_and_blue)
    assert "query.png" in visitor.shown["picture"]
    visitor.click("picture", "at", "0.17 0.6")
    first = re.findall(r'data-act="tick" data-id="(\w+)"', visitor.shown["hits"])
    assert len(first) == 12
    visitor.click("hits", "tick", first[3])
    assert "More like these (1)" in visitor.shown["hits"]
    visitor.click("hits", "more")
    assert "2 pictures of the person" in visitor.shown["hits"]
    visitor.click("hits", "not", first[0])
    assert first[0] not in visitor.shown["hits"]
    visitor.click("hits", "large", first[1])
    assert "data:image/jpeg;base64," in visitor.shown["large"]
    visitor.click("large", "close")
    assert visitor.shown["large"] == ""


def test_filters_come_from_their_parts(visitor, red_and_blue):
    visitor.load()
    visitor.upload(red_and_blue)
    visitor.click("picture", "person", 0)
    visitor.event("cameras", "change", {"score": 0.6, "cameras": ["camera-1"], "from": "", "before": None})
    hits = visitor.shown["hits"]
    assert "camera-1" in hits
    assert "camera-0" not in hits
    visitor.event("from", "submit", {"score": 0.6, "cameras": [], "from": "soon", "before": ""})
    assert "is no time" in visitor.shown["status"]
    assert 'role="alert"' in visitor.shown["status"]


def test_a_picture_without_people_and_a_broken_one_are_told(visitor, tmp_path):
    visitor.load()
    visitor.upload(scene(tmp_path / "empty.png", []))
    assert "Nobody was found in empty.png" in visitor.shown["status"]
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    visitor.upload(broken)
    assert "broken.jpg is no picture that can be read" in visitor.shown["status"]
    assert str(tmp_path.root + "tmp") not in visitor.shown["status"]


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
        "/gradio_api/file=file:///etc/passwd",
        "/gradio_api/file=http://127.0.0.1:9/",
        "/gradio_api/file={index}",
        "/gradio_api/file={scene}",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/assets/..%2f..%2f..%2froutes.py",
        "/assets/%2e%2e/%2e%2e/%2e%2e/routes.py",
        "/static/..%5c..%5croutes.py",
        "/static//etc/passwd",
        "/assets//etc/passwd",
        "/svelte/../../../etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:9/",
        "/gradio_api/custom_component/0/server/component/..%2f..%2fapp.py",
        "/gradio_api/stream/x/1/1/..%2fx.ts",
    ],
)
def test_no_route_leads_to_a_file(visitor, store, scenes, path):
    own = path.replace("{index}", str(next(store.path.iterdir()))).replace("{scene}", str(scenes[0]))
    connection = socket.create_connection(re.fullmatch(r"http://([\d.]+):(\d+)/", visitor.address).groups())
    with connection:
        connection.sendall(f"GET {own} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.split()[1] in (b"404", b"403", b"400")
    assert b"root:" not in answer
    assert b"import" not in answer
    assert b"PAR1" not in answer
    assert b"PNG" not in answer


def test_an_uploaded_file_is_not_served_either(visitor, red_and_blue):
    with red_and_blue.open("rb") as file:
        (stored,) = visitor.web.post("/gradio_api/upload", files={"files": ("a.png", file)}).json()
    assert Path(stored).is_file()
    assert Path(stored).parents[1].stat().st_mode & 0o077 == 0
    assert visitor.web.get(f"/gradio_api/file={stored}").status_code == 404


@pytest.mark.parametrize(
    "name", ["../../../out.png", "/etc/out.png", "..\\..\\out.png", "a\0b.png", "x" * 5000]
)
def test_an_upload_stays_in_its_folder_whatever_its_name(visitor, red_and_blue, name, tmp_path):
    answer = visitor.web.post("/gradio_api/upload", files={"files": (name, red_and_blue.read_bytes())})
    if answer.status_code == 200:
        (stored,) = answer.json()
        folder = next(part for part in Path(stored).parents if part.name.startswith("person-search-app-"))
        assert folder in Path(stored).resolve().parents
    else:
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("path", ["/etc/hostname", "http://127.0.0.1:9/x.png", "https://192.0.2.1/x.png"])
def test_an_event_opens_no_other_file_and_no_address(visitor, path):
    visitor.load()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for part, kind, values in (
        ("upload", "upload", {"upload": file}),
        ("name", "submit", {"name": file}),
        ("cameras", "change", {"cameras": [file]}),
    ):
        answer = visitor.event(part, kind, values)
        assert answer.status_code == 403
        assert answer.text == "no such file was uploaded"


def test_a_hundred_megabytes_are_refused_unread(visitor):
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)/", visitor.address).groups()
    with socket.create_connection((host, port)) as connection:
        connection.settimeout(20)
        head = (
            "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(1 << 12).startswith(b"HTTP/1.1 413")


def test_a_hundred_megabytes_that_do_not_say_so_are_cut_off(visitor):
    """Sent in chunks without a length."""
    before = uploaded_bytes()
    sent = 0

    def body():
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(100):
            sent += 1_000_000
            yield bytes(1_000_000)

    try:
        answer = visitor.web.post(
            "/gradio_api/upload", content=body(), headers={"content-type": "multipart/form-data; boundary=x"}
        )
        assert answer.status_code >= 400
    except httpx.TransportError:  # it hung up
        pass
    assert visitor.web.get("/config").status_code == 200
    assert uploaded_bytes() == before


def uploaded_bytes():
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def bomb(path, side):
    """Write a small PNG of one bit a pixel that is huge when it is decoded."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, packed = zlib.compressobj(9), b""
    for _ in range(side):
        packed += packer.compress(bytes(1 + side // 8))
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_a_decompression_bomb_is_refused_before_it_is_decoded(visitor, tmp_path):
    visitor.load()
    path = bomb(tmp_path / "bomb.png", 40_000)
    assert path.stat().st_size < 1_000_000
    process, peak, done = psutil.Process(), [0], threading.Event()

    def watch():
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    start = process.memory_info().rss
    watcher = threading.Thread(target=watch)
    watcher.start()
    visitor.upload(path)
    done.set()
    watcher.join()
    assert "bomb.png is too large: 40000 x 40000 pixels" in visitor.shown["status"]
    assert peak[0] - start < 200_000_000  # in one byte a pixel it would be 1.6 GB


def test_users_at_once_have_their_own_sessions_and_right_answers(address, tmp_path, network):
    seen = {}

    def use(name):
        visitor = Visitor(address)
        visitor.load()
        for number in range(3):
            visitor.upload(scene(tmp_path / f"{name}-{number}.png", [(name, 30, 50)], seed=number))
            visitor.click("picture", "person", 0)
            seen.setdefault(name, []).append((visitor.shown["picture"], names_in(visitor.shown["hits"])))

    threads = [threading.Thread(target=use, args=(name,)) for name in COLOURS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.keys() == COLOURS.keys()
    for name, answers in seen.items():
        for number, (picture, names) in enumerate(answers):
            assert f"{name}-{number}.png" in picture
            numbers = {int(one.split()[1].removesuffix(".png")) for one in names[:8]}
            assert all(name in people_of(one) for one in numbers)
    assert network.most_at_once == 1


def people_of(number):
    """Return the colours of a scene of the index."""
    names = list(COLOURS)
    return {names[number % 4], names[(number + 1 + number // 4 % 3) % 4]}


def test_neither_the_server_nor_what_starts_with_it_reaches_another_machine(desk, red_and_blue, monkeypatch):
    reached = _remember_where_sockets_lead(monkeypatch)
    with served(desk) as own:
        visitor = Visitor(own)
        visitor.load()
        visitor.upload(red_and_blue)
        visitor.click("picture", "person", 0)
        visitor.web.get("/gradio_api/file=https://192.0.2.1/")
    assert reached == {"127.0.0.1"}


def test_uploads_are_deleted_after_a_while(desk, red_and_blue, monkeypatch):
    monkeypatch.setattr("person_search.app.page.KEPT_UPLOADS", 5)  # looked for each second
    with served(desk) as own:
        visitor = Visitor(own)
        with red_and_blue.open("rb") as file:
            (stored,) = visitor.web.post("/gradio_api/upload", files={"files": ("a.png", file)}).json()
        assert Path(stored).is_file()
        end = time.monotonic() + 30
        while Path(stored).exists():
            assert time.monotonic() < end
            time.sleep(0.2)


def test_nothing_listens_but_this_machine(address):
    port = int(re.search(r":(\d+)/", address).group(1))
    listening_at = {
        one.laddr.ip
        for one in psutil.Process().net_connections("tcp")
        if one.laddr.port == port and one.status == "LISTEN"
    }
    assert listening_at == {"127.0.0.1"}


def test_a_port_that_is_taken_and_an_address_of_others_are_one_line():
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UserError, match=f"127.0.0.1:{port}: Address already in use; give another"),
            listening("127.0.0.1", port),
        ):
            pass
    for host in ("192.0.2.1", "no.such.host.invalid", "a b"):
        with pytest.raises(UserError, match=re.escape(host)), listening(host, 0):
            pass


def test_without_gradio_a_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    said = r"pip install '\.\[app\]'"
    before = dict(os.environ)
    with pytest.raises(UserError, match=said), own_folder():
        pass
    assert dict(os.environ) == before


def test_the_logic_needs_neither_gradio_nor_torch():
    program = (
        "import sys, person_search.app.actions, person_search.app.markup, person_search.app.gate\n"
        "import commands.app\n"
        "assert not {'gradio', 'torch', 'fastapi', 'uvicorn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
