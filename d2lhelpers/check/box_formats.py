"""The exercises on how boxes are written down: COCO's format, and the row of a table of pixels."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["coco_to_corner", "fraction_labels"]


def my_coco_to_corner(boxes):
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x, y, x + w, y + h), dim=-1)


def _coco_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(31)
    corners = random_boxes(9, generator) * 400
    return [
        Case("a box at (2, 3), 4 wide and 6 high", (rows((2, 3, 4, 6)),)),
        Case("a box in the picture's corner", (rows((0, 0, 5, 1)),)),
        Case("three boxes", (rows((1, 1, 2, 2), (10, 20, 30, 5), (0.5, 7, 0.25, 8)),)),
        Case("no boxes", (rows(),), edge=True),
        Case(
            "many boxes of a photograph",
            (torch.cat((corners[:, :2], corners[:, 2:] - corners[:, :2]), dim=1),),
        ),
    ]


def _centre(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), dim=-1)


def _exchanged(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x, y, x + h, y + w), dim=-1)


coco_to_corner = Exercise(
    name="coco_to_corner",
    title="COCO's format",
    statement=(
        "`boxes` is (N, 4), each row a box as COCO's files have it: (x, y, width, height), where (x, y) is the "
        "top-left *corner*. Return the same boxes as (N, 4) corners (x1, y1, x2, y2)."
    ),
    reference=my_coco_to_corner,
    solution_function=my_coco_to_corner,
    cases_function=_coco_cases,
    mistakes=(
        Mistake("centre",
            "It looks like (x, y) is taken for the box's centre. That is the third format, the one that networks "
            "predict. In COCO's files it is the top-left corner, so that half of the size must not be subtracted.",
            _centre),
        Mistake("unchanged",
            "The boxes come back as they were. The last two numbers are a width and a height; wanted are the right "
            "and the bottom edge.",
            lambda boxes: boxes.clone()),
        Mistake("minus_one",
            "It looks like `x + w - 1`: the number of the last pixel inside the box. Here coordinates are positions "
            "*between* pixels: a box that begins at 2 and is 4 wide ends at 6.",
            lambda boxes: my_coco_to_corner(boxes) - torch.tensor([0.0, 0, 1, 1])),
        Mistake("exchanged",
            "It looks like width and height are exchanged. The width goes with x, the height with y.",
            _exchanged),
    ),
    hints=(
        "Draw a box whose top-left corner is (2, 3), 4 wide and 6 high. Where is its right edge?",
        "The first two numbers stay. The third is the first plus the width.",
        "`x, y, w, h = boxes.unbind(-1)`, then `torch.stack((x, y, ..., ...), dim=-1)`.",
    ),
)  # fmt: skip


def my_fraction_labels(rows, height, width):
    # the class is a name, not a length: it is divided by 1
    return rows / torch.tensor([1, width, height, width, height])


def _divided(*by: str):
    """Divide the five columns by these: "1", "width" or "height"."""

    def function(rows: Tensor, height: int, width: int) -> Tensor:
        sizes = {"1": 1.0, "width": width, "height": height}
        return rows / torch.tensor([sizes[one] for one in by])

    return function


def _whole(rows: Tensor, height: int, width: int) -> Tensor:
    classes, corners = rows[:, :1], my_fraction_labels(rows, height, width)[:, 1:]
    return torch.cat((classes, corners.round()), dim=1)


def _fraction_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(32)
    boxes = random_boxes(8, generator) * floats(640, 480, 640, 480)
    classes = torch.randint(0, 20, (8, 1), generator=generator).float()
    row = lambda *values: rows(*values, columns=5)  # noqa: E731
    return [
        Case("an object of class 0, in a picture of 8 x 8 pixels", (row((0, 2, 4, 6, 8)), 8, 8)),
        Case("the same, of class 3", (row((3, 2, 4, 6, 8)), 8, 8)),
        Case("a picture 10 high and 20 wide", (row((0, 5, 5, 10, 10), (2, 0, 0, 20, 10)), 10, 20)),
        Case("no objects", (row(), 10, 20), edge=True),
        Case("eight objects of a photograph", (torch.cat((classes, boxes), dim=1), 480, 640)),
    ]


fraction_labels = Exercise(
    name="fraction_labels",
    title="Bug hunt: a class divided away",
    statement=(
        "`rows` is (N, 5), each an object as the table has it: (class, x1, y1, x2, y2), the corners in pixels of a "
        "picture of `height` x `width`. Return (N, 5), the same rows with the corners in fractions of the picture."
    ),
    reference=my_fraction_labels,
    solution_function=my_fraction_labels,
    cases_function=_fraction_cases,
    mistakes=(
        Mistake("all_by_width",
            "It looks like the whole row is divided by one number, the class with it. Class 0 survives that, which is "
            "why nobody notices in d2l's bananas; class 3 becomes a fraction of a class. And a picture that is not "
            "square has two sizes.",
            _divided("width", "width", "width", "width", "width")),
        Mistake("class_divided",
            "The corners are right, but the class is divided, too. It is a name that happens to be a number: leave "
            "it alone.",
            _divided("width", "width", "height", "width", "height")),
        Mistake("one_size",
            "It looks like all corners are divided by the width. y counts in heights.",
            _divided("1", "width", "width", "width", "width")),
        Mistake("exchanged",
            "It looks like height and width are exchanged: x runs along the width, y along the height.",
            _divided("1", "height", "width", "height", "width")),
        Mistake("rounded",
            "It looks like the fractions are rounded to whole numbers: of a box in [0, 1] only 0s and 1s are left.",
            _whole),
    ),
    hints=(
        "What is the class after `/ 256` if it was 0, and what if it was 3?",
        "Each of the five columns has its own divisor. For the class it is 1.",
        "`rows / torch.tensor([1, width, ..., ..., ...])`.",
    ),
)  # fmt: skip
