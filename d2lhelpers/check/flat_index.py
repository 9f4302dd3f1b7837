"""The exercise on the arithmetic of pairs: from a position in a flattened table to row and column."""

import torch
from torch import Tensor

from d2lhelpers.check import solutions
from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["flat_to_pair"]


def _flat_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(9)
    index = lambda *values: torch.tensor(values, dtype=torch.int64)  # noqa: E731
    wide = torch.randint(2**31, 2**40, (6,), generator=generator)
    return [
        Case("the four entries of a table of 2 anchors and 2 boxes", (index(0, 1, 2, 3), 2)),
        Case("entries of a table with 3 boxes", (index(0, 2, 3, 5, 7), 3)),
        Case("a table with 1 box", (index(0, 1, 5), 1)),
        Case("a single number, as `argmax` gives it", (torch.tensor(17, dtype=torch.int64), 5)),
        Case(
            "the last pair of 2,042,040 anchors and 10 boxes, as on a photograph",
            (index(20_420_399), 10),
        ),
        Case("a table of more than 2**24 entries", (index(3 * (2**24 + 1) + 2, 2**24 + 1), 3)),
        Case("no entries", (index(), 4), edge=True),
        Case(
            "random entries of a small table",
            (torch.randint(0, 600, (20,), generator=generator), 7),
        ),
        Case("entries far above 2**31", (wide, 41)),
    ]


def _float_division(flat_index: Tensor, num_boxes: int) -> tuple[Tensor, Tensor]:
    return (flat_index / num_boxes).long(), flat_index % num_boxes


def _pair(flat_index: Tensor, num_boxes: int) -> tuple[Tensor, Tensor]:
    return flat_index // num_boxes, flat_index % num_boxes


flat_to_pair = Exercise(
    name="flat_to_pair",
    title="Which pair a number stands for",
    statement=(
        "A table has one row for each anchor and one column for each of `num_boxes` boxes; `argmax` counts "
        "its entries row by row. Return `(anchor, box)`, two int64 tensors of the shape of the int64 tensor "
        "`flat_index`: the row and the column of each entry. Tables may be large: a photograph has two "
        "million anchors."
    ),
    reference=_pair,
    solution_function=solutions.my_flat_to_pair,
    cases_function=_flat_cases,
    mistakes=(
        Mistake("float_division",
            "It looks like the division `/`, cut off afterwards. PyTorch divides int64 tensors in float32, "
            "whose whole numbers have gaps above 2**24 = 16,777,216; there the quotient can be off by one "
            "or more. Stay in whole numbers: `//`. (d2l has this bug.)",
            _float_division),
        Mistake("rounded",
            "It looks like the quotient is rounded to the nearest whole number. The last columns of a row "
            "then count as the next row. Round down, in whole numbers: `//`.",
            lambda flat, n: ((flat / n).round().long(), flat % n)),
        Mistake("not_whole",
            "It looks like the division `/`, which gives a float: row 2.5 is no row. Divide with `//`.",
            lambda flat, n: (flat / n, flat % n)),
        Mistake("swapped",
            "It looks like (box, anchor). The anchor, the row, comes first: the quotient; then the box, the "
            "remainder.",
            lambda flat, n: _pair(flat, n)[::-1]),
    ),
    hints=(
        "Write the numbers 0 to 5 into a table of three rows and two columns. How do you get the row of 5, "
        "and how the column, from 5 and 2?",
        "The row is how many full rows come before: the quotient without its remainder. The column is the "
        "remainder. And which of Python's two divisions never leaves the whole numbers?",
        "`flat_index // num_boxes` and `flat_index % num_boxes`.",
    ),
    needs="",
)  # fmt: skip
