"""The exercises on reading a region from a feature map: RoI pooling, and a bug hunt on where RoI align reads."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["pool_region", "sample_places"]


def my_pool_region(values, first, last, bins):
    (left, top), (right, bottom) = first, last
    width, height = right - left + 1, bottom - top + 1
    pooled = torch.zeros(bins, bins)
    for i in range(bins):
        for j in range(bins):
            # rounded down where a bin begins and up where it ends: neighbours may share a cell
            y1, y2 = top + i * height // bins, top + -(-(i + 1) * height // bins)
            x1, x2 = left + j * width // bins, left + -(-(j + 1) * width // bins)
            pooled[i, j] = values[y1:y2, x1:x2].max()
    return pooled


def _edges(start: int, length: int, bins: int, how: str) -> list[tuple[int, int]]:
    down = [k * length // bins for k in range(bins + 1)]
    up = [-(-k * length // bins) for k in range(bins + 1)]
    begin, end = {"out": (down, up), "down": (down, down), "up": (up, up), "in": (up, down)}[how]
    return [(start + begin[k], start + end[k + 1]) for k in range(bins)]


def _pooled(
    values: Tensor, first: tuple, last: tuple, bins: int, *, extra: int = 1, how: str = "out",
    largest: bool = True, exchanged: bool = False,
) -> Tensor:  # fmt: skip
    (left, top), (right, bottom) = first, last
    if exchanged:
        left, top, right, bottom = top, left, bottom, right
    across = _edges(left, right - left + extra, bins, how)
    along = _edges(top, bottom - top + extra, bins, how)
    parts = [[values[y1:y2, x1:x2] for x1, x2 in across] for y1, y2 in along]
    return torch.stack([torch.stack([p.max() if largest else p.mean() for p in row]) for row in parts])  # fmt: skip


def _pooling_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(53)

    def numbers(height: int, width: int) -> Tensor:
        drawn = torch.randperm(height * width, generator=generator)
        return drawn.view(height, width).to(torch.float32)

    counted = torch.arange(12, dtype=torch.float32).view(3, 4)
    rising = torch.arange(30, dtype=torch.float32).view(5, 6)
    return [
        Case("one bin over 2 x 2 cells", (counted, (0, 0), (1, 1), 1)),
        Case("a region of 2 x 2 cells in 2 x 2 bins", (counted, (1, 0), (2, 1), 2)),
        Case("4 x 4 cells in 2 x 2 bins", (rising, (0, 0), (3, 3), 2)),
        Case("a region not at the corner", (rising, (2, 1), (5, 4), 2)),
        Case("3 x 3 cells in 2 x 2 bins: they share a row and a column", (-rising, (1, 1), (3, 3), 2)),
        Case("5 x 3 cells in 2 x 2 bins, any numbers", (numbers(6, 8), (1, 2), (5, 4), 2)),
        Case("one cell in 2 x 2 bins", (counted, (1, 1), (1, 1), 2), edge=True),
        Case("7 x 5 cells in 3 x 3 bins", (numbers(9, 9), (2, 3), (8, 7), 3)),
        Case("4 x 7 cells in 5 x 5 bins", (numbers(9, 9), (3, 1), (6, 7), 5)),
    ]  # fmt: skip


pool_region = Exercise(
    name="pool_region",
    title="RoI pooling",
    statement=(
        "`values` is one feature map, (height, width). `first` and `last` are pairs (column, row) of whole numbers: "
        "the first and the last cell of a region, *both included*, inside the map. Cut the region into `bins` x `bins` "
        "equal bins; a bin that begins or ends inside a cell has the whole of that cell. Return (bins, bins): the "
        "largest value in each."
    ),
    reference=my_pool_region,
    solution_function=my_pool_region,
    cases_function=_pooling_cases,
    mistakes=(
        Mistake("last_left_out",
            "It looks like the last row and column of the region are left out. Both corners belong to it, so it is "
            "`last - first + 1` cells wide.",
            lambda *arguments: _pooled(*arguments, extra=0)),
        Mistake("mean",
            "It looks like the mean of each bin. Pooling takes the largest value: whether a feature is there, wherever "
            "in the bin.",
            lambda *arguments: _pooled(*arguments, largest=False)),
        Mistake("exchanged",
            "It looks like columns and rows are exchanged. The pairs are (column, row), and a tensor is indexed by row "
            "and then column.",
            lambda *arguments: _pooled(*arguments, exchanged=True)),
        Mistake("rounded_down",
            "It looks like both ends of a bin are rounded down, so that the bins share nothing. Where a bin ends "
            "inside a cell it has the whole of it: round the end up.",
            lambda *arguments: _pooled(*arguments, how="down")),
        Mistake("rounded_up",
            "It looks like both ends of a bin are rounded up. Where a bin begins inside a cell it has the whole of it: "
            "round the beginning down.",
            lambda *arguments: _pooled(*arguments, how="up")),
        Mistake("transposed",
            "It looks like the result is transposed: its rows are the bins from top to bottom.",
            lambda *arguments: _pooled(*arguments).T),
    ),
    hints=(
        "Five cells in two bins: where does the first bin end, and where does the second begin? Which cell do both "
        "have?",
        "Bin k of a region of n cells goes from k * n / bins, rounded down, to (k + 1) * n / bins, rounded up. n is "
        "`last - first + 1`.",
        "In whole numbers, rounding up is `-(-a // b)`: rows from `top + i * height // bins` to "
        "`top + -(-(i + 1) * height // bins)`.",
    ),
)  # fmt: skip


def my_sample_places(start, end, stride, bins):
    # cell 0 has its value at its middle, half a cell from the edge
    start, end = start / stride - 0.5, end / stride - 0.5
    length = (end - start) / bins
    return torch.tensor([start + (k + 0.5) * length for k in range(bins)])


def _places(
    start: float, end: float, stride: int, bins: int, *, round_ends: bool = False,
    round_length: bool = False, half: float = 0.5, into: float = 0.5,
) -> Tensor:  # fmt: skip
    first, last = start / stride, end / stride
    if round_ends:
        first, last = round(first), round(last)
    length = (last - first) / bins
    if round_length:
        length = round(length)
    return torch.tensor([first - half + (k + into) * length for k in range(bins)], dtype=torch.float32)  # fmt: skip


def _half_pixel(start: float, end: float, stride: int, bins: int) -> Tensor:
    return _places(start - 0.5, end - 0.5, stride, bins, half=0)


def _from_end_to_end(start: float, end: float, stride: int, bins: int) -> Tensor:
    return torch.linspace(start / stride - 0.5, end / stride - 0.5, bins)


def _place_cases() -> list[Case]:
    return [
        Case("cells 0 and 1 exactly, one bin for each", (0.0, 16.0, 8, 2)),
        Case("the same two cells in one bin", (0.0, 16.0, 8, 1)),
        Case("the region from above", (10.0, 38.0, 8, 2)),
        Case("one pixel further right", (11.0, 39.0, 8, 2)),
        Case("20 pixels in two bins: a bin is no whole number of cells", (8.0, 28.0, 8, 2)),
        Case("a region narrower than a cell", (13.0, 18.0, 8, 3)),
        Case("stride 4, seven bins", (5.5, 47.0, 4, 7)),
        Case("stride 16, four bins, beyond the left edge", (-6.0, 77.0, 16, 4)),
    ]


sample_places = Exercise(
    name="sample_places",
    title="Bug hunt: rounded twice",
    statement=(
        "A region goes from pixel `start` to pixel `end`, a cell of the map is `stride` pixels wide, and the region is "
        "cut into `bins` equal bins. Return (bins,) float32: the middles of the bins, in the coordinates of the map in "
        "which cell 0 has its value at 0, cell 1 at 1, and so on. A cell's value stands at the cell's middle."
    ),
    reference=my_sample_places,
    solution_function=my_sample_places,
    cases_function=_place_cases,
    mistakes=(
        Mistake("as_it_was",
            "It still rounds the region to whole cells, and the bins as well, and the half cell is missing. None of "
            "the numbers needs to be whole.",
            lambda *arguments: _places(*arguments, round_ends=True, round_length=True, half=0)),
        Mistake("region_rounded",
            "It looks like the region's ends are still rounded to whole cells. A box that moves by a pixel must read "
            "places that move by 1 / stride.",
            lambda *arguments: _places(*arguments, round_ends=True)),
        Mistake("bins_rounded",
            "It looks like the length of a bin is still rounded. The last bin then ends before the region does, or "
            "after it.",
            lambda *arguments: _places(*arguments, round_length=True)),
        Mistake("no_half",
            "Nothing is rounded any more, but half a cell is missing. Cell 0 of a map with stride 8 covers pixels 0 to "
            "8: its value stands at pixel 4. So pixel x is at x / stride - 0.5.",
            lambda *arguments: _places(*arguments, half=0)),
        Mistake("half_added",
            "It looks like the half cell is added. Pixel 4 of a map with stride 8 is the middle of cell 0 and must "
            "come out as 0: 4 / 8 - 0.5.",
            lambda *arguments: _places(*arguments, half=-0.5)),
        Mistake("half_a_pixel",
            "It looks like half a *pixel* is subtracted before the division. It is half a cell: divide first.",
            _half_pixel),
        Mistake("where_bins_begin",
            "Those are the places where the bins begin. A bin is read at its middle: k + 0.5 lengths from the start.",
            lambda *arguments: _places(*arguments, into=0)),
        Mistake("from_end_to_end",
            "It looks like the places run from one end of the region to the other, as `linspace` has it. The middles "
            "of the bins stay half a bin away from both ends.",
            _from_end_to_end),
    ),
    hints=(
        "A region covers exactly cells 0 and 1 and has two bins. At which places should it be read? What comes out?",
        "Three things: the two ends as they are, the length of a bin as it is, and x / stride - 0.5 for the place of "
        "pixel x.",
        "`start = start / stride - 0.5`, the same for `end`, then `start + (k + 0.5) * (end - start) / bins`.",
    ),
)  # fmt: skip
