"""The page: whole in one file, the table's own cells, and a browser shows it."""

import re
import shutil
import subprocess

import pytest

from pipeline.reporting.page import Section, page
from pipeline.reporting.style import png
from pipeline.reporting.table import MEASURED, columns, table_lines
from tests.reporting.test_table import SUMMARY

PROTOCOL = {"gallery": "100", "counts": {"queries": 300, "scenes": 333}}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TELL = """<script>addEventListener("load", () => {
  const images = [...document.images].filter(image => image.complete && image.naturalWidth > 0);
  const lines = document.querySelectorAll("tbody tr");
  document.body.dataset.shown = `${images.length} images, ${lines.length} lines`;
});</script>"""


@pytest.fixture(scope="module")
def picture():
    from matplotlib.figure import Figure  # noqa: PLC0415 (it takes its time)

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    return png(figure)


@pytest.fixture
def text(picture):
    sections = [
        Section("curves", "Curves", "a < b & c", [picture, picture]),
        Section("none", "Nothing", "", []),
    ]
    return page("<data> set", SUMMARY, PROTOCOL, sections)


def test_the_table_is_the_table(text):
    lines = re.findall(r"<tr[^>]*><td>.*?</tr>", text, re.DOTALL)
    found = [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in lines]
    shown = [column for column in columns() if column != MEASURED]
    assert found == [
        [name, *(cells[column] for column in shown)] for name, cells in table_lines(SUMMARY).items()
    ]
    assert len(re.findall('class="teacher"', text)) == 3


def test_it_needs_nothing_from_elsewhere(text):
    assert "http:" not in text
    assert "https:" not in text
    assert not re.findall(r"<(?:link|script|iframe)", text)
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', text))
    assert len(re.findall("<img", text)) == 2


def test_texts_are_no_markup(text):
    assert "a &lt; b &amp; c" in text
    assert "<data>" not in text


def test_links_have_their_place(text):
    assert {f"#{anchor}" for anchor in re.findall(r'id="([^"]+)"', text)} >= {"#results", "#curves"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_it_all(text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", f"{TELL}</body>"))
    said = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"),
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'data-shown="2 images, 5 lines"' in said.stdout
