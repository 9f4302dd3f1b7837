"""Augmentation that takes the boxes along: batches (images, labels, ...) in, the same out.

Labels are (B, G, 5), rows (class, x1, y1, x2, y2) with corners in fractions of the picture; rows of -1 are padding
and stay so. Every draw comes from torch's global generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d2lhelpers.augment import crop_and_resize, flip

__all__ = ["RandomBoxCrop", "RandomBoxFlip", "crop_boxes", "flip_boxes"]


def flip_boxes(labels: Tensor, which: Tensor) -> Tensor:
    """Mirror the boxes of some pictures: x becomes 1 - x, and left and right change their roles.

    Args:
        labels: (B, G, 5).
        which: (B,) bool, the pictures that are mirrored.
    Returns:
        (B, G, 5); padding is as it was.
    Taught in chapters 01 and 03.
    """
    kind, x1, y1, x2, y2 = labels.unbind(-1)
    mirrored = torch.stack((kind, 1 - x2, y1, 1 - x1, y2), dim=-1)
    return torch.where((which[:, None] & (kind >= 0))[..., None], mirrored, labels)


def crop_boxes(labels: Tensor, windows: Tensor) -> Tensor:
    """The boxes that are left, and where, when a window of each picture becomes the picture.

    An object stays if its box's middle is in the window; what of the box hangs out is cut off.

    Args:
        labels: (B, G, 5).
        windows: (B, 4), corners in fractions of the old picture; they may reach outside it.
    Returns:
        (B, G, 5), corners in fractions of the window; what is lost has become padding.
    Source: Liu et al. 2016 (SSD), section 2.2. Taught in chapter 03.
    """
    corner, side = windows[:, None, :2], (windows[:, 2:] - windows[:, :2])[:, None]
    boxes = (labels[..., 1:] - corner.repeat(1, 1, 2)) / side.repeat(1, 1, 2)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    stays = (labels[..., 0] >= 0) & ((middle > 0) & (middle < 1)).all(-1)
    return torch.where(
        stays[..., None], torch.cat((labels[..., :1], boxes.clamp(0, 1)), dim=-1), -1
    )


@dataclass(frozen=True)
class RandomBoxFlip:
    """Mirror each picture left and right with probability `p`, its boxes and its instances with it."""

    p: float = 0.5

    def __call__(self, images: Tensor, labels: Tensor, *instances: Tensor) -> tuple[Tensor, ...]:
        which = torch.rand(len(images)) < self.p
        masks = tuple(flip(one[:, None], which)[:, 0] for one in instances)
        return flip(images, which), flip_boxes(labels, which), *masks


@dataclass(frozen=True)
class RandomBoxCrop:
    """Show a window of each picture in the old size, with the boxes that are in it.

    Attributes:
        scale: smallest and largest side of the window, in fractions of the picture's. Above 1 the picture is
            shrunk, its edge pixels drawn out around it, and objects get smaller.
    """

    scale: tuple[float, float] = (0.6, 1.2)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        size, x, y = torch.rand(3, len(images))
        side = self.scale[0] + (self.scale[1] - self.scale[0]) * size
        left, top = x * (1 - side), y * (1 - side)
        windows = torch.stack((left, top, left + side, top + side), dim=1)
        pixels = windows * windows.new_tensor([width, height, width, height])
        return crop_and_resize(images, pixels, (height, width)), crop_boxes(labels, windows)
