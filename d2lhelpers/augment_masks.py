"""Augmentation that takes the label pictures along: batches (images, labels) in, the same out.

Labels are (B, height, width). Every draw comes from torch's global generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from d2lhelpers.augment import flip

__all__ = ["RandomMaskFlip"]


@dataclass(frozen=True)
class RandomMaskFlip:
    """Mirror each picture left and right with probability `p`, its labels with it."""

    p: float = 0.5

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        which = torch.rand(len(images)) < self.p
        return flip(images, which), flip(labels[:, None], which)[:, 0]
