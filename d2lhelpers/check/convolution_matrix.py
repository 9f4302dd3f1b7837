"""The exercise on the matrix of a convolution."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["kernel2matrix"]


def my_kernel2matrix(K, height, width):
    kh, kw = K.shape
    rows = []
    for i in range(height - kh + 1):
        for j in range(width - kw + 1):
            # an empty picture with the kernel where the window lies: one row
            picture = torch.zeros(height, width)
            picture[i : i + kh, j : j + kw] = K
            rows.append(picture.flatten())
    return torch.stack(rows)


def _side_by_side(K: Tensor, height: int, width: int) -> Tensor:
    """The kernel's rows one behind the other, without the gap of a picture's row between them."""
    kh, kw = K.shape
    matrix = []
    for i in range(height - kh + 1):
        for j in range(width - kw + 1):
            row = torch.zeros(height * width)
            start = i * width + j
            length = min(K.numel(), height * width - start)
            row[start : start + length] = K.flatten()[:length]
            matrix.append(row)
    return torch.stack(matrix)


def _shifted_by_one(K: Tensor, height: int, width: int) -> Tensor:
    """Each row the one above, moved on by one: right within a row of windows, wrong at its end."""
    right = my_kernel2matrix(K, height, width)
    return torch.stack([right[0].roll(n) for n in range(len(right))])


def _column_by_column(K: Tensor, height: int, width: int) -> Tensor:
    kh, kw = K.shape
    right = my_kernel2matrix(K, height, width).reshape(height - kh + 1, width - kw + 1, -1)
    return right.transpose(0, 1).flatten(0, 1)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(92)
    kernel = rows((1, 2), (3, 4), columns=2)
    cases = [
        Case("a kernel of 1 x 1: each pixel times five", (rows((5,), columns=1), 1, 3)),
        Case("one row of pixels", (rows((1, 2), columns=2), 1, 4)),
        Case("a kernel as large as the picture: one row", (kernel, 2, 2)),
        Case("the book's: 2 x 2 on 3 x 3", (kernel, 3, 3)),
        Case("2 x 2 on 3 x 4", (kernel, 3, 4)),
        Case("a kernel of 3 x 2 on 4 x 3", (rows((1, 2), (3, 4), (5, 6), columns=2), 4, 3)),
    ]
    for kh, kw, height, width in ((2, 3, 4, 5), (3, 3, 5, 7)):
        K = torch.randn(kh, kw, generator=generator, dtype=torch.float32)
        cases.append(
            Case(f"a random kernel of {kh} x {kw} on {height} x {width}", (K, height, width))
        )
    return cases


kernel2matrix = Exercise(
    name="kernel2matrix",
    title="The matrix of a convolution",
    statement=(
        "`K` is (kh, kw) float32, the picture has `height` x `width` pixels, stride 1, no padding. Return the matrix "
        "W, ((height - kh + 1) (width - kw + 1), height width): for every picture x, `W @ x.flatten()` is the "
        "convolution's result, flattened row by row."
    ),
    reference=my_kernel2matrix,
    solution_function=my_kernel2matrix,
    cases_function=_cases,
    mistakes=(
        Mistake("transposed",
            "It looks like the matrix lies on its side. It needs a row for each *output* pixel and a column for each "
            "input pixel; yours is the transposed convolution's.",
            lambda *arguments: my_kernel2matrix(*arguments).T),
        Mistake("flipped",
            "It looks like the kernel is turned by half a turn. Networks do not turn it: the window's top-left pixel "
            "meets K[0, 0].",
            lambda K, height, width: my_kernel2matrix(K.flip((0, 1)), height, width)),
        Mistake("no_gap",
            "It looks like the kernel's rows follow one another without a gap. In the flattened picture the pixel "
            "below is `width` further on, not kw.",
            _side_by_side),
        Mistake("shifted_by_one",
            "It looks like each row of the matrix is the one above, moved on by one. At the end of a row of windows "
            "the next begins kw pixels further on: the window does not run over the picture's edge.",
            _shifted_by_one),
        Mistake("column_by_column",
            "It looks like the output pixels are counted column by column. `flatten` counts row by row: the loop over "
            "rows is the outer one.",
            _column_by_column),
        Mistake("kernel_exchanged",
            "It looks like the kernel's rows and columns are exchanged within the window.",
            lambda K, height, width: my_kernel2matrix(_tipped(K), height, width)),
    ),
    hints=(
        "Which numbers does the first output pixel multiply with which pixels? Write them into an empty picture.",
        "Each row of the matrix is a picture of zeros with the kernel where the window lies, flattened.",
        "For each window: `picture = torch.zeros(height, width)`, `picture[i : i + kh, j : j + kw] = K`, "
        "`rows.append(picture.flatten())`; at the end `torch.stack(rows)`.",
    ),
)  # fmt: skip


def _tipped(K: Tensor) -> Tensor:
    """As many rows and columns as before, filled from the transposed kernel."""
    return K.T.reshape(K.shape)
