"""The part that all R-CNNs share: from the features in a region to its class and a better box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.anchors import offset_boxes, offset_inverse
from d2lhelpers.proposals.sampling import RoISample

__all__ = ["RoIHead"]


class RoIHead(nn.Module):
    """One hidden layer, then a class and four offsets. The offsets are the same for all classes.

    The published heads have four offsets for each class; one set learns from all objects, which counts when they are
    few, and costs nothing measurable.

    Args:
        num_classes: of objects.
        channels: of the features.
        side: of the features of a region, in cells.
        hidden: units of the hidden layer.
    Source: Girshick 2015 (Fast R-CNN), section 2. Taught in chapter 05.
    """

    def __init__(self, num_classes: int, channels: int, side: int, hidden: int = 256) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * side * side, hidden), nn.ReLU()
        )
        self.classes = nn.Linear(hidden, num_classes + 1)
        self.offsets = nn.Linear(hidden, 4)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """(K, channels, side, side) -> (K, num_classes + 1) float32 logits, 0 is background; (K, 4) float32 offsets."""
        hidden = self.hidden(regions)
        return self.classes(hidden).float(), self.offsets(hidden).float()

    def losses(self, regions: Tensor, sample: RoISample) -> dict[str, Tensor]:
        """Of regions drawn to train on.

        Args:
            regions: (K, channels, side, side), the features in `sample.rois`.
        Returns:
            "class", cross-entropy, and "box", smooth L1 of the objects' offsets; both sums divided by K.
        """
        logits, offsets = self(regions)
        held = sample.classes > 0
        wanted = offset_boxes(sample.rois[held, 1:], sample.truths[held])
        count = max(1, len(regions))
        return {
            "class": F.cross_entropy(logits, sample.classes, reduction="sum") / count,
            "box": F.smooth_l1_loss(offsets[held], wanted, reduction="sum") / count,
        }

    def candidates(
        self, regions: Tensor, proposals: Sequence[Tensor]
    ) -> list[tuple[Tensor, Tensor]]:
        """Of all regions of a batch.

        Args:
            regions: (K, channels, side, side), the features in the proposals, picture by picture.
            proposals: for each picture (K_i, 4), corners in pixels.
        Returns:
            for each picture the proposals moved by their offsets (K_i, 4) and probabilities (K_i, num_classes).
        """
        logits, offsets = self(regions)
        boxes = offset_inverse(torch.cat(list(proposals)), offsets)
        scores = logits.softmax(dim=1)[:, 1:]
        counts = [len(one) for one in proposals]
        return list(zip(boxes.split(counts), scores.split(counts), strict=True))
