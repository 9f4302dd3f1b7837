"""The exercises on making things larger: linear interpolation of a line, and the weights that do it for a map."""

import torch
from torch import Tensor

from d2lhelpers.check.cases import Case, Mistake, floats
from d2lhelpers.check.engine import Exercise

__all__ = ["bilinear_weights", "interpolate_line"]


def my_interpolate_line(values, factor):
    n = len(values)
    # the middles of the new pixels, in the old pixels, whose own middles are then at 0, 1, 2, ...
    place = (torch.arange(n * factor) + 0.5) / factor - 0.5
    left = place.floor()
    share = place - left
    # beyond the first and the last middle there is no second neighbour: the value stays as it is
    before, after = left.long().clamp(0, n - 1), (left.long() + 1).clamp(0, n - 1)
    return (1 - share) * values[before] + share * values[after]


def _line(values: Tensor, factor: int, places: Tensor, *, edges: str = "stay") -> Tensor:
    n = len(values)
    left = places.floor()
    share = places - left
    if edges == "extended":
        left = left.clamp(0, max(0, n - 2))
        share = places - left
    before, after = left.long(), left.long() + 1
    ends = [values[index.clamp(0, n - 1)] for index in (before, after)]
    if edges == "zero":
        inside = [(index >= 0) & (index < n) for index in (before, after)]
        ends = [end * here for end, here in zip(ends, inside, strict=True)]
    return (1 - share) * ends[0] + share * ends[1]


def _half(values: Tensor, factor: int) -> Tensor:
    return (torch.arange(len(values) * factor) + 0.5) / factor - 0.5


def _corners(values: Tensor, factor: int) -> Tensor:
    return torch.linspace(0, len(values) - 1, len(values) * factor)


def _line_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(101)
    cases = [
        Case("two values, twice as many", (floats(0, 4), 2)),
        Case("three values, twice as many", (floats(1, 3, 2), 2)),
        Case("a straight line, four times as many", (floats(0, 1, 2, 3, 4), 4)),
        Case("an odd factor", (floats(6, 0, 3), 3)),
        Case("one value", (floats(5), 4), edge=True),
        Case("a factor of 1 changes nothing", (floats(2, 7, 1), 1)),
    ]
    for n, factor in ((6, 5), (9, 8)):
        values = torch.randn(n, generator=generator, dtype=torch.float32)
        cases.append(Case(f"{n} random values, {factor} times as many", (values, factor)))
    return cases


interpolate_line = Exercise(
    name="interpolate_line",
    title="Linear interpolation of a line of pixels",
    statement=(
        "`values`, (N,) float32, are the pixels of a line. Return (N `factor`,) float32: the line with each pixel "
        "divided into `factor`. A pixel has its value in its middle, and between two middles the value changes in a "
        "straight line. New pixels whose middle lies before the first old middle, or after the last, take the value "
        "of that one. It is what `F.interpolate(mode='linear', align_corners=False)` does."
    ),
    reference=my_interpolate_line,
    solution_function=my_interpolate_line,
    cases_function=_line_cases,
    mistakes=(
        Mistake("no_half_pixel",
            "It looks like new pixel i is placed at i / factor. That matches the pixels' corners, and the whole line "
            "moves by part of a pixel. Match their middles: (i + 0.5) / factor - 0.5.",
            lambda values, factor: _line(values, factor, torch.arange(len(values) * factor) / factor)),
        Mistake("corners_aligned",
            "It looks like the first new pixel lies on the first old one, and the last on the last "
            "(align_corners=True). Then new pixels are not 1 / factor apart, and a longer line is stretched "
            "otherwise than a short one. Match the middles: (i + 0.5) / factor - 0.5.",
            lambda values, factor: _line(values, factor, _corners(values, factor))),
        Mistake("nearest",
            "It looks like each value is repeated `factor` times: that is the nearest neighbour. Between two middles "
            "the value should change in a straight line.",
            lambda values, factor: values.repeat_interleave(factor)),
        Mistake("zero_outside",
            "It looks like there are zeros beyond the ends of the line, and the first and last pixels fade towards "
            "them (as in a transposed convolution). Here the value at the ends stays as it is: `clamp` the "
            "neighbours' indices.",
            lambda values, factor: _line(values, factor, _half(values, factor), edges="zero")),
        Mistake("extended",
            "It looks like the straight line between the last two middles goes on beyond them. Beyond the ends the "
            "value stays as it is.",
            lambda values, factor: _line(values, factor, _half(values, factor), edges="extended")),
        Mistake("shares_exchanged",
            "It looks like the two neighbours' shares are exchanged. The nearer a new pixel is to its left "
            "neighbour, the more it takes of it: 1 - share for the left one.",
            lambda values, factor: _line(
                values, factor, 2 * _half(values, factor).floor() + 1 - _half(values, factor))),
    ),
    hints=(
        "Two pixels, 0 and 4, become four. Draw the old ones as boxes from 0 to 1 and from 1 to 2, with dots in "
        "their middles. Where are the middles of the four new ones?",
        "New middle i is at (i + 0.5) / factor in the old pixels' units, and old middle j at j + 0.5. So measured "
        "from the first old middle: `place = (i + 0.5) / factor - 0.5`. Its two neighbours are `place.floor()` and "
        "the next.",
        "`left = place.floor(); share = place - left`, then `(1 - share) * values[before] + share * values[after]`, "
        "both indices clamped to 0..N - 1.",
    ),
)  # fmt: skip


def my_bilinear_weights(channels, stride):
    kernel = 2 * stride
    # 1 in the middle, between the two central weights, falling by 1 / stride with each step
    distance = (torch.arange(kernel) - (kernel - 1) / 2).abs()
    line = 1 - distance / stride
    weight = torch.zeros(channels, channels, kernel, kernel)
    weight[range(channels), range(channels)] = line[:, None] * line
    return weight


def _weights(
    channels: int, stride: int, *, middle: float = 0.5, reach: float = 0, mixed: bool = False,
    normalised: bool = False, added: bool = False,
) -> Tensor:  # fmt: skip
    kernel = 2 * stride
    distance = (torch.arange(kernel) - (stride - middle)).abs()
    line = (1 - distance / (reach or stride)).clamp(min=0)
    square = (line[:, None] + line) / 2 if added else line[:, None] * line
    if normalised:
        square = square / square.sum()
    if mixed:
        return square.expand(channels, channels, -1, -1).clone()
    weight = torch.zeros(channels, channels, kernel, kernel)
    weight[range(channels), range(channels)] = square
    return weight


bilinear_weights = Exercise(
    name="bilinear_weights",
    title="The weights of a bilinear transposed convolution",
    statement=(
        "Return the weights, (`channels`, `channels`, 2 `stride`, 2 `stride`) float32, with which a transposed "
        "convolution of this stride, and padding `stride` / 2, interpolates each channel bilinearly and by itself. "
        "`stride` is even."
    ),
    reference=my_bilinear_weights,
    solution_function=my_bilinear_weights,
    cases_function=lambda: [
        Case("one channel, twice as large", (1, 2)),
        Case("one channel, four times as large", (1, 4)),
        Case("two channels", (2, 2)),
        Case("three channels, eight times as large", (3, 8)),
        Case("21 classes, sixteen times as large", (21, 16)),
    ],
    mistakes=(
        Mistake("channels_mixed",
            "It looks like every channel goes into every other. Each map would come out as the sum of all of them: "
            "the score of a duck would be that of everything. Only weight[c, c] is not 0.",
            lambda channels, stride: _weights(channels, stride, mixed=True)),
        Mistake("off_centre",
            "It looks like the largest weight lies on a pixel. A kernel with an even number of pixels has its middle "
            "between two of them: at (kernel - 1) / 2. Else the map moves by half a pixel.",
            lambda channels, stride: _weights(channels, stride, middle=1)),
        Mistake("to_the_edge",
            "It looks like the weights fall to 0 at the last pixel. They reach 0 one stride from the middle, which "
            "is half a pixel beyond the kernel's last one: distance / stride.",
            lambda channels, stride: _weights(channels, stride, reach=stride - 0.5)),
        Mistake("too_flat",
            "It looks like the distance is divided by the kernel's size. The weights fall from 1 to 0 within one "
            "stride, half a kernel: there the next old pixel has its middle.",
            lambda channels, stride: _weights(channels, stride, reach=2 * stride)),
        Mistake("normalised",
            "It looks like the weights are made to add up to 1, as a blur's do. Here stride x stride new pixels "
            "share them: each new pixel sees four of the weights, and these add up to 1 already.",
            lambda channels, stride: _weights(channels, stride, normalised=True)),
        Mistake("added",
            "It looks like the weights of the two directions are averaged. Bilinear is linear in one direction and "
            "then in the other: the product.",
            lambda channels, stride: _weights(channels, stride, added=True)),
    ),
    hints=(
        "In one dimension, twice as large: which share of an old pixel do the four new ones around it take? (0.25, "
        "0.75, 0.75, 0.25.) How do these numbers follow from their distance to its middle?",
        "The middle is at (kernel - 1) / 2; the weight is 1 - distance / stride. In two dimensions: the product of "
        "both. And where in the tensor of zeros does it go?",
        "`line = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / stride`, "
        "`weight[range(channels), range(channels)] = line[:, None] * line`.",
    ),
)  # fmt: skip
