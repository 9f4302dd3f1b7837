"""Bug hunts: a function with a fault, to be exposed by a test that the student writes."""

import random
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.boxes import box_iou
from d2lhelpers.convolution import trans_conv
from d2lhelpers.detection import nms, nms_in_groups


def exposes(test: Callable, broken: Callable, right: Sequence[Callable]) -> None:
    """Hold a student's test against a faulty function and against right ones.

    Args:
        test: takes a function and asserts what it should do.
        broken: the function with the fault; the test must fail on it, by an assertion.
        right: functions without a fault, written differently; the test must pass on each.
    Raises:
        AssertionError: the test does not tell them apart; the message says how.
    """
    calls = [*right, broken] * 2
    # a test that only counts its calls must not know which is which
    random.SystemRandom().shuffle(calls)
    outcomes = [(function is broken, _outcome(test, function)) for function in calls]
    for error in (error for faulty, error in outcomes if not faulty and error):
        if not isinstance(error, AssertionError):
            raise error
        raise AssertionError("the test fails on a function that is right") from error
    for error in (error for faulty, error in outcomes if faulty):
        if error is None:
            raise AssertionError("the test passes on the faulty function")
        if not isinstance(error, AssertionError):
            stops = f"the test stops with {type(error).__name__} on the faulty function"
            raise AssertionError(f"{stops}: it should assert") from error


def _outcome(test: Callable, function: Callable) -> Exception | None:
    try:
        test(function)
    except Exception as error:
        return error
    return None


# -------------------------------------------------------------------------------- a1: frozen batch normalisation


def hasty_batchnorm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """A batch normalisation that stays as it is. It looks right, and it has a fault."""
    frozen = [value.clone() for value in (running_mean, running_var, weight, bias)]
    return F.batch_norm(x, *frozen, training=True)


def patient_batchnorm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """A frozen batch normalisation as what it is, one straight line for each channel."""
    slope = weight * torch.rsqrt(running_var + 1e-5)
    return torch.einsum("bchw,c->bchw", x, slope) + (bias - slope * running_mean).view(1, -1, 1, 1)


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


# ------------------------------------------------------------------------------------ a3: transposed convolution


def hasty_trans_conv(X: Tensor, K: Tensor, stride: int) -> Tensor:
    """Transposed convolution without a loop. It looks right, it is fast, and it has a fault."""
    (h, w), (kh, kw) = X.shape, K.shape
    rows = stride * torch.arange(h)[:, None] + torch.arange(kh)
    columns = stride * torch.arange(w)[:, None] + torch.arange(kw)
    strokes = X[:, None, :, None] * K[None, :, None, :]
    Y = X.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    Y[rows[:, :, None, None], columns] += strokes
    return Y


def patient_trans_conv(X: Tensor, K: Tensor, stride: int) -> Tensor:
    """Transposed convolution by its definition: pixel by pixel, each paints the whole kernel."""
    (h, w), (kh, kw) = X.shape, K.shape
    Y = X.new_zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            Y[i * stride : i * stride + kh, j * stride : j * stride + kw] += X[i, j] * K
    return Y


def cell_trans_conv(X: Tensor, K: Tensor, stride: int) -> Tensor:
    """Transposed convolution as chapter 09 has it: a loop over nothing but the kernel's cells."""
    return trans_conv(X, K, stride=stride)


# ---------------------------------------------------------------------------------- a4: labels in another size


def hasty_resize(labels: Tensor, height: int, width: int) -> Tensor:
    """Scale labels with PyTorch's nearest neighbour. It looks right, it is fast, and it has a fault."""
    # float64 holds every class exactly
    scaled = F.interpolate(labels[None, None].double(), (height, width), mode="nearest")
    return scaled[0, 0].to(labels.dtype)


def patient_resize(labels: Tensor, height: int, width: int) -> Tensor:
    """Scale labels by the definition: each new pixel asks in which old one its middle lies."""
    h, w = labels.shape
    # in halves of a new pixel, so that all numbers are whole
    rows = [(2 * i + 1) * h // (2 * height) for i in range(height)]
    columns = [(2 * j + 1) * w // (2 * width) for j in range(width)]
    return labels[rows][:, columns]


def index_resize(labels: Tensor, height: int, width: int) -> Tensor:
    """Scale labels by the same definition, all pixels at once."""
    rows, columns = (
        ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new).long()
        for old, new in zip(labels.shape, (height, width), strict=True)
    )
    return labels[rows[:, None], columns]


# ------------------------------------------------------------------------------------------------- a5: Grad-CAM


def hasty_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM with nothing negative in it. It looks right, and it has a fault."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).relu().sum(dim=1)


def patient_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM by its definition: picture by picture, channel by channel."""
    maps = torch.zeros_like(activations[:, 0])
    for k, (channels, slopes) in enumerate(zip(activations, gradients, strict=True)):
        for channel, slope in zip(channels, slopes, strict=True):
            maps[k] += slope.mean() * channel
    return maps.clamp(min=0)


# ------------------------------------------------------------------ a6: non-maximum suppression, class by class


def shifting_nms(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Suppression within each class, in one call: boxes of different classes are moved apart. It has a fault."""
    shift = classes * boxes.amax() if len(boxes) else classes
    return nms(boxes + shift[:, None], scores, iou_threshold)


def grouped_nms(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """Suppression within each class as the detectors of the chapters have it."""
    return nms_in_groups(boxes, scores, classes, iou_threshold)


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
