"""The exercise on offsets: from an anchor to its box."""

from functools import partial

import torch
from torch import Tensor

from d2lhelpers import anchors as package
from d2lhelpers.boxes import box_corner_to_center
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["offset_boxes"]


def _offset_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    cases = [
        Case("the box is the anchor itself", (rows((0, 0, 2, 2)), rows((0, 0, 2, 2)))),
        Case(
            "the box is the anchor, moved right by half its width",
            (rows((0, 0, 2, 2)), rows((1, 0, 3, 2))),
        ),
        Case(
            "the box is twice as wide, around the same centre",
            (rows((1, 1, 3, 3)), rows((0, 1, 4, 3))),
        ),
        Case(
            "the box is smaller and lies up and to the right",
            (rows((2, 4, 6, 8)), rows((4, 3, 6, 5))),
        ),
        Case("the anchor is wider than high", (rows((2, 2, 10, 6)), rows((3, 4, 7, 6)))),
        Case(
            "two anchors, each with its box",
            (rows((0, 0, 2, 4), (3, 3, 7, 5)), rows((1, 1, 3, 3), (2, 2, 6, 6))),
        ),
        Case("no anchors", (rows(), rows()), edge=True),
    ]
    for num in (1, 6):
        pair = random_boxes(num, generator, 0.8), random_boxes(num, generator, 0.8)
        cases.append(Case(f"random boxes in fractions of the picture, {num} of them", pair))
    pair = (640 * random_boxes(12, generator, 0.6, torch.float64) for _ in range(2))
    return [*cases, Case("random boxes in pixels, float64", tuple(pair))]


def _encode(
    anchors: Tensor,
    box: Tensor,
    centre_scale: float = 10,
    size_scale: float = 5,
    divisor: str = "anchor",
) -> Tensor:
    a, b = box_corner_to_center(anchors), box_corner_to_center(box)
    side = a[:, 2:] if divisor == "anchor" else b[:, 2:]
    return torch.cat(
        (centre_scale * (b[:, :2] - a[:, :2]) / side, size_scale * torch.log(b[:, 2:] / a[:, 2:])),
        1,
    )


def _precedence(anchors: Tensor, box: Tensor) -> Tensor:
    a, b = box_corner_to_center(anchors), box_corner_to_center(box)
    return torch.cat((10 * (b[:, :2] - a[:, :2] / a[:, 2:]), _encode(anchors, box)[:, 2:]), 1)


def _no_log(anchors: Tensor, box: Tensor) -> Tensor:
    a, b = box_corner_to_center(anchors), box_corner_to_center(box)
    return torch.cat((_encode(anchors, box)[:, :2], 5 * b[:, 2:] / a[:, 2:]), 1)


def _corners(anchors: Tensor, box: Tensor) -> Tensor:
    size = 5 * torch.log(box[:, 2:] / anchors[:, 2:])
    return torch.cat((10 * (box[:, :2] - anchors[:, :2]) / anchors[:, 2:], size), 1)


def _top_left(anchors: Tensor, box: Tensor) -> Tensor:
    side = anchors[:, 2:] - anchors[:, :2]
    return torch.cat((10 * (box[:, :2] - anchors[:, :2]) / side, _encode(anchors, box)[:, 2:]), 1)


NEEDS_CORNER = "import torch\n\nfrom d2lhelpers import box_corner_to_center"

offset_boxes = Exercise(
    name="offset_boxes",
    title="From an anchor to its box",
    statement=(
        "`anchors` and `assigned_bb` are (N, 4) corners, one box for each anchor, all with an area. Return "
        "the (N, 4) offsets: 10 (cx_b - cx_a) / w_a, 10 (cy_b - cy_a) / h_a, 5 log(w_b / w_a), 5 log(h_b / "
        "h_a), where (cx, cy) is a centre, (w, h) a size, a the anchor and b its box."
    ),
    reference=partial(package.offset_boxes, eps=0),
    solution_function=solutions.my_offset_boxes,
    needs=NEEDS_CORNER,
    cases_function=_offset_cases,
    # d2l and the package add 1e-6 inside the logarithm; with it or without it an answer is right.
    tolerance=(1e-4, 5e-4),
    draw=drawn.draw_offsets,
    mistakes=(
        Mistake("precedence",
            "It looks like `c_b - c_a / wh`: division comes before subtraction, so only the anchor's centre "
            "is divided. The distance is what has to be divided: `(c_b - c_a) / wh`. Even an anchor that is "
            "its box gets an offset.",
            _precedence),
        Mistake("no_scales",
            "It looks like the factors are missing: 10 for the centre, 5 for the size. They bring both "
            "offsets to about unit scale, so that one loss can weigh them alike.",
            lambda a, b: _encode(a, b, 1, 1)),
        Mistake("swapped_scales",
            "It looks like the two factors are exchanged: 10 belongs to the centre, 5 to the size.",
            lambda a, b: _encode(a, b, 5, 10)),
        Mistake("no_log",
            "It looks like the logarithm is missing. Without it a box of the anchor's size has offset 5 and "
            "not 0, and half the size is nearer to it than double: the logarithm puts both equally far away.",
            _no_log),
        Mistake("inverted_log",
            "It looks like the logarithm of anchor over box. Divide the box's size by the anchor's, so that "
            "a box larger than the anchor has a positive offset.",
            lambda a, b: _encode(a, b, size_scale=-5)),
        Mistake("reversed",
            "It looks like anchor minus box, from the box to the anchor. The offset leads from the anchor "
            "to its box.",
            lambda a, b: torch.cat((_encode(a, b, -10)[:, :2], _encode(a, b)[:, 2:]), 1)),
        Mistake("box_size",
            "It looks like the distance is divided by the box's size. Divide by the anchor's: when "
            "predictions are decoded, only the anchor is known.",
            lambda a, b: _encode(a, b, divisor="box")),
        Mistake("corners",
            "It looks like the corners are used as if they were centres and sizes. Convert both first, with "
            "`box_corner_to_center`.",
            _corners),
        Mistake("top_left",
            "It looks like the distance from the anchor's top-left corner to the box's. It is their centres "
            "that count: a box that grows around its centre stays where it is.",
            _top_left),
    ),
    hints=(
        "An anchor 2 wide and one 200 wide are both moved right by half their width. Should a network have "
        "to predict different numbers for the two? What do you divide by, and what exactly is divided?",
        "Convert both to (centre x, centre y, width, height) with `box_corner_to_center`. Columns `[:, :2]` "
        "are centres, `[:, 2:]` sizes. Subtract first, then divide: the parentheses matter.",
        "With `a` and `b` the converted anchors and boxes: `10 * (b[:, :2] - a[:, :2]) / a[:, 2:]` and "
        "`5 * torch.log(b[:, 2:] / a[:, 2:])`, put side by side with `torch.cat((..., ...), dim=1)`.",
    ),
)  # fmt: skip
