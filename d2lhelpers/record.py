"""What the last run of each chapter came to, kept in `data/`, for README's table and the web page."""

from __future__ import annotations

import base64
import io
import json
import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from PIL import Image

from d2lhelpers import STILLS_MIME
from d2lhelpers.files import ROOT, write_bytes
from d2lhelpers.notebooks import Report, find_chapters

THUMBNAIL_WIDTH = 320
TABLE_BEGIN, TABLE_END = "<!-- chapters:begin -->", "<!-- chapters:end -->"


def title(nb: NotebookNode) -> str:
    """The text of the first H1, or "" when there is none."""
    return _first_match(nb, r"^# +(.+?) *$")


def data_tier(nb: NotebookNode) -> str:
    """What follows **Data:** on the first line that begins with it, or "" when there is none."""
    return _first_match(nb, r"^\*\*Data:\*\* *(.+?) *$")


def _first_match(nb: NotebookNode, pattern: str) -> str:
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else ""


def thumbnail(nb: NotebookNode, width: int = THUMBNAIL_WIDTH) -> tuple[bytes, str] | None:
    """The first picture of the cell tagged `thumbnail`, as a JPEG of at most `width` pixels across, and its words.

    Returns:
        None when no cell has that tag, or the one that has it shows no picture.
    """
    tagged = (cell for cell in nb.cells if "thumbnail" in cell.metadata.get("tags", []))
    for output in (output for cell in tagged for output in cell.get("outputs", [])):
        for mime in ("image/png", "image/jpeg"):
            if mime in output.get("data", {}):
                with Image.open(io.BytesIO(base64.b64decode(output.data[mime]))) as picture:
                    small = picture.convert("RGB")
                small.thumbnail((width, small.height))
                small.save(jpeg := io.BytesIO(), "jpeg", quality=88, optimize=True)
                return jpeg.getvalue(), output.metadata.get(mime, {}).get("alt", "")
    return None


def chapter_table(root: Path = ROOT) -> str:
    """README's Markdown table: a row a chapter, from its notebook and what `record` kept of its run."""
    kept = results(root)
    rows = ["| | chapter | picture | time | data |", "|---|---|---|---|---|"]
    for path in find_chapters(root=root):
        nb = nbformat.read(path, as_version=4)
        small, run = root / "data" / "thumbnails" / f"{path.stem}.jpg", kept.get(path.stem)
        alt = (thumbnail(nb) or (b"", ""))[1] or title(nb)
        cells = (
            path.stem.split("_")[0],
            f"[{title(nb)}]({path.relative_to(root).as_posix()})",
            f"![{alt}]({small.relative_to(root).as_posix()})" if small.exists() else "",
            f"{run['seconds']:.0f} s, {run['cpu_count']} cores" if run else "",
            data_tier(nb),
        )
        rows.append("| " + " | ".join(text.replace("|", r"\|") for text in cells) + " |")
    return "\n".join(rows)


def results(root: Path) -> dict[str, dict]:
    """What `record` kept, by the chapters' file names without ending; empty before the first recorded run."""
    path = root / "data" / "results" / "chapters.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keep_stills(nb: NotebookNode, chapter: str, root: Path = ROOT) -> None:
    """Put the stills that a run of a chapter drew into `data/stills`, in place of those that were there.

    Args:
        nb: as executed, not yet normalised.
        chapter: the notebook's file name without its ending.
        root: of the course.
    """
    folder = root / "data" / "stills"
    outputs = (output for cell in nb.cells for output in cell.get("outputs", []))
    plays = [o.data[STILLS_MIME] for o in outputs if STILLS_MIME in o.get("data", {})]
    for old in folder.glob(f"{chapter}*"):
        old.unlink()
    described = []
    for number, play in enumerate(plays, 1):
        name = f"{chapter}-{number}.webp"
        write_bytes(base64.b64decode(play["sheet"]), folder / name)
        kept = {key: play[key] for key in ("controls", "height", "width")}
        described.append({**kept, "sheet": name})
    if described:
        text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
        write_bytes(text.encode(), folder / f"{chapter}.json")


def read_stills(chapter: str, root: Path = ROOT) -> list[dict[str, Any]]:
    """What `keep_stills` kept, a widget each; empty when there is nothing. "sheet" is a file beside it."""
    path = root / "data" / "stills" / f"{chapter}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def record(runs: Iterable[tuple[NotebookNode, Report]], root: Path = ROOT) -> None:
    """Keep what `runs` measured in `data/results/chapters.json`, thumbnails and README's table.

    Chapters that are not among them stay as they were.

    Raises:
        ValueError: README.md lacks the two markers between which the table stands.
    """
    readme = root / "README.md"
    before, begin, rest = readme.read_text(encoding="utf-8").partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not (begin and end):
        raise ValueError(
            f"README.md must hold the lines {TABLE_BEGIN} and {TABLE_END}, in this order"
        )
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in ("torch", "torchvision")}
    kept = results(root)
    for nb, report in runs:
        kept[report.chapter] = {
            "seconds": round(report.seconds, 1), "peak_mib": round(report.peak_memory / 2**20),
            "claims_held": report.claims_held, "claims_made": report.claims_made,
            "cpu_count": os.cpu_count(), "versions": versions,
        }  # fmt: skip
        if small := thumbnail(nb):
            write_bytes(small[0], root / "data" / "thumbnails" / f"{report.chapter}.jpg")
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    write_bytes(text.encode(), root / "data" / "results" / "chapters.json")
    write_bytes(f"{before}{begin}\n{chapter_table(root)}\n{end}{after}".encode(), readme)
