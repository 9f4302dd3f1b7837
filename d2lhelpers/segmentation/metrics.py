"""How good a map of classes is: counted once in a confusion matrix, from which all figures follow.

Matrices of several batches may be added up, and a figure be taken of the sum. That is what the field reports: the
pixels of all pictures together, not a mean over pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

from d2lhelpers.datasets.voc import VOID
from d2lhelpers.devices import require_same_device

__all__ = ["class_iou", "confusion_matrix", "mean_iou", "pixel_accuracy"]


def confusion_matrix(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """How many pixels of each class were taken for each class; void pixels are left out.

    Args:
        predicted: (...) any integer dtype, classes in 0..num_classes - 1; where the label is void, anything.
        labels: (...) any integer dtype, classes in 0..num_classes - 1, or 255 for void.
        num_classes: background included, at most 255.
    Returns:
        (num_classes, num_classes) int64 on their device, rows the truth, columns the prediction.
    Raises:
        ValueError: two shapes or devices, another dtype, or a number that no class has.
    Taught in chapter 08.
    """
    if not 1 <= num_classes <= VOID:
        raise ValueError(f"num_classes must be in 1..{VOID}, as {VOID} is void, got {num_classes}")
    for name, tensor in (("predicted", predicted), ("labels", labels)):
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise ValueError(
                f"{name} must be whole numbers of classes, got {tensor.dtype}; for scores "
                "(B, classes, height, width) take .argmax(dim=1) first"
            )
    if predicted.shape != labels.shape:
        raise ValueError(
            f"predicted and labels must have one shape, got {tuple(predicted.shape)} and "
            f"{tuple(labels.shape)}"
        )
    require_same_device(predicted=predicted, labels=labels)
    seen = labels != VOID
    truth, guess = labels[seen].long(), predicted[seen].long()
    for name, values in (("predicted", guess), ("labels", truth)):
        _require_classes(values, num_classes, name)
    counts = torch.bincount(truth * num_classes + guess, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of the predicted and the true pixels of each class.

    Args:
        confusion: (C, C), as from `confusion_matrix`.
    Returns:
        (C,) float64 in [0, 1], NaN for a class that is in neither.
    Raises:
        ValueError: not a square matrix.
    Source: Everingham et al. 2010, section 4.3. Taught in chapter 08.
    """
    _require_square(confusion)
    confusion = confusion.double()
    both = confusion.diagonal()
    return both / (confusion.sum(0) + confusion.sum(1) - both)


def mean_iou(confusion: Tensor) -> float:
    """The mean of `class_iou` over the classes that are in the truth or in the prediction.

    Args:
        confusion: (C, C), as from `confusion_matrix`.
    Returns:
        in [0, 1], NaN if nothing was counted.
    Raises:
        ValueError: not a square matrix.
    Source: Everingham et al. 2010, section 4.3. Taught in chapter 08.
    """
    return class_iou(confusion).nanmean().item()


def pixel_accuracy(confusion: Tensor) -> float:
    """The fraction of pixels whose class is right.

    Args:
        confusion: (C, C), as from `confusion_matrix`.
    Returns:
        in [0, 1], NaN if nothing was counted.
    Raises:
        ValueError: not a square matrix.
    Taught in chapter 08.
    """
    _require_square(confusion)
    return (confusion.trace().double() / confusion.sum()).item()


def _require_classes(values: Tensor, num_classes: int, name: str) -> None:
    wrong = (values < 0) | (values >= num_classes)
    if wrong.any():
        void = f" or {VOID} for void" if name == "labels" else ""
        raise ValueError(
            f"{name} must be in 0..{num_classes - 1}{void}, but {values[wrong][0].item()} is among them"
        )


def _require_square(confusion: Tensor) -> None:
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion must be (classes, classes), got {tuple(confusion.shape)}")
