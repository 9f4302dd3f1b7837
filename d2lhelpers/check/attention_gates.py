"""The exercise on gates for channels: squeeze and excitation."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["gate_channels"]


def _random(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float32)


def my_gate_channels(features, squeeze, excite):
    means = features.mean(dim=(2, 3))
    weights = torch.sigmoid(torch.relu(means @ squeeze.T) @ excite.T)
    return features * weights[:, :, None, None]


def _gate(
    describe: Callable[[Tensor], Tensor] = lambda x: x.mean(dim=(2, 3)),
    between: Callable[[Tensor], Tensor] = torch.relu,
    weigh: Callable[[Tensor], Tensor] = torch.sigmoid,
    use: Callable[[Tensor, Tensor], Tensor] = lambda x, weights: x * weights,
) -> Callable:
    """Squeeze and excitation with one of its steps another."""

    def function(features: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
        weights = weigh(between(describe(features) @ squeeze.T) @ excite.T)
        return use(features, weights[:, :, None, None])

    return function


def _gate_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(131)
    square = torch.tensor([[[[0.0, 2.0], [1.0, 1.0]]]], dtype=torch.float32)
    one = torch.ones(1, 1, dtype=torch.float32)
    pair = torch.tensor([[[[1.0, 3.0]], [[0.0, 2.0]]]], dtype=torch.float32)
    difference = torch.tensor([[1.0, -1.0]], dtype=torch.float32)
    return [
        Case("one channel, its mean is 1", (square, one, one)),
        Case("what is squeezed below 0", (square, -one, one)),
        Case("two channels, one unit between them", (pair, difference, 2 * difference.T)),
        *(
            Case(f"{batch} pictures, {channels} channels, {middle} units",
                (_random(generator, batch, channels, 3, 4), _random(generator, middle, channels),
                 _random(generator, channels, middle)))
            for batch, channels, middle in ((2, 4, 2), (3, 8, 4))
        ),
    ]  # fmt: skip


gate_channels = Exercise(
    name="gate_channels",
    title="Squeeze and excite",
    statement=(
        "`features` are (B, C, h, w). *Squeeze*: the mean of each channel over the picture, then the matrix `squeeze`, "
        "(M, C), then a ReLU. *Excite*: the matrix `excite`, (C, M), then a sigmoid, which gives one weight for each "
        "channel. Return the features, each channel times its weight. There are no biases."
    ),
    reference=my_gate_channels,
    solution_function=my_gate_channels,
    cases_function=_gate_cases,
    mistakes=(
        Mistake("sum",
            "It looks like the *sum* over the positions. Then the weights depend on how large the picture is; take the "
            "mean.",
            _gate(describe=lambda x: x.sum(dim=(2, 3)))),
        Mistake("largest",
            "It looks like the largest value of each channel in place of its mean. That is done too, but here the mean "
            "is asked for.",
            _gate(describe=lambda x: x.amax(dim=(2, 3)))),
        Mistake("over_batch",
            "It looks like the mean is taken over the batch as well: one set of weights for all pictures. Each picture "
            "has its own.",
            _gate(describe=lambda x: x.mean(dim=(0, 2, 3)).expand(len(x), -1))),
        Mistake("no_relu",
            "It looks like there is no ReLU between the two matrices. Without it they are one matrix, and the layer in "
            "the middle is wasted.",
            _gate(between=lambda x: x)),
        Mistake("softmax",
            "It looks like a softmax in place of the sigmoid. Channels need not compete: several may be let through "
            "fully.",
            _gate(weigh=lambda x: x.softmax(dim=1))),
        Mistake("no_sigmoid",
            "It looks like there is no sigmoid. A gate is a number from 0 to 1.",
            _gate(weigh=lambda x: x)),
        Mistake("added",
            "It looks like the gated features are added to the features. That is `x * (1 + weight)`, which can shut no "
            "channel.",
            _gate(use=lambda x, weights: x + x * weights)),
        Mistake("only_weights",
            "It looks like the weights are returned without the features. The result has the shape of `features`.",
            _gate(use=lambda x, weights: weights.expand_as(x))),
    ),
    hints=(
        "How many numbers describe a picture after the squeeze? How many weights must come out of the excitation?",
        "`features.mean(dim=(2, 3))` is (B, C), a batch of rows. A matrix (M, C) acts on rows as `rows @ matrix.T`.",
        "`weights = torch.sigmoid(torch.relu(means @ squeeze.T) @ excite.T)`, (B, C). To multiply (B, C, h, w) by it, "
        "`weights[:, :, None, None]`.",
    ),
)  # fmt: skip
