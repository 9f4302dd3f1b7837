"""What an exercise is made of: cases, known mistakes, and boxes to make cases from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """One input. An edge case (nothing in it, no area, padding) is one where two people with the same mistake
    may still differ, so a mistake is also recognised without them."""

    note: str  # what it is, for the learner
    arguments: tuple
    edge: bool = False


@dataclass(frozen=True)
class Mistake:
    """A usual mistake: its name, what is wrong and why, for the learner, and the program that makes it."""

    name: str
    message: str
    function: Callable


def random_boxes(
    num: int, generator: torch.Generator, side: float = 0.4, dtype: torch.dtype = torch.float32
) -> Tensor:
    """(num, 4) corners inside the unit square, with sides between a tenth of `side` and `side`."""
    sides = side * (0.1 + 0.9 * torch.rand(num, 2, generator=generator, dtype=dtype))
    corner = (1 - sides) * torch.rand(num, 2, generator=generator, dtype=dtype)
    return torch.cat((corner, corner + sides), dim=1)


def rows(*values: Sequence[float], columns: int = 4) -> Tensor:
    """float32, also where there is no row and whatever the default dtype is."""
    return torch.tensor(values, dtype=torch.float32).reshape(-1, columns)


def floats(*values: float) -> Tensor:
    """(N,) float32, whatever the default dtype is."""
    return torch.tensor(values, dtype=torch.float32)


def integers(*values: int) -> Tensor:
    """(N,) int64."""
    return torch.tensor(values, dtype=torch.int64)


def distinct_scores(num: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Random order, no two equal: which of equals comes first is nobody's mistake."""
    return ((1 + torch.randperm(num, generator=generator)) / (num + 1)).to(dtype)
