"""TinySSD: one pass over the picture, anchors on five feature maps, a class and four offsets for each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.anchors import multibox_prior, multibox_target, offset_inverse
from d2lhelpers.detection.detector import Detector
from d2lhelpers.detection.losses import focal_loss, hard_negatives
from d2lhelpers.models.backbones import backbone

__all__ = ["SCENES_SIZES", "SIZES", "TinySSD"]

# d2l's: sides of the anchors on each map, in picture heights, and their shapes, width over height
SIZES = ((0.2, 0.272), (0.37, 0.447), (0.54, 0.619), (0.71, 0.79), (0.88, 0.961))
RATIOS = (1.0, 2.0, 0.5)

# for pictures whose objects are a twelfth to a third of the side
SCENES_SIZES = ((0.08, 0.13), (0.19, 0.26), (0.34, 0.42), (0.54, 0.66), (0.8, 0.9))

CHANNELS = 128
RARE = 0.01  # how much rarer than background each class is, as far as an untrained network knows
LEAST_SIDE = 64  # pixels: the fourth map still has a cell

CLASS_LOSSES = ("hard negatives", "focal", "all")


class TinySSD(Detector):
    """d2l's TinySSD on the shipped backbone: 5,444 anchors at 256 x 256 pixels, 1.3 million parameters.

    Args:
        num_classes: of objects.
        sizes: of the anchors, for each of the five maps from the finest to the coarsest.
        class_loss: cross-entropy of the objects' anchors and the hardest of the others, focal loss of all, or
            cross-entropy of all alike.
        pretrained: start from the shipped weights.
    Raises:
        ValueError: no class, sizes of another number of maps, or an unknown loss.
    Source: Liu et al. 2016; d2l, section 14.7. Taught in chapter 06.
    """

    def __init__(
        self,
        num_classes: int,
        sizes: Sequence[Sequence[float]] = SIZES,
        class_loss: Literal["hard negatives", "focal", "all"] = "hard negatives",
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        if len(sizes) != 5:
            raise ValueError(f"sizes must be those of five maps, got {len(sizes)}")
        if class_loss not in CLASS_LOSSES:
            raise ValueError(
                f"class_loss must be one of {', '.join(CLASS_LOSSES)}, not {class_loss!r}"
            )
        self.num_classes, self.sizes, self.class_loss = num_classes, sizes, class_loss
        self.maps = nn.ModuleList(
            (
                backbone("s32", pretrained=pretrained).features,
                down_sample(),
                down_sample(),
                down_sample(),
                nn.AdaptiveMaxPool2d(1),
            )
        )
        a_pixel = [len(of_map) + len(RATIOS) - 1 for of_map in sizes]  # anchors
        self.class_heads = nn.ModuleList(head(num * (num_classes + 1)) for num in a_pixel)
        self.offset_heads = nn.ModuleList(head(num * 4) for num in a_pixel)
        for one in self.class_heads:
            # else the first steps are spent on learning that nearly everything is background
            nn.init.zeros_(one.bias)
            nn.init.constant_(one.bias[:: num_classes + 1], -math.log(RARE))

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the network says.

        Args:
            images: (B, 3, height, width), both at least 64.
        Returns:
            anchors (1, A, 4) in fractions of the picture, logits (B, A, classes + 1), background first, and offsets
            (B, A, 4) as `offset_boxes` encodes them.
        Raises:
            ValueError: pictures too small for five maps.
        """
        if min(images.shape[-2:]) < LEAST_SIDE:
            raise ValueError(
                f"images must be at least {LEAST_SIDE} pixels high and wide, got {tuple(images.shape)}"
            )
        x, anchors, logits, offsets = images, [], [], []
        for stage, sizes, class_head, offset_head in zip(
            self.maps, self.sizes, self.class_heads, self.offset_heads, strict=True
        ):
            x = stage(x)
            anchors.append(multibox_prior(x.float(), sizes, RATIOS))
            logits.append(in_rows(class_head(x), self.num_classes + 1))
            offsets.append(in_rows(offset_head(x), 4))
        return torch.cat(anchors, dim=1), torch.cat(logits, dim=1), torch.cat(offsets, dim=1)

    def losses(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Of the classes, and of the offsets of the anchors that belong to an object; both divided by their number."""
        anchors, logits, offsets = self.outputs(images)
        target_offsets, _, classes = multibox_target(anchors, labels)
        positive = classes > 0
        num_positive = positive.sum().clamp(min=1)
        errors = F.smooth_l1_loss(offsets, target_offsets.view_as(offsets), reduction="none")
        return {
            "class": self.weighed(logits, classes).sum() / num_positive,
            "offset": errors[positive].sum() / num_positive,
        }

    def weighed(self, logits: Tensor, classes: Tensor) -> Tensor:
        """The class losses (B, A) of all anchors, of which nearly all are background: each as far as it counts."""
        if self.class_loss == "focal":
            return focal_loss(logits, classes)
        losses = F.cross_entropy(logits.transpose(1, 2), classes, reduction="none")
        return losses if self.class_loss == "all" else losses * hard_negatives(losses, classes > 0)

    def candidates(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Every anchor, moved and stretched by its offsets; background is left out of the scores."""
        anchors, logits, offsets = self.outputs(images)
        height, width = images.shape[-2:]
        boxes = offset_inverse(anchors, offsets) * offsets.new_tensor([width, height] * 2)
        scores = logits.softmax(dim=-1)[..., 1:]
        return list(zip(boxes, scores, strict=True))


def down_sample() -> nn.Sequential:
    """Two convolutions, then half the height and width."""
    layers = []
    for _ in range(2):
        layers += [
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def head(num_outputs: int) -> nn.Conv2d:
    """Looks at each pixel of a map and its neighbours."""
    return nn.Conv2d(CHANNELS, num_outputs, 3, padding=1)


def in_rows(values: Tensor, columns: int) -> Tensor:
    """(B, a * columns, h, w) -> (B, h * w * a, columns) float32, in the order of `multibox_prior`'s anchors."""
    return values.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, columns)).float()
