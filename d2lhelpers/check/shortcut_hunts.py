"""The bug hunts on what is never trained: a histogram without a slope, a head that nobody calls."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats
from d2lhelpers.check.engine import Exercise

__all__ = ["new_head", "shared_histogram"]


# --- a histogram with a slope ---


def my_shared_histogram(values, bins):
    centres = (torch.arange(bins) + 0.5) / bins
    # 1 at a bin's own centre, 0 at the next one's, and a straight line between
    shares = (1 - (values[:, None] - centres).abs() * bins).clamp(min=0)
    return shares.mean(dim=0)


def _shared(finish: Callable[[Tensor, int], Tensor], width: float = 1.0) -> Callable:
    def function(values: Tensor, bins: int) -> Tensor:
        centres = (torch.arange(bins) + 0.5) / bins
        away = (values[:, None] - centres).abs() * bins
        return finish((1 - away / width).clamp(min=0), bins)

    return function


def _hard(values: Tensor, bins: int) -> Tensor:
    number = (values * bins).long().clamp(max=bins - 1)
    return torch.bincount(number, minlength=bins).float() / len(values)


def _edges(values: Tensor, bins: int) -> Tensor:
    away = (values[:, None] - torch.arange(bins) / bins).abs() * bins
    return (1 - away).clamp(min=0).mean(dim=0)


def _unclamped(values: Tensor, bins: int) -> Tensor:
    centres = (torch.arange(bins) + 0.5) / bins
    return (1 - (values[:, None] - centres).abs() * bins).mean(dim=0)


def _shared_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(143)
    return [
        Case("one value at the centre of a bin", (floats(0.125), 4)),
        Case("one value half-way between two centres", (floats(0.25), 4)),
        Case("nearer to one than to the other", (floats(0.3), 4)),
        Case("two values", (floats(0.3, 0.7), 2)),
        Case("30 random values, none near the ends",
            (0.1 + 0.8 * torch.rand(30, generator=generator, dtype=torch.float32), 8)),
    ]  # fmt: skip


shared_histogram = Exercise(
    name="shared_histogram",
    title="Bug hunt: a histogram that can be trained by",
    statement=(
        "`values` are (N,) floats in [0, 1], and there are `bins` equally wide bins between. Each value is shared out "
        "between the two bins whose centres it lies between: all to a bin at its centre, half to each half-way, and a "
        "straight line between. Return (bins,), the mean of the shares over the values. No value lies beyond the "
        "first or the last centre."
    ),
    reference=my_shared_histogram,
    solution_function=my_shared_histogram,
    cases_function=_shared_cases,
    mistakes=(
        Mistake("hard",
            "These are counts: each value belongs to one bin, wholly. Move a value a little, and nothing changes, so "
            "there is no slope, and nothing to learn from. Share each value out between two bins.",
            _hard),
        Mistake("sum",
            "It looks like the sum of the shares in place of their mean. Then a large picture has a large histogram.",
            _shared(lambda shares, bins: shares.sum(dim=0))),
        Mistake("edges",
            "It looks like the distance is measured from the bins' left edges. Measure from their centres, "
            "`(arange(bins) + 0.5) / bins`.",
            _edges),
        Mistake("not_clamped",
            "It looks like bins that are farther away than one width get a negative share. `clamp(min=0)`.",
            _unclamped),
        Mistake("too_wide",
            "It looks like each value is shared out over two widths to either side: the shares of a value sum to 2. "
            "They should reach 0 at the neighbour's centre.",
            _shared(lambda shares, bins: shares.mean(dim=0), width=2.0)),
        Mistake("too_narrow",
            "It looks like the shares reach 0 at a bin's own edge. Then a value there belongs to no bin; they should "
            "reach 0 at the neighbour's centre.",
            _shared(lambda shares, bins: shares.mean(dim=0), width=0.5)),
    ),
    hints=(
        "A value moves from 0.25 to 0.26. Which numbers of a histogram of counts change? Which should?",
        "For each value and each bin: how far is it from the bin's centre, in widths of a bin? What should its share "
        "be at 0 widths, at half a width, at 1?",
        "`(1 - (values[:, None] - centres).abs() * bins).clamp(min=0).mean(dim=0)`.",
    ),
)  # fmt: skip


# --- the head that is never called ---


def my_new_head(features, old_weight, weight, bias):
    # one number a channel, whatever the map's size: what the head was made for
    pooled = features.mean(dim=(2, 3))
    return pooled @ weight.T + bias


def _old_head(features: Tensor, old_weight: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return features.mean(dim=(2, 3)) @ old_weight.T


def _stacked(features: Tensor, old_weight: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return (features.mean(dim=(2, 3)) @ old_weight.T) @ weight.T + bias


def _pooled(pool: Callable[[Tensor], Tensor]) -> Callable:
    return lambda features, old_weight, weight, bias: pool(features) @ weight.T + bias


def _new_head_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(144)

    def random(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float32)

    one = floats(1, 2, 3, 6).view(1, 2, 1, 2)  # means 1.5 and 4.5
    old, new = floats(1, 0, 0, 1).view(2, 2), floats(2, 0, 0, 10).view(2, 2)
    return [
        Case("two channels of two positions, no bias", (one, old, new, floats(0, 0))),
        Case("the same with a bias", (one, old, new, floats(1, -1))),
        Case("as many classes as channels", (random(2, 4, 3, 3), random(4, 4), random(4, 4), random(4))),
        Case("three pictures, five channels, five classes",
            (random(3, 5, 2, 4), random(5, 5), random(5, 5), random(5))),
    ]  # fmt: skip


new_head = Exercise(
    name="new_head",
    title="Bug hunt: the head that is never called",
    statement=(
        "A trained network ends in a map of `features`, (B, C, h, w), of which its head, `old_weight`, made C logits. "
        "It gets a new one: `weight` (C, C) and `bias` (C,). Return the new logits, (B, C): the mean of the features "
        "over all positions, and of that the *new* head."
    ),
    reference=lambda features, old_weight, weight, bias: F.linear(
        F.adaptive_avg_pool2d(features, 1).flatten(1), weight, bias),
    solution_function=my_new_head,
    cases_function=_new_head_cases,
    mistakes=(
        Mistake("old_head",
            "It looks like the old head still answers: `weight` and `bias` were handed over and never called. Nothing "
            "raises, because the old logits are just as many.",
            _old_head),
        Mistake("stacked",
            "It looks like the new head sits on the old one's logits. Then it sees what the old classes left over, not "
            "the features: it *replaces* the old head.",
            _stacked),
        Mistake("no_bias",
            "It looks like the new head's weights are used and its bias is not.",
            lambda features, old_weight, weight, bias: features.mean(dim=(2, 3)) @ weight.T),
        Mistake("not_transposed",
            "It looks like `pooled @ weight`. Each *row* of `weight` belongs to a class: `pooled @ weight.T`. With as "
            "many classes as channels nothing raises.",
            lambda features, old_weight, weight, bias: features.mean(dim=(2, 3)) @ weight + bias),
        Mistake("largest",
            "It looks like the largest value of each channel in place of the mean. A head is made for one way of "
            "pooling, and another one breaks it.",
            _pooled(lambda features: features.amax(dim=(2, 3)))),
        Mistake("sum",
            "It looks like the sum over the positions in place of their mean. Then a larger picture has larger logits.",
            _pooled(lambda features: features.sum(dim=(2, 3)))),
        Mistake("corner",
            "It looks like the features of one position, the first, in place of their mean over all.",
            _pooled(lambda features: features[:, :, 0, 0])),
    ),
    hints=(
        "Which of the four arguments have no influence on your result? Change each a little and look.",
        "`features.mean(dim=(2, 3))` is (B, C). A linear layer multiplies by its weight, transposed, and adds a bias.",
        "`features.mean(dim=(2, 3)) @ weight.T + bias`.",
    ),
)  # fmt: skip
