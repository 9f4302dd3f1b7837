"""Maps of attention: enlarged to the picture that they belong to, and held against the mask of its object."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["enlarge", "mass_on_mask", "peaks_on_mask"]


def enlarge(weights: Tensor, height: int, width: int) -> np.ndarray:
    """Maps (..., h, w) as an array (..., height, width) float32 in pixels, bilinear, to be drawn over the picture.

    Taught in chapter 13.
    """
    maps = weights.detach().float().reshape(-1, 1, *weights.shape[-2:])
    large = F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
    return large.reshape(*weights.shape[:-2], height, width).cpu().numpy()


def mass_on_mask(weights: Tensor, masks: Tensor) -> Tensor:
    """How much of the attention lies on the object; spread evenly, it would be the object's share of the picture.

    Args:
        weights: (B, 1, h, w), at least 0; their sum need not be 1.
        masks: (B, height, width) bool, or float in [0, 1], true on the object.
    Returns:
        (B,) in [0, 1], 0 where all weights are 0; a position counts by the share of it that the object covers.
    Raises:
        ValueError: other shapes.
    Taught in chapters 13 and 14.
    """
    _require_maps(weights, masks)
    covered = F.adaptive_avg_pool2d(masks[:, None].to(weights), weights.shape[2:])
    total = weights.sum(dim=(1, 2, 3))
    return (weights * covered).sum(dim=(1, 2, 3)) / total.clamp(min=torch.finfo(total.dtype).tiny)


def peaks_on_mask(weights: Tensor, masks: Tensor) -> Tensor:
    """Whether the highest weight lies at a position that the object touches, which is known as the pointing game.

    A map that knows nothing wins it as often as the object touches a position, more often than its mass would say.

    Args:
        weights: (B, 1, h, w). Where several are the highest, the first of them counts, row by row.
        masks: (B, height, width) bool, or float in [0, 1], true on the object.
    Returns:
        (B,) bool.
    Raises:
        ValueError: other shapes.
    Source: Zhang et al. 2018 (excitation backprop), without their margin of 15 pixels. Taught in chapter 13.
    """
    _require_maps(weights, masks)
    touched = F.adaptive_max_pool2d(masks[:, None].to(weights), weights.shape[2:]) > 0
    peaks = weights.flatten(1).argmax(dim=1, keepdim=True)
    return touched.flatten(1).gather(1, peaks)[:, 0]


def _require_maps(weights: Tensor, masks: Tensor) -> None:
    if weights.ndim != 4 or weights.shape[1] != 1 or masks.ndim != 3 or len(masks) != len(weights):
        shapes = f"{tuple(weights.shape)} and {tuple(masks.shape)}"
        raise ValueError(f"weights must be (B, 1, h, w) and masks (B, height, width), got {shapes}")
