"""The web page as a reader meets it: built by README's command, served on this machine, opened in a real browser."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_browser import browser_page
from test_browser import chromium as chromium  # a fixture

from d2lhelpers.files import ROOT
from d2lhelpers.notebooks import find_chapters

BUILD_TIMEOUT = 300  # seconds
MAX_BYTES = 2_000_000  # that a browser loads for one page
SIZES = ((1400, 1000), (380, 800))
BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
# what would make a phone scroll sideways; on a narrow screen it is Furo's `.content` that scrolls
WIDE = """Math.max(...[document.documentElement, ...document.querySelectorAll('.content')]
    .map(e => e.scrollWidth - e.clientWidth))"""
RAW_TEX = r"""[...document.querySelectorAll('article .math')].filter(m => !m.querySelector('mjx-container'))
    .map(m => m.textContent)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a clean build."""
    folder = tmp_path_factory.mktemp("web") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-j", "auto", "-d", folder.parent / "trees", "docs", folder],
        cwd=ROOT, capture_output=True, text=True, timeout=BUILD_TIMEOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(Quiet, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_every_chapter_has_its_page_and_its_place_in_the_reference(site):
    for path in find_chapters():
        page = (site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert 'class="stills"' in page
        assert '<details class="hint admonition">' in page
        assert 'href="../api/lesson.html#d2lhelpers.lesson.claim"' in page
    reference = (site / "api" / "boxes.html").read_text(encoding="utf-8")
    assert "chapters/04_anchor_boxes.html" in reference
    assert "_modules/d2lhelpers/boxes.html#box_iou" in reference


def test_nothing_on_it_asks_another_host_or_keeps_a_cookie(site):
    for path in site.rglob("*.js"):
        if "mathjax" not in path.parts:
            assert "document.cookie" not in path.read_text(encoding="utf-8"), path.name


def open_page(page, problems, url):
    """Opens a page, waits for its formulas, and says how many bytes came and what is wrong with it."""
    came = []
    note = lambda response: came.append(int(response.headers.get("content-length", 0)))  # noqa: E731
    page.on("response", note)
    page.goto(url, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    page.remove_listener("response", note)
    wrong = [*problems, *(f"broken picture {src}" for src in page.evaluate(BROKEN))]
    wrong += [f"raw formula {text}" for text in page.evaluate(RAW_TEX)]
    problems.clear()
    if sum(came) > MAX_BYTES:
        wrong.append(f"{sum(came) / 1e6:.2f} MB")
    return [f"{urlsplit(url).path}: {one}" for one in wrong]


def test_every_page_opens_without_an_error_and_is_drawn(chromium, address, site, tmp_path):
    pages = [path for path in sorted(site.rglob("*.html")) if "_modules" not in path.parts]
    with browser_page(chromium, tmp_path) as (page, problems):
        page.set_viewport_size({"width": 380, "height": 800})
        wrong = []
        for path in pages:
            name = path.relative_to(site).as_posix()
            wrong += open_page(page, problems, f"{address}/{name}")
            if wide := page.evaluate(WIDE):
                wrong.append(f"{name} is {wide} pixels wider than a phone")
        assert wrong == []
        assert page.context.cookies() == []


def test_a_chapter_shows_its_formulas_figures_and_stills(chromium, address, tmp_path):
    with browser_page(chromium, tmp_path) as (page, problems):
        assert open_page(page, problems, f"{address}/chapters/04_anchor_boxes.html") == []
        assert page.locator("mjx-container").count() > 20
        for figure in page.locator(".cell_output img").all():
            figure.scroll_into_view_if_needed()
            assert figure.get_attribute("alt")
            if figure.get_attribute("loading"):  # what comes late has its room before
                assert int(figure.get_attribute("height")) > 50
        page.wait_for_function(
            "[...document.querySelectorAll('.cell_output img')].every(i => i.complete && i.naturalWidth)"
        )
        stills = page.locator(".stills").first
        stills.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('.stills img').naturalWidth > 0")
        before = stills.locator(".stills-sheet").screenshot()
        knob = stills.locator("input").first
        for _ in range(2):
            knob.press("ArrowRight")
        assert stills.locator("output").first.text_content() == knob.get_attribute("aria-valuetext")
        assert stills.locator(".stills-sheet").screenshot() != before
        hint = page.locator("details.hint").first
        assert not hint.locator("p").last.is_visible()
        hint.locator("summary").click()
        assert hint.locator("p").last.is_visible()


def test_search_finds_roi_align_in_chapter_05(chromium, address, tmp_path):
    with browser_page(chromium, tmp_path) as (page, problems):
        page.goto(f"{address}/search.html?q=RoI+align")
        first = page.locator("#search-results li a").first
        first.wait_for(timeout=30_000)
        page.wait_for_function(
            "document.querySelector('#search-results .search-summary, .search-summary')"
        )
        assert "05_the_rcnn_family" in first.get_attribute("href")
        first.click()
        page.wait_for_url("**/05_the_rcnn_family.html*")
        assert not problems


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_two_pages_for_people_to_look_at(chromium, address, tmp_path, scheme):
    folder = Path(os.environ.get("D2LHELPERS_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    with browser_page(chromium, tmp_path) as (page, problems):
        page.emulate_media(color_scheme=scheme)
        for name in ("index", "chapters/04_anchor_boxes"):
            for width, height in SIZES:
                page.set_viewport_size({"width": width, "height": height})
                assert open_page(page, problems, f"{address}/{name}.html") == []
                picture = folder / f"{Path(name).name}-{width}-{scheme}.png"
                page.screenshot(path=picture)
                assert picture.stat().st_size > 20_000
