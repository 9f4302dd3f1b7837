"""Other views of the two operations: a convolution as one matrix, a transposed one as an ordinary convolution."""

import torch
import torch.nn.functional as F
from torch import Tensor

from d2lhelpers.convolution.direct import both_ends, kernel_cells, pairs
from d2lhelpers.convolution.sizes import (
    Setting,
    as_pair,
    conv_output_size,
    conv_transpose_output_size,
    reach,
)

__all__ = ["flip_kernel", "kernel2matrix", "stretch", "stretched_input"]


def kernel2matrix(
    K: Tensor,
    input_size: Setting | None = None,
    *,
    stride: Setting = 1,
    padding: Setting = 0,
    dilation: Setting = 1,
) -> Tensor:
    """The matrix of a convolution: W @ x.flatten() is `corr2d(x, K)`, flattened, for every x.

    W.T @ y.flatten() is `trans_conv(y, K)` with the same settings and the `output_padding` that leads back to
    `input_size`. W is dense: for pictures of a few hundred pixels, to look at.

    Args:
        K: (kh, kw), or (C_out, C_in, kh, kw).
        input_size: (h, w) of x, or one number for both; default (kh + 1, kw + 1), the smallest picture in which a
            kernel can move in both directions. For a kernel of 2 x 2 it is the book's 3 x 3.
        stride, padding, dilation: as for `corr2d`.
    Returns:
        (C_out h' w', C_in h w) of K's dtype. Differentiable with respect to K.
    Raises:
        ValueError: another number of dimensions, a setting out of its range, or a kernel that has no place.
    Source: d2l, section 14.10.3, for a kernel of 2 x 2 on 3 x 3. Taught in chapter 09.
    """
    kernel = _as_channels(K)
    channels_out, channels_in, *shape = kernel.shape
    stride, padding, dilation = pairs(stride=stride, padding=padding, dilation=dilation)
    default = (shape[0] + 1, shape[1] + 1)
    h, w = as_pair(default if input_size is None else input_size, "input_size")
    sizes = tuple(map(conv_output_size, (h, w), shape, stride, padding, dilation))
    # A picture whose pixels hold their own numbers; -1 is padding. The slice that a cell of the kernel meets then says
    # for each output pixel, a row of the matrix, which input pixel it reads, a column.
    numbered = torch.arange(h * w, device=K.device).reshape(1, h, w)
    numbered = F.pad(numbered, both_ends(padding), value=-1)
    rows = torch.arange(sizes[0] * sizes[1], device=K.device)
    matrix = K.new_zeros(channels_out, len(rows), channels_in, h * w)
    for i, j, met in kernel_cells(shape, sizes, stride, dilation):
        columns = numbered[met].flatten()
        inside = columns >= 0
        matrix[:, rows[inside], :, columns[inside]] = kernel[:, :, i, j]
    return matrix.reshape(channels_out * len(rows), channels_in * h * w)


def stretch(X: Tensor, stride: Setting) -> Tensor:
    """Zeros between the pixels: those of X come to lie `stride` apart.

    Args:
        X: (..., h, w).
        stride: >= 1, a whole number, or a pair (for height, for width).
    Returns:
        (..., (h - 1) stride + 1, (w - 1) stride + 1), of X's dtype.
    Raises:
        ValueError: fewer than two dimensions, no pixels, or a stride below 1.
    Source: Dumoulin and Visin 2016, section 4.5. Taught in chapter 09.
    """
    down, along = as_pair(stride, "stride")
    if X.ndim < 2 or 0 in X.shape[-2:]:
        raise ValueError(f"X must end in a height and a width of at least 1, got {tuple(X.shape)}")
    if min(down, along) < 1:
        raise ValueError(f"stride must be at least 1, got {stride!r}")
    *lead, h, w = X.shape
    stretched = X.new_zeros(*lead, (h - 1) * down + 1, (w - 1) * along + 1)
    stretched[..., ::down, ::along] = X
    return stretched


def stretched_input(
    X: Tensor,
    kernel_size: Setting,
    *,
    stride: Setting = 1,
    padding: Setting = 0,
    output_padding: Setting = 0,
    dilation: Setting = 1,
) -> Tensor:
    """What an ordinary convolution of stride 1 must be given to do the work of a transposed one.

    `corr2d(stretched_input(X, K.shape[-2:], ...), flip_kernel(K), dilation=...)` is `trans_conv(X, K, ...)`.

    Args:
        X: (..., h, w).
        kernel_size: (kh, kw), or one number for both.
        stride, padding, output_padding, dilation: those of the transposed convolution.
    Returns:
        (..., h', w'): X stretched, with dilation (kernel - 1) - padding zeros at each end, and output_padding more at
        the far end. Where that is negative, as many pixels are cut off.
    Raises:
        ValueError: fewer than two dimensions, or a setting out of its range.
    Source: Dumoulin and Visin 2016, relationship 14. Taught in chapter 09.
    """
    kernel, stride, padding, output_padding, dilation = pairs(
        kernel_size=kernel_size, stride=stride, padding=padding,
        output_padding=output_padding, dilation=dilation,
    )  # fmt: skip
    stretched = stretch(X, stride)
    # For the check of the settings alone: what it raises names the argument.
    for size, *settings in zip(
        X.shape[-2:], kernel, stride, padding, output_padding, dilation, strict=True
    ):
        conv_transpose_output_size(size, *settings)
    top, left = (reach(k, d) - 1 - p for k, d, p in zip(kernel, dilation, padding, strict=True))
    # The far ends first: what is longer there may make room for what is cut off in front.
    longer = F.pad(stretched, (0, left + output_padding[1], 0, top + output_padding[0]))
    return F.pad(longer, (left, 0, top, 0))


def flip_kernel(K: Tensor) -> Tensor:
    """The kernel turned by half a turn, and its channels in the other order: that of the transposed convolution.

    Args:
        K: (kh, kw), or (C_out, C_in, kh, kw).
    Returns:
        (kh, kw), or (C_in, C_out, kh, kw).
    Raises:
        ValueError: another number of dimensions.
    Source: Dumoulin and Visin 2016, section 4. Taught in chapter 09.
    """
    _as_channels(K)
    turned = K.flip((-2, -1))
    return turned if K.ndim == 2 else turned.transpose(0, 1)


def _as_channels(K: Tensor) -> Tensor:
    if K.ndim not in (2, 4):
        raise ValueError(
            f"K must be (kh, kw) or have its two numbers of channels before them, got {tuple(K.shape)}"
        )
    return K if K.ndim == 4 else K[None, None]
