"""The exercise on non-maximum suppression within each class."""

import torch
from torch import Tensor

from d2lhelpers import detection
from d2lhelpers.boxes import pairwise_iou
from d2lhelpers.check import anchor_pictures as drawn
from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake, distinct_scores, floats, random_boxes, rows
from d2lhelpers.check.engine import Exercise
from d2lhelpers.check.suppression import float_if_empty

__all__ = ["nms_per_class"]


def _class_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(13)
    pair = rows((0, 0, 40, 40), (10, 0, 50, 40))
    classes = lambda *values: torch.tensor(values, dtype=torch.int64)  # noqa: E731
    four = rows((0, 0, 40, 40), (10, 0, 50, 40), (80, 0, 120, 40), (80, 10, 120, 50))
    cases = [
        Case("two boxes with an IoU of 0.6, of one class", (pair, floats(0.9, 0.7), classes(1, 1), 0.5)),
        Case("two boxes with an IoU of 0.6, of two classes", (pair, floats(0.9, 0.7), classes(0, 1), 0.5)),
        Case("two boxes far apart, the better one of the higher class",
             (rows((0, 0, 40, 40), (60, 0, 100, 40)), floats(0.6, 0.9), classes(0, 1), 0.5)),
        Case("three classes, in no order",
             (four, floats(0.5, 0.7, 0.6, 0.9), classes(2, 0, 0, 2), 0.5)),
        Case("four boxes, two classes", (four, floats(0.8, 0.9, 0.7, 0.6), classes(1, 1, 0, 1), 0.5)),
        Case("no boxes", (rows(), floats(), classes(), 0.5), edge=True),
    ]  # fmt: skip
    for num, num_classes, dtype in (
        (8, 2, torch.float32),
        (20, 3, torch.float32),
        (30, 5, torch.float64),
    ):
        boxes = 100 * random_boxes(num, generator, 0.8, dtype)
        labels = torch.randint(0, num_classes, (num,), generator=generator)
        case = boxes, distinct_scores(num, generator, dtype), labels, 0.4
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


def _only_across(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    order, kept = scores.argsort(descending=True), []
    while len(order) > 0:
        best, order = order[0], order[1:]
        kept.append(int(best))
        close = pairwise_iou(boxes[best][None], boxes[order])[0] > iou_threshold
        order = order[~(close & (classes[order] != classes[best]))]
    return torch.tensor(kept, dtype=torch.int64)


def _best_of_class(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    order = scores.argsort(descending=True)
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
    reference=detection.nms_in_groups,
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
            lambda *arguments: float_if_empty(detection.nms_in_groups(*arguments))),
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
