"""R-CNN, Fast R-CNN and Faster R-CNN: each is the one before it with one step moved into the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from d2lhelpers.augment import crop_and_resize
from d2lhelpers.detection.detector import Detector
from d2lhelpers.models.backbones import backbone
from d2lhelpers.models.roi_head import RoIHead
from d2lhelpers.proposals.roi import roi_align
from d2lhelpers.proposals.rpn import ProposalNetwork
from d2lhelpers.proposals.sampling import RoISample, sample_rois
from d2lhelpers.proposals.selective_search import Remembered

__all__ = ["RCNN", "FastRCNN", "FasterRCNN", "crop", "with_context"]

CHANNELS, STRIDE = 128, 8  # of the shipped backbone
SIDE = 4  # cells of a region's features: what the backbone makes of the 32 x 32 pixels that it was trained on

# how much of its surroundings a crop shows, in its own width and height, on each side
CONTEXT = 0.1

Propose = Callable[[Tensor], list[Tensor]]
Pool = Callable[[Tensor, Sequence[Tensor] | Tensor, int, float], Tensor]


class RCNN(Detector):
    """Cut every proposal out of the picture, resize it, and run the network on each by itself.

    As published, but for two simplifications that Fast R-CNN made: one network is trained for class and box together,
    and its softmax takes the place of support vector machines.

    Args:
        num_classes: of objects.
        propose: (B, 3, height, width) -> for each picture (P, 4), corners in pixels; None for selective search that
            remembers the pictures it has seen.
        pretrained: start from the shipped weights.
    Source: Girshick et al. 2014. Taught in chapter 05.
    """

    def __init__(
        self, num_classes: int, propose: Propose | None = None, pretrained: bool = True
    ) -> None:
        super().__init__()
        self.propose = propose or Remembered()
        self.features = backbone("s32", pretrained=pretrained).features
        self.head = RoIHead(num_classes, CHANNELS, SIDE)

    def regions(self, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """The features of each box: one pass of the network for each.

        Args:
            images: (B, 3, height, width), uint8 or float in [0, 1].
            boxes: for each picture (K_i, 4), corners in pixels.
        Returns:
            (K, channels, side, side), picture by picture.
        """
        crops = torch.cat(
            [crop(image, with_context(box)) for image, box in zip(images, boxes, strict=True)]
        )
        return self.features(crops.contiguous(memory_format=torch.channels_last))

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        sample = sample_rois(self.propose(images), labels, *images.shape[-2:])
        return self.head.losses(self.regions(images, sample.boxes(len(images))), sample)

    def candidates(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        proposals = self.propose(images)
        return self.head.candidates(self.regions(images, proposals), proposals)


class FastRCNN(RCNN):
    """Run the network once, on the whole picture, and cut the proposals out of its features.

    Args:
        num_classes, propose, pretrained: as for `RCNN`.
        pool: `roi_align`, `roi_pool`, or what takes the same arguments.
    Source: Girshick 2015. Taught in chapter 05.
    """

    def __init__(
        self,
        num_classes: int,
        propose: Propose | None = None,
        pool: Pool = roi_align,
        pretrained: bool = True,
    ) -> None:
        super().__init__(num_classes, propose, pretrained)
        self.pool = pool

    def regions(self, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
        """The features of each box, as from `RCNN.regions`: one pass of the network for all."""
        return self.pool(self.features(images), boxes, SIDE, 1 / STRIDE)


class FasterRCNN(Detector):
    """Let the network propose, too, from the features that the proposals are then cut out of.

    Args:
        num_classes: of objects.
        pool: as for `FastRCNN`.
        pretrained: start from the shipped weights.
    Source: Ren et al. 2015; both halves are trained at once, their "approximate joint training". Taught in chapter 05.
    """

    def __init__(self, num_classes: int, pool: Pool = roi_align, pretrained: bool = True) -> None:
        super().__init__()
        self.features = backbone("s32", pretrained=pretrained).features
        self.rpn = ProposalNetwork(CHANNELS)
        self.head = RoIHead(num_classes, CHANNELS, SIDE)
        self.pool = pool

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return self.learn(self.features(images), labels, *images.shape[-2:])[0]

    def learn(
        self, features: Tensor, labels: Tensor, height: int, width: int
    ) -> tuple[dict[str, Tensor], RoISample]:
        """The losses of both halves, and the regions that the second was trained on.

        Args:
            features: (B, channels, height / stride, width / stride).
            labels: as for `losses`.
            height, width: of the pictures in pixels.
        """
        anchors = self.rpn(features)
        proposals = self.rpn.propose(anchors, height, width)
        sample = sample_rois(proposals, labels, height, width)
        regions = self.pool(features, sample.rois, SIDE, 1 / STRIDE)
        return {**self.rpn.losses(anchors, labels), **self.head.losses(regions, sample)}, sample

    def candidates(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        features = self.features(images)
        proposals = self.rpn.propose(self.rpn(features), *images.shape[-2:])
        return self.head.candidates(self.pool(features, proposals, SIDE, 1 / STRIDE), proposals)


def crop(image: Tensor, boxes: Tensor) -> Tensor:
    """(3, height, width), uint8 or float in [0, 1], and (K, 4), corners in pixels -> (K, 3, 32, 32) float in [0, 1]."""
    if image.dtype == torch.uint8:
        image = image.float() / 255
    # a view that shows one picture K times, where K copies would fill the memory
    return crop_and_resize(image.expand(len(boxes), -1, -1, -1), boxes, SIDE * STRIDE)


def with_context(boxes: Tensor) -> Tensor:
    """Boxes with something of their surroundings: what a thing stands on and ends at tells what it is."""
    margin = CONTEXT * (boxes[:, 2:] - boxes[:, :2])
    return torch.cat((boxes[:, :2] - margin, boxes[:, 2:] + margin), dim=1)
