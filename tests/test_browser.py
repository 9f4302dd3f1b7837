"""A chapter as a student meets it: JupyterLab started by README's command and driven in a real browser."""

import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from d2lhelpers.doctor import INSTALL_CHROMIUM, find_chromium
from d2lhelpers.files import ROOT
from d2lhelpers.notebooks import find_chapters
from d2lhelpers.record import results

TOKEN = "only-on-loopback"
START_TIMEOUT = 120  # seconds until JupyterLab, its page and the kernel are there
RUN_TIMEOUT = 600  # seconds that all cells of a chapter may take
FIGURE_TIMEOUT = 30  # seconds from a key to the new figure
MAX_KEYS = 20  # one step of a slider need not change its figure, so many must

CELLS = "jupyterapp.shell.currentWidget.content.model.toJSON().cells.filter(c => c.cell_type === 'code')"
KERNEL_IS_IDLE = (
    "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
)


def has_slider(path: Path) -> bool:
    cells = nbformat.read(path, as_version=4).cells
    return any(cell.cell_type == "code" and "Slider(" in cell.source for cell in cells)


@pytest.fixture
def chromium():
    path = find_chromium()
    if path is None:
        message = f"no Chromium to test with; {INSTALL_CHROMIUM}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@contextmanager
def jupyterlab(folder: Path, shown: str = "notebooks"):
    """Starts JupyterLab in `folder` on what is `shown`, with settings of its own; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    # The two questions that JupyterLab would ask the internet.
    notification = Path(
        own["JUPYTER_CONFIG_DIR"], "lab/user-settings/@jupyterlab/apputils-extension"
    )
    notification.mkdir(parents=True)
    (notification / "notification.jupyterlab-settings").write_text(
        '{"checkForUpdates": false, "fetchNews": "false"}'
    )
    command = [
        *(sys.executable, "-m", "jupyter", "lab", shown),  # README's command, and what a test needs
        *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"),
    ]  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, server, folder / "server.log")
            yield address
        finally:
            server.terminate()  # it ends its kernels first
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and server.poll() is None:
        try:
            direct.open(f"{address}/api", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


@contextmanager
def browser_page(chromium: str, folder: Path):
    """An empty page that can reach loopback only; gives it with the list of all that went wrong in it."""
    from playwright.sync_api import sync_playwright

    problems: list[str] = []

    def watch(message) -> None:
        if message.type == "error":
            problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def allow_loopback(route, request) -> None:
        if urlsplit(request.url).hostname in ("127.0.0.1", None):  # None: data: and blob: addresses
            route.continue_()
        else:
            problems.append(f"request to {request.url}")
            route.abort()

    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.on("console", watch)
        page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
        page.route("**/*", allow_loopback)
        try:
            yield page, problems
        except BaseException as error:
            page.screenshot(path=folder / "failure.png", full_page=True)
            error.add_note(f"the page: {folder / 'failure.png'}; it said: {problems}")
            raise
        finally:
            browser.close()


def run_all_cells(page) -> None:
    """Runs an open notebook from top to bottom; every cell must have run and none shown an error."""
    page.wait_for_function(f"window.jupyterapp && {KERNEL_IS_IDLE}", timeout=START_TIMEOUT * 1000)
    page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert page.evaluate(f"{CELLS}.every(c => c.execution_count === null && !c.outputs.length)")
    # Not awaited: what the command returns is no good to us when a cell fails.
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
    error = "c.outputs.some(o => o.output_type === 'error')"
    page.wait_for_function(
        f"{KERNEL_IS_IDLE} && ({CELLS}.every(c => c.execution_count) || {CELLS}.some(c => {error}))",
        timeout=RUN_TIMEOUT * 1000,
    )
    failed = page.evaluate(f"{CELLS}.filter(c => {error})")
    assert not failed, failed
    counts = page.evaluate(f"{CELLS}.map(c => c.execution_count)")
    assert counts == list(range(1, len(counts) + 1))


def move_a_slider(page) -> None:
    """The arrow keys must move the first slider and change the figure beside it."""
    output = page.locator(".jp-OutputArea-output", has=page.locator(".widget-slider")).first
    output.scroll_into_view_if_needed()
    handle = output.locator("[role=slider]").first
    figure = output.locator("img.widget-image").first
    value, picture, source = (
        handle.get_attribute("aria-valuenow"),
        figure.screenshot(),
        figure.get_attribute("src"),
    )
    at_end = value == handle.get_attribute("aria-valuemax")
    for _ in range(MAX_KEYS):
        handle.press("ArrowLeft" if at_end else "ArrowRight")
    assert handle.get_attribute("aria-valuenow") != value, "the arrow keys do not move the slider"
    end = time.monotonic() + FIGURE_TIMEOUT
    while figure.get_attribute("src") == source or figure.screenshot() == picture:
        assert time.monotonic() < end, "the slider moves and its figure does not change"
        page.wait_for_timeout(100)


def study(path: Path, chromium: str, folder: Path) -> None:
    """Opens a notebook, runs it, plays with it; raises AssertionError for anything that is not as it should be."""
    with jupyterlab(folder) as address, browser_page(chromium, folder) as (page, problems):
        page.goto(f"{address}/lab/tree/{path.name}?token={TOKEN}&reset")
        run_all_cells(page)
        move_a_slider(page)
        assert not problems


def test_a_chapter_in_the_browser(chromium, tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")  # JupyterLab saves what it opens
    chapters = [path for path in find_chapters(root=tmp_path) if has_slider(path)]
    assert chapters, "no chapter has a slider"
    recorded = results(ROOT)
    # nbval runs them all anyway, so here the quickest will do; one that was never timed comes last
    chapter = min(chapters, key=lambda path: recorded.get(path.stem, {}).get("seconds", math.inf))
    study(chapter, chromium, tmp_path)
