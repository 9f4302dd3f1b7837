"""The exercise on decoding: from an anchor and offsets to a box."""

import math

import torch
from torch import Tensor

from d2lhelpers import anchors as package
from d2lhelpers.boxes import box_center_to_corner, box_corner_to_center
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["offset_inverse"]


def _inverse_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    double = 5 * math.log(2)
    cases = [
        Case("offsets of 0: the anchor itself", (rows((0, 0, 2, 2)), rows((0, 0, 0, 0)))),
        Case("moved right by half the width", (rows((0, 0, 2, 2)), rows((5, 0, 0, 0)))),
        Case("twice as wide: 5 log 2 = 3.466", (rows((1, 1, 3, 3)), rows((0, 0, double, 0)))),
        Case(
            "half as high, and moved down by the height",
            (rows((2, 2, 6, 4)), rows((0, 10, 0, -double))),
        ),
        Case(
            "in fractions, and out of the picture",
            (rows((0.5, 0.5, 1, 1)), rows((5, -15, 0, double))),
        ),
        Case(
            "two anchors",
            (rows((0, 0, 2, 4), (3, 3, 7, 5)), rows((5, 2.5, double, 0), (-5, 0, 0, double))),
        ),
        Case("no anchors", (rows(), rows()), edge=True),
    ]
    for num in (1, 6):
        offsets = 3 * torch.randn(num, 4, generator=generator, dtype=torch.float32)
        cases.append(
            Case(
                f"random anchors and offsets, {num} of them",
                (random_boxes(num, generator, 0.8), offsets),
            )
        )
    offsets = 3 * torch.randn(12, 4, generator=generator, dtype=torch.float64)
    anchors = 640 * random_boxes(12, generator, 0.6, torch.float64)
    return [*cases, Case("random anchors in pixels, float64", (anchors, offsets))]


def _decode(
    anchors: Tensor, offsets: Tensor, centre_scale: float = 10, size_scale: float = 5
) -> Tensor:
    """Centre and size; the corners are left to the caller."""
    a = box_corner_to_center(anchors)
    centre = offsets[:, :2] * a[:, 2:] / centre_scale + a[:, :2]
    return torch.cat((centre, torch.exp(offsets[:, 2:] / size_scale) * a[:, 2:]), 1)


def _decode_with_size(anchors: Tensor, offsets: Tensor, factor: Tensor) -> Tensor:
    centre = _decode(anchors, offsets)[:, :2]
    return box_center_to_corner(torch.cat((centre, factor * (anchors[:, 2:] - anchors[:, :2])), 1))


def _whole_size(anchors: Tensor, offsets: Tensor) -> Tensor:
    box = _decode(anchors, offsets)
    return torch.cat((box[:, :2] - box[:, 2:], box[:, :2] + box[:, 2:]), 1)


def _from_centre(anchors: Tensor, offsets: Tensor) -> Tensor:
    box = _decode(anchors, offsets)
    return torch.cat((box[:, :2], box[:, :2] + box[:, 2:]), 1)


def _centre_moved_from_corner(anchors: Tensor, offsets: Tensor) -> Tensor:
    box = _decode(anchors, offsets)
    centre = box[:, :2] - box_corner_to_center(anchors)[:, :2] + anchors[:, :2]
    return box_center_to_corner(torch.cat((centre, box[:, 2:]), 1))


def _not_times_size(anchors: Tensor, offsets: Tensor) -> Tensor:
    box = _decode(anchors, offsets)
    centre = box_corner_to_center(anchors)[:, :2] + offsets[:, :2] / 10
    return box_center_to_corner(torch.cat((centre, box[:, 2:]), 1))


offset_inverse = Exercise(
    name="offset_inverse",
    title="From predicted offsets to a box",
    statement=(
        "`anchors` is (N, 4) corners, `offset_preds` is (N, 4) offsets as `offset_boxes` makes them. Return "
        "the (N, 4) corners of the boxes that they stand for. A box may reach outside the picture; leave it "
        "so."
    ),
    reference=package.offset_inverse,
    solution_function=solutions.my_offset_inverse,
    needs="import torch\n\nfrom d2lhelpers import box_center_to_corner, box_corner_to_center",
    cases_function=_inverse_cases,
    draw=drawn.draw_decoded,
    mistakes=(
        Mistake("no_scales",
            "It looks like the factors are not undone: divide the offsets of the centre by 10 and those of "
            "the size by 5.",
            lambda a, o: box_center_to_corner(_decode(a, o, 1, 1))),
        Mistake("swapped_scales",
            "It looks like the two factors are exchanged: 10 belongs to the centre, 5 to the size.",
            lambda a, o: box_center_to_corner(_decode(a, o, 5, 10))),
        Mistake("multiplied_scales",
            "It looks like the offsets are multiplied by 10 and 5 once more. `offset_boxes` multiplied; "
            "divide here.",
            lambda a, o: box_center_to_corner(_decode(a, o, 1 / 10, 1 / 5))),
        Mistake("no_exp",
            "It looks like the exponential is missing. The offset of a size is a logarithm: 0 means as "
            "large as the anchor, and without `torch.exp` it means no size at all.",
            lambda a, o: _decode_with_size(a, o, o[:, 2:] / 5)),
        Mistake("exp_before_division",
            "It looks like the division by 5 comes after the exponential. 5 log(w_b / w_a) has to be "
            "divided first: `torch.exp(offset / 5)`.",
            lambda a, o: _decode_with_size(a, o, torch.exp(o[:, 2:]) / 5)),
        Mistake("centre_format",
            "It looks like the result is (centre x, centre y, width, height). Wanted are corners: "
            "`box_center_to_corner` is the last step.",
            _decode),
        Mistake("clamped",
            "It looks like the boxes are cut off at 0 and 1. A predicted box may reach outside the picture, "
            "and the boxes may be in pixels, where 1 is no border at all.",
            lambda a, o: box_center_to_corner(_decode(a, o)).clamp(0, 1)),
        Mistake("whole_size",
            "It looks like the whole width is added on either side of the centre, which makes the box twice "
            "as large. A corner is half a width and half a height from the centre.",
            _whole_size),
        Mistake("from_centre",
            "It looks like the centre is used as the top-left corner. The box lies around its centre: half "
            "of its size on either side.",
            _from_centre),
        Mistake("moved_from_corner",
            "It looks like the movement is added to the anchor's top-left corner. It leads from the "
            "anchor's centre to the box's centre: convert the anchor first.",
            _centre_moved_from_corner),
        Mistake("not_times_size",
            "It looks like the movement is not multiplied by the anchor's size. Offsets count in widths and "
            "heights of the anchor.",
            _not_times_size),
    ),
    hints=(
        "`offset_boxes` subtracts, divides and multiplies by 10, and for the size divides, takes a "
        "logarithm and multiplies by 5. To get back, which of these do you undo first?",
        "The last step first: divide by 10 (by 5), then multiply by the anchor's size (take the "
        "exponential, then multiply by the size), then add the anchor's centre. What you have then is a "
        "centre and a size.",
        "With `a = box_corner_to_center(anchors)`: `offset_preds[:, :2] / 10 * a[:, 2:] + a[:, :2]` is the "
        "centre, `torch.exp(offset_preds[:, 2:] / 5) * a[:, 2:]` the size; join them and finish with "
        "`box_center_to_corner`.",
    ),
)  # fmt: skip
