"""The sizes of what convolutions make, and the check of their settings.

All sizes and settings count pixels along one direction, height or width.
"""

from numbers import Integral

__all__ = ["conv_output_size", "conv_transpose_output_size"]

Setting = int | tuple[int, int]


def conv_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """How many places the kernel has along one direction: the output's size.

    Args:
        size, kernel: of the input and of the kernel, >= 1.
        stride: the step from one place to the next, >= 1.
        padding: zeros added at each of the two ends, >= 0.
        dilation: the step from one of the kernel's cells to the next, >= 1.
    Returns:
        floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, >= 1.
    Raises:
        ValueError: a setting out of its range, or a kernel that has no place.
    Source: Dumoulin and Visin 2016, relationship 15. Taught in chapter 09.
    """
    _require_ranges(size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    room = size + 2 * padding - reach(kernel, dilation)
    if room < 0:
        raise ValueError(
            f"the kernel reaches over {reach(kernel, dilation)} pixels (kernel={kernel}, dilation={dilation}), but the "
            f"padded input has only {size + 2 * padding} (size={size}, padding={padding}); pad more, or take a "
            "smaller kernel or dilation"
        )
    return room // stride + 1


def conv_transpose_output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """The size of a transposed convolution's output along one direction, in the order of PyTorch's arguments.

    A convolution with these settings makes `size` out of it again, if output_padding < stride.

    Args:
        size, kernel: of the input and of the kernel, >= 1.
        stride: the step in the output from one input pixel's stroke to the next, >= 1.
        padding: pixels cut off at each of the output's two ends, >= 0.
        output_padding: pixels that the output is longer at its far end, >= 0, below the larger of stride and dilation.
        dilation: the step from one of the kernel's cells to the next, >= 1.
    Returns:
        (size - 1) stride + dilation (kernel - 1) + 1 + output_padding - 2 padding, >= 1.
    Raises:
        ValueError: a setting out of its range, or nothing left.
    Source: Dumoulin and Visin 2016, relationship 14. Taught in chapter 09.
    """
    _require_ranges(size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    if not _is_count(output_padding, least=0) or output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be a whole number from 0 to {max(stride, dilation) - 1}, below the larger of stride "
            f"and dilation, got {output_padding!r}"
        )
    result = (size - 1) * stride + reach(kernel, dilation) + output_padding - 2 * padding
    if result < 1:
        raise ValueError(
            f"padding={padding} cuts off all {result + 2 * padding} pixels of the output; take a smaller padding"
        )
    return result


def reach(kernel: int, dilation: int) -> int:
    """How many pixels a dilated kernel reaches over, gaps included."""
    return dilation * (kernel - 1) + 1


def as_pair(value: Setting, name: str) -> tuple[int, int]:
    """(for height, for width), from one whole number for both or from a pair.

    Raises:
        ValueError: neither; it names the argument.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(map(_is_whole, pair)):
        raise ValueError(
            f"{name} must be a whole number or a pair of them, (for height, for width), got {value!r}"
        )
    return pair


def _require_ranges(**settings: int) -> None:
    for name, value in settings.items():
        least = 0 if name == "padding" else 1
        if not _is_count(value, least):
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def _is_count(value: int, least: int) -> bool:
    return _is_whole(value) and value >= least


def _is_whole(value: object) -> bool:
    # True and False are whole numbers to Python, but as a stride they are slips.
    return isinstance(value, Integral) and not isinstance(value, bool)
