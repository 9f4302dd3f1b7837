"""Bug hunts on transposed convolution: a kernel that is not turned, and padding with the wrong sign."""

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, rows
from d2lhelpers.check.engine import Exercise

__all__ = ["as_convolution", "cut_border"]


def my_as_convolution(X, K, stride):
    h, w = X.shape
    kh, kw = K.shape
    wide = X.new_zeros((h - 1) * stride + 1, (w - 1) * stride + 1)
    wide[::stride, ::stride] = X
    wide = F.pad(wide, (kw - 1, kw - 1, kh - 1, kh - 1))
    # seen from an output pixel, the strokes come in with their far end first
    return F.conv2d(wide[None, None], K.flip((0, 1))[None, None])[0, 0]


def _as_convolution(
    X: Tensor, K: Tensor, stride: int, *, turn: tuple[int, ...] = (0, 1), border: int = 1,
    stretched: bool = True, step: int = 1, transposed: bool = False,
) -> Tensor:  # fmt: skip
    (h, w), (kh, kw) = X.shape, K.shape
    wide = X
    if stretched:
        wide = X.new_zeros((h - 1) * stride + 1, (w - 1) * stride + 1)
        wide[::stride, ::stride] = X
    wide = F.pad(wide, (kw - border, kw - border, kh - border, kh - border))
    kernel = K.T if transposed else K.flip(turn)
    return F.conv2d(wide[None, None], kernel[None, None], stride=step)[0, 0]


def _repeated(X: Tensor, K: Tensor, stride: int) -> Tensor:
    """The pixels repeated where zeros belong."""
    (kh, kw) = K.shape
    wide = X.repeat_interleave(stride, 0).repeat_interleave(stride, 1)
    wide = wide[: (len(X) - 1) * stride + 1, : (X.shape[1] - 1) * stride + 1]
    wide = F.pad(wide, (kw - 1, kw - 1, kh - 1, kh - 1))
    return F.conv2d(wide[None, None], K.flip((0, 1))[None, None])[0, 0]


def _random_cases(seed: int, *shapes: tuple, settings: tuple = ()) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = []
    for (h, w, kh, kw), more in zip(shapes, settings, strict=True):
        X = torch.randn(h, w, generator=generator, dtype=torch.float32)
        K = torch.randn(kh, kw, generator=generator, dtype=torch.float32)
        note = f"{h} x {w} random pixels, kernel {kh} x {kw}, then {', '.join(map(str, more))}"
        cases.append(Case(note, (X, K, *more)))
    return cases


def _as_convolution_cases() -> list[Case]:
    kernel = rows((1, 2), (3, 4), columns=2)
    two = rows((1, 2), (3, 4), columns=2)
    return [
        Case("one pixel", (rows((1,), columns=1), kernel, 1)),
        Case("a kernel of ones on 2 x 2 pixels", (two, rows((1, 1), (1, 1), columns=2), 1)),
        Case("the same with stride 2", (two, rows((1, 1), (1, 1), columns=2), 2)),
        Case("a kernel of 1, 2, 3, 4", (two, kernel, 1)),
        Case("the same with stride 3", (two, kernel, 3)),
        Case("a kernel of 1 x 3", (two, rows((1, 2, 3), columns=3), 2)),
        *_random_cases(93, (3, 4, 3, 3), (4, 2, 2, 4), settings=((2,), (3,))),
    ]


as_convolution = Exercise(
    name="as_convolution",
    title="Bug hunt: almost an ordinary convolution",
    statement=(
        "Return the transposed convolution of `X`, (h, w), with `K`, (kh, kw), both float32, for a `stride` of at "
        "least 1 and no padding, by one ordinary convolution of stride 1 on a picture made from `X`."
    ),
    reference=my_as_convolution,
    solution_function=my_as_convolution,
    cases_function=_as_convolution_cases,
    mistakes=(
        Mistake("not_turned",
            "The kernel is still not turned. An output pixel is reached by the left neighbour's right end: read from "
            "left to right, the kernel comes backwards, in both directions. With a kernel that is the same upside down "
            "nobody can tell.",
            lambda X, K, stride: _as_convolution(X, K, stride, turn=())),
        Mistake("one_direction",
            "It looks like the kernel is turned in one direction only. It has to be turned by half a turn: "
            "`K.flip((0, 1))`.",
            lambda X, K, stride: _as_convolution(X, K, stride, turn=(1,))),
        Mistake("upside_down",
            "It looks like the kernel's rows are exchanged and its columns are not: `K.flip((0, 1))` turns both.",
            lambda X, K, stride: _as_convolution(X, K, stride, turn=(0,))),
        Mistake("transposed",
            "It looks like the kernel is transposed, its rows made columns. What is transposed is the *matrix* of the "
            "convolution; the kernel is turned by half a turn.",
            lambda X, K, stride: _as_convolution(X, K, stride, transposed=True)),
        Mistake("border_too_wide",
            "It looks like a border of as many zeros as the kernel is large. Its window may begin where only its last "
            "row meets the picture: kernel - 1.",
            lambda X, K, stride: _as_convolution(X, K, stride, border=0)),
        Mistake("not_stretched",
            "It looks like the pixels are not moved apart. Strokes begin `stride` apart; the pixels must, too, with "
            "zeros in between.",
            lambda X, K, stride: _as_convolution(X, K, stride, stretched=False)),
        Mistake("strided",
            "It looks like the ordinary convolution has the stride, too. It moves by 1; the stride is in the zeros "
            "between the pixels.",
            lambda X, K, stride: _as_convolution(X, K, stride, step=stride)),
        Mistake("repeated",
            "It looks like pixels are repeated where zeros belong. A pixel paints once.",
            _repeated),
    ),
    hints=(
        "Take X with a single 1 in it and K = 1, 2, 3, 4. What should come out? What does come out?",
        "Which cell of the kernel brings the *left* neighbour's value to a pixel, if strokes are painted to the right? "
        "And which cell would a window, read from left to right, take?",
        "`corr2d(wide, K.flip((0, 1)))`.",
    ),
    needs="import torch.nn.functional as F",
)  # fmt: skip


def my_cut_border(X, K, stride, padding):
    Y = F.conv_transpose2d(X[None, None], K[None, None], stride=stride)[0, 0]
    # not Y[padding:-padding], which is empty for a padding of 0
    return Y[padding : Y.shape[0] - padding, padding : Y.shape[1] - padding]


def _uncut(X: Tensor, K: Tensor, stride: int) -> Tensor:
    return F.conv_transpose2d(X[None, None], K[None, None], stride=stride)[0, 0]


def _cut_cases() -> list[Case]:
    two, three = rows((1, 2), (3, 4), columns=2), rows((1, 0, 2), (3, 1, 0), (0, 2, 1), columns=3)
    return [
        Case("2 x 2 pixels, kernel 2, stride 1, padding 1: one pixel is left", (two, two, 1, 1)),
        Case("2 x 2 pixels, kernel 3, stride 2, padding 1", (two, three, 2, 1)),
        Case("2 x 2 pixels, kernel 2, stride 2, no padding", (two, two, 2, 0)),
        Case("3 x 3 pixels, kernel 3, stride 2, padding 2", (three, three, 2, 2)),
        Case("2 x 2 pixels, kernel 3, stride 4, padding 2", (two, three, 4, 2)),
        *_random_cases(94, (3, 5, 4, 3), (4, 3, 5, 4), settings=((2, 1), (3, 3))),
    ]


cut_border = Exercise(
    name="cut_border",
    title="Bug hunt: padding with the wrong sign",
    statement=(
        "`X` is (h, w) and `K` (kh, kw), both float32. Return the transposed convolution with that `stride` and "
        "`padding` (>= 0; something is left). Use the one without padding, and do the padding yourself."
    ),
    reference=my_cut_border,
    solution_function=my_cut_border,
    cases_function=_cut_cases,
    mistakes=(
        Mistake("as_it_was",
            "The padding is still added to the output. A transposed convolution *takes off* what the convolution, "
            "whose way back it is, had put on.",
            lambda X, K, s, p: F.pad(_uncut(X, K, s), (p, p, p, p))),
        Mistake("input_padded",
            "It looks like the input is padded, as for a convolution. Here the output is cut.",
            lambda X, K, s, p: _uncut(F.pad(X, (p, p, p, p)), K, s)),
        Mistake("empty_for_zero",
            "It looks like `Y[padding:-padding]`. With a padding of 0 that is `Y[0:-0]`, the same as `Y[0:0]`: "
            "nothing. Count from the front: `Y[padding : Y.shape[0] - padding]`.",
            lambda X, K, s, p: _uncut(X, K, s)[p:-p, p:-p]),
        Mistake("one_side",
            "It looks like only the top and the left are cut. Padding belongs to all four sides.",
            lambda X, K, s, p: _uncut(X, K, s)[p:, p:]),
        Mistake("far_side",
            "It looks like only the bottom and the right are cut. Padding belongs to all four sides.",
            lambda X, K, s, p: (Y := _uncut(X, K, s))[: Y.shape[0] - p, : Y.shape[1] - p]),
        Mistake("ignored",
            "It looks like the padding is not used at all. It is cut off on all four sides.",
            lambda X, K, s, p: _uncut(X, K, s)),
        Mistake("not_cut_but_zeroed",
            "It looks like the border is set to zero and stays. It is cut off: the output gets smaller.",
            lambda X, K, s, p: F.pad(my_cut_border(X, K, s, p), (p, p, p, p))),
    ),
    hints=(
        "A convolution with padding 1 and stride 1, kernel 3, keeps the size. What must its way back do, so that it "
        "keeps the size, too?",
        "Make the output without padding, and cut `padding` rows and columns off on each side. What does `Y[0:-0]` "
        "give?",
        "`Y[padding : Y.shape[0] - padding, padding : Y.shape[1] - padding]`.",
    ),
    needs="import torch.nn.functional as F",
)  # fmt: skip
