"""Which colours a picture has, wherever they are, in numbers that a network can be trained by.

A histogram counts, and counts have no slope: `numpy.histogram` in a loss teaches a network nothing. Here each pixel
is blurred a little along the axis of values: the nearer it is to an edge, the more of it belongs to the next bin, and
moved a little, it changes both shares. A weight for each pixel, from a mask or attention, says how much it counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "chi_squared",
    "colour_statistics",
    "colour_statistics_loss",
    "earth_movers",
    "kl_divergence",
    "memberships",
    "soft_histogram",
    "soft_joint_histogram",
]


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
    values, shares = _pixels(images, weights)
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
    values, shares = _pixels(images, weights)
    if values.shape[1] < 2:
        raise ValueError(f"images must have at least 2 channels, got {tuple(images.shape)}")
    first, *others, last = memberships(values, bins, limits, bandwidth).unbind(1)  # [B, N, bins]
    for other in others:
        first = (first[..., :, None] * other[..., None, :]).flatten(2)
    joint = (first * shares[..., None]).mT @ last
    return joint.reshape(len(images), *[bins] * values.shape[1])


def earth_movers(histograms1: Tensor, histograms2: Tensor) -> Tensor:
    """The least work that turns one histogram into the other: how much is moved, times how far.

    In one dimension nothing has to be optimised: what is too much on the left of an edge must cross it, so the work is
    the sum of the differences of the cumulated histograms. Alone of the three distances it knows which bins are
    neighbours, and has a slope where two histograms do not overlap.

    Args:
        histograms1, histograms2: (..., bins), at least 0, with the same sum, such as 1.
    Returns:
        (...), in widths of the whole range: all pixels moved by a tenth of it give 0.1.
    Raises:
        ValueError: shapes that do not fit together.
    Source: Rubner et al. 2000; Werman et al. 1985 for one dimension. Taught in chapter 14.
    """
    _require_pairs(histograms1, histograms2)
    crossing = (histograms1 - histograms2).cumsum(dim=-1)[..., :-1]  # at each inner edge
    return crossing.abs().sum(dim=-1) / histograms1.shape[-1]


def chi_squared(histograms1: Tensor, histograms2: Tensor) -> Tensor:
    """Half the sum of (p - q)^2 / (p + q) over the bins: a difference counts more where there is little.

    Args:
        histograms1, histograms2: (..., bins), at least 0; flatten joint histograms first.
    Returns:
        (...), in [0, 1] for histograms with a sum of 1; bins empty in both count 0.
    Raises:
        ValueError: shapes that do not fit together.
    Source: Puzicha et al. 1997, equation 4. Taught in chapter 14.
    """
    _require_pairs(histograms1, histograms2)
    total = histograms1 + histograms2
    return (histograms1 - histograms2).square().div(total.clamp(min=1e-12)).sum(dim=-1) / 2


def kl_divergence(histograms1: Tensor, histograms2: Tensor, smoothing: float = 1e-4) -> Tensor:
    """The sum of p log(p / q): how surprised one is by the first histogram, having expected the second.

    A bin empty only in the second would be an infinite surprise; a little of the even histogram in both bounds it.

    Args:
        histograms1, histograms2: (..., bins), at least 0, with a sum of 1; flatten joint histograms first.
        smoothing: in [0, 1], share of the even histogram; 0 is the exact divergence, infinite or not.
    Returns:
        (...), at least 0, at most log(bins / smoothing). Not the same with the two exchanged.
    Raises:
        ValueError: shapes that do not fit together, or a smoothing outside [0, 1].
    Source: Kullback and Leibler 1951. Taught in chapter 14.
    """
    _require_pairs(histograms1, histograms2)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing must lie in [0, 1], got {smoothing}")
    even = smoothing / histograms1.shape[-1]
    p, q = ((1 - smoothing) * one + even for one in (histograms1, histograms2))
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(dim=-1)


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
    values, shares = _pixels(images, weights)
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


def _pixels(images: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
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


def _require_pairs(histograms1: Tensor, histograms2: Tensor) -> None:
    if histograms1.ndim == 0 or histograms1.shape[-1:] != histograms2.shape[-1:]:
        shapes = f"{tuple(histograms1.shape)} and {tuple(histograms2.shape)}"
        raise ValueError(f"histograms1 and histograms2 must have the same bins, got {shapes}")
