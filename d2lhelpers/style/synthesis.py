"""Train a picture: its pixels are the parameters, and the network that judges it stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Adam, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from d2lhelpers.style.transfer import StyleTransfer

__all__ = ["Synthesis", "SynthesizedImage", "adam", "lbfgs", "synthesise"]

ITERATIONS = 10  # of L-BFGS in a step


class SynthesizedImage(nn.Module):
    """A picture as a network without an input: its only parameter is its pixels.

    Args:
        start: (1, 3, height, width) float, copied: the content picture, or noise.
    Source: d2l, section 14.12.6, which gives it the shape alone. Taught in chapter 11.
    """

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        # L-BFGS takes the parameter for one long vector, which in another layout it is not
        self.weight = nn.Parameter(start.detach().clone(memory_format=torch.contiguous_format))

    def forward(self) -> Tensor:
        return self.weight


def adam(
    image: SynthesizedImage, lr: float = 0.07, decay_every: int = 50, gamma: float = 0.8
) -> tuple[Optimizer, LRScheduler]:
    """The notes' way: Adam, whose learning rate falls by a fifth every so many steps.

    Args:
        lr: in the unit of the pixels, [0, 1]: about how far a pixel moves in the first steps. d2l's 0.3 is in standard
            deviations, of which a pixel's range has four.
    Source: d2l, section 14.12.7.
    """
    optimizer = Adam(image.parameters(), lr)
    return optimizer, StepLR(optimizer, decay_every, gamma)


def lbfgs(image: SynthesizedImage) -> tuple[Optimizer, None]:
    """The article's way: L-BFGS, which learns from the last gradients how the loss curves, and needs no learning rate.

    A step is ITERATIONS iterations, in each of which it may ask for the loss more than once.

    Source: Gatys et al. 2016, section 2; Liu and Nocedal 1989.
    """
    optimizer = LBFGS(
        image.parameters(),
        max_iter=ITERATIONS,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    return optimizer, None


@dataclass
class Synthesis:
    """What came of it.

    Attributes:
        image: (1, 3, height, width) in [0, 1].
        seconds: at each evaluation of the loss, since the beginning.
        terms: likewise the weighted losses, {name: values}.
    """

    image: Tensor
    seconds: list[float] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def loss(self) -> list[float]:
        """The sum at each evaluation."""
        return [sum(values) for values in zip(*self.terms.values(), strict=True)]


def synthesise(
    transfer: StyleTransfer,
    start: Tensor,
    steps: int,
    optimise: Callable[[SynthesizedImage], tuple[Optimizer, LRScheduler | None]] = lbfgs,
    on_step: Callable[[int, Tensor], object] = lambda step, picture: None,
) -> Synthesis:
    """Make a picture whose loss is small.

    Both optimisers ask for the loss by a function, a closure: Adam once a step, L-BFGS as often as its line search
    needs. So one loop serves both.

    Args:
        transfer: the loss.
        start: (1, 3, height, width) in [0, 1], the content's size.
        steps: calls of the optimiser.
        optimise: `lbfgs`, `adam`, or a function of one's own that gives an optimiser and a scheduler or None.
        on_step: called after each step with its number, from 1, and the picture as it is, in [0, 1], for progress
            pictures.
    Raises:
        ValueError: no steps, or a start in another size.
        FloatingPointError: the loss is no number any more.
    Taught in chapter 11.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    image = SynthesizedImage(start)
    optimizer, scheduler = optimise(image)
    made, begin = Synthesis(start), time.perf_counter()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss, terms = transfer.compute_loss(image())
        if not loss.isfinite():
            raise FloatingPointError(
                "the loss is not finite: a smaller learning rate, or other weights?"
            )
        loss.backward()
        made.seconds.append(time.perf_counter() - begin)
        for name, term in terms.items():
            made.terms.setdefault(name, []).append(term.item())
        return loss

    for step in range(1, steps + 1):
        optimizer.step(closure)
        if scheduler is not None:
            scheduler.step()
        made.image = image().detach().clamp(0, 1)
        on_step(step, made.image)
    return made
