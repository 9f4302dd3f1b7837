"""Convolution and transposed convolution, each a loop over nothing but the kernel's cells.

For one cell of the kernel, the input pixels that it meets on its way lie in a regular grid, a slice. The convolution
*reads* that slice, times the cell; the transposed convolution *writes* into it. Everything else is the same in both.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.convolution.sizes import (
    Setting,
    as_pair,
    conv_output_size,
    conv_transpose_output_size,
)
from d2lhelpers.devices import require_same_device

__all__ = ["corr2d", "kernel_cells", "trans_conv"]

Pair = tuple[int, int]


def corr2d(
    X: Tensor, K: Tensor, *, stride: Setting = 1, padding: Setting = 0, dilation: Setting = 1
) -> Tensor:
    """Convolution as networks mean it: two-dimensional cross-correlation, the kernel not flipped.

    Args:
        X: (h, w), (C_in, h, w) or (B, C_in, h, w).
        K: (kh, kw) for the first form of X, else (C_out, C_in, kh, kw).
        stride, padding, dilation: as F.conv2d's; a whole number, or a pair (for height, for width).
    Returns:
        (h', w'), (C_out, h', w') or (B, C_out, h', w') of the dtype of X * K, equal to F.conv2d in value and gradient;
        for h' and w' see `conv_output_size`.
    Raises:
        ValueError: shapes that do not fit, two devices, a setting out of its range, or a kernel that has no place.
    Source: d2l, section 7.2.1, for (h, w). Taught in chapter 09.
    """
    pixels, kernel = as_batch(X, K, channels=1)
    stride, padding, dilation = pairs(stride=stride, padding=padding, dilation=dilation)
    height, width = sizes = tuple(
        map(conv_output_size, pixels.shape[2:], kernel.shape[2:], stride, padding, dilation)
    )
    pixels = F.pad(pixels, both_ends(padding))
    Y = pixels.new_zeros(len(pixels), len(kernel), height, width)
    for i, j, met in kernel_cells(kernel.shape[2:], sizes, stride, dilation):
        Y += torch.einsum("oc,bchw->bohw", kernel[:, :, i, j], pixels[met])
    return as_given(Y, X)


def trans_conv(
    X: Tensor,
    K: Tensor,
    *,
    stride: Setting = 1,
    padding: Setting = 0,
    output_padding: Setting = 0,
    dilation: Setting = 1,
) -> Tensor:
    """Transposed convolution: every pixel of X paints the whole kernel, times its value, into the output.

    Args:
        X: (h, w), (C_in, h, w) or (B, C_in, h, w).
        K: (kh, kw) for the first form of X, else (C_in, C_out, kh, kw): the two channels in the other order than for
            `corr2d`, so that one K serves a convolution and its transpose.
        stride, padding, output_padding, dilation: as F.conv_transpose2d's; a whole number, or a pair (for height,
            for width). Padding makes the output smaller.
    Returns:
        (h', w'), (C_out, h', w') or (B, C_out, h', w') of the dtype of X * K, equal to F.conv_transpose2d in value and
        gradient; for h' and w' see `conv_transpose_output_size`.
    Raises:
        ValueError: shapes that do not fit, two devices, a setting out of its range, or nothing left of the output.
    Source: d2l, section 14.10.1, for (h, w). Taught in chapter 09.
    """
    pixels, kernel = as_batch(X, K, channels=0)
    stride, padding, output_padding, dilation = pairs(
        stride=stride, padding=padding, output_padding=output_padding, dilation=dilation
    )
    sizes, shape = pixels.shape[2:], kernel.shape[2:]
    height, width = map(
        conv_transpose_output_size, sizes, shape, stride, padding, output_padding, dilation
    )
    canvas = pixels.new_zeros(
        len(pixels), kernel.shape[1], height + 2 * padding[0], width + 2 * padding[1]
    )
    for i, j, met in kernel_cells(shape, sizes, stride, dilation):
        canvas[met] += torch.einsum("co,bchw->bohw", kernel[:, :, i, j], pixels)
    top, left = padding
    return as_given(canvas[..., top : top + height, left : left + width], X)


def kernel_cells(
    kernel: Pair, places: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, tuple]]:
    """Each of the kernel's cells (i, j), with the slice of all pixels that it meets in so many places."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = _every(stride[0], places[0], first=i * dilation[0])
            columns = _every(stride[1], places[1], first=j * dilation[1])
            yield i, j, (..., rows, columns)


def _every(step: int, count: int, first: int) -> slice:
    return slice(first, first + (count - 1) * step + 1, step)


def as_batch(X: Tensor, K: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """X as (B, C, h, w) and K with four dimensions, both of one dtype, after the check that they fit.

    Args:
        X, K: as given by the caller.
        channels: the dimension of a four-dimensional K that must be as long as X has channels.
    Raises:
        ValueError: they do not fit, or lie on two devices.
    """
    require_same_device(X=X, K=K)
    if (X.ndim, K.ndim) not in ((2, 2), (3, 4), (4, 4)):
        order = "(C_out, C_in, kh, kw)" if channels else "(C_in, C_out, kh, kw)"
        raise ValueError(
            "X and K must be (h, w) and (kh, kw), or (C_in, h, w) or (B, C_in, h, w) and "
            f"{order}, got {tuple(X.shape)} and {tuple(K.shape)}"
        )
    if X.ndim == 2:
        X, K = X[None, None], K[None, None]
    elif X.ndim == 3:
        X = X[None]
    if X.shape[1] != K.shape[channels]:
        hint = (
            "; its first two dimensions seem to be exchanged"
            if K.shape[1 - channels] == X.shape[1]
            else ""
        )
        raise ValueError(
            f"X has {X.shape[1]} channels, but dimension {channels} of K, {tuple(K.shape)}, is "
            f"{K.shape[channels]}{hint}"
        )
    dtype = torch.result_type(X, K)
    return X.to(dtype), K.to(dtype)


def as_given(Y: Tensor, X: Tensor) -> Tensor:
    """Y, (B, C, h, w), with as many dimensions as the caller's X has."""
    return Y.reshape(Y.shape[4 - X.ndim :])


def both_ends(amount: Pair) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) as F.pad wants them, the same at both ends; what is negative cuts off."""
    return (amount[1], amount[1], amount[0], amount[0])


def pairs(**settings: Setting) -> list[Pair]:
    """Each setting as a pair, in the order given."""
    return [as_pair(value, name) for name, value in settings.items()]
