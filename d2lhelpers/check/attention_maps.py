"""The exercises on maps of attention: pooling by them, and where their mass lies."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["attention_pool", "mass_on_object"]


def _table(*lines: tuple[float, ...]) -> Tensor:
    """(1, 1, h, w) float32."""
    return torch.tensor([[lines]], dtype=torch.float32)


def _random(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float32)


# --- attention pooling ---


def my_attention_pool(features, scores):
    # one softmax over all positions of a picture, so that its weights sum to 1
    weights = scores.flatten(1).softmax(dim=1)
    return (features.flatten(2) * weights[:, None]).sum(dim=2)


def _pool(weigh: Callable[[Tensor], Tensor]) -> Callable:
    """Pooling by other weights, made from the scores (B, 1, h, w)."""

    def function(features: Tensor, scores: Tensor) -> Tensor:
        return (features * weigh(scores)).sum(dim=(2, 3))

    return function


def _normalised(scores: Tensor) -> Tensor:
    return scores / scores.sum(dim=(2, 3), keepdim=True)


def _soft(scores: Tensor) -> Tensor:
    return scores.flatten(1).softmax(dim=1).view_as(scores)


def _averaged(features: Tensor, scores: Tensor) -> Tensor:
    return (features * _soft(scores)).mean(dim=(2, 3))


def _best(features: Tensor, scores: Tensor) -> Tensor:
    place = scores.flatten(1).argmax(dim=1)
    return features.flatten(2)[torch.arange(len(features)), :, place]


def _by_features(features: Tensor, scores: Tensor) -> Tensor:
    weights = (features * scores).flatten(2).softmax(dim=2)
    return (features.flatten(2) * weights).sum(dim=2)


def _pool_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(130)
    return [
        Case("equal scores: the plain mean", (_table((1, 2), (3, 6)), _table((0, 0), (0, 0)))),
        Case("one score far above the others", (_table((1, 2), (3, 6)), _table((0, 0), (0, 9)))),
        Case("two scores in one row", (_table((1, 5), (2, 2)), _table((1, 2), (0, 0)))),
        Case("all scores 100 higher: nothing changes", (_table((1, 5), (2, 2)), _table((101, 102), (100, 100)))),
        Case("two channels, three pictures, 3 x 4 positions",
            (_random(generator, 3, 2, 3, 4), 2 * _random(generator, 3, 1, 3, 4))),
        Case("32 channels, 5 x 5 positions",
            (_random(generator, 4, 32, 5, 5), 3 * _random(generator, 4, 1, 5, 5))),
        Case("one position", (_random(generator, 2, 3, 1, 1), _random(generator, 2, 1, 1, 1)), edge=True),
    ]  # fmt: skip


attention_pool = Exercise(
    name="attention_pool",
    title="Pool by attention",
    statement=(
        "`features` are (B, C, h, w), `scores` (B, 1, h, w), one for each position. Turn the scores of each picture "
        "into weights that are at least 0 and sum to 1 over *all* its positions, by a softmax, and return the weighted "
        "sum of the features, (B, C)."
    ),
    reference=my_attention_pool,
    solution_function=my_attention_pool,
    cases_function=_pool_cases,
    mistakes=(
        Mistake("over_rows",
            "It looks like the softmax runs along each row by itself, `dim=3`: each *row* of the map sums to 1, and "
            "the result is h times too large. Flatten the positions first.",
            _pool(lambda scores: scores.softmax(dim=3))),
        Mistake("over_columns",
            "It looks like the softmax runs down each column by itself, `dim=2`: each *column* of the map sums to 1. "
            "Flatten the positions first.",
            _pool(lambda scores: scores.softmax(dim=2))),
        Mistake("over_channels",
            "It looks like the softmax runs over dimension 1, in which there is only one score: all weights are 1, and "
            "the result is the plain sum. Flatten the positions first.",
            _pool(lambda scores: scores.softmax(dim=1))),
        Mistake("over_batch",
            "It looks like the softmax runs over the batch: a picture's weights depend on what other pictures are "
            "beside it. Each picture has a map of its own.",
            _pool(lambda scores: scores.softmax(dim=0))),
        Mistake("gate",
            "It looks like a sigmoid in place of the softmax. Its weights are each between 0 and 1, but do not sum to "
            "1: that is a gate.",
            _pool(torch.sigmoid)),
        Mistake("mean",
            "It looks like the *mean* of the weighted features. The weights sum to 1 already, so it is the sum that is "
            "an average.",
            _averaged),
        Mistake("no_exp",
            "It looks like the scores are divided by their sum. Scores may be negative, and their sum 0: take a "
            "softmax.",
            _pool(_normalised)),
        Mistake("best_place",
            "It looks like the features of the one place with the highest score. That has no gradient for the scores; "
            "a softmax lets the others count a little.",
            _best),
        Mistake("each_channel",
            "It looks like each channel has a map of its own. There is one weight for each position, and all channels "
            "share it.",
            _by_features),
    ),
    hints=(
        "With all scores equal, what should each of four positions weigh? What does your softmax give there?",
        "A softmax runs along one dimension, and a map has two. `scores.flatten(1)` makes one of them.",
        "`weights = scores.flatten(1).softmax(dim=1)`; then `(features.flatten(2) * weights[:, None]).sum(dim=2)`.",
    ),
)  # fmt: skip


# --- how much of the attention lies on the object ---


def my_mass_on_object(weights, masks):
    inside = (weights * masks).sum(dim=(1, 2))
    return inside / weights.sum(dim=(1, 2))


def _mass(of: str) -> Callable:
    def function(weights: Tensor, masks: Tensor) -> Tensor:
        inside, area = (weights * masks).sum(dim=(1, 2)), masks.sum(dim=(1, 2))
        total = weights.sum(dim=(1, 2))
        if of == "not_normalised":
            return inside
        if of == "per_position":
            return inside / area
        if of == "lift":
            return (inside / total) / masks.mean(dim=(1, 2))
        if of == "outside":
            return 1 - inside / total
        if of == "hard":
            return ((weights > weights.mean(dim=(1, 2), keepdim=True)) * masks).sum(
                dim=(1, 2)
            ) / area
        if of == "hit":
            place = weights.flatten(1).argmax(dim=1)
            return (masks.flatten(1)[torch.arange(len(masks)), place] > 0).float()
        return (weights * masks).sum().expand(len(weights)) / weights.sum()

    return function


def _mass_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(132)

    def maps(*lines: tuple[float, ...]) -> Tensor:
        return torch.tensor([lines], dtype=torch.float32)

    left = maps((1, 0), (1, 0))
    random = [
        (
            _random(generator, num, side, side).exp(),
            (_random(generator, num, side, side).abs()).clamp(max=1),
        )
        for num, side in ((2, 3), (4, 8))
    ]
    return [
        Case("an even map, an object on the left half", (maps((1, 1), (1, 1)) / 4, left)),
        Case("a map whose sum is not 1", (maps((2, 1), (1, 0)), left)),
        Case("an object that covers a quarter of a position", (maps((3, 1), (0, 0)), maps((0.25, 0), (0, 0)))),
        Case("two pictures, one of them with ten times the weights",
            (torch.cat((maps((1, 3), (0, 0)), maps((30, 10), (0, 0)))), left.repeat(2, 1, 1))),
        *(Case(f"{len(weights)} random maps", (weights, masks)) for weights, masks in random),
    ]  # fmt: skip


mass_on_object = Exercise(
    name="mass_on_object",
    title="How much of it lies on the object?",
    statement=(
        "`weights` are maps of attention, (B, h, w), at least 0, whose sums need not be 1. `masks`, (B, h, w), say "
        "which share of each position the object covers, from 0 to 1. Return (B,): for each picture the share of its "
        "attention that lies on the object."
    ),
    reference=my_mass_on_object,
    solution_function=my_mass_on_object,
    cases_function=_mass_cases,
    mistakes=(
        Mistake("not_normalised",
            "It looks like the weights on the object are added up, but not divided by all of them. A gate's weights do "
            "not sum to 1.",
            _mass("not_normalised")),
        Mistake("per_position",
            "It looks like the mean weight on the object. Asked for is a share of the attention: divide by the sum of "
            "all weights, not by the object's area.",
            _mass("per_position")),
        Mistake("lift",
            "It looks like the share divided by the object's share of the picture. That is a good number, how many "
            "times more than by chance, but it is not the share.",
            _mass("lift")),
        Mistake("outside",
            "It looks like the share of the attention that lies *beside* the object: 1 minus the one asked for.",
            _mass("outside")),
        Mistake("over_batch",
            "It looks like all pictures are added up together. Each picture has a share of its own.",
            _mass("over_batch")),
        Mistake("thresholded",
            "It looks like the map is made black and white first. Every weight counts by what it is.",
            _mass("hard")),
        Mistake("highest_place",
            "It looks like 1 where the highest weight lies on the object and 0 elsewhere. That is the *pointing game*; "
            "asked for is the share of all the weights.",
            _mass("hit")),
    ),
    hints=(
        "A map says 3 on a position that the object covers, and 1 on one that it does not. Which share is on the "
        "object?",
        "`weights * masks` is what lies on the object, position by position. Add up over a picture's own positions.",
        "`(weights * masks).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))`.",
    ),
)  # fmt: skip
