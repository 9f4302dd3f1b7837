"""The exercises on YOLO's boxes: from what a cell says to a box, and GIoU."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.boxes import box_center_to_corner
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise
from d2lhelpers.detection.losses import giou_loss

__all__ = ["decode_cells", "giou"]


def my_decode_cells(raw, middles, stride):
    centre = middles + stride * raw[:, :2]
    half = stride * raw[:, 2:].exp() / 2
    return torch.cat((centre - half, centre + half), dim=1)


def _decode_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(72)
    at = rows((12, 20), columns=2)
    log2 = 0.6931472
    cases = [
        Case("zeros: a box of one cell, on the cell", (rows((0, 0, 0, 0)), at, 8)),
        Case("a quarter of a cell to the right", (rows((0.25, 0, 0, 0)), at, 8)),
        Case("twice as wide: log 2 = 0.693", (rows((0, 0, log2, 0)), at, 8)),
        Case("up by half a cell, half as high", (rows((0, -0.5, 0, -log2)), at, 8)),
        Case("another stride", (rows((0.5, 0.5, log2, 0)), rows((16, 16), columns=2), 32)),
        Case("no cells", (rows(), rows(columns=2), 8), edge=True),
    ]
    for num, stride in ((3, 16), (20, 8)):
        raw = torch.randn(num, 4, generator=generator, dtype=torch.float32)
        middles = stride * (torch.arange(num)[:, None] + 0.5).expand(-1, 2).float()
        cases.append(Case(f"{num} cells along a diagonal", (raw, middles.contiguous(), stride)))
    return cases


def _box(raw: Tensor, middles: Tensor, stride: float, sides: Tensor | None = None) -> Tensor:
    """Middle and sides; the corners are left to the caller."""
    sides = stride * raw[:, 2:].exp() if sides is None else sides
    return torch.cat((middles + stride * raw[:, :2], sides), dim=1)


decode_cells = Exercise(
    name="decode_cells",
    title="From a cell's four numbers to a box",
    statement=(
        "Each cell says four numbers, a row of `raw`, (N, 4): how far the middle of the box is from the middle of the "
        "cell, to the right and down, in cells; and the logarithms of its width and height, in cells. `middles`, "
        "(N, 2), are the cells' middles (x, y) in pixels, and `stride` is the side of a cell in pixels. Return the "
        "boxes, (N, 4) corners in pixels."
    ),
    reference=my_decode_cells,
    solution_function=my_decode_cells,
    cases_function=_decode_cases,
    mistakes=(
        Mistake("no_stride",
            "It looks like the stride is left out everywhere. The numbers count in cells, the middles in pixels.",
            lambda raw, middles, stride: box_center_to_corner(_box(raw, middles, 1))),
        Mistake("sides_in_cells",
            "It looks like the sides are still in cells: multiply them by the stride, too.",
            lambda raw, middles, stride: box_center_to_corner(_box(raw, middles, stride, raw[:, 2:].exp()))),
        Mistake("way_in_pixels",
            "It looks like the way from the cell's middle is taken as pixels. It counts in cells: times the stride.",
            lambda raw, middles, stride: box_center_to_corner(
                torch.cat((middles + raw[:, :2], stride * raw[:, 2:].exp()), dim=1))),
        Mistake("no_exp",
            "It looks like the exponential is missing. The network says the logarithm of a side, because a side is "
            "positive and a network's outputs need not be: 0 means one cell, not nothing.",
            lambda raw, middles, stride: box_center_to_corner(_box(raw, middles, stride, stride * raw[:, 2:]))),
        Mistake("centre_format",
            "It looks like the result is (middle x, middle y, width, height). Wanted are corners.",
            _box),
        Mistake("from_middle",
            "It looks like the middle is used as the top-left corner. The box lies around it: half of each side on "
            "either side.",
            lambda raw, middles, stride: torch.cat((
                _box(raw, middles, stride)[:, :2], _box(raw, middles, stride).view(-1, 2, 2).sum(1)), dim=1)),
        Mistake("twice_as_large",
            "It looks like a whole side is added in each direction, which makes the box twice as large. A corner is "
            "half a side away from the middle.",
            lambda raw, middles, stride: box_center_to_corner(
                _box(raw, middles, stride, 2 * stride * raw[:, 2:].exp()))),
        Mistake("other_stride",
            "It looks like every box is decoded with a stride of 8. It is an argument: maps at other strides have "
            "cells of other sizes.",
            lambda raw, middles, stride: my_decode_cells(raw, middles, 8)),
    ),
    hints=(
        "What box should a cell that says four zeros stand for? How large is it, and where?",
        "Middle of the box: the cell's middle plus the way, in pixels. Sides: `exp`, in pixels. Then the corners are "
        "half a side away from the middle.",
        "`centre = middles + stride * raw[:, :2]`, `half = stride * raw[:, 2:].exp() / 2`, and join `centre - half` "
        "with `centre + half`.",
    ),
)  # fmt: skip


def my_giou(boxes1, boxes2):
    area1, area2 = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (boxes1, boxes2))
    shared = torch.minimum(boxes1[:, 2:], boxes2[:, 2:]) - torch.maximum(
        boxes1[:, :2], boxes2[:, :2]
    )
    shared = shared.clamp(min=0).prod(dim=1)
    union = area1 + area2 - shared
    hull = torch.maximum(boxes1[:, 2:], boxes2[:, 2:]) - torch.minimum(boxes1[:, :2], boxes2[:, :2])
    hull = hull.prod(dim=1)
    return shared / union - (hull - union) / hull


def _parts(boxes1: Tensor, boxes2: Tensor, clamp: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Areas of intersection, union and hull."""
    area1, area2 = ((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes1, boxes2))
    sides = boxes1[:, 2:].minimum(boxes2[:, 2:]) - boxes1[:, :2].maximum(boxes2[:, :2])
    shared = (sides.clamp(min=0) if clamp else sides).prod(1)
    hull = (boxes1[:, 2:].maximum(boxes2[:, 2:]) - boxes1[:, :2].minimum(boxes2[:, :2])).prod(1)
    return shared, area1 + area2 - shared, hull


def _no_clamp(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    shared, union, hull = _parts(boxes1, boxes2, clamp=False)
    return shared / union - (hull - union) / hull


def _from_parts(formula: Callable) -> Callable:
    return lambda boxes1, boxes2: formula(*_parts(boxes1, boxes2))


def _giou_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(73)
    one = rows((0, 0, 2, 2))
    cases = [
        Case("a box and itself", (one, one)),
        Case("two squares side by side", (one, rows((2, 0, 4, 2)))),
        Case("the same, one square apart", (one, rows((4, 0, 6, 2)))),
        Case("a unit square shared", (one, rows((1, 1, 3, 3)))),
        Case("apart in both directions", (one, rows((4, 6, 6, 8)))),
        Case("one inside the other", (rows((0, 0, 4, 4)), rows((1, 1, 3, 2)))),
        Case("three pairs", (one.repeat(3, 1), rows((0, 0, 2, 2), (3, 0, 4, 1), (-2, -2, 1, 1)))),
        Case("no boxes", (rows(), rows()), edge=True),
    ]
    for num, dtype in ((4, torch.float32), (15, torch.float64)):
        pair = (100 * random_boxes(num, generator, 0.9, dtype) for _ in range(2))
        cases.append(Case(f"{num} random pairs in pixels", tuple(pair)))
    return cases


giou = Exercise(
    name="giou",
    title="Generalised intersection over union",
    statement=(
        "`boxes1` and `boxes2` are (N, 4) corners, each box with some area. Return (N,): the GIoU of each pair, box by "
        "box. It is their IoU, less the share of their hull that neither of them covers; the hull is the smallest "
        "box around both."
    ),
    reference=lambda boxes1, boxes2: 1 - giou_loss(boxes1, boxes2),
    solution_function=my_giou,
    cases_function=_giou_cases,
    mistakes=(
        Mistake("iou",
            "It looks like the plain IoU, which is 0 for all boxes apart, near or far. Subtract the part of the hull "
            "that neither box covers.",
            _from_parts(lambda shared, union, hull: shared / union)),
        Mistake("loss",
            "It looks like 1 - GIoU, the loss. Asked for is GIoU itself: 1 for a box and itself.",
            giou_loss),
        Mistake("no_clamp",
            "It looks like the sides of the intersection are not clamped at 0. Boxes that are apart in both "
            "directions then share a negative times a negative width.",
            _no_clamp),
        Mistake("plus",
            "It looks like the uncovered share is added. It is a penalty: the farther the boxes are apart, the "
            "smaller GIoU should be.",
            _from_parts(lambda shared, union, hull: shared / union + (hull - union) / hull)),
        Mistake("minus_intersection",
            "It looks like (hull - intersection) / hull. Not covered is what neither box covers: the hull less the "
            "*union*.",
            _from_parts(lambda shared, union, hull: shared / union - (hull - shared) / hull)),
        Mistake("over_union",
            "It looks like the uncovered part is divided by the union. As a share of the hull it cannot exceed 1.",
            _from_parts(lambda shared, union, hull: shared / union - (hull - union) / union)),
        Mistake("over_hull",
            "It looks like the intersection is divided by the hull. The first part is the usual IoU, over the union.",
            _from_parts(lambda shared, union, hull: (shared + union - hull) / hull)),
        Mistake("union_is_sum",
            "It looks like the union is the sum of both areas. What both cover is then counted twice: subtract the "
            "intersection once.",
            _from_parts(lambda shared, union, hull: shared / (union + shared) - (hull - union - shared) / hull)),
        Mistake("pairwise",
            "It looks like an (N, N) table of all pairs. Asked for is box by box: the first with the first, the "
            "second with the second.",
            lambda boxes1, boxes2: 1 - giou_loss(
                boxes1[:, None].expand(-1, len(boxes2), -1), boxes2.expand(len(boxes1), -1, -1))),
    ),
    hints=(
        "Two unit squares, 1 apart, in a row. How large is the smallest box around both, and how much of it does "
        "neither square cover? How does that change when they are 5 apart?",
        "Intersection: the larger of the left edges, the smaller of the right ones, clamped. Hull: the other way "
        "round, the smaller left, the larger right, and nothing to clamp.",
        "`shared / union - (hull - union) / hull`, with `hull = (maximum(right, bottom) - minimum(left, "
        "top)).prod(dim=1)`.",
    ),
)  # fmt: skip
