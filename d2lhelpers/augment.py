"""Image augmentation for a whole batch at a time, with a draw of its own for each image.

torchvision's transforms, given a batch, draw once and do the same to all of it. `PerImage` loops over the images for
them; the flips and crops that almost every training needs are written here for batches, some ten times faster.
Every draw comes from torch's global generator, so that `torch.manual_seed` holds for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "PerImage",
    "RandomCrop",
    "RandomFlip",
    "RandomResizedCrop",
    "crop_and_resize",
    "flip",
    "shift",
]


def flip(images: Tensor, which: Tensor, dim: int = -1) -> Tensor:
    """Mirror some of the images.

    Args:
        images: (B, C, height, width), any dtype.
        which: (B,) bool, the images to mirror.
        dim: -1 exchanges left and right, -2 top and bottom.
    Returns:
        As `images`.
    Source: Krizhevsky et al. 2012, section 4.1. Taught in chapter 01.
    """
    return torch.where(which[:, None, None, None], images.flip(dim), images)


def shift(images: Tensor, down: Tensor, right: Tensor, padding: int) -> Tensor:
    """Move each image's content by whole pixels; what comes in at the edges is the image reflected.

    The same as padding by reflection and cropping to the old size.

    Args:
        images: (B, C, height, width), any dtype.
        down: (B,) int64, pixels to move down, within ±padding.
        right: (B,) int64, likewise to the right.
        padding: the largest shift; less than height and width.
    Returns:
        As `images`.
    Source: He et al. 2016, section 4.2. Taught in chapter 01.
    """
    height, width = images.shape[-2:]
    rows = _reflect(torch.arange(height, device=images.device) - down[:, None], height)
    columns = _reflect(torch.arange(width, device=images.device) - right[:, None], width)
    # [B, height, 1] and [B, 1, width]: each output pixel takes the input pixel at (row, column), in every channel
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _reflect(index: Tensor, size: int) -> Tensor:
    index = index.abs()
    return torch.where(index < size, index, 2 * (size - 1) - index)


def crop_and_resize(images: Tensor, boxes: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut a box out of each image and resize it, bilinearly; a pixel outside the image is its nearest edge pixel.

    Args:
        images: (B, C, height, width), uint8 or float.
        boxes: (B, 4) float, corners (x1, y1, x2, y2) in pixels; the image spans (0, 0, width, height).
        size: the output's side, or (height, width), in pixels.
    Returns:
        (B, C, size, size), dtype of `images`. A box much larger than `size` is not smoothed first.
    Source: Szegedy et al. 2015, section 6. Taught in chapter 01.
    """
    height, width = images.shape[-2:]
    out_height, out_width = (size, size) if isinstance(size, int) else size
    x1, y1, x2, y2 = boxes.to(torch.float32).unbind(1)
    # the centres of the output's pixels, as fractions of the box, then in [-1, 1] over the image
    across = (torch.arange(out_width, device=images.device) + 0.5) / out_width
    along = (torch.arange(out_height, device=images.device) + 0.5) / out_height
    xs = (x1[:, None] + across * (x2 - x1)[:, None]) * 2 / width - 1  # [B, out_width]
    ys = (y1[:, None] + along * (y2 - y1)[:, None]) * 2 / height - 1  # [B, out_height]
    grid = torch.stack(
        torch.broadcast_tensors(xs[:, None, :], ys[:, :, None]), dim=-1
    )  # [B, out_height, out_width, 2]
    sampled = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return (
        sampled.to(images.dtype)
        if images.is_floating_point()
        else sampled.round_().to(images.dtype)
    )


@dataclass(frozen=True)
class RandomFlip:
    """Mirror each image with probability `p`: left and right (`dim` -1) or top and bottom (-2)."""

    dim: int = -1
    p: float = 0.5

    def __call__(self, images: Tensor) -> Tensor:
        return flip(images, torch.rand(len(images)) < self.p, self.dim)


@dataclass(frozen=True)
class RandomCrop:
    """Pad each image by reflection, then crop it to its old size at a random place."""

    padding: int = 4

    def __call__(self, images: Tensor) -> Tensor:
        if not 0 <= self.padding < min(images.shape[-2:]):
            raise ValueError(
                f"padding must be from 0 to {min(images.shape[-2:]) - 1} for images of "
                f"{images.shape[-2]} x {images.shape[-1]} pixels, not {self.padding}"
            )
        down, right = torch.randint(-self.padding, self.padding + 1, (2, len(images)))
        return shift(images, down, right, self.padding)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Crop a box of random area, shape and place from each image and resize it.

    Attributes:
        size: the output's side in pixels.
        scale: smallest and largest area of the box, as a fraction of the image's.
        ratio: smallest and largest width / height of the box, drawn evenly in its logarithm.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __call__(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        area, shape, x, y = torch.rand(4, len(images))
        area = torch.lerp(torch.tensor(self.scale[0]), torch.tensor(self.scale[1]), area)
        low, high = map(math.log, self.ratio)
        root = torch.exp((low + (high - low) * shape) / 2)
        # a box that would be larger than the image is cut to it, where torchvision draws again
        box_width = (width * height * area).sqrt().mul(root).clamp(max=width)
        box_height = (width * height * area).sqrt().div(root).clamp(max=height)
        x, y = x * (width - box_width), y * (height - box_height)
        boxes = torch.stack([x, y, x + box_width, y + box_height], dim=1)
        return crop_and_resize(images, boxes, self.size)


@dataclass(frozen=True)
class PerImage:
    """Apply a transform of torchvision's to each image of a batch by itself."""

    transform: Callable[[Tensor], Tensor]

    def __call__(self, images: Tensor) -> Tensor:
        return torch.stack([self.transform(image) for image in images])
