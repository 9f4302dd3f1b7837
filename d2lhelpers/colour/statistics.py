"""Mean colour, and how the channels vary: a palette in a few numbers."""

from __future__ import annotations

from torch import Tensor

from d2lhelpers.colour.histograms import pixels_and_shares

__all__ = ["colour_statistics", "colour_statistics_loss"]


def colour_statistics(images: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean colour, and how the channels vary and go together.

    Args:
        images, weights: as for `soft_histogram`, of any range.
    Returns:
        mean (B, C) and covariance (B, C, C), over all pixels, not one less; both 0 where all weights are 0.
    Raises:
        ValueError: other shapes.
    Taught in chapters 11 and 14.
    """
    values, shares = pixels_and_shares(images, weights)
    mean = (values @ shares[..., None]).squeeze(-1)
    centred = values - mean[..., None]
    return mean, (centred * shares[:, None]) @ centred.mT


def colour_statistics_loss(
    images: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    target_weights: Tensor | None = None,
) -> Tensor:
    """Squared differences of mean and covariance: gives one picture the other's palette, whatever its scene.

    Args:
        images: (B, C, height, width), uint8 or float.
        targets: (B, C, h, w) or (1, C, h, w); the sizes may differ.
        weights, target_weights: of their pixels, as for `soft_histogram`.
    Returns:
        (B,), the mean over the channels plus the mean over their pairs.
    Raises:
        ValueError: other shapes.
    Source: Reinhard et al. 2001 match these statistics directly. Taught in chapters 11 and 14.
    """
    mean, covariance = colour_statistics(images, weights)
    target_mean, target_covariance = colour_statistics(targets, target_weights)
    if mean.shape[1] != target_mean.shape[1] or len(targets) not in (1, len(images)):
        raise ValueError(
            "targets must be as many as the images, or one, with as many channels, got "
            f"{tuple(targets.shape)} for {tuple(images.shape)}"
        )
    of_mean = (mean - target_mean).square().mean(dim=1)
    return of_mean + (covariance - target_covariance).square().mean(dim=(1, 2))
