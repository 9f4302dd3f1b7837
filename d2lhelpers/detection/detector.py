"""What every detector of the course is: a network that knows its own loss, and predicts in torchvision's form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypedDict

import torch
from torch import Tensor, nn

from d2lhelpers.boxes import clip_boxes
from d2lhelpers.detection.suppression import nms_in_groups
from d2lhelpers.devices import autocast

__all__ = ["Detection", "Detector"]


class Detection(TypedDict):
    """What is found in one picture, by falling score: torchvision's form, but with classes counted from 0.

    boxes: (K, 4) float32, corners in pixels of the picture, inside it.
    labels: (K,) int64, classes.
    scores: (K,) float32 in [0, 1].
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class Detector(nn.Module, ABC):
    """A network that finds objects.

    A subclass says how it is trained (`losses`) and what it proposes (`candidates`); the rest is here, so that every
    detector of the course is trained, cut off, suppressed and measured in the same way.
    """

    @abstractmethod
    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The parts of the loss by name, each a mean, to be added up.

        Args:
            images: (B, 3, height, width), uint8 or float in [0, 1].
            labels: (B, G, 5), rows (class, x1, y1, x2, y2), corners in fractions of the picture; class -1 is padding.
        """

    @abstractmethod
    def candidates(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """All that the network proposes for each picture, nothing suppressed yet.

        Args:
            images: as above.
        Returns:
            for each picture boxes (N, 4), corners in pixels, and scores (N, classes) in [0, 1].
        """

    def forward(self, images: Tensor, labels: Tensor, *more: Tensor) -> Tensor:
        """The loss, a scalar: this is what `train` calls, through whatever shares a batch out among devices."""
        return sum(self.losses(images, labels, *more).values())

    @torch.inference_mode()
    def predict(
        self,
        images: Tensor,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        most: int = 100,
    ) -> list[Detection]:
        """Find objects. Puts the network into evaluation mode.

        Args:
            images: (B, 3, height, width), uint8 or float in [0, 1], on any device.
            score_threshold: in [0, 1]; what scores less is dropped.
            iou_threshold: in [0, 1]; of two boxes of a class that overlap by more, the better one stays.
            most: detections a picture.
        Returns:
            one Detection a picture, on the network's device.
        """
        self.eval()
        images = images.to(next(self.parameters()).device)
        images = images.contiguous(memory_format=torch.channels_last)
        device = images.device
        with autocast(device):
            found = self.candidates(images)
        size = images.shape[-2:]
        return [
            select(clip_boxes(boxes.float(), *size), scores.float(), score_threshold, iou_threshold, most)
            for boxes, scores in found
        ]  # fmt: skip


def select(
    boxes: Tensor, scores: Tensor, score_threshold: float, iou_threshold: float, most: int
) -> Detection:
    """From all that is proposed for a picture to what is reported; arguments as those of `Detector.predict`.

    A box may be reported as several classes, each with its own score, as torchvision and COCO's metric have it.

    Args:
        boxes: (N, 4), corners.
        scores: (N, classes).
    """
    row, label = (scores > score_threshold).nonzero(as_tuple=True)
    score = scores[row, label]
    # suppression compares all pairs; a picture holds nowhere near this many objects
    score, order = score.topk(min(10 * most, len(score)))
    row, label = row[order], label[order]
    kept = nms_in_groups(boxes[row], score, label, iou_threshold)[:most]
    return Detection(boxes=boxes[row[kept]], labels=label[kept], scores=score[kept])
