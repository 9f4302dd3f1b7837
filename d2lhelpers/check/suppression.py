"""The exercises on non-maximum suppression."""

import torch
from torch import Tensor

from d2lhelpers import detection
from d2lhelpers.boxes import pairwise_iou
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["nms", "nms_per_class"]


def _scores(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _distinct_scores(num: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Random order, no two equal: which of equals comes first is nobody's mistake."""
    return ((1 + torch.randperm(num, generator=generator)) / (num + 1)).to(dtype)


# --- nms ---


def _nms_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(12)
    chain = rows((0, 0, 4, 4), (2, 0, 6, 4), (4, 0, 8, 4))
    cases = [
        Case("one box", (rows((0, 0, 4, 4)), _scores(0.9), 0.5)),
        Case("two boxes far apart, the better one second",
             (rows((0, 0, 2, 2), (4, 4, 6, 6)), _scores(0.6, 0.9), 0.5)),
        Case("two boxes with an IoU of 0.6, the better one second",
             (rows((0, 0, 4, 4), (1, 0, 5, 4)), _scores(0.7, 0.9), 0.5)),
        Case("an IoU of exactly the threshold", (rows((0, 0, 2, 2), (0, 0, 2, 1)), _scores(0.9, 0.8), 0.5)),
        Case("a little overlap, below the threshold",
             (rows((0, 0, 2, 2), (1, 1, 3, 3)), _scores(0.9, 0.2), 0.5)),
        Case("a chain: the first overlaps the second, and the second the third",
             (chain, _scores(0.9, 0.8, 0.7), 0.2)),
        Case("two groups, in no order",
             (rows((6, 1, 9, 5), (0, 0, 4, 4), (6, 0, 9, 4), (0, 1, 4, 5)),
              _scores(0.5, 0.6, 0.8, 0.9), 0.4)),
        Case("no boxes", (rows(), _scores(), 0.5), edge=True),
    ]  # fmt: skip
    for num, threshold, dtype in (
        (8, 0.3, torch.float32),
        (20, 0.5, torch.float32),
        (30, 0.1, torch.float64),
    ):
        boxes = random_boxes(num, generator, 0.7, dtype)
        case = boxes, _distinct_scores(num, generator, dtype), threshold
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


def _by_score(scores: Tensor) -> Tensor:
    return scores.argsort(descending=True)


def _suppressed_suppress(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores)
    better = torch.ones(len(boxes), len(boxes), dtype=torch.bool).triu(1)
    return order[~((pairwise_iou(boxes[order], boxes[order]) > iou_threshold) & better).any(0)]


def _sorted_positions(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return _greedy(boxes[_by_score(scores)], torch.arange(len(boxes)), iou_threshold)


def _float_if_empty(kept: Tensor) -> Tensor:
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
            lambda boxes, scores, t: _greedy(boxes, _by_score(scores), t, flipped=True)),
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
            lambda boxes, scores, t: _greedy(boxes, _by_score(scores), t, inclusive=True)),
        Mistake("by_row",
            "It looks like the right boxes by rising row. Wanted is falling score, as they were kept.",
            lambda boxes, scores, t: detection.nms(boxes, scores, t).sort().values),
        Mistake("score_threshold",
            "It looks like the threshold is applied to the scores. It is one for the IoU: how much of an "
            "overlap with a better box is too much.",
            lambda boxes, scores, t: (o := _by_score(scores))[scores[o] > t]),
        Mistake("best_only",
            "It looks like only the best box is kept. After it, go on with the best of those that it did "
            "not drop.",
            lambda boxes, scores, t: _by_score(scores)[:1]),
        Mistake("empty_float",
            "Nearly: with no boxes the result is a float tensor, because `torch.tensor([])` does not know "
            "what it is to hold. Such a tensor cannot be used as an index. Give it a type: "
            "`dtype=torch.int64`.",
            lambda boxes, scores, t: _float_if_empty(detection.nms(boxes, scores, t))),
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

# --- nms_per_class ---


def _class_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(13)
    pair = rows((0, 0, 40, 40), (10, 0, 50, 40))
    classes = lambda *values: torch.tensor(values, dtype=torch.int64)  # noqa: E731
    four = rows((0, 0, 40, 40), (10, 0, 50, 40), (80, 0, 120, 40), (80, 10, 120, 50))
    cases = [
        Case("two boxes with an IoU of 0.6, of one class", (pair, _scores(0.9, 0.7), classes(1, 1), 0.5)),
        Case("two boxes with an IoU of 0.6, of two classes", (pair, _scores(0.9, 0.7), classes(0, 1), 0.5)),
        Case("two boxes far apart, the better one of the higher class",
             (rows((0, 0, 40, 40), (60, 0, 100, 40)), _scores(0.6, 0.9), classes(0, 1), 0.5)),
        Case("three classes, in no order",
             (four, _scores(0.5, 0.7, 0.6, 0.9), classes(2, 0, 0, 2), 0.5)),
        Case("four boxes, two classes", (four, _scores(0.8, 0.9, 0.7, 0.6), classes(1, 1, 0, 1), 0.5)),
        Case("no boxes", (rows(), _scores(), classes(), 0.5), edge=True),
    ]  # fmt: skip
    for num, num_classes, dtype in (
        (8, 2, torch.float32),
        (20, 3, torch.float32),
        (30, 5, torch.float64),
    ):
        boxes = 100 * random_boxes(num, generator, 0.8, dtype)
        labels = torch.randint(0, num_classes, (num,), generator=generator)
        case = boxes, _distinct_scores(num, generator, dtype), labels, 0.4
        cases.append(Case(f"{num} random boxes of {num_classes} classes, in pixels", case))
    return cases


def _per_class(
    boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float, positions: bool = False
) -> Tensor:
    """Grouped by class: what is kept of class 0 first."""
    kept = [classes.new_zeros(0)]
    for label in classes.unique():
        row = (classes == label).nonzero()[:, 0]
        found = detection.nms(boxes[row], scores[row], iou_threshold)
        kept.append(found if positions else row[found])
    return torch.cat(kept)


def _per_class_reference(
    boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float
) -> Tensor:
    kept = _per_class(boxes, scores, classes, iou_threshold)
    return kept[scores[kept].argsort(descending=True)]


def _only_across(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    order, kept = _by_score(scores), []
    while len(order) > 0:
        best, order = order[0], order[1:]
        kept.append(int(best))
        close = pairwise_iou(boxes[best][None], boxes[order])[0] > iou_threshold
        order = order[~(close & (classes[order] != classes[best]))]
    return torch.tensor(kept, dtype=torch.int64)


def _best_of_class(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    order = _by_score(scores)
    first = [i for i, row in enumerate(order) if not (classes[order[:i]] == classes[row]).any()]
    return order[first]


nms_per_class = Exercise(
    name="nms_per_class",
    title="Non-maximum suppression, class by class",
    statement=(
        "As `nms`, with `classes`, (N,) int64: a box drops only boxes of its own class. Return the rows of "
        "the boxes kept, int64, by falling score over all classes. You may call `nms` from `d2lhelpers`. N "
        "may be 0."
    ),
    reference=_per_class_reference,
    solution_function=solutions.my_nms_per_class,
    needs="import torch\n\nfrom d2lhelpers import nms",
    cases_function=_class_cases,
    draw=drawn.draw_suppression,
    mistakes=(
        Mistake("across_classes",
            "It looks like boxes suppress boxes of other classes. A dog in front of a bicycle overlaps it a "
            "lot; both are there. Compare only boxes of one class. (d2l has this bug.)",
            lambda boxes, scores, classes, t: detection.nms(boxes, scores, t)),
        Mistake("grouped",
            "It looks like the right boxes, one class after the other. Wanted is falling score over all "
            "classes: sort what you keep once more at the end.",
            _per_class),
        Mistake("class_positions",
            "It looks like positions within each class. `nms` on a part of the boxes answers with rows of "
            "that part: look them up in the rows of the class.",
            lambda boxes, scores, classes, t: _per_class(boxes, scores, classes, t, positions=True)),
        Mistake("offset_too_small",
            "It looks like each class is moved aside by too little. The trick works when boxes of different "
            "classes can no longer meet: move them by more than the largest coordinate, times the class.",
            lambda boxes, scores, classes, t: detection.nms(boxes + classes[:, None], scores, t)),
        Mistake("only_across",
            "It looks like the comparison of the classes is the wrong way round: boxes of *other* classes "
            "are dropped, and doubles of the same class stay.",
            _only_across),
        Mistake("empty_float",
            "Nearly: with no boxes the result is a float tensor, because `torch.tensor([])` does not know "
            "what it is to hold. Such a tensor cannot be used as an index. Give it a type: "
            "`dtype=torch.int64`.",
            lambda *arguments: _float_if_empty(_per_class_reference(*arguments))),
        Mistake("best_of_class",
            "It looks like one box for each class. Several objects of a class may be there: only those that "
            "overlap a better one are dropped.",
            _best_of_class),
    ),
    hints=(
        "A dog sits in front of a bicycle, and the two boxes have an IoU of 0.6. What would plain `nms` do "
        "with the less certain one?",
        "Go through `classes.unique()`, take the rows of each class, and call `nms` on their boxes. Its "
        "answer counts within those rows. How do you get back to rows of `boxes`, and what order are all of "
        "them in at the end?",
        "For each label: `rows = (classes == label).nonzero()[:, 0]`, then `rows[nms(boxes[rows], "
        "scores[rows], iou_threshold)]`. Join them with `torch.cat` and index with "
        "`scores[kept].argsort(descending=True)`.",
    ),
)  # fmt: skip
