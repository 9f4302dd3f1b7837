"""MathJax, served by the site itself: the files come with a Python package and are checked by their hash."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import distribution
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

CARRIER, FOLDER = "sphinx-mathjax-offline", "sphinx-mathjax-offline/static/mathjax"
# MathJax 3.2.2. Only what a page of formulas needs: two thirds of what the usual bundle weighs, and no menu.
SHA256 = {
    "startup.js": "84f4ec49041b12a6dadc5d1689babc80f417435cfcbd890ec712e374152bbb88",
    "core.js": "44d9c29f77d89537e024d165e2c0d7e981a98d75ed53b6c236fac899ed631abb",
    "input/tex-base.js": "8479dec6af20d01ecca8f9785609c6d80ff9e3fc2ff4e038400632e78cec6c51",
    "input/tex/extensions/ams.js": "624d59b8b8585d3d69a8106b87bac62f8a2495b6caea7906a258ce1f15ff1ea4",
    "output/chtml.js": "287022a5672cb02108104df6a0c4d1ae219cc9d9e53e06ccb8c023c47ff867ce",
    "output/chtml/fonts/tex.js": "b525b71e41a7fdb124ef6a2b44d5250cb7fc2f56d7e73494ad03d090d0e4f28a",
    "a11y/assistive-mml.js": "5b8414e36cd63d154b90beab67e5e3399c7439aff97f4b556761224f8176f657",
}
FONTS = "output/chtml/fonts/woff-v2"
SETTINGS = {
    "loader": {"load": ["core", "input/tex-base", "[tex]/ams", "output/chtml", "a11y/assistive-mml"]},
    "tex": {"packages": {"[+]": ["ams"]}},
    # wide formulas scroll within themselves on a phone, see course.css
    "chtml": {"displayAlign": "center"},
}  # fmt: skip


def copy(app: Sphinx, exception: Exception | None) -> None:
    """Put MathJax beside the pages.

    Raises:
        ExtensionError: a file is not the one that was pinned.
    """
    if exception or app.builder.format != "html":
        return
    source = Path(distribution(CARRIER).locate_file(FOLDER))
    target = Path(app.outdir) / "_static" / "mathjax"
    for name, digest in SHA256.items():
        content = (source / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise ExtensionError(f"{name} of {CARRIER} is not MathJax 3.2.2's: see {__file__}")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.config.mathjax_path = "mathjax/startup.js"
    app.config.mathjax3_config = SETTINGS
    # before the checks, which look for every file that a page asks for
    app.connect("build-finished", copy, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
