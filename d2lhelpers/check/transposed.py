"""The exercise on transposed convolution, stroke by stroke."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["trans_conv"]


def my_trans_conv(X, K, stride):
    h, w = X.shape
    kh, kw = K.shape
    Y = torch.zeros((h - 1) * stride + kh, (w - 1) * stride + kw)
    for i in range(h):
        for j in range(w):
            # += and not =: strokes that overlap add up
            Y[i * stride : i * stride + kh, j * stride : j * stride + kw] += X[i, j] * K
    return Y


def _painted(X: Tensor, K: Tensor, stride: int, *, replace: bool = False, spare: int = 0) -> Tensor:
    (h, w), (kh, kw) = X.shape, K.shape
    Y = torch.zeros((h - 1) * stride + kh + spare, (w - 1) * stride + kw + spare)
    for i in range(h):
        for j in range(w):
            part = Y[i * stride : i * stride + kh, j * stride : j * stride + kw]
            part.copy_(X[i, j] * K if replace else part + X[i, j] * K)
    return Y


def _averaged(X: Tensor, K: Tensor, stride: int) -> Tensor:
    strokes = _painted(torch.ones_like(X), torch.ones_like(K), stride)
    return _painted(X, K, stride) / strokes.clamp(min=1)


def _cases() -> list[Case]:
    generator = torch.Generator().manual_seed(91)
    pair, kernel = rows((1, 2), columns=2), rows((1, 3), (5, 7), columns=2)
    cases = [
        Case("one pixel: the kernel, three times as bright", (rows((3,), columns=1), kernel, 1)),
        Case("two pixels side by side", (pair, kernel, 1)),
        Case("the same with stride 2: two tiles", (pair, kernel, 2)),
        Case("2 x 2 pixels, strokes that overlap in the middle",
             (rows((0, 1), (2, 3), columns=2), rows((0, 1), (2, 3), columns=2), 1)),
        Case("a kernel of 1 x 1, stride 3", (rows((1, 2), (3, 4), columns=2), rows((2,), columns=1), 3)),
        Case("2 x 3 pixels, a kernel of 3 x 2, stride 2",
             (rows((1, 2, 3), (4, 5, 6), columns=3), rows((1, 2), (3, 4), (5, 6), columns=2), 2)),
    ]  # fmt: skip
    for h, w, kh, kw, stride in ((4, 6, 3, 3, 1), (5, 3, 4, 3, 2)):
        X, K = (
            torch.randn(*shape, generator=generator, dtype=torch.float32)
            for shape in ((h, w), (kh, kw))
        )
        cases.append(
            Case(f"{h} x {w} random pixels, kernel {kh} x {kw}, stride {stride}", (X, K, stride))
        )
    return cases


trans_conv = Exercise(
    name="trans_conv",
    title="Stroke by stroke",
    statement=(
        "`X` is (h, w) and `K` (kh, kw), both float32; `stride` is a whole number of at least 1. Every pixel X[i, j] "
        "paints the whole kernel, times its value, into the output, from row `i * stride` and column `j * stride` on; "
        "where strokes overlap they add up. Return the output, ((h - 1) stride + kh, (w - 1) stride + kw)."
    ),
    reference=my_trans_conv,
    solution_function=my_trans_conv,
    cases_function=_cases,
    mistakes=(
        Mistake("overwritten",
            "It looks like a stroke replaces what is there already. Where strokes overlap they add up: `+=`, not `=`.",
            lambda X, K, stride: _painted(X, K, stride, replace=True)),
        Mistake("flipped",
            "It looks like the kernel is painted upside down. It is turned only when a transposed convolution is "
            "written as an ordinary one; a stroke is the kernel as it is.",
            lambda X, K, stride: _painted(X, K.flip((0, 1)), stride)),
        Mistake("no_stride",
            "It looks like all strokes begin one pixel apart. They begin `stride` apart: row `i * stride`, column "
            "`j * stride`.",
            lambda X, K, stride: _painted(X, K, 1)),
        Mistake("too_large",
            "It looks like the output has `h * stride` rows and so many more. The last stroke begins at "
            "`(h - 1) * stride`: after it there is nothing but its own kh rows.",
            lambda X, K, stride: _painted(X, K, stride, spare=stride)),
        Mistake("averaged",
            "It looks like strokes that overlap are averaged. They add up, even if some pixels become brighter "
            "than others.",
            _averaged),
    ),
    hints=(
        "What does a picture of one single pixel become? Where does the stroke of its right neighbour begin?",
        "Begin with zeros of the right size. Two loops over the pixels of `X`; in each step a window of the output, as "
        "large as the kernel, gets `X[i, j] * K` on top of what it has.",
        "`Y[i * stride : i * stride + kh, j * stride : j * stride + kw] += X[i, j] * K`.",
    ),
)  # fmt: skip
