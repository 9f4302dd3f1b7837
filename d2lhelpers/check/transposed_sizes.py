"""The exercises on the sizes of transposed convolution: what comes out, and what was lost on the way down."""

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["lost_rows", "transposed_size"]


def my_transposed_size(size, kernel, stride, padding, output_padding):
    # the last stroke begins at (size - 1) stride and is as long as the kernel; then both ends are cut
    return (size - 1) * stride + kernel - 2 * padding + output_padding


def _size_cases() -> list[Case]:
    return [
        Case("one pixel and a kernel of 3: one stroke", (1, 3, 1, 0, 0)),
        Case("two pixels, kernel 2", (2, 2, 1, 0, 0)),
        Case("two pixels, kernel 2, stride 2: two tiles", (2, 2, 2, 0, 0)),
        Case("padding 1 cuts off both ends", (3, 4, 2, 1, 0)),
        Case("output padding 1", (3, 3, 2, 1, 1)),
        Case("three pixels, kernel 5, stride 3, padding 2, output padding 2", (3, 5, 3, 2, 2)),
        Case("the last layer of a network for segmentation", (10, 64, 32, 16, 0)),
    ]


transposed_size = Exercise(
    name="transposed_size",
    title="The size of what comes out",
    statement=(
        "All five are whole numbers, along one direction: the input's `size`, and the settings of a transposed "
        "convolution without dilation. Return the size of its output."
    ),
    reference=my_transposed_size,
    solution_function=my_transposed_size,
    cases_function=_size_cases,
    mistakes=(
        Mistake("padding_adds",
            "It looks like padding makes the output larger. In a transposed convolution it is cut off from both ends: "
            "minus.",
            lambda n, k, s, p, a: (n - 1) * s + k + 2 * p + a),
        Mistake("padding_once",
            "It looks like the padding is taken off once. It is cut off from both ends: twice.",
            lambda n, k, s, p, a: (n - 1) * s + k - p + a),
        Mistake("one_step_too_many",
            "It looks like `size * stride`. Between the first stroke and the last there are `size - 1` steps: like "
            "posts in a fence.",
            lambda n, k, s, p, a: n * s + k - 2 * p + a),
        Mistake("kernel_less_one",
            "It looks like the kernel counts less one. With stride 1 the output is larger by kernel - 1, but then "
            "size - 1 is in the formula already: the last stroke is as long as the whole kernel.",
            lambda n, k, s, p, a: (n - 1) * s + k - 1 - 2 * p + a),
        Mistake("multiple",
            "It looks like size times stride and no more. That is so only where 2 padding + stride = kernel + "
            "output_padding, a usual choice, but not the only one.",
            lambda n, k, s, p, a: n * s),
        Mistake("convolution",
            "It looks like the size of a convolution's output, which gets smaller with the stride. This one grows: "
            "solve that formula for its input.",
            lambda n, k, s, p, a: (n + 2 * p - k) // s + 1 + a),
        Mistake("no_output_padding",
            "It looks like `output_padding` is left out. So many rows the output is longer.",
            lambda n, k, s, p, a: (n - 1) * s + k - 2 * p),
        Mistake("output_padding_twice",
            "It looks like `output_padding` counts twice. It is added at one end only.",
            lambda n, k, s, p, a: (n - 1) * s + k - 2 * p + 2 * a),
    ),
    hints=(
        "Where does the last stroke begin, if the first begins at 0? And where does it end?",
        "There are size - 1 steps of `stride` to the beginning of the last stroke, which is `kernel` long. Then "
        "padding is cut off from both ends, and the output padding added at one.",
        "`(size - 1) * stride + kernel - 2 * padding + output_padding`.",
    ),
    needs="",
)  # fmt: skip


def my_lost_rows(size, kernel, stride, padding, dilation):
    reach = dilation * (kernel - 1) + 1
    return (size + 2 * padding - reach) % stride


def _lost_cases() -> list[Case]:
    return [
        Case("kernel 2, stride 2, 4 pixels: two windows, nothing left over", (4, 2, 2, 0, 1)),
        Case("the same with 5 pixels: one left over", (5, 2, 2, 0, 1)),
        Case("kernel 3, stride 2, padding 1, 32 pixels", (32, 3, 2, 1, 1)),
        Case("the same with 33 pixels", (33, 3, 2, 1, 1)),
        Case("kernel 5, stride 3, padding 2, 17 pixels", (17, 5, 3, 2, 1)),
        Case("kernel 5, stride 3, padding 2, 18 pixels", (18, 5, 3, 2, 1)),
        Case("kernel 3, stride 4, padding 1, 11 pixels", (11, 3, 4, 1, 1)),
        Case("kernel 3, stride 4, padding 1, dilation 2, 20 pixels", (20, 3, 4, 1, 2)),
        Case("kernel 4, stride 5, padding 3, dilation 3, 31 pixels", (31, 4, 5, 3, 3)),
    ]


lost_rows = Exercise(
    name="lost_rows",
    title="Bug hunt: one row too many",
    statement=(
        "A convolution with these settings made a smaller picture from one of `size` pixels along one direction. "
        "Return the `output_padding`, a whole number from 0 to stride - 1, with which the transposed convolution of "
        "the same settings makes `size` pixels again."
    ),
    reference=my_lost_rows,
    solution_function=my_lost_rows,
    cases_function=_lost_cases,
    mistakes=(
        Mistake("as_it_was",
            "It is still stride - 1 for every size. That is right for one size in `stride`; the others lose less.",
            lambda n, k, s, p, d: s - 1),
        Mistake("always_zero",
            "It looks like 0 for every size. When the windows do not fill the padded picture, some pixels at its end "
            "are in none of them.",
            lambda n, k, s, p, d: 0),
        Mistake("no_padding",
            "It looks like the padding is left out. The windows move over the *padded* picture: size + 2 padding.",
            lambda n, k, s, p, d: (n - (d * (k - 1) + 1)) % s),
        Mistake("padding_once",
            "It looks like the padding counts once. There are zeros at both ends.",
            lambda n, k, s, p, d: (n + p - (d * (k - 1) + 1)) % s),
        Mistake("no_dilation",
            "It looks like the dilation is left out. A dilated kernel reaches over dilation (kernel - 1) + 1 pixels.",
            lambda n, k, s, p, d: (n + 2 * p - k) % s),
        Mistake("dilation_times_kernel",
            "It looks like a dilated kernel reaches over dilation times kernel pixels. There is no gap after its last "
            "cell: dilation (kernel - 1) + 1.",
            lambda n, k, s, p, d: (n + 2 * p - d * k) % s),
        Mistake("size_only",
            "It looks like the remainder of size by stride. What is divided is the room in which the window moves: "
            "size + 2 padding - reach of the kernel.",
            lambda n, k, s, p, d: n % s),
        Mistake("up_to_the_next",
            "It looks like what is missing to the *next* window. Asked for is what is left over after the last one: "
            "the remainder itself.",
            lambda n, k, s, p, d: -(n + 2 * p - (d * (k - 1) + 1)) % s),
    ),
    hints=(
        "Five pixels, a window of 2, steps of 2. Which pixels does no window see? How many are they?",
        "The convolution's size formula rounds a division down. Which is the division, and what is its remainder?",
        "`(size + 2 * padding - (dilation * (kernel - 1) + 1)) % stride`.",
    ),
    needs="",
)  # fmt: skip
