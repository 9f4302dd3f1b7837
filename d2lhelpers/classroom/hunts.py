"""Bug hunts: a function with a fault, to be exposed by a test that the student writes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from d2lhelpers.boxes import box_iou
from d2lhelpers.detection import nms


def exposes(test: Callable, broken: Callable, right: Sequence[Callable]) -> None:
    """Hold a student's test against a faulty function and against right ones.

    Args:
        test: takes a function and asserts what it should do.
        broken: the function with the fault; the test must fail on it, by an assertion.
        right: functions without a fault, written differently; the test must pass on each.
    Raises:
        AssertionError: the test does not tell them apart; the message says how.
    """
    for function in right:
        try:
            test(function)
        except AssertionError as error:
            raise AssertionError("the test fails on a function that is right") from error
    try:
        test(broken)
    except AssertionError:
        return
    except Exception as error:
        message = (
            f"the test stops with {type(error).__name__} on the faulty function: it should assert"
        )
        raise AssertionError(message) from error
    raise AssertionError("the test passes on the faulty function")


# ---------------------------------------------------------------------------------- a2: non-maximum suppression


def hasty_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression without a loop. It looks right, it is fast, and it has a fault."""
    order = scores.argsort(descending=True)
    iou = box_iou(boxes[order], boxes[order])
    better = torch.ones(len(order), len(order), dtype=torch.bool).triu(diagonal=1)
    return order[~((iou > iou_threshold) & better).any(dim=0)]


def patient_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression by its definition: from the best down, each box against those already kept."""
    kept: list[int] = []
    for row in scores.argsort(descending=True).tolist():
        if not kept or box_iou(boxes[row : row + 1], boxes[kept]).max() <= iou_threshold:
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64)


# ------------------------------------------------------------------ a6: non-maximum suppression, class by class


def shifting_nms(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Suppression within each class, in one call: boxes of different classes are moved apart. It has a fault."""
    shift = classes * boxes.amax() if len(boxes) else classes
    return nms(boxes + shift[:, None], scores, iou_threshold)


def patient_class_nms(
    boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float
) -> Tensor:
    """Suppression within each class by its definition: from the best down, each box against its class's kept ones."""
    kept: list[int] = []
    for row in scores.argsort(descending=True).tolist():
        mine = [other for other in kept if classes[other] == classes[row]]
        if not mine or box_iou(boxes[row : row + 1], boxes[mine]).max() <= iou_threshold:
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64)
