"""The exercise on non-maximum suppression."""

import torch
from torch import Tensor

from d2lhelpers import detection
from d2lhelpers.boxes import pairwise_iou
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, distinct_scores, floats, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["nms"]


def _nms_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(12)
    chain = rows((0, 0, 4, 4), (2, 0, 6, 4), (4, 0, 8, 4))
    cases = [
        Case("one box", (rows((0, 0, 4, 4)), floats(0.9), 0.5)),
        Case("two boxes far apart, the better one second",
             (rows((0, 0, 2, 2), (4, 4, 6, 6)), floats(0.6, 0.9), 0.5)),
        Case("two boxes with an IoU of 0.6, the better one second",
             (rows((0, 0, 4, 4), (1, 0, 5, 4)), floats(0.7, 0.9), 0.5)),
        Case("an IoU of exactly the threshold", (rows((0, 0, 2, 2), (0, 0, 2, 1)), floats(0.9, 0.8), 0.5)),
        Case("a little overlap, below the threshold",
             (rows((0, 0, 2, 2), (1, 1, 3, 3)), floats(0.9, 0.2), 0.5)),
        Case("a chain: the first overlaps the second, and the second the third",
             (chain, floats(0.9, 0.8, 0.7), 0.2)),
        Case("two groups, in no order",
             (rows((6, 1, 9, 5), (0, 0, 4, 4), (6, 0, 9, 4), (0, 1, 4, 5)),
              floats(0.5, 0.6, 0.8, 0.9), 0.4)),
        Case("no boxes", (rows(), floats(), 0.5), edge=True),
    ]  # fmt: skip
    for num, threshold, dtype in (
        (8, 0.3, torch.float32),
        (20, 0.5, torch.float32),
        (30, 0.1, torch.float64),
    ):
        boxes = random_boxes(num, generator, 0.7, dtype)
        case = boxes, distinct_scores(num, generator, dtype), threshold
        cases.append(Case(f"{num} random boxes", case))
    return cases


def _greedy(
    boxes: Tensor,
    order: Tensor,
    iou_threshold: float,
    inclusive: bool = False,
    flipped: bool = False,
) -> Tensor:
    """Suppression in a given order, one box at a time; what is not switched is right."""
    kept = []
    while len(order) > 0:
        best, order = order[0], order[1:]
        kept.append(int(best))
        iou = pairwise_iou(boxes[best][None], boxes[order])[0]
        order = order[
            iou > iou_threshold
            if flipped
            else iou < iou_threshold
            if inclusive
            else iou <= iou_threshold
        ]
    return torch.tensor(kept, dtype=torch.int64)


def _suppressed_suppress(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    order = scores.argsort(descending=True)
    better = torch.ones(len(boxes), len(boxes), dtype=torch.bool).triu(1)
    return order[~((pairwise_iou(boxes[order], boxes[order]) > iou_threshold) & better).any(0)]


def _sorted_positions(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return _greedy(boxes[scores.argsort(descending=True)], torch.arange(len(boxes)), iou_threshold)


def float_if_empty(kept: Tensor) -> Tensor:
    return kept if len(kept) else torch.zeros(0)


def _mask(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return torch.zeros(len(boxes), dtype=torch.bool).index_fill(
        0, detection.nms(boxes, scores, iou_threshold), True
    )


nms = Exercise(
    name="nms",
    title="Non-maximum suppression",
    statement=(
        "`boxes` is (N, 4) corners, `scores` is (N,), no two equal. Keep the box with the highest score, "
        "drop all whose IoU with it is above `iou_threshold`, go on with the best of those left, until none "
        "is left. Return the rows of the boxes kept, int64, by falling score. N may be 0."
    ),
    reference=detection.nms,
    solution_function=solutions.my_nms,
    needs="import torch\n\nfrom d2lhelpers import box_iou",
    cases_function=_nms_cases,
    draw=drawn.draw_suppression,
    mistakes=(
        Mistake("not_sorted",
            "It looks like the boxes are taken in the order in which they come. The best one goes first: "
            "sort by falling score.",
            lambda boxes, scores, t: _greedy(boxes, torch.arange(len(boxes)), t)),
        Mistake("ascending",
            "It looks like the lowest score goes first. `argsort` sorts upwards unless told "
            "`descending=True`.",
            lambda boxes, scores, t: _greedy(boxes, scores.argsort(), t)),
        Mistake("comparison_flipped",
            "It looks like the comparison is the wrong way round: boxes that overlap the kept one *less* "
            "than the threshold are dropped. Keep `iou <= iou_threshold`; those above it show the same "
            "object once more.",
            lambda boxes, scores, t: _greedy(boxes, scores.argsort(descending=True), t, flipped=True)),
        Mistake("suppressed_suppress",
            "It looks like a box that was itself dropped still drops others. Once dropped, a box counts for "
            "nothing: only boxes that are kept suppress.",
            _suppressed_suppress),
        Mistake("sorted_positions",
            "It looks like positions in the sorted list. Wanted are rows of `boxes` as given: look the "
            "positions up in the order that you sorted by.",
            _sorted_positions),
        Mistake("threshold_inclusive",
            "It looks like a box whose IoU is exactly the threshold is dropped. Only those above it are.",
            lambda boxes, scores, t: _greedy(boxes, scores.argsort(descending=True), t, inclusive=True)),
        Mistake("by_row",
            "It looks like the right boxes by rising row. Wanted is falling score, as they were kept.",
            lambda boxes, scores, t: detection.nms(boxes, scores, t).sort().values),
        Mistake("score_threshold",
            "It looks like the threshold is applied to the scores. It is one for the IoU: how much of an "
            "overlap with a better box is too much.",
            lambda boxes, scores, t: (o := scores.argsort(descending=True))[scores[o] > t]),
        Mistake("best_only",
            "It looks like only the best box is kept. After it, go on with the best of those that it did "
            "not drop.",
            lambda boxes, scores, t: scores.argsort(descending=True)[:1]),
        Mistake("empty_float",
            "Nearly: with no boxes the result is a float tensor, because `torch.tensor([])` does not know "
            "what it is to hold. Such a tensor cannot be used as an index. Give it a type: "
            "`dtype=torch.int64`.",
            lambda boxes, scores, t: float_if_empty(detection.nms(boxes, scores, t))),
        Mistake("mask",
            "It looks like a mask of True and False. Wanted are the rows of the boxes kept, by falling "
            "score.",
            _mask),
    ),
    hints=(
        "Three boxes in a chain: the first overlaps the second, the second the third. The first has the "
        "best score. Which are kept, and does the second still matter for the third?",
        "Sort once by falling score. Then a loop: take the first of the queue, keep it, and leave in the "
        "queue only those whose IoU with it is at most the threshold. Keep row numbers, not positions.",
        "`order = scores.argsort(descending=True)`; while it is not empty: `best, order = order[0], "
        "order[1:]`, keep `best`, then `order = order[iou <= iou_threshold]` with `iou = "
        "box_iou(boxes[best][None], boxes[order])[0]`.",
    ),
)  # fmt: skip
