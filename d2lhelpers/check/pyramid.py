"""The exercises on a pyramid of maps: how many anchors it has, and predictions in the anchors' order."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["count_anchors", "flatten_predictions"]


def my_count_anchors(maps, num_sizes, num_ratios):
    total = 0
    for height, width in maps:
        total += height * width * (num_sizes + num_ratios - 1)
    return total


def _count(cells, boxes):
    def function(maps, num_sizes: int, num_ratios: int) -> int:
        return sum(cells(height, width) for height, width in maps) * boxes(num_sizes, num_ratios)

    return function


def _counting_cases() -> list[Case]:
    return [
        Case("one map of 2 x 3 cells, one size, one ratio", ([(2, 3)], 1, 1)),
        Case("the same map, two sizes, three ratios", ([(2, 3)], 2, 3)),
        Case("three sizes, one ratio", ([(2, 3)], 3, 1)),
        Case("two maps", ([(4, 6), (2, 3)], 2, 2)),
        Case("the book's five maps", ([(32, 32), (16, 16), (8, 8), (4, 4), (1, 1)], 2, 3)),
        Case("a photograph's every pixel", ([(561, 728)], 3, 3)),
        Case("no maps", ([], 2, 3), edge=True),
        Case("five maps of a wide picture", ([(38, 50), (19, 25), (10, 13), (5, 7), (1, 1)], 4, 6)),
    ]


count_anchors = Exercise(
    name="count_anchors",
    title="How many anchors",
    statement=(
        "`maps` is a list of pairs (height, width), one for each feature map. Every cell of every map has anchors of "
        "`num_sizes` sizes and `num_ratios` ratios, made as `multibox_prior` makes them. Return their number."
    ),
    reference=my_count_anchors,
    solution_function=my_count_anchors,
    cases_function=_counting_cases,
    mistakes=(
        Mistake("all_pairs",
            "It looks like every size with every ratio, n times m. Only pairs with the first size or the first ratio "
            "are made, and the pair of both is made once: n + m - 1.",
            _count(lambda h, w: h * w, lambda n, m: n * m)),
        Mistake("first_pair_twice",
            "It looks like n + m. The first size with the first ratio is then counted twice: n + m - 1.",
            _count(lambda h, w: h * w, lambda n, m: n + m)),
        Mistake("square",
            "It looks like each map is taken for a square of its height. Maps of a wide picture are wide.",
            _count(lambda h, w: h * h, lambda n, m: n + m - 1)),
        Mistake("only_the_first",
            "It looks like only the finest map counts. The coarse ones have few anchors, but those are the large "
            "ones.",
            lambda maps, n, m: my_count_anchors(maps[:1], n, m)),
        Mistake("only_cells",
            "That is the number of cells. Each cell has several anchors, n + m - 1 of them.",
            _count(lambda h, w: h * w, lambda n, m: 1)),
        Mistake("sides_added",
            "It looks like height and width are added. A map of 2 x 3 has six cells.",
            _count(lambda h, w: h + w, lambda n, m: n + m - 1)),
    ),
    hints=(
        "How many cells has a map of 2 x 3? How many boxes does `multibox_prior` make around each, for two sizes and "
        "three ratios?",
        "Chapter 04: n sizes and m ratios make n + m - 1 boxes a cell. Add up over the maps.",
        "`sum(height * width * (num_sizes + num_ratios - 1) for height, width in maps)`.",
    ),
    needs="",
)  # fmt: skip


def my_flatten_predictions(values, columns):
    # the channels go last, so that what is said about one cell stands together
    batch = len(values)
    return values.permute(0, 2, 3, 1).reshape(batch, -1, columns)


def _no_permute(values: Tensor, columns: int) -> Tensor:
    return values.reshape(len(values), -1, columns)


def _ordered(*order: int, columns_first: bool = False):
    """Channels split into anchors and columns, then (B, anchor, column, y, x) in another order."""

    def function(values: Tensor, columns: int) -> Tensor:
        batch, channels, height, width = values.shape
        split = (columns, -1) if columns_first else (-1, columns)
        split = tuple(channels // columns if side < 0 else side for side in split)
        five = values.reshape(batch, *split, height, width)
        return five.permute(0, *order).reshape(batch, -1, columns)

    return function


def _flattening_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(43)

    def counted(*shape: int) -> Tensor:
        return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)

    cases = [
        Case("one anchor a cell, two columns, a map of 1 x 2", (counted(1, 2, 1, 2), 2)),
        Case("two anchors a cell, two columns, a map of 1 x 2", (counted(1, 4, 1, 2), 2)),
        Case("a map of 2 x 3", (counted(1, 2, 2, 3), 2)),
        Case("two pictures", (counted(2, 6, 1, 2), 3)),
        Case("a map of one cell", (counted(1, 8, 1, 1), 4)),
    ]
    for shape, columns in (((2, 12, 3, 5), 3), ((3, 16, 4, 2), 4)):
        values = torch.randn(shape, generator=generator, dtype=torch.float32)
        cases.append(Case(f"random values, {tuple(shape)}, {columns} columns", (values, columns)))
    return cases


flatten_predictions = Exercise(
    name="flatten_predictions",
    title="Bug hunt: predictions in the anchors' order",
    statement=(
        "`values` is a head's output, (B, a * columns, height, width): channel k says column `k % columns` of the "
        "cell's anchor `k // columns`. Return (B, height * width * a, columns): a row for each anchor, in the order of "
        "`multibox_prior`: row by row, cell by cell, and the a anchors of a cell side by side."
    ),
    reference=my_flatten_predictions,
    solution_function=my_flatten_predictions,
    cases_function=_flattening_cases,
    mistakes=(
        Mistake("no_permute",
            "It looks like a plain `reshape`. The shape is right and nothing complains, but the numbers lie channel "
            "by channel: a row then holds neighbouring *cells* of one channel. Bring the channels to the end first: "
            "`permute(0, 2, 3, 1)`.",
            _no_permute),
        Mistake("columns_outside",
            "It looks like the channels are split the other way, all anchors' column 0 first. They are grouped by "
            "anchor: channel k belongs to anchor `k // columns`.",
            _ordered(3, 4, 2, 1, columns_first=True)),
        Mistake("column_by_column",
            "It looks like the cells run column by column: x and y are exchanged in the `permute`. Anchors run row by "
            "row, so the height comes before the width.",
            _ordered(4, 3, 1, 2)),
        Mistake("anchor_by_anchor",
            "It looks like all cells of the first anchor, then all of the second. The anchors of one cell stand side "
            "by side: the anchor's axis comes after height and width.",
            _ordered(1, 3, 4, 2)),
    ),
    hints=(
        "Print `torch.arange(4).reshape(1, 2, 1, 2)`: two channels, two cells. Which two numbers does the first cell "
        "say? And which stand together after a plain `reshape` to (1, 2, 2)?",
        "All that one cell says must stand together before the reshape: the channels have to be the last axis.",
        "`values.permute(0, 2, 3, 1).reshape(len(values), -1, columns)`.",
    ),
)  # fmt: skip
