"""The page in a real browser: upload, click, hits, more like these, and errors."""

import re
import shutil

import pytest

from person_search.app.indexed import PeopleIndex
from person_search.app.session import SearchDesk
from tests.person_search.app.coloured import ColourNetwork, index_of, scene
from tests.person_search.app.serving import served

pytest.importorskip("gradio", reason="Gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
PATIENCE = 30_000
ODD = "{{value}} ${1+1} <b>&amp; 'q'.png"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        own = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield own
        own.close()


@pytest.fixture(scope="module")
def address(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browsed")
    odd = scene(folder / ODD, [("red", 6, 44)], seed=99)
    store = index_of(folder / "people", [*scenes, odd])
    with served(SearchDesk(PeopleIndex(store.path), ColourNetwork())) as own:
        yield own


@pytest.fixture
def page(browser, address):
    """Open the page; a request to elsewhere, an answer of 400 or more, or an error is a failure."""
    wrong = []
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    own = context.new_page()
    own.set_default_timeout(PATIENCE)
    own.on(
        "request",
        lambda sent: wrong.append(sent.url) if not sent.url.startswith((address, "data:", "blob:")) else None,
    )
    own.on("response", lambda got: wrong.append((got.status, got.url)) if got.status >= 400 else None)
    own.on("pageerror", lambda error: wrong.append(str(error)))
    own.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    own.goto(address)
    own.wait_for_selector("#shelf .ps-shelf button")
    yield own
    context.close()
    assert wrong == []


def upload(page, path):
    page.set_input_files("#upload input[type=file]", path)


def click_at(page, x, y):
    """Click into the picture, at shares of its width and height."""
    box = page.locator(".ps-picture").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def ids(page):
    return [one.get_attribute("data-id") for one in page.locator("#hits [data-act=large]").all()]


def test_upload_click_hits_and_more_like_these(page, red_and_blue):
    upload(page, red_and_blue)
    page.wait_for_selector(".ps-picture")
    assert page.locator(".ps-people button").count() == 2
    click_at(page, 16 / 96, 40 / 64)
    page.wait_for_selector("#hits figure")
    assert "person 1" in page.inner_text("#picture")
    first = ids(page)
    assert len(first) == 12
    shown = page.evaluate("[...document.querySelectorAll('#hits img')].every(one => one.naturalWidth > 0)")
    assert shown
    similarities = [float(text) for text in page.locator("#hits span[title=similarity]").all_inner_texts()]
    assert similarities == sorted(similarities, reverse=True)

    more = page.locator("#hits [data-act=more]")
    assert more.is_disabled()
    page.click(f"#hits [data-act=tick][data-id='{first[11]}']")
    page.wait_for_selector("#hits figure.ps-ticked")
    more.click()
    page.wait_for_selector("#hits figure.ps-example")
    assert "2 pictures of the person" in page.inner_text("#hits")

    page.click(f"#hits [data-act=not][data-id='{first[0]}']")
    page.wait_for_selector(f"#hits [data-id='{first[0]}']", state="detached")
    page.click("#hits [data-act=turn][data-id='1']")
    page.wait_for_selector("text=page 2")
    assert not set(ids(page)) & set(first[:1])


def test_the_other_person_of_the_picture_is_found_by_the_place_of_the_click(page, red_and_blue):
    upload(page, red_and_blue)
    page.wait_for_selector(".ps-picture")
    click_at(page, 70 / 96, 50 / 64)
    page.wait_for_selector("text=person 2")
    page.click("text=Choose another")
    page.wait_for_selector(".ps-click")
    click_at(page, 0.5, 0.05)
    page.wait_for_selector("#status .ps-wrong:has-text('nobody is there')")


def test_errors_are_one_line_on_the_page(page, tmp_path, red_and_blue):
    upload(page, scene(tmp_path / "empty.png", []))
    page.wait_for_selector("#status:has-text('Nobody was found in empty.png')")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    upload(page, broken)
    page.wait_for_selector("#status [role=alert]:has-text('broken.jpg is no picture that can be read')")
    upload(page, red_and_blue)
    page.wait_for_selector(".ps-picture[alt^='query.png']")
    assert page.locator("#status [role=alert]").count() == 0


def test_a_picture_of_the_index_its_hits_and_a_large_one(page):
    page.fill("#name textarea, #name input", "scene 07")
    page.keyboard.press("Enter")
    page.wait_for_selector("#shelf:has-text('1 of 1')")
    page.click("#shelf [data-act=open]")
    page.wait_for_selector(".ps-picture[alt^='scene 07.png']")
    page.click(".ps-people button[data-id='0']")
    page.wait_for_selector("#hits figure")
    page.click("#hits figure [data-act=large] >> nth=1")
    page.wait_for_selector("#large [role=dialog] img")
    page.keyboard.press("Escape")
    page.wait_for_selector("#large [role=dialog]", state="detached")
    page.click("#hits figure [data-act=large] >> nth=1")
    page.click("#large [data-act=hit]")
    page.wait_for_selector(".ps-people button[data-id='0']")


def test_filters_are_used(page, red_and_blue):
    upload(page, red_and_blue)
    page.click(".ps-people button[data-id='0']")
    page.wait_for_selector("#hits figure")
    page.fill("#before textarea, #before input", "2026-05-31 14:05")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('#hits figure').length < 12")
    minutes = [int(text) for text in re.findall(r"2026-05-31 14:(\d\d)", page.inner_text("#hits"))]
    assert minutes
    assert max(minutes) < 5
    page.fill("#score input[type=number]", "0.68")
    page.keyboard.press("Tab")
    page.wait_for_function("!document.querySelector('#hits').innerText.includes('score 0.66')")
    scores = [float(text) for text in re.findall(r"score (\d\.\d+)", page.inner_text("#hits"))]
    assert len(scores) > 2
    assert min(scores) >= 0.68
    page.click("#cameras input")
    page.click("ul[role=listbox] >> text=camera-1")
    page.wait_for_function("!document.querySelector('#hits').innerText.includes('camera-0')")
    assert "camera-1" in page.inner_text("#hits")
    page.keyboard.press("Escape")
    page.fill("#before textarea, #before input", "soon")
    page.keyboard.press("Enter")
    page.wait_for_selector("#status [role=alert]:has-text('is no time')")


def test_a_name_that_looks_like_a_template_is_only_a_name(page):
    page.fill("#name textarea, #name input", "{{value}}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#shelf:has-text('1 of 1')")
    assert page.locator("#shelf small").inner_text() == ODD
    page.click("#shelf [data-act=open]")
    page.wait_for_selector(".ps-picture")
    assert page.locator(".ps-picture").get_attribute("alt") == f"{ODD} with boxes"


def test_a_page_that_is_loaded_again_starts_anew(page, red_and_blue):
    upload(page, red_and_blue)
    page.wait_for_selector(".ps-picture")
    page.reload()
    page.wait_for_selector("#shelf .ps-shelf button")
    assert page.locator(".ps-picture").count() == 0
