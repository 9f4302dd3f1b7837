"""Random numbers as Python scalars."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Value = TypeVar("Value")


class Dice:
    """A stream of random Python scalars.

    A NumPy scalar would do as well, but NumPy 1 and 2 differ in whether float32 arrays times a float64 scalar stay
    float32, and pictures must be the same under both.

    Args:
        key: what names the stream; other numbers give an independent one. Only the last may exceed 32 bits: NumPy
            cuts it into words, which would pass for further numbers.
    """

    def __init__(self, *key: int) -> None:
        self._generator = np.random.default_rng(key)

    def uniform(self, low: float, high: float) -> float:
        """Between `low` and `high`, in a way that the next number does not depend on them."""
        return low + (high - low) * float(self._generator.random())

    def below(self, stop: int) -> int:
        """One of 0, 1, ..., stop - 1."""
        return min(int(self._generator.random() * stop), stop - 1)

    def pick(self, values: Sequence[Value]) -> Value:
        """One of the values."""
        return values[self.below(len(values))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return float(self._generator.random()) < probability

    def table(self, *shape: int) -> np.ndarray:
        """An array of uniform float32 in [0, 1)."""
        return self._generator.random(shape).astype(np.float32)
