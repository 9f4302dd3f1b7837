"""What takes a shortcut away from a network: other scenes behind the things, other colours, other places of the pieces.

A remedy keeps what the label is about and draws anew what it is not about. So each is a statement about the label: a
network for colours must not be trained on exchanged channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "RandomBackgrounds",
    "RandomChannels",
    "RandomMixtures",
    "Scramble",
    "fill_holes",
    "mix_channels",
    "permute_channels",
    "scramble",
    "swap_backgrounds",
]


def fill_holes(images: Tensor, masks: Tensor) -> Tensor:
    """The scenes without their things: each hole takes the mirrored picture, and where that has a hole too, the mean.

    Args:
        images: (B, C, height, width), any dtype.
        masks: (B, height, width) bool, true on the things.
    Returns:
        As `images`; black where a thing covers all.
    Raises:
        ValueError: masks of another shape or type.
    Taught in chapter 14.
    """
    _require_masks(images, masks)
    around = (~masks)[:, None]
    count = around.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    # counted apart: what is under the mask may be infinite
    mean = torch.where(around, images.double(), 0).sum(dim=(2, 3), keepdim=True) / count
    mean = (mean if images.is_floating_point() else mean.round()).to(images.dtype)
    mirrored = torch.where(masks.flip(2)[:, None], mean, images.flip(3))
    return torch.where(around, images, mirrored)


def swap_backgrounds(images: Tensor, masks: Tensor, donors: Tensor) -> Tensor:
    """Each thing, in its place, in the scene of another picture.

    Args:
        images: (B, C, height, width), any dtype.
        masks: (B, height, width) bool, true on the things.
        donors: (B,) int64, whose scene each picture gets; its own number leaves it as it is.
    Returns:
        As `images`.
    Raises:
        ValueError: masks or donors of another shape or type.
    Source: Xiao et al. 2021, section 3, whose "mixed-rand" it is. Taught in chapter 14.
    """
    _require_masks(images, masks)
    if donors.shape != images.shape[:1]:
        raise ValueError(
            f"donors must be ({len(images)},), one for each, not {tuple(donors.shape)}"
        )
    return torch.where(masks[:, None], images, fill_holes(images, masks)[donors])


def permute_channels(images: Tensor, orders: Tensor) -> Tensor:
    """Red, green and blue in another order: other colours everywhere, the same edges.

    Args:
        images: (B, 3, height, width), any dtype.
        orders: (B, 3) int64, for each channel of the result whose values it gets.
    Returns:
        As `images`.
    Raises:
        ValueError: orders of another shape.
    Taught in chapter 14.
    """
    if orders.shape != images.shape[:2]:
        raise ValueError(
            f"orders must be {tuple(images.shape[:2])}, one for each channel, not {tuple(orders.shape)}"
        )
    return images.gather(1, orders[:, :, None, None].expand_as(images))


def mix_channels(images: Tensor, weights: Tensor) -> Tensor:
    """Red, green and blue each a mixture of the three: any colour may become any other, greys stay as they are.

    An exchange is not enough to hide a colour: yellow, with two channels high and one low, stays such a colour.

    Args:
        images: (B, 3, height, width), uint8 or float.
        weights: (B, 3, 3), at least 0, with a sum of 1 over the last dimension; row k makes channel k of the result.
    Returns:
        As `images`.
    Raises:
        ValueError: weights of another shape.
    Taught in chapter 14.
    """
    like = (len(images), images.shape[1], images.shape[1])
    if weights.shape != like:
        raise ValueError(f"weights must be {like}, a table for each, not {tuple(weights.shape)}")
    mixed = torch.einsum("bij,bjhw->bihw", weights, images.to(weights.dtype))
    return (mixed if images.is_floating_point() else mixed.round()).to(images.dtype)


def scramble(images: Tensor, orders: Tensor, pieces: int) -> Tensor:
    """Cut into squares and put together in another order: the same colours, hardly a shape left.

    Args:
        images: (B, C, height, width), any dtype; pieces divide both sides.
        orders: (B, pieces²) int64, for each place, row by row, which piece it gets.
        pieces: along each side.
    Returns:
        As `images`.
    Raises:
        ValueError: sides that pieces do not divide, or orders of another shape.
    Taught in chapter 14.
    """
    height, width = images.shape[2:]
    if pieces < 1 or height % pieces or width % pieces:
        raise ValueError(f"pieces must divide {height} and {width}, got {pieces}")
    if orders.shape != (len(images), pieces**2):
        raise ValueError(
            f"orders must be {(len(images), pieces**2)}, one for each place, not {tuple(orders.shape)}"
        )
    cut = images.unflatten(3, (pieces, -1)).unflatten(2, (pieces, -1))  # [B, C, row, y, column, x]
    flat = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # [B, pieces², C, y, x]
    moved = flat[torch.arange(len(images), device=images.device)[:, None], orders]
    whole = moved.unflatten(1, (pieces, pieces)).permute(0, 3, 1, 4, 2, 5)
    return whole.reshape(images.shape)


@dataclass(frozen=True)
class RandomBackgrounds:
    """Put each thing into the scene of a picture of the batch, drawn at random."""

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        return swap_backgrounds(images, masks, torch.randperm(len(images)))


@dataclass(frozen=True)
class RandomChannels:
    """Exchange each picture's channels at random."""

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        return permute_channels(images, torch.rand(len(images), 3).argsort(dim=1))


@dataclass(frozen=True)
class RandomMixtures:
    """Mix each picture's channels anew."""

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        weights = torch.rand(len(images), 3, 3)
        return mix_channels(images, weights / weights.sum(dim=2, keepdim=True))


@dataclass(frozen=True)
class Scramble:
    """Put each picture together again from its pieces in a random order."""

    pieces: int = 8

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        orders = torch.rand(len(images), self.pieces**2).argsort(dim=1)
        return scramble(images, orders, self.pieces)


def _require_masks(images: Tensor, masks: Tensor) -> None:
    like = (len(images), *images.shape[2:])
    if masks.shape != like or masks.dtype != torch.bool:
        raise ValueError(f"masks must be {like} bool, not {tuple(masks.shape)} {masks.dtype}")
