"""The exercise on boxes: intersection over union."""

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from d2lhelpers import boxes
from d2lhelpers.check import pictures, solutions
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.compare import corners, number
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.pictures import Mark, Panel

__all__ = ["box_iou"]


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)
    unit, far = (0, 0, 2, 2), (3, 3, 5, 5)
    cases = [
        Case("a box with itself", (rows(unit), rows(unit))),
        Case(
            "two squares of side 2 that share a square of side 1", (rows(unit), rows((1, 1, 3, 3)))
        ),
        Case("a small box inside a large one", (rows((0, 0, 4, 4)), rows((1, 1, 3, 2)))),
        Case("boxes beside each other, with a gap", (rows(unit), rows((3, 0, 5, 2)))),
        Case("boxes apart both across and down", (rows(unit), rows(far))),
        Case(
            "two boxes with two others",
            (rows(unit, (2, 0, 4, 2)), rows((1, 0, 3, 2), (0, 0, 4, 2))),
        ),
        Case(
            "two boxes with three others", (rows(unit, (1, 1, 3, 3)), rows(unit, (1, 0, 3, 2), far))
        ),
        Case(
            "boxes not at the origin",
            (rows((10, 20, 14, 26)), rows((12, 18, 16, 24), (11, 21, 13, 25))),
        ),
        Case("boxes that touch along an edge", (rows(unit), rows((2, 0, 4, 2))), edge=True),
        Case(
            "two boxes without area, at one point",
            (rows((1, 1, 1, 1)), rows((1, 1, 1, 1))),
            edge=True,
        ),
        Case("a box and a point inside it", (rows(unit), rows((1, 1, 1, 1))), edge=True),
        Case("no boxes in `boxes1`", (rows(), rows(unit, far)), edge=True),
        Case("no boxes in `boxes2`", (rows(unit, far), rows()), edge=True),
    ]
    for n, m in ((3, 3), (1, 6), (5, 1), (4, 7)):
        pair = random_boxes(n, generator, 0.8), random_boxes(m, generator, 0.8)
        cases.append(Case(f"random boxes, {n} with {m}, in fractions of the picture", pair))
    pair = (640 * random_boxes(n, generator, 0.6, torch.float64) for n in (12, 9))
    return [*cases, Case("random boxes in pixels, float64", tuple(pair))]


# --- what goes wrong ---
# One intersection and one union, with a switch for each mistake: what is not switched is right.


def _sides(
    boxes1: Tensor, boxes2: Tensor, clamp: bool = True, plus: float = 0
) -> tuple[Tensor, Tensor]:
    one, two = boxes1[:, None], boxes2[None]
    side = (
        torch.minimum(one[..., 2:], two[..., 2:]) - torch.maximum(one[..., :2], two[..., :2]) + plus
    )
    return (side.clamp(min=0) if clamp else side).unbind(-1)


def _area(boxes: Tensor, plus: float = 0) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0] + plus) * (boxes[:, 3] - boxes[:, 1] + plus)


def _divide(intersection: Tensor, union: Tensor) -> Tensor:
    return torch.where(union == 0, 0, intersection / union)


def _iou(boxes1: Tensor, boxes2: Tensor, clamp: bool = True, plus: float = 0) -> Tensor:
    width, height = _sides(boxes1, boxes2, clamp, plus)
    return _divide(
        width * height, _area(boxes1, plus)[:, None] + _area(boxes2, plus) - width * height
    )


def _centre_size(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return _iou(boxes.box_center_to_corner(boxes1), boxes.box_center_to_corner(boxes2))


def _corner_size(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    return _iou(*(torch.cat((b[:, :2], b[:, :2] + b[:, 2:]), 1) for b in (boxes1, boxes2)))


def _union_is_sum(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2)
    return _divide(width * height, _area(boxes1)[:, None] + _area(boxes2))


def _clamp_product(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2, clamp=False)
    intersection = (width * height).clamp(min=0)
    return _divide(intersection, _area(boxes1)[:, None] + _area(boxes2) - intersection)


def _smaller_area(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2)
    return _divide(width * height, torch.minimum(_area(boxes1)[:, None], _area(boxes2)))


def _own_area(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2)
    return _divide(width * height, _area(boxes1)[:, None].expand_as(width))


def _no_division(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2)
    return width * height


def _enclosing(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    one, two = boxes1[:, None], boxes2[None]
    side = torch.maximum(one[..., 2:], two[..., 2:]) - torch.minimum(one[..., :2], two[..., :2])
    hull = side.prod(-1)
    return _divide(hull, _area(boxes1)[:, None] + _area(boxes2) - hull)


def _elementwise(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    side = torch.minimum(boxes1[:, 2:], boxes2[:, 2:]) - torch.maximum(boxes1[:, :2], boxes2[:, :2])
    intersection = side.clamp(min=0).prod(-1)
    return _divide(intersection, _area(boxes1) + _area(boxes2) - intersection)


def _no_guard(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    width, height = _sides(boxes1, boxes2)
    return width * height / (_area(boxes1)[:, None] + _area(boxes2) - width * height)


MISTAKES = (
    Mistake("union_is_sum",
        "It looks like a union without the intersection subtracted. The sum of the two areas counts the "
        "part that they share twice, so the union comes out too large and the IoU too small: a box with "
        "itself should give 1.",
        _union_is_sum),
    Mistake("no_clamp",
        "It looks like a missing clamp. For boxes that lie apart, the smaller right edge minus the larger "
        "left edge is negative: there is no overlap. Apart in both directions, the two negative sides "
        "multiply to a positive area. Each side must be at least 0.",
        lambda one, two: _iou(one, two, clamp=False)),
    Mistake("clamp_product",
        "It looks like the clamp comes too late: on the area, and not on its sides. Two boxes apart in both "
        "directions have two negative sides, whose product is positive and passes the clamp. Clamp each "
        "side before multiplying.",
        _clamp_product),
    Mistake("plus_one",
        "It looks like one pixel is added to each side (`x2 - x1 + 1`), as in benchmarks whose coordinates "
        "are numbers of pixels. Here coordinates are positions between pixels: a box from 0 to 2 is 2 wide. "
        "In fractions of the picture, adding 1 would even add a whole picture.",
        lambda one, two: _iou(one, two, plus=1)),
    Mistake("centre_size",
        "It looks like the four numbers are read as (centre x, centre y, width, height). Here they are "
        "corners: (x1, y1, x2, y2), so the width is x2 - x1.",
        _centre_size),
    Mistake("corner_size",
        "It looks like the four numbers are read as (x, y, width, height), as in COCO's files. Here they "
        "are corners: the third and fourth are the right and the bottom edge, not sizes.",
        _corner_size),
    Mistake("enclosing",
        "It looks like minimum and maximum are exchanged: this is the box around both, not the one they "
        "share. The shared part begins at the larger of the left edges and ends at the smaller of the right "
        "edges.",
        _enclosing),
    Mistake("smaller_area",
        "It looks like the intersection divided by the smaller of the two areas. That is 1 for any box "
        "inside another, however much larger that one is. Divide by the union: the area that at least one "
        "of them covers.",
        _smaller_area),
    Mistake("own_area",
        "It looks like the intersection divided by the area of the box from `boxes1` alone. That tells how "
        "much of it is covered, and changes when the two are exchanged. Divide by the union.",
        _own_area),
    Mistake("no_division",
        "It looks like the intersection itself, in units of area. It is not yet divided by the union, which "
        "makes it a fraction between 0 and 1 that does not depend on the unit.",
        _no_division),
    Mistake("elementwise",
        "It looks like first with first, second with second. Wanted is every box of `boxes1` with every box "
        "of `boxes2`: an (N, M) table. Give one of them an axis of length 1, `boxes1[:, None]`, and let "
        "PyTorch broadcast.",
        _elementwise),
    Mistake("transposed",
        "It looks like the transposed table. `result[i, j]` belongs to `boxes1[i]` and `boxes2[j]`: one row "
        "for each box of `boxes1`.",
        lambda one, two: _iou(one, two).T),
    Mistake("no_guard",
        "Nearly: two boxes without area give 0 / 0, which is NaN, and one NaN spoils every maximum, mean or "
        "loss that it gets into. A pair whose union has no area should give 0.",
        _no_guard),
)  # fmt: skip


def _draw(
    arguments: tuple, expected: Tensor, value: Any, index: tuple | None
) -> tuple[Figure, str] | None:
    if expected.numel() == 0:
        return None
    i, j = index or (0, 0)
    one, two = arguments[0][i], arguments[1][j]
    width, height = (side.item() for side in _sides(one[None], two[None]))
    shared = width * height
    union = (_area(one[None]) + _area(two[None])).item() - shared
    result = (
        f"IoU = {number(shared)} / {number(union)} = {number(expected[i, j].item())}"
        if union
        else "no area: IoU = 0"
    )
    yours = "" if index is None else f"yours: {number(value[i, j].item(), expected[i, j].item())}"
    marks = [
        Mark(one.tolist(), f"boxes1[{i}]", pictures.ONE, fill=0.15),
        Mark(two.tolist(), f"boxes2[{j}]", pictures.TWO, fill=0.15, dashed=True),
    ]
    if shared > 0:
        low, high = torch.maximum(one[:2], two[:2]), torch.minimum(one[2:], two[2:])
        marks.insert(0, Mark((*low.tolist(), *high.tolist()), "", "#30363d", hatch="///"))
    caption = (
        f"intersection {number(shared)} (hatched), union {number(union)}"
        if shared
        else f"no overlap, union {number(union)}"
    )
    title = f"{result}\n{yours}" if yours else result
    alt = (
        f"Two boxes drawn to scale: boxes1[{i}] = {corners(one)} and boxes2[{j}] = {corners(two)}. "
        f"They share an area of {number(shared)} and cover {number(union)} together. "
        f"{'; '.join(filter(None, (result, yours)))}."
    )
    return pictures.draw([Panel(marks, title, caption)]), alt


box_iou = Exercise(
    name="box_iou",
    title="Intersection over union",
    statement=(
        "`boxes1` is (N, 4) and `boxes2` is (M, 4), each row the corners (x1, y1, x2, y2) of a box, with x1 "
        "<= x2 and y1 <= y2. Return the (N, M) tensor whose entry [i, j] is the area that `boxes1[i]` and "
        "`boxes2[j]` share, divided by the area that they cover together. A pair that covers no area gives "
        "0. N or M may be 0."
    ),
    reference=boxes.box_iou,
    solution_function=solutions.my_box_iou,
    cases_function=_cases,
    mistakes=MISTAKES,
    hints=(
        "Draw two overlapping boxes on paper. The part that they share is itself a box: which of the eight "
        "numbers is its left edge, and which its right? What do these two tell you when the boxes lie apart?",
        "Left is the larger of the two left edges, right the smaller of the two right edges, and the same "
        "for top and bottom. Sides below 0 mean no overlap: `clamp(min=0)`. For all pairs at once, index "
        "with `[:, None, 0]`, which makes (N, 1) of (N,), and let it broadcast against (M,).",
        "`left = torch.maximum(boxes1[:, None, 0], boxes2[:, 0])` is (N, M); `right` is the `torch.minimum` "
        "of columns 2. `width = (right - left).clamp(min=0)`, `intersection = width * height`, `union = "
        "area1[:, None] + area2 - intersection`. Where `union` is 0, divide by 1.",
    ),
    draw=_draw,
)  # fmt: skip
