"""The exercises on the way back from a layer to the picture: max-pooling undone, and Grad-CAM's map."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["grad_cam", "unpool"]


def _random(generator: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float32)


# --- max-pooling, undone ---


def my_unpool(signal, switches, height, width):
    below = torch.zeros(len(signal), height * width).to(signal)
    below.scatter_(1, switches.flatten(1), signal.flatten(1))  # each value back to its own place
    return below.view(-1, height, width)


def _repeated(signal: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(signal[None], (height, width))[0]


def _corners(signal: Tensor, height: int, width: int) -> Tensor:
    below = torch.zeros(len(signal), height, width).to(signal)
    below[:, ::2, ::2] = signal
    return below


def _one_channels_switches(signal: Tensor, switches: Tensor, height: int, width: int) -> Tensor:
    return my_unpool(signal, switches[:1].expand_as(switches), height, width)


def _turned(signal: Tensor, switches: Tensor, height: int, width: int) -> Tensor:
    column_by_column = switches % height * width + switches // height
    return my_unpool(signal, column_by_column, height, width)


def _pooled(generator: torch.Generator, channels: int, height: int, width: int) -> tuple:
    below = _random(generator, 1, channels, height, width)
    _, switches = F.max_pool2d(below, 2, return_indices=True)
    return _random(generator, channels, height // 2, width // 2), switches[0], height, width


def _unpool_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(120)
    one = torch.tensor([[[5.0]]], dtype=torch.float32)
    return [
        Case("one value, whose maximum stood at the lower right", (one, torch.tensor([[[3]]]), 2, 2)),
        Case("one value, whose maximum stood at the upper right", (one, torch.tensor([[[1]]]), 2, 2)),
        Case("two windows beside each other",
            (torch.tensor([[[2.0, -3.0]]], dtype=torch.float32), torch.tensor([[[4, 3]]]), 2, 4)),
        Case("two channels, each with its own switches", _pooled(generator, 2, 4, 4)),
        Case("three channels, higher than wide", _pooled(generator, 3, 8, 6)),
    ]  # fmt: skip


unpool = Exercise(
    name="unpool",
    title="Max-pooling, undone by its switches",
    statement=(
        "`F.max_pool2d(x, 2, return_indices=True)` of maps (K, `height`, `width`) gave, beside the maxima, their "
        "*switches*, (K, h, w) int64: where in its plane each maximum stood, counted row by row. Now a `signal`, "
        "(K, h, w), comes down. Return (K, `height`, `width`): each value where its maximum stood, 0 everywhere else."
    ),
    reference=my_unpool,
    solution_function=my_unpool,
    cases_function=_unpool_cases,
    mistakes=(
        Mistake("repeated",
            "It looks like each value is repeated over its whole window. Only one of the four pixels was the maximum; "
            "the other three had no part in what came up. The switches say which.",
            lambda signal, switches, height, width: _repeated(signal, height, width)),
        Mistake("shared_out",
            "It looks like each value is divided among the four pixels of its window. That undoes *average* pooling; a "
            "maximum came from one pixel alone.",
            lambda signal, switches, height, width: _repeated(signal, height, width) / 4),
        Mistake("corner",
            "It looks like each value is put at the upper left of its window, wherever its maximum stood. Use the "
            "switches.",
            lambda signal, switches, height, width: _corners(signal, height, width)),
        Mistake("one_channels_switches",
            "It looks like the first channel's switches are used for all channels. Each channel has maxima of its own.",
            _one_channels_switches),
        Mistake("column_by_column",
            "It looks like places are counted column by column. PyTorch counts row by row: place 3 of a plane 4 wide "
            "is the last of its first row.",
            _turned),
    ),
    hints=(
        "In a window of four pixels the last one was the maximum. Which of the four should get the signal?",
        "Flatten each plane. A switch is then an index into it, and `scatter_` puts values at indices.",
        "`below = torch.zeros(len(signal), height * width)`, then "
        "`below.scatter_(1, switches.flatten(1), signal.flatten(1))`, then back to a plane.",
    ),
)  # fmt: skip


# --- Grad-CAM ---


def my_grad_cam(activations, gradients):
    weights = gradients.mean(dim=(2, 3), keepdim=True)  # one for each channel
    return (weights * activations).sum(dim=1).relu()


def _weighted(weigh: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def function(activations: Tensor, gradients: Tensor) -> Tensor:
        return (weigh(gradients) * activations).sum(dim=1).relu()

    return function


def _no_relu(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1)


def _relu_too_early(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean(dim=(2, 3), keepdim=True) * activations).relu().sum(dim=1)


def _cam_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(121)

    def maps(*channels: tuple[tuple[float, ...], ...]) -> Tensor:
        return torch.tensor([channels], dtype=torch.float32)

    places = maps(((1, 2), (0, 3)))
    both = maps(((1, 2), (0, 3)), ((2, 0), (2, 1)))
    return [
        Case("one channel, the same gradient everywhere", (places, maps(((2, 2), (2, 2))))),
        Case("one channel, a gradient at one place", (places, maps(((0, 4), (0, 0))))),
        Case("two channels, for and against the class", (both, maps(((1, 1), (1, 1)), ((-1, -1), (-1, -1))))),
        Case("two channels, uneven gradients", (both, maps(((4, 0), (0, 0)), ((0, 0), (0, -2))))),
        *(Case(f"{num} pictures, {channels} channels, {height} x {width} places",
            (_random(generator, num, channels, height, width),
             _random(generator, num, channels, height, width)))
          for num, channels, height, width in ((2, 3, 2, 3), (3, 8, 4, 4))),
    ]  # fmt: skip


grad_cam = Exercise(
    name="grad_cam",
    title="Grad-CAM",
    statement=(
        "`activations` of a layer, (B, K, h, w), and the `gradients` of a class's logit with respect to them, of the "
        "same shape. A channel's weight is the mean of its gradients over the places. Return (B, h, w): the weighted "
        "sum of the channels, and 0 where it is negative."
    ),
    reference=my_grad_cam,
    solution_function=my_grad_cam,
    cases_function=_cam_cases,
    mistakes=(
        Mistake("no_relu",
            "It looks like the ReLU at the end is missing. What speaks *against* the class is then drawn as well, and "
            "a colour map makes it look like weak evidence for it.",
            _no_relu),
        Mistake("not_averaged",
            "It looks like gradients times activations, place by place, not averaged first. That is another method; "
            "in Grad-CAM a channel has one weight for all places.",
            _weighted(lambda gradients: gradients)),
        Mistake("over_channels",
            "It looks like the gradients are averaged over the *channels*, `dim=1`, which gives a weight to each "
            "place. Average over the places, `dim=(2, 3)`.",
            _weighted(lambda gradients: gradients.mean(dim=1, keepdim=True))),
        Mistake("over_batch",
            "It looks like the weights are averaged over the batch as well. Each picture has its own gradients, and "
            "was perhaps asked about another class.",
            _weighted(lambda gradients: gradients.mean(dim=(0, 2, 3), keepdim=True))),
        Mistake("sum",
            "It looks like the gradients are added up over the places, where their mean is asked for: the map is "
            "h · w times too large.",
            _weighted(lambda gradients: gradients.sum(dim=(2, 3), keepdim=True))),
        Mistake("relu_of_weights",
            "It looks like negative *weights* are set to 0. A channel that speaks against the class must be able to "
            "outvote others; ReLU comes last.",
            _weighted(lambda gradients: gradients.mean(dim=(2, 3), keepdim=True).relu())),
        Mistake("relu_of_gradients",
            "It looks like negative *gradients* are set to 0 before they are averaged. That is a rule of other "
            "methods; here ReLU comes last.",
            _weighted(lambda gradients: gradients.relu().mean(dim=(2, 3), keepdim=True))),
        Mistake("relu_too_early",
            "It looks like ReLU comes before the sum over the channels. Then no channel can take back what another "
            "has said.",
            _relu_too_early),
    ),
    hints=(
        "Two channels are active at a place. One has a positive weight and one a negative. What should the map say?",
        "Three steps: the mean over the places, `dim=(2, 3)`; the weighted sum over the channels, `dim=1`; ReLU.",
        "`weights = gradients.mean(dim=(2, 3), keepdim=True)`, then `(weights * activations).sum(dim=1).relu()`.",
    ),
)  # fmt: skip
