"""The numbers of an assignment: the same for a class or for a student each time, others for the next.

A course has one secret seed. From it comes, for a class or for each student, a public *variant*: a number that
stands in the notebook's first cell and decides on every number that students see. Hidden cases come from the
secret together with the variant, so that nobody can compute them from what is handed out.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

SEED_VARIABLE = "D2LHELPERS_CLASS_SEED"  # set for the grader's process, never for a student's


def variant_of(seed: str, assignment: str, student: str = "") -> int:
    """The public number of an assignment, from 1 to 999,999.

    Args:
        seed: the course's secret.
        student: whose variant it is; empty for one that the whole class gets.
    Raises:
        ValueError: an empty seed.
    """
    if not seed:
        raise ValueError("seed must not be empty: it is what keeps the hidden cases hidden")
    return 1 + _digest(seed, "variant", assignment, student) % 999_999


@dataclass(frozen=True)
class Assignment:
    """What a notebook of an assignment asks for its numbers: `a2 = classroom.Assignment("a2", variant=0)`.

    Attributes:
        name: as in its folder.
        variant: the public number; release writes it into the notebook. 0 is the instructor's own.
    """

    name: str
    variant: int = 0

    def integers(self, name: str, low: int, high: int, count: int) -> list[int]:
        """Whole numbers from low to high, both included, that belong to `name` in this variant."""
        generator = self._generator("public", name)
        return torch.randint(low, high + 1, (count,), generator=generator).tolist()

    def pick(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices, the same each time for `name` in this variant."""
        return choices[_digest("public", self.name, str(self.variant), name) % len(choices)]

    def hidden(self, name: str) -> torch.Generator:
        """A generator for the hidden cases called `name`.

        Raises:
            RuntimeError: outside the grader, where the course's secret is not known.
        """
        seed = os.environ.get(SEED_VARIABLE)
        if not seed:
            raise RuntimeError(
                f"the hidden cases of {self.name} need the course's seed in {SEED_VARIABLE}: "
                "`python -m d2lhelpers class grade` sets it"
            )
        return self._generator(seed, name)

    def _generator(self, *parts: str) -> torch.Generator:
        return torch.Generator().manual_seed(_digest(self.name, str(self.variant), *parts))


def _digest(*parts: str) -> int:
    # 63 bits, which is what torch's generators take; the separator keeps ("ab", "c") and ("a", "bc") apart
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8]) >> 1
