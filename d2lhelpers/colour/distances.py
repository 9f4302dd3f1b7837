"""How far apart two histograms are."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["chi_squared", "earth_movers", "kl_divergence"]


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


def _require_pairs(histograms1: Tensor, histograms2: Tensor) -> None:
    if histograms1.ndim == 0 or histograms1.shape[-1:] != histograms2.shape[-1:]:
        shapes = f"{tuple(histograms1.shape)} and {tuple(histograms2.shape)}"
        raise ValueError(f"histograms1 and histograms2 must have the same bins, got {shapes}")
