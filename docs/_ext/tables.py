"""The measured results as tables: mean and range of the seeds, and the command that measures them again."""

from __future__ import annotations

import ast
import json

from _ext.course import Chapter, Course
from d2lhelpers.experiments import EXPERIMENTS

FIRST = "detectors"  # the table that the course is known by
# How a measure is named, and an experiment. Others keep their names.
MEASURES = {
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
# where the same word means something else, or needs more words
MEASURES_OF = {
    "attention": {"mass": "attention on the object", "hit": "its peak on the object"},
    "enlarging": {
        "psnr": "PSNR, dB",
        "judge": "distance by another network",
        "detail": "fine detail",
    },
    "shortcuts": {"mass": "attention on the object"},
    "style": {"ms": "ms an evaluation"}
    | {str(n): f"loss after {n} evaluations" for n in (5, 10, 20, 40, 80, 160)},
    "style-networks": {"texture": "distance in texture", "colour": "distance in colours"},
}
# of the maps of chapter 12: mass on two toys, and likeness once the network is random down to a block
ENDINGS = {
    " other": ": share on the other toy",
    ", head": ": likeness, head random",
    ", conv4": ": likeness, random down to conv4",
    ", conv3": ": likeness, random down to conv3",
    ", conv2": ": likeness, random down to conv2",
    ", conv1": ": likeness, all random",
    "": ": share on the toy asked about",
}
TITLES = {
    "attention": "Attention for images",
    "enlarging": "Enlarging pictures",
    "fcn": "FCN",
    "fcn-long": "FCN, trained longer",
    "rcnn": "The R-CNN family",
    "seeing": "Maps of what a network sees",
    "shortcuts": "Colour, shape and scene",
    "ssd": "SSD",
    "style": "Style transfer, L-BFGS and Adam",
    "style-networks": "Style transfer by another network",
    "yolo": "YOLO",
    "yolo-long": "YOLO, trained longer",
}
SECTION = """({label})=
## {title}

{question}

:::{{container}} results
{table}
:::

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
        table=_table(name, kept["rows"]),
    )  # fmt: skip


def _setting(value: object) -> str:
    return f"`{json.dumps(value)}`" if isinstance(value, list | dict) else str(value)


def _reads(chapter: Chapter, name: str) -> bool:
    """Whether a chapter calls `read` with the name of an experiment."""
    return any(
        ast.unparse(node.func).split(".")[-1] == "read" and ast.unparse(node.args[0]) == repr(name)
        for node in ast.walk(chapter.tree)
        if isinstance(node, ast.Call) and node.args
    )


def _table(experiment: str, rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row for each variant; a column for each, where that is narrower by far."""
    names = list(
        dict.fromkeys(name for seeds in rows.values() for r in seeds.values() for name in r)
    )
    columns = [
        _column([[r[name] for r in seeds.values() if name in r] for seeds in rows.values()])
        for name in names
    ]
    heads, labels = [_named(experiment, name) for name in names], list(rows)
    cells = list(zip(*columns, strict=True))
    if len(heads) > max(6, len(labels)):
        heads, labels, cells = labels, heads, columns
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    lines += [
        f"| {label} | " + " | ".join(row) + " |" for label, row in zip(labels, cells, strict=True)
    ]
    return "\n".join(lines)


def _named(experiment: str, name: str) -> str:
    """A measure's name in words."""
    if experiment == "seeing" and name != "accuracy":
        ending, words = next(pair for pair in ENDINGS.items() if name.endswith(pair[0]))
        return name.removesuffix(ending) + words
    return {**MEASURES, **MEASURES_OF.get(experiment, {})}.get(name, name)


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
