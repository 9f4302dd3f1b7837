"""Making a map larger: a transposed convolution that begins as bilinear interpolation."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["bilinear_kernel", "upsampling_geometry", "upsampling_layer"]


def bilinear_kernel(in_channels: int, out_channels: int, kernel_size: int) -> Tensor:
    """Weights with which a transposed convolution interpolates bilinearly, each channel by itself.

    In one dimension the weights rise in a line to the middle and fall again; in two it is their product.

    Args:
        in_channels, out_channels: the same number; or one of them is 1, and then that channel goes into all the
            others, or they all into that one.
        kernel_size: in pixels, 1 or more; twice the stride for the usual upsampling by an even stride.
    Returns:
        (in_channels, out_channels, kernel_size, kernel_size) float32, 0 between different channels.
    Raises:
        ValueError: channels that do not pair up, or a number below 1.
    Source: d2l, section 14.11; Long et al. 2015, section 3.3. Taught in chapter 10.
    """
    if min(in_channels, out_channels, kernel_size) < 1:
        raise ValueError(
            f"in_channels, out_channels and kernel_size must be at least 1, got {in_channels}, {out_channels} "
            f"and {kernel_size}"
        )
    if in_channels != out_channels and 1 not in (in_channels, out_channels):
        raise ValueError(
            f"out_channels must be in_channels, {in_channels}, or one of the two be 1, got {out_channels}"
        )
    reach = (kernel_size + 1) // 2
    middle = reach - 1 if kernel_size % 2 else reach - 0.5
    line = 1 - (torch.arange(kernel_size, dtype=torch.float32) - middle).abs() / reach
    weight = torch.zeros(in_channels, out_channels, kernel_size, kernel_size)
    weight[range(in_channels), range(out_channels)] = line[:, None] * line
    return weight


def upsampling_geometry(stride: int) -> tuple[int, int]:
    """Kernel and padding of the transposed convolution that makes each side exactly `stride` times as long.

    n values become (n - 1) stride + kernel - 2 padding; that is n stride for kernel = stride + 2 padding. Twice the
    stride lets each new value see its two neighbours on either side; for an odd stride it is one less.

    Args:
        stride: 1 or more.
    Returns:
        kernel and padding: 64 and 16 for a stride of 32.
    Raises:
        ValueError: a stride below 1.
    Taught in chapter 10.
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    kernel = 2 * stride - stride % 2
    return kernel, (kernel - stride) // 2


def upsampling_layer(
    channels: int, stride: int, start: Literal["bilinear", "random"] = "bilinear"
) -> nn.ConvTranspose2d:
    """A learnable layer that makes a map `stride` times as high and wide.

    Args:
        channels: in and out.
        stride: 1 or more.
        start: its first weights: bilinear interpolation, or torch's usual random ones.
    Returns:
        a transposed convolution without bias, (B, channels, h, w) -> (B, channels, stride h, stride w).
    Raises:
        ValueError: another start, or a number below 1.
    Source: Long et al. 2015, section 3.3. Taught in chapter 10.
    """
    if start not in ("bilinear", "random"):
        raise ValueError(f"start must be bilinear or random, not {start!r}")
    kernel, padding = upsampling_geometry(stride)
    weight = bilinear_kernel(channels, channels, kernel)
    layer = nn.ConvTranspose2d(channels, channels, kernel, stride, padding, bias=False)
    if start == "bilinear":
        layer.weight.data.copy_(weight)
    return layer
