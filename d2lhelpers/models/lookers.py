"""Small networks that differ in what of a picture reaches the answer: all of it, where they look, the colours there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d2lhelpers.attention import AttentionPooling
from d2lhelpers.colour import chi_squared, soft_joint_histogram
from d2lhelpers.models.backbones import ResidualBlock, Standardise

__all__ = ["LOOKERS", "Looker", "chromaticity", "colour_histogram", "paint_cards"]

LOOKERS = ("average", "attention", "histogram")

STRIDE = 4
BINS, BANDWIDTH = 16, 0.02  # of the histogram, for each of the two numbers of a colour
DARKEST = 0.05  # added to the sum of the channels: a dark pixel has no colour worth counting
TINTS = (0.0, 0.2, 0.4, 0.6)  # the share of white in the four equal parts of a card


def chromaticity(images: Tensor) -> Tensor:
    """A colour without its brightness: red's and green's share of the three channels.

    A thing in the shadow has darker pixels, but nearly the same shares.

    Args:
        images: (B, 3, height, width), uint8, or float in [0, 1].
    Returns:
        (B, 2, height, width) float in [0, 1].
    Taught in chapter 14.
    """
    values = images.float() / 255 if images.dtype == torch.uint8 else images
    return values[:, :2] / (values.sum(dim=1, keepdim=True) + DARKEST)


def colour_histogram(images: Tensor, weights: Tensor | None = None) -> Tensor:
    """How much there is of each chromaticity, as one row of numbers a picture.

    Args:
        images: as for `chromaticity`.
        weights: of the pixels, as for `colour.soft_histogram`.
    Returns:
        (B, BINS²) with a sum of 1; `unflatten(1, (BINS, BINS))` has red's share first, green's second.
    Taught in chapter 14.
    """
    shares = chromaticity(images)
    return soft_joint_histogram(shares, BINS, bandwidth=BANDWIDTH, weights=weights).flatten(1)


def paint_cards(paints: Tensor) -> Tensor:
    """What a thing of each paint should look like: the paint, and the paint under more and more white light.

    A pixel of a shiny thing is a mixture of its paint and of the lamp's reflection, which is white. So its colours lie
    on a line from the paint towards white, wherever the light comes from.

    Args:
        paints: (K, 3) in [0, 1], sRGB.
    Returns:
        (K, BINS²), a `colour_histogram` for each.
    Source: Shafer 1985, the dichromatic reflection model. Taught in chapter 14.
    """
    white = torch.tensor(TINTS, device=paints.device)
    mixed = paints[:, :, None].float() * (1 - white) + white  # [K, 3, tints]
    return colour_histogram(mixed[..., None])


class Looker(nn.Module):
    """A small residual network with a stride of 4 and one of three ways to an answer.

    | how | what the answer is made from |
    |---|---|
    | average | the features, averaged over the picture |
    | attention | the features, averaged by attention |
    | histogram | the colours of the picture's pixels, counted by attention: the nearest card of some paints |

    Args:
        how: one of LOOKERS.
        num_classes: to tell apart.
        paints: (num_classes, 3) in [0, 1], sRGB; for "histogram" alone, one for each class.
        width: channels of the first block.
    Raises:
        ValueError: an unknown `how`, or a histogram without paints.
    Taught in chapter 14.
    """

    def __init__(
        self, how: str, num_classes: int, paints: Tensor | None = None, width: int = 16
    ) -> None:
        super().__init__()
        if how not in LOOKERS:
            raise ValueError(f"how must be one of {', '.join(LOOKERS)}, got {how!r}")
        if how == "histogram" and (paints is None or paints.shape != (num_classes, 3)):
            got = None if paints is None else tuple(paints.shape)
            raise ValueError(f"paints must be ({num_classes}, 3), one for each class, got {got}")
        self.how = how
        stem = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        sizes = ((width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 1))
        blocks = (ResidualBlock(*size) for size in sizes)
        # about the mean and deviation of any photograph; batch normalisation does the rest
        standardise = Standardise((0.45, 0.45, 0.45), (0.25, 0.25, 0.25))
        self.features = nn.Sequential(standardise, stem, *blocks)
        self.pool = None if how == "average" else AttentionPooling(4 * width)
        if how == "histogram":
            self.register_buffer("cards", paint_cards(paints), persistent=False)
            self.scale = nn.Parameter(torch.tensor(5.0))
        else:
            self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, height, width), uint8 or float in [0, 1] -> (B, num_classes) logits."""
        return self.attend(images)[0]

    def attend(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """The logits, and the map of attention (B, 1, height / 4, width / 4); None for the average."""
        features = self.features(images)
        if self.pool is None:
            return self.head(features.mean(dim=(2, 3))), None
        pooled, weights = self.pool.attend(features)
        if self.how == "attention":
            return self.head(pooled), weights
        values = images.float() / 255 if images.dtype == torch.uint8 else images
        # the histogram is a matrix product, which autocast would compute to three digits
        with torch.autocast(images.device.type, enabled=False):
            seen = colour_histogram(F.avg_pool2d(values, STRIDE), weights.float())
            return -self.scale * chi_squared(seen[:, None], self.cards), weights
