"""Is everything here that the course needs? Rows for `python -m d2lhelpers doctor`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from d2lhelpers.datasets.registry import REGISTRY, Source
from d2lhelpers.datasets.store import contents
from d2lhelpers.files import ROOT

PYTHON_VERSIONS = ((3, 11), (3, 14))  # oldest and newest, as in pyproject.toml
NEEDED = ("torch", "torchvision", "torchmetrics", "d2l", "jupyterlab", "ipywidgets")
MEMORY_NEEDED = 2.5  # GiB, the most that a chapter may take
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_CHROMIUM = "`apt-get install chromium`, or `uv run playwright install --with-deps chromium`"
# the pictures that come with scikit-image, so that no chapter has to download one
PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "ihc.png",
    "hubble_deep_field.jpg", "lfw_subset.npy", "moon.png", "motorcycle_left.png", "retina.jpg",
    "rocket.jpg",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One thing looked for: what was found and, where it is missing, what to do."""

    name: str
    present: bool
    found: str
    advice: str
    # by every student; False: by some chapters or by those who work on the course
    needed: bool = True

    def __str__(self) -> str:
        mark = "ok" if self.present else "missing" if self.needed else "absent"
        return f"{mark:8} {self.name:17} {self.found if self.present else f'{self.found} -> {self.advice}'}"


def examine() -> list[Row]:
    """All rows, in the order in which things depend on each other."""
    return [
        _python(),
        *(_package(name) for name in NEEDED),
        _widgets(),
        _device(),
        _threads(),
        _memory(),
        _photographs(),
        _weights(ROOT / "data" / "weights"),
        *(_source(source) for source in REGISTRY.values()),
        _chromium(),
    ]


def find_chromium() -> str | None:
    """The path of a Chromium that playwright can drive, the system's or playwright's own, if any."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    if importlib.util.find_spec("playwright") is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def _python() -> Row:
    oldest, newest = (".".join(map(str, numbers)) for numbers in PYTHON_VERSIONS)
    present = PYTHON_VERSIONS[0] <= sys.version_info[:2] <= PYTHON_VERSIONS[1]
    advice = f"the course runs on Python {oldest} to {newest}: `uv run` finds or fetches one"
    return Row("Python", present, platform.python_version(), advice)


def _package(name: str) -> Row:
    try:
        # being installed is not enough: torchvision fails beside another torch
        importlib.import_module(name)
    except Exception as problem:
        found = f"{type(problem).__name__}: {problem}".splitlines()[0]
        return Row(
            name, False, found, "`uv sync`, or `pip install -e .` in an environment of your own"
        )
    return Row(name, True, version(name), "")


def _widgets() -> Row:
    from jupyter_core.paths import jupyter_path

    name = "@jupyter-widgets/jupyterlab-manager"
    present = any(
        (Path(folder) / name / "package.json").exists() for folder in jupyter_path("labextensions")
    )
    advice = "`pip install ipywidgets` in the environment that JupyterLab runs in, then restart JupyterLab"
    return Row(
        "widgets", present, "JupyterLab's half is " + ("here" if present else "not here"), advice
    )


def _device() -> Row:
    try:
        from d2lhelpers.devices import best_device

        device = best_device()
    except (ImportError, RuntimeError) as problem:
        return Row(
            "device", False, str(problem), "mend torch, or unset D2LHELPERS_REQUIRE_GPU for the CPU"
        )
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return Row("device", True, f"{device} ({name})", "")


def _threads() -> Row:
    try:
        import torch
    except (ImportError, OSError) as problem:
        return Row("threads", False, str(problem), "mend torch first")
    return Row("threads", True, f"{torch.get_num_threads()} in torch, {os.cpu_count()} cores", "")


def _memory() -> Row:
    memory = psutil.virtual_memory()
    free, total = memory.available / 2**30, memory.total / 2**30
    advice = f"a chapter takes up to {MEMORY_NEEDED} GiB: close other programs and other kernels"
    return Row("memory", free >= MEMORY_NEEDED, f"{free:.1f} GiB free of {total:.1f}", advice)


def _photographs() -> Row:
    spec = importlib.util.find_spec("skimage")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    absent = [name for name in PHOTOGRAPHS if folder is None or not (folder / name).exists()]
    found = f"{len(PHOTOGRAPHS) - len(absent)} of {len(PHOTOGRAPHS)} of scikit-image's"
    advice = f"`uv sync --reinstall-package scikit-image` brings {', '.join(absent)}"
    return Row("photographs", not absent, found, advice)


def _weights(folder: Path) -> Row:
    files = sorted(
        path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")
    )
    found = ", ".join(f"{path.name} ({path.stat().st_size / 2**20:.1f} MiB)" for path in files)
    advice = "`git pull`: a chapter that needs weights brings them along in data/weights"
    return Row("weights", bool(files), found or "none", advice, needed=False)


def _source(source: Source) -> Row:
    present = contents(source).exists()
    found = f"{'fetched' if present else 'not fetched'} ({source.megabytes})"
    advice = f"the mini tier serves; for the full one `python -m d2lhelpers fetch {source.name}`"
    return Row(source.name, present, found, advice, needed=False)


def _chromium() -> Row:
    path = find_chromium()
    advice = f"for the browser test: {INSTALL_CHROMIUM}"
    return Row("Chromium", path is not None, path or "none", advice, needed=False)
