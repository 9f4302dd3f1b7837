"""The one score that every segmentation of the course is held to: mean IoU over all pixels that are not void."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from d2lhelpers.datasets.voc import BACKGROUND, VOID
from d2lhelpers.devices import autocast
from d2lhelpers.segmentation.metrics import class_iou, confusion_matrix, mean_iou, pixel_accuracy

__all__ = ["PixelScores", "evaluate", "near_outline", "predict"]


@dataclass(frozen=True)
class PixelScores:
    """How good the maps of a set of pictures are.

    Attributes:
        confusion: (classes, classes) int64, rows the truth, columns the prediction; void pixels are left out.
        classes: names; index k is class k, 0 the background.
    """

    confusion: Tensor
    classes: tuple[str, ...]

    @property
    def mean_iou(self) -> float:
        """In [0, 1], over the classes that are in the truth or in the prediction."""
        return mean_iou(self.confusion)

    @property
    def pixel_accuracy(self) -> float:
        """In [0, 1]. Flattering where most pixels are background: see `all_background`."""
        return pixel_accuracy(self.confusion)

    @property
    def per_class(self) -> dict[str, float]:
        """The IoU of each class, by name; classes that are neither in the truth nor in the prediction are left out."""
        ious = zip(self.classes, class_iou(self.confusion).tolist(), strict=True)
        return {name: iou for name, iou in ious if iou == iou}

    @property
    def all_background(self) -> PixelScores:
        """What would have been scored without looking, by saying background everywhere."""
        counts = torch.zeros_like(self.confusion)
        counts[:, BACKGROUND] = self.confusion.sum(dim=1)
        return replace(self, confusion=counts)

    def __str__(self) -> str:
        trivial = self.all_background
        return (
            f"mIoU {self.mean_iou:.3f}, pixel accuracy {self.pixel_accuracy:.3f} "
            f"(background everywhere: {trivial.mean_iou:.3f}, {trivial.pixel_accuracy:.3f})"
        )


@torch.inference_mode()
def predict(net: nn.Module, images: Tensor) -> Tensor:
    """The likeliest class of every pixel. Puts the network into evaluation mode.

    Args:
        net: images -> (B, classes, height, width) logits.
        images: (B, 3, height, width), uint8 or float in [0, 1], on any device.
    Returns:
        (B, height, width) uint8 on the network's device.
    """
    net.eval()
    device = next(net.parameters()).device
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    with autocast(device):
        logits = net(images)
    return logits.argmax(dim=1).to(torch.uint8)


def evaluate(
    net: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], classes: Sequence[str]
) -> PixelScores:
    """Score a network on all pixels of all pictures of a loader, each once.

    Args:
        net: as for `predict`; left in evaluation mode.
        loader: batches (images, labels), labels (B, height, width), 255 for void; batches may differ in size.
        classes: names; index k is class k, 0 the background.
    Raises:
        ValueError: the loader has no batches, or leaves pictures out.
    Taught in chapter 10.
    """
    if getattr(loader, "drop_last", False):
        raise ValueError("loader leaves out the last pictures: make it with drop_last=False")
    total = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    count = 0
    for images, labels in loader:
        total += confusion_matrix(predict(net, images).cpu(), labels.cpu(), len(classes))
        count += len(images)
    if count == 0:
        raise ValueError("loader has no batches: is its dataset empty?")
    return PixelScores(total, tuple(classes))


def near_outline(labels: Tensor, reach: int) -> Tensor:
    """Which pixels are at most `reach` pixels from a void one, in both directions: where objects end, in VOC's labels.

    Args:
        labels: (B, height, width), 255 for void.
        reach: pixels, 0 or more.
    Returns:
        (B, height, width) bool, void pixels included.
    Raises:
        ValueError: a negative reach.
    Source: Kohli et al. 2009 measure in such a band, the "trimap". Taught in chapter 10.
    """
    if reach < 0:
        raise ValueError(f"reach must be 0 or more, got {reach}")
    void, window = (labels == VOID).float()[:, None], 2 * reach + 1
    # along the rows, then along the columns: far fewer comparisons than the square window's
    for kernel, padding in (((1, window), (0, reach)), ((window, 1), (reach, 0))):
        void = max_pool2d(void, kernel, stride=1, padding=padding)
    return void[:, 0] > 0
