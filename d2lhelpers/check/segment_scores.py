"""The exercises on how a map of classes is marked: baseline, confusion matrix, mean IoU."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["background_accuracy", "confusion_matrix", "mean_iou"]

VOID = 255


def my_background_accuracy(labels):
    counted = labels[labels != 255]
    return (counted == 0).float().mean()


def my_confusion_matrix(predicted, labels, num_classes):
    counted = labels != 255
    pairs = num_classes * labels[counted] + predicted[counted]
    counts = torch.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def my_mean_iou(confusion):
    both = confusion.diagonal()
    either = confusion.sum(dim=0) + confusion.sum(dim=1) - both
    there = either > 0
    return (both[there] / either[there]).mean()


def whole(*rows: tuple[int, ...]) -> Tensor:
    """(rows, columns) int64."""
    return torch.tensor(rows, dtype=torch.int64)


def _label_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(21)
    many = torch.randint(0, 4, (12, 17), generator=generator)
    many[::3, ::2] = VOID
    return [
        Case("half background, half class 1", (whole((0, 0), (1, 1)),)),
        Case("three of four pixels background", (whole((0, 0, 0, 2)),)),
        Case("one pixel of class 1 and one that is void", (whole((0, 1), (VOID, 0)),)),
        Case("no background at all", (whole((1, VOID, 2)),)),
        Case("four classes and many void pixels", (many,)),
    ]


background_accuracy = Exercise(
    name="background_accuracy",
    title="The accuracy of saying nothing",
    statement=(
        "`labels` is (height, width) int64: 0 for background, 1, 2, ... for the other classes, 255 for void. Return "
        "the pixel accuracy of a network that answers background everywhere. Void pixels do not count."
    ),
    reference=my_background_accuracy,
    solution_function=my_background_accuracy,
    cases_function=_label_cases,
    mistakes=(
        Mistake("void_is_wrong",
            "It looks like void pixels are counted as wrong: they are still among the pixels that you divide by. They "
            "count neither way.",
            lambda labels: (labels == 0).float().mean()),
        Mistake("void_is_right",
            "It looks like void pixels are counted as background that was found. They count neither way.",
            lambda labels: ((labels == 0) | (labels == VOID)).float().mean()),
        Mistake("the_others",
            "This is the share of the other classes: what such a network gets wrong.",
            lambda labels: (labels[labels != VOID] != 0).float().mean()),
    ),
    hints=(
        "Which pixels does the network get right, and of how many?",
        "Take the pixels that count first: `labels[labels != 255]`.",
        "`(counted == 0).float().mean()`.",
    ),
)  # fmt: skip


def _map_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(22)
    guess, truth = torch.randint(0, 5, (2, 9, 13), generator=generator)
    truth[::4, ::3] = VOID
    return [
        Case("all right, two classes", (whole((0, 1)), whole((0, 1)), 2)),
        Case("one pixel of class 1 taken for background", (whole((0, 0)), whole((0, 1)), 2)),
        Case("three classes, two pixels wrong", (whole((0, 2), (2, 1)), whole((0, 1), (2, 2)), 3)),
        Case("a void pixel", (whole((1, 0, 1)), whole((1, 0, VOID)), 2)),
        Case("a class that is nowhere", (whole((0, 1, 1)), whole((0, 1, 0)), 4)),
        Case("a map of five classes", (guess, truth, 5)),
        Case("nothing but void", (whole((0, 1)), whole((VOID, VOID)), 2), edge=True),
    ]


def _void_counted(predicted: Tensor, labels: Tensor, num_classes: int, *, as_class: int) -> Tensor:
    return my_confusion_matrix(
        predicted, torch.where(labels == VOID, as_class, labels), num_classes
    )


def _shares(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    counts = my_confusion_matrix(predicted, labels, num_classes)
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=1)


confusion_matrix = Exercise(
    name="confusion_matrix",
    title="The confusion matrix",
    statement=(
        "`predicted` and `labels` are (height, width) int64, classes in 0..`num_classes` - 1; in `labels`, 255 is "
        "void. Return (num_classes, num_classes) int64: how many pixels of each true class (row) were taken for each "
        "class (column). Void pixels are left out."
    ),
    reference=my_confusion_matrix,
    solution_function=my_confusion_matrix,
    cases_function=_map_cases,
    mistakes=(
        Mistake("transposed",
            "Rows and columns have changed places: rows are the truth, columns the prediction.",
            lambda predicted, labels, num_classes: my_confusion_matrix(predicted, labels, num_classes).T),
        Mistake("void_is_background",
            "It looks like void pixels are counted as background. They are left out of the matrix.",
            lambda *arguments: _void_counted(*arguments, as_class=0)),
        Mistake("void_is_last",
            "It looks like void pixels are counted as the last class. They are left out of the matrix.",
            lambda predicted, labels, num_classes: _void_counted(
                predicted, labels, num_classes, as_class=num_classes - 1)),
        Mistake("shares",
            "These are shares of each row. Return the counts: those of several pictures can be added up.",
            _shares),
        Mistake("only_right",
            "It looks like only the pixels that are right are counted. The others are what the matrix is for.",
            lambda predicted, labels, num_classes: torch.diag(
                my_confusion_matrix(predicted, labels, num_classes).diagonal())),
    ),
    hints=(
        "A pixel of true class 2 taken for class 1 goes to row 2, column 1. How can two numbers be made one, so that "
        "each pair has its own?",
        "`num_classes * labels + predicted` numbers the cells row by row; `torch.bincount` counts. First take away "
        "the void pixels.",
        "`torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)`.",
    ),
)  # fmt: skip


def _matrix_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(23)
    many = torch.randint(0, 50, (6, 6), generator=generator) + 200 * torch.eye(6).long()
    many[0, 0] = 5000
    return [
        Case("all right", (whole((4, 0), (0, 2)),)),
        Case("half of class 1 taken for background", (whole((6, 0), (2, 2)),)),
        Case("a class that is nowhere", (whole((6, 1, 0), (2, 3, 0), (0, 0, 0)),)),
        Case("a class that is predicted and not there", (whole((6, 2), (0, 0)),)),
        Case("a class that is there and never found", (whole((6, 0), (2, 0)),)),
        Case("six classes, most pixels background", (many,)),
    ]


def _mean_of(both: Tensor, total: Tensor) -> Tensor:
    there = total > 0
    return (both[there] / total[there]).mean()


def _union(confusion: Tensor) -> Tensor:
    return confusion.sum(0) + confusion.sum(1) - confusion.diagonal()


mean_iou = Exercise(
    name="mean_iou",
    title="Mean IoU",
    statement=(
        "`confusion` is (C, C) int64, rows the truth, columns the prediction. Return the mean of the classes' "
        "intersection over union. A class that is neither in the truth nor in the prediction is left out of the mean."
    ),
    reference=my_mean_iou,
    solution_function=my_mean_iou,
    cases_function=_matrix_cases,
    mistakes=(
        Mistake("absent_is_zero",
            "It looks like a class that is nowhere counts as 0. Nobody could have found it: leave it out of the mean.",
            lambda confusion: (confusion.diagonal() / _union(confusion).clamp(min=1)).mean()),
        Mistake("union_is_sum",
            "It looks like the pixels that are in both are counted twice in the union: subtract them once.",
            lambda confusion: _mean_of(confusion.diagonal(), confusion.sum(0) + confusion.sum(1))),
        Mistake("recall",
            "You divide by the true pixels of each class: that is its recall. The union also holds what was taken for "
            "the class and is not.",
            lambda confusion: _mean_of(confusion.diagonal(), confusion.sum(1))),
        Mistake("precision",
            "You divide by the predicted pixels of each class: that is its precision. The union also holds what was "
            "missed.",
            lambda confusion: _mean_of(confusion.diagonal(), confusion.sum(0))),
        Mistake("accuracy",
            "This is the pixel accuracy: one figure for all pixels, of which most are background.",
            lambda confusion: confusion.trace() / confusion.sum()),
        Mistake("pooled",
            "It looks like intersections and unions are added up before they are divided. Divide class by class, then "
            "take the mean: each class counts the same.",
            lambda confusion: confusion.trace() / _union(confusion).sum()),
        Mistake("no_background",
            "It looks like background is left out. It is a class like the others.",
            lambda confusion: _mean_of(confusion.diagonal()[1:], _union(confusion)[1:])),
        Mistake("only_true_classes",
            "It looks like a class that was predicted but is not there is left out. It has a union, and its IoU is 0.",
            lambda confusion: (confusion.diagonal() / _union(confusion))[confusion.sum(1) > 0].mean()),
    ),
    hints=(
        "Where in the matrix are the pixels of class k that were found? Where all that are of class k, where all that "
        "were taken for it?",
        "The diagonal, the rows' sums, the columns' sums. What is counted twice when you add the last two?",
        "`either = confusion.sum(dim=0) + confusion.sum(dim=1) - both`, and leave out where it is 0.",
    ),
)  # fmt: skip
