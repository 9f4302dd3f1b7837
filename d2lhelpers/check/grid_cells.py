"""The exercises on YOLO's grid: which cell answers for an object, and a bug hunt on the table of answers."""

from collections.abc import Callable

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, random_boxes, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["class_grid", "responsible_cells"]


def integers(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def my_responsible_cells(boxes, stride, columns):
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    column, row = (middles / stride).long().unbind(1)
    # row by row: above a cell lie `row` full rows
    return row * columns + column


def _cells(boxes: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Column and row."""
    column, row = ((boxes[:, :2] + boxes[:, 2:]) / 2 / stride).long().unbind(1)
    return column, row


def _exchanged(boxes: Tensor, stride: int, columns: int) -> Tensor:
    column, row = _cells(boxes, stride)
    return column * columns + row


def _of_point(points: Callable[[Tensor], Tensor]) -> Callable:
    def function(boxes: Tensor, stride: int, columns: int) -> Tensor:
        column, row = (points(boxes) / stride).long().unbind(1)
        return row * columns + column

    return function


def _rounded(boxes: Tensor, stride: int, columns: int) -> Tensor:
    column, row = ((boxes[:, :2] + boxes[:, 2:]) / 2 / stride).round().long().unbind(1)
    return row * columns + column


def _times_stride(boxes: Tensor, stride: int, columns: int) -> Tensor:
    column, row = _cells(boxes, stride)
    return row * stride + column


def _cell_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(70)
    many = random_boxes(12, generator)
    return [
        Case("an object in the first cell, 10 pixels a cell, 3 cells a row", (rows((2, 2, 6, 8)), 10, 3)),
        Case("an object in the first row", (rows((21, 2, 27, 8)), 10, 3)),
        Case("an object in the second row", (rows((12, 11, 18, 19)), 10, 3)),
        Case("a large object: only its middle counts", (rows((0, 4, 44, 36)), 10, 5)),
        Case("two objects of one cell", (rows((8, 8, 16, 16), (11, 9, 15, 13)), 8, 4)),
        Case("a middle on the border belongs to the cell on its right", (rows((6, 1, 10, 5)), 8, 4)),
        Case("no objects", (rows(), 8, 4), edge=True),
        Case("12 objects in a picture of 320 x 160 pixels", (many * torch.tensor([320, 160] * 2), 16, 20)),
    ]  # fmt: skip


responsible_cells = Exercise(
    name="responsible_cells",
    title="The cell that answers",
    statement=(
        "A grid of cells of `stride` x `stride` pixels lies over the picture, `columns` of them in each row. Cells "
        "are numbered row by row, from 0 at the top left. `boxes` is (N, 4), corners in pixels. Return (N,) int64: "
        "for each object the number of the cell that holds its middle. A middle on a border belongs to the cell to "
        "the right of it, or below."
    ),
    reference=my_responsible_cells,
    solution_function=my_responsible_cells,
    cases_function=_cell_cases,
    mistakes=(
        Mistake("exchanged",
            "It looks like x and y are exchanged. x runs along a row and counts *columns*; how many full rows lie "
            "above is told by y. On a square picture this mistake crashes nowhere.",
            _exchanged),
        Mistake("corner",
            "It looks like the cell of the top-left corner. Objects are looked for by their *middle*: a corner "
            "often lies on the background.",
            _of_point(lambda boxes: boxes[:, :2])),
        Mistake("half_size",
            "It looks like (x2 - x1) / 2 in place of (x1 + x2) / 2: half the width is no place.",
            _of_point(lambda boxes: (boxes[:, 2:] - boxes[:, :2]) / 2)),
        Mistake("rounded",
            "It looks like the quotient is rounded to the nearest whole number. A middle at 9 lies in the first "
            "cell of 10 pixels, not in the second: round down.",
            _rounded),
        Mistake("times_stride",
            "It looks like the row is multiplied by `stride`. A full row has `columns` cells; how many pixels each "
            "of them has does not matter.",
            _times_stride),
        Mistake("columns_of_both",
            "It looks like row plus column. To get past a full row you have to count all its cells: row x columns.",
            lambda boxes, stride, columns: sum(_cells(boxes, stride))),
    ),
    hints=(
        "With 10 pixels a cell and 3 cells a row, which number has the cell at row 1, column 1? And which pixels "
        "does it cover?",
        "Two steps: the middle divided by the stride and rounded down gives column (from x) and row (from y). Then "
        "count the cells that come before.",
        "`column, row = (middles / stride).long().unbind(1)`, then `row * columns + column`.",
    ),
)  # fmt: skip


def my_class_grid(boxes, classes, stride, shape):
    grid = torch.full(shape, -1)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    # the largest first, so that a smaller one overwrites it
    for i in area.argsort(descending=True, stable=True):
        x, y = (boxes[i, :2] + boxes[i, 2:]) / 2
        # a table is indexed by row, then column: y before x
        grid[int(y // stride), int(x // stride)] = classes[i]
    return grid


def _grid(
    boxes: Tensor, classes: Tensor, stride: int, shape: tuple, *, order: Tensor, exchanged: bool
) -> Tensor:
    grid = torch.full(shape, -1)
    for i in order.tolist():
        column, row = (value.item() for value in _cells(boxes[i, None], stride))
        grid[(column, row) if exchanged else (row, column)] = classes[i]
    return grid


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1)


def _as_in_the_hunt(boxes: Tensor, classes: Tensor, stride: int, shape: tuple) -> Tensor:
    order = torch.arange(len(boxes))
    return _grid(boxes, classes, stride, shape, order=order, exchanged=True)


def _one_mended(exchanged: bool, by: Callable[[Tensor], Tensor]) -> Callable:
    return lambda boxes, classes, stride, shape: _grid(
        boxes, classes, stride, shape, order=by(boxes), exchanged=exchanged
    )


def _grid_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(71)
    pair = rows((8, 8, 16, 16), (10, 10, 14, 14))
    cases = [
        Case("one object, right of the picture's middle", (rows((26, 2, 30, 6)), integers(3), 8, (4, 4))),
        Case("three objects", (rows((1, 1, 5, 5), (1, 17, 7, 23), (24, 8, 32, 16)), integers(0, 1, 2), 8, (4, 4))),
        Case("two objects in one cell, the smaller one last", (pair, integers(0, 1), 8, (3, 3))),
        Case("two objects in one cell, the smaller one first", (pair.flip(0), integers(0, 1), 8, (3, 3))),
        Case("no objects", (rows(), integers(), 8, (2, 2)), edge=True),
    ]  # fmt: skip
    for side, num in ((8, 6), (4, 12)):
        boxes = 8 * side * random_boxes(num, generator)
        classes = torch.randint(6, (num,), generator=generator)
        note = f"{num} random objects on {side} x {side} cells"
        cases.append(Case(note, (boxes, classes, 8, (side, side))))
    wide = 8 * random_boxes(5, generator) * torch.tensor([9, 4] * 2)
    arguments = wide, integers(0, 1, 2, 3, 4), 8, (4, 9)
    return [*cases, Case("a picture that is wider than high", arguments)]


def _by_area(boxes: Tensor) -> Tensor:
    return _area(boxes).argsort(descending=True, stable=True)


class_grid = Exercise(
    name="class_grid",
    title="Bug hunt: the table of answers",
    statement=(
        "`boxes`, (N, 4) corners in pixels, are objects of `classes`, (N,) int64. `shape` is (rows, columns) of a grid "
        "with cells of `stride` x `stride` pixels. Return the (rows, columns) int64 table of what each cell should "
        "answer: the class of the object whose middle it holds, -1 where there is none. If two objects have their "
        "middles in one cell, the smaller one has it, whatever their order."
    ),
    reference=my_class_grid,
    solution_function=my_class_grid,
    cases_function=_grid_cases,
    mistakes=(
        Mistake("as_it_was",
            "x and y are still exchanged: a table is indexed by row and then column, so y comes first. (That is not "
            "the only bug.)",
            _as_in_the_hunt),
        Mistake("exchanged",
            "Small objects win now, but x and y are exchanged: a table is indexed by row and then column, so y "
            "comes first.",
            _one_mended(True, _by_area)),
        Mistake("last_wins",
            "The cells are right. But where two objects share a cell, the last one in the list has it, and it should "
            "be the smaller one: a large object has other cells that see it, a small one has not.",
            _one_mended(False, lambda boxes: torch.arange(len(boxes)))),
        Mistake("first_wins",
            "The cells are right. But where two objects share a cell, the first one in the list has it, and it should "
            "be the smaller one.",
            _one_mended(False, lambda boxes: torch.arange(len(boxes)).flip(0))),
        Mistake("largest_wins",
            "The cells are right, but where two objects share a cell, the larger one has it. What is written last "
            "stays: write the large ones first.",
            _one_mended(False, lambda boxes: _by_area(boxes).flip(0))),
    ),
    hints=(
        "Put one object near the top right corner of a square picture. Where does its class come up?",
        "There are two bugs. One is in which number of an index comes first; for the other, ask which of two objects "
        "in a cell is written last.",
        "`grid[row, column]` with the row from y; and go through the objects in the order of "
        "`area.argsort(descending=True)`.",
    ),
)  # fmt: skip
