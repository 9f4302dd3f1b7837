"""The exercise on receptive fields: how much of the picture one activation sees."""

from collections.abc import Callable

from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.engine import Exercise

__all__ = ["receptive_field"]


def my_receptive_field(kernels, strides):
    size, step = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        size += (kernel - 1) * step  # in steps of the layer below, which are so many pixels wide
        step *= stride
    return size


def _followed(grow: Callable[[int, int, int], int], own_stride: bool = False) -> Callable:
    """Layer by layer, (kernel, step below, stride) -> what is added."""

    def function(kernels: list[int], strides: list[int]) -> int:
        size, step = 1, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            if own_stride:
                step *= stride
            size += grow(kernel, step, stride)
            if not own_stride:
                step *= stride
        return size

    return function


def _product(kernels: list[int], strides: list[int]) -> int:
    size = 1
    for kernel in kernels:
        size *= kernel
    return size


def _from_the_top(kernels: list[int], strides: list[int]) -> int:
    return my_receptive_field(kernels[::-1], strides[::-1])


def _last_step(kernels: list[int], strides: list[int]) -> int:
    size = 1
    for place, kernel in enumerate(kernels):
        size += (kernel - 1) * (strides[place - 1] if place else 1)
    return size


def _field_cases() -> list[Case]:
    return [
        Case("no layer: a pixel sees itself", ([], []), edge=True),
        Case("one convolution, kernel 3", ([3], [1])),
        Case("two convolutions, kernel 3", ([3, 3], [1, 1])),
        Case("one convolution that steps by 2", ([3], [2])),
        Case("a convolution, then pooling", ([3, 2], [1, 2])),
        Case("pooling, then a convolution", ([2, 3], [2, 1])),
        Case("two poolings, then a convolution", ([2, 2, 3], [2, 2, 1])),
        Case(
            "the slim VGG, up to its second pooling",
            ([3, 3, 2, 3, 3, 2], [1, 1, 2, 1, 1, 2]),
        ),
        Case("kernels and strides of all kinds", ([7, 3, 1, 4], [2, 2, 1, 3])),
    ]


receptive_field = Exercise(
    name="receptive_field",
    title="How far it sees",
    statement=(
        "A chain of convolutions and pooling layers, from the picture up: `kernels` and `strides` are lists of whole "
        "numbers, one for each layer. Return how many pixels across one activation of the last layer sees."
    ),
    reference=my_receptive_field,
    solution_function=my_receptive_field,
    cases_function=_field_cases,
    mistakes=(
        Mistake("no_strides",
            "It looks like the strides play no part. Behind a pooling layer of stride 2, one step is *two* pixels of "
            "the picture, and a kernel of 3 sees twice as far.",
            _followed(lambda kernel, step, stride: kernel - 1)),
        Mistake("own_stride",
            "It looks like a layer's own stride already counts for its own kernel. The kernel lies on the map *below*: "
            "add first, then multiply the step.",
            _followed(lambda kernel, step, stride: (kernel - 1) * step, own_stride=True)),
        Mistake("whole_kernel",
            "It looks like `kernel` where it should be `kernel - 1`. A kernel of 3 on a kernel of 3 sees 5 pixels, not "
            "6 or 7: they share one.",
            _followed(lambda kernel, step, stride: kernel * step)),
        Mistake("product",
            "It looks like the kernels are multiplied. Neighbours see nearly the same, so that each layer adds only "
            "its margin.",
            _product),
        Mistake("from_the_top",
            "It looks like the layers are taken from the top down with a formula that goes from the picture up. A "
            "stride counts for the layers *after* it.",
            _from_the_top),
        Mistake("last_step",
            "It looks like only the stride of the layer just below counts. Strides multiply: behind two poolings a "
            "step is four pixels.",
            _last_step),
    ),
    hints=(
        "A kernel of 3 on the picture sees 3 pixels. A second one on top of it: how many more, on each side?",
        "Keep two numbers: how many pixels are seen, and how many pixels one step of the map is. A layer adds "
        "`kernel - 1` steps to the first; then its stride multiplies the second.",
        "`size += (kernel - 1) * step` and then `step *= stride`, both starting at 1.",
    ),
    needs="",
)  # fmt: skip
