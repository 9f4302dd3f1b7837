"""Histograms that a network can be trained by.

A histogram counts, and counts have no slope: `numpy.histogram` in a loss teaches a network nothing. Here each pixel
is blurred a little along the axis of values: the nearer it is to an edge, the more of it belongs to the next bin, and
moved a little, it changes both shares. A weight for each pixel, from a mask or attention, says how much it counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["memberships", "pixels_and_shares", "soft_histogram", "soft_joint_histogram"]


def memberships(
    values: Tensor,
    bins: int = 16,
    limits: tuple[float, float] = (0.0, 1.0),
    bandwidth: float | None = None,
) -> Tensor:
    """How much each value belongs to each bin: the part of its blur that falls between the bin's edges.

    The blur is the logistic distribution, a bell like the normal one; cumulated it is the sigmoid, which is fast.

    Args:
        values: (...), floating. What lies outside the limits belongs to the first or the last bin.
        bins: equally wide.
        limits: lower edge of the first bin, upper edge of the last.
        bandwidth: scale of the blur (0.55 standard deviations), in the unit of the values; None is a quarter of a bin.
    Returns:
        (..., bins), at least 0, with a sum of 1.
    Raises:
        ValueError: values that are not floating, no bin, limits in the wrong order, a bandwidth that is not above 0.
    Source: Ustinova and Lempitsky 2016, section 3, is the triangular form of it. Taught in chapter 14.
    """
    below = _below(values, bins, limits, bandwidth)
    return _between(below, torch.ones_like(values))


def soft_histogram(
    images: Tensor,
    bins: int = 16,
    limits: tuple[float, float] = (0.0, 1.0),
    bandwidth: float | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The share of the pixels in each bin, for each channel by itself, with a gradient for pixels and weights.

    Args:
        images: (B, C, height, width), uint8, or float within the limits.
        bins, limits, bandwidth: as for `memberships`.
        weights: (B, 1, height, width) or (B, height, width), bool or at least 0; None counts all pixels alike.
    Returns:
        (B, C, bins) with a sum of 1 over the bins; all 0 for a picture whose weights are all 0.
    Raises:
        ValueError: other shapes, or as for `memberships`.
    Source: equal to `torch.histc` over the number of pixels as the bandwidth goes to 0, except that a value on an
    inner edge is halved. Taught in chapter 14.
    """
    values, shares = pixels_and_shares(images, weights)
    below = _below(values, bins, limits, bandwidth)  # [B, C, N, bins - 1]
    # not a matrix product, which autocast would compute to three digits
    cumulated = (below * shares[:, None, :, None]).sum(dim=2)
    return _between(cumulated, shares.sum(dim=1, keepdim=True).expand(values.shape[:2]))


def soft_joint_histogram(
    images: Tensor,
    bins: int = 6,
    limits: tuple[float, float] = (0.0, 1.0),
    bandwidth: float | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The share of the pixels in each box of colours: orange is not the same as some red here and some yellow there.

    Args:
        images: (B, C, height, width), C at least 2; otherwise, and the other arguments, as for `soft_histogram`.
    Returns:
        (B, bins, ..., bins), one dimension for each channel, with a sum of 1 over all of them.
    Raises:
        ValueError: one channel, or as for `soft_histogram`.
    Source: Swain and Ballard 1991, section 2, for hard bins. Taught in chapter 14.
    """
    values, shares = pixels_and_shares(images, weights)
    if values.shape[1] < 2:
        raise ValueError(f"images must have at least 2 channels, got {tuple(images.shape)}")
    first, *others, last = memberships(values, bins, limits, bandwidth).unbind(1)  # [B, N, bins]
    for other in others:
        first = (first[..., :, None] * other[..., None, :]).flatten(2)
    joint = (first * shares[..., None]).mT @ last
    return joint.reshape(len(images), *[bins] * values.shape[1])


def pixels_and_shares(images: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """(B, C, N) floating values, N pixels, and (B, N), what each counts: shares with a sum of 1, or all 0."""
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(f"images must be (B, C, height, width), not 0, got {tuple(images.shape)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images must be uint8 or floating, got {images.dtype}")
    values = (images.float() / 255 if images.dtype == torch.uint8 else images).flatten(2)
    # shares of thousands of pixels want more digits than bfloat16 has
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    size = (len(images), 1, *images.shape[2:])
    if weights is None:
        weights = values.new_ones(size)
    if weights.shape not in (size, size[:1] + size[2:]):
        raise ValueError(
            f"weights must be {size}, one for each pixel, got {tuple(weights.shape)}; F.interpolate brings a map "
            "to the picture's size"
        )
    shares = weights.flatten(1).to(values)
    total = shares.sum(dim=1, keepdim=True)
    return values, shares / total.clamp(min=torch.finfo(total.dtype).tiny)


def _below(
    values: Tensor, bins: int, limits: tuple[float, float], bandwidth: float | None
) -> Tensor:
    """(...) -> (..., bins - 1): the part of each value's blur that lies below each inner edge."""
    low, high = limits
    if not values.is_floating_point():
        raise ValueError(f"values must be floating, got {values.dtype}; divide bytes by 255")
    if bins < 1 or not low < high:
        raise ValueError(f"need at least 1 bin and low < high, got {bins} bins and limits {limits}")
    if bandwidth is None:
        bandwidth = (high - low) / bins / 4
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be above 0, got {bandwidth}")
    # The outermost edges are left out, as though they stood at infinity: black pixels, which lie on the first, would
    # lose half of their blur.
    edges = torch.linspace(low, high, bins + 1, dtype=values.dtype, device=values.device)[1:-1]
    return ((edges - values[..., None]) / bandwidth).sigmoid()


def _between(cumulated: Tensor, total: Tensor) -> Tensor:
    """From what lies below each inner edge, (..., bins - 1), and in all, (...), to what is in each bin, (..., bins)."""
    total = total[..., None]
    inside = cumulated.diff(dim=-1, prepend=torch.zeros_like(total), append=total)
    # rounding may leave a bin 1e-8 below nothing, of which there is no logarithm
    return inside.clamp(min=0)
