"""The measured results as tables: mean and range of the seeds, and the command that measures them again."""

from __future__ import annotations

import ast
import json

from _ext.course import Chapter, Course
from d2lhelpers.experiments import EXPERIMENTS

FIRST = "detectors"  # the table that the course is known by
# How a column is headed, and a section. Others keep their names.
COLUMNS = {
    "ap50": "AP50",
    "ap": "AP",
    "small": "AP, small objects",
    "ms": "ms a picture",
    "minutes": "minutes of training",
    "network ms": "ms in the network",
    "mask iou": "mask IoU",
    "small mask iou": "mask IoU, small",
    "test": "mIoU, unseen photographs",
    "familiar": "mIoU, familiar photographs",
    "near": "mIoU near outlines",
    "far": "mIoU far from them",
}
TITLES = {
    "fcn": "FCN",
    "fcn-long": "FCN, trained longer",
    "rcnn": "The R-CNN family",
    "ssd": "SSD",
    "yolo": "YOLO",
    "yolo-long": "YOLO, trained longer",
}
SECTION = """({label})=
## {title}

{question}

{table}

{about} Measure it again, a seed at a time, with

```sh
uv run python -m d2lhelpers experiment {name}
```
"""


def results(course: Course) -> str:
    """Markdown: a section for each experiment that has results, the detectors first."""
    folder = course.root / "data" / "results"
    names = sorted(EXPERIMENTS, key=lambda name: (name != FIRST, name))
    return "\n".join(
        _section(name, json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), course)
        for name in names
        if (folder / f"{name}.json").exists()
    )


def _section(name: str, kept: dict, course: Course) -> str:
    settings = ", ".join(f"{key} {_setting(value)}" for key, value in kept["settings"].items())
    seeds = max(len(rows) for rows in kept["rows"].values())
    machine = kept["machine"]
    about = f"{seeds} seeds, mean and half the range; {settings}; PyTorch {machine['torch']}"
    if threads := machine.get("threads"):
        about += f", {threads} thread{'s' if threads > 1 else ''}"
    where = [c for c in course.chapters if _reads(c, name)]
    drawn = ", ".join(f"[{c.number} {c.title}]({c.page}.ipynb)" for c in where)
    about += f". Drawn in {drawn}." if drawn else "."
    title = TITLES.get(name, name.replace("-", " ").capitalize())
    return SECTION.format(
        label=f"results-{name}", title=title, question=kept["question"], name=name, about=about,
        table=_table(kept["rows"]),
    )  # fmt: skip


def _setting(value: object) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def _reads(chapter: Chapter, name: str) -> bool:
    """Whether a chapter calls `read` with the name of an experiment."""
    return any(
        ast.unparse(node.func).split(".")[-1] == "read" and ast.unparse(node.args[0]) == repr(name)
        for node in ast.walk(chapter.tree)
        if isinstance(node, ast.Call) and node.args
    )


def _table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    names = list(
        dict.fromkeys(name for seeds in rows.values() for r in seeds.values() for name in r)
    )
    lines = ["| | " + " | ".join(COLUMNS.get(name, name) for name in names) + " |"]
    lines.append("|---|" + "---:|" * len(names))
    columns = [
        _column([[r[name] for r in seeds.values() if name in r] for seeds in rows.values()])
        for name in names
    ]
    for variant, cells in zip(rows, zip(*columns, strict=True), strict=True):
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _column(variants: list[list[float]]) -> list[str]:
    """Mean ± half the range of each, all with as many digits as the largest leaves meaning; "–" for no value."""
    largest = max(max(values) for values in variants if values)
    digits = 3 if largest < 2 else 1 if largest < 1000 else 0
    cells = []
    for values in variants:
        if not values:
            cells.append("–")
            continue
        mean, spread = sum(values) / len(values), (max(values) - min(values)) / 2
        cells.append(f"{mean:,.{digits}f}" + (f" ± {spread:.{digits}f}" if digits else ""))
    return cells
