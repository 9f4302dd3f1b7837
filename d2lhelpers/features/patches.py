"""The patches of pictures that excite a channel most, each as large as what one of its activations can see."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from d2lhelpers.features.layers import activation_batches, require_layer

__all__ = ["Field", "Peaks", "cut_patches", "receptive_field", "strongest_places"]


class Field(NamedTuple):
    """What one activation sees of the picture, along both axes alike.

    Attributes:
        size: pixels across.
        stride: pixels from what one activation sees to what the next one sees.
        start: the pixel at which the first activation's begins; below 0 where padding is seen.
    """

    size: int
    stride: int
    start: int


class Peaks(NamedTuple):
    """The strongest activations of each of K channels, the strongest first, at most one of a picture.

    Attributes:
        values: (K, k).
        pictures, rows, columns: (K, k) int64: in which picture, and where in the layer's map.
    """

    values: Tensor
    pictures: Tensor
    rows: Tensor
    columns: Tensor


def receptive_field(net: nn.Sequential, layer: str) -> Field:
    """How much of the picture one activation sees: followed through the layers, not measured.

    A kernel of k that steps by s sees k - 1 steps more than the layer below it, and each of its own steps is s of
    those. Dilation d makes the kernel (k - 1) d + 1 wide.

    Args:
        net: layers one after the other: convolutions and pooling, with square kernels, and layers that look at one
            place at a time, such as ReLU, which is checked.
        layer: the name of the last one, as in `net.named_children()`.
    Returns:
        The field in pixels; the edges of the picture cut off what lies beyond them.
    Raises:
        ValueError: a net in training, an unknown layer, or one of another kind.
    Source: Araujo et al. 2019, *Computing receptive fields of convolutional neural networks*. Taught in chapter 12.
    """
    if net.training:
        raise ValueError("net must be in evaluation mode, after .eval()")
    layers = dict(net.named_children())
    require_layer(layer, layers)
    size, stride, start = 1, 1, 0
    channels = next(
        (part.in_channels for part in layers.values() if isinstance(part, nn.Conv2d)), 3
    )
    like = next(net.parameters(), torch.empty(0))
    for name, part in layers.items():
        if isinstance(part, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            kernel, step, padding = (
                _square(part, of) for of in ("kernel_size", "stride", "padding")
            )
            reach = (kernel - 1) * (_square(part, "dilation") if hasattr(part, "dilation") else 1)
            size += reach * stride
            start -= padding * stride
            stride *= step
            channels = getattr(part, "out_channels", channels)
        elif not _is_pointwise(part, like.new_empty(1, channels, 5, 5)):
            raise ValueError(
                f"net: {name}, {type(part).__name__}, neither convolves nor pools, and sees more than one place"
            )
        if name == layer:
            break
    return Field(size, stride, start)


def strongest_places(
    net: nn.Module, images: Tensor, layer: str, k: int, batch_size: int = 64
) -> Peaks:
    """Of every channel, the k pictures in which it is excited most, and where in them.

    Args:
        net, images, batch_size: as for `activations`.
        layer: whose activations are (N, K, h, w).
        k: from 1 to N.
    Raises:
        ValueError: as for `activations`, or a k that there is not.
    Source: Zeiler and Fergus 2014, section 4. Taught in chapter 12.
    """
    if not 1 <= k <= len(images):
        raise ValueError(f"k must lie in 1..{len(images)}, the number of images, got {k}")
    values, places = [], []
    for batch in activation_batches(net, images, [layer], batch_size):
        best = batch[layer].flatten(2).max(dim=2)
        values.append(best.values)
        places.append(best.indices)
        width = batch[layer].shape[-1]
    # stable, so that of equal ones the first picture is the first
    order = torch.cat(values).sort(dim=0, descending=True, stable=True)
    pictures = order.indices[:k]
    place = torch.cat(places).gather(0, pictures)
    return Peaks(order.values[:k].T, pictures.T, (place // width).T, (place % width).T)


def cut_patches(
    images: Tensor, rows: Tensor, columns: Tensor, field: Field, fill: float = 0
) -> Tensor:
    """What activations at some places see.

    Args:
        images: (N, C, height, width), one for each place.
        rows, columns: (N,) int64, in the layer's map.
        field: of the layer.
        fill: the value of pixels beyond the picture's edge.
    Returns:
        (N, C, size, size) of the images' type.
    Raises:
        ValueError: not one place for each image.
    Taught in chapter 12.
    """
    if not rows.shape == columns.shape == images.shape[:1]:
        raise ValueError(
            f"rows and columns must be ({len(images)},), one for each image, got {tuple(rows.shape)} and "
            f"{tuple(columns.shape)}"
        )
    height, width = images.shape[2:]
    across = torch.arange(field.size, device=images.device)
    y = (rows * field.stride + field.start)[:, None] + across  # [N, size]
    x = (columns * field.stride + field.start)[:, None] + across
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None]
    picture = torch.arange(len(images), device=images.device)[:, None, None]
    y, x = y.clamp(0, height - 1)[:, :, None], x.clamp(0, width - 1)[:, None]
    cut = images.movedim(1, 3)[picture, y, x].movedim(3, 1)
    return torch.where(inside[:, None], cut, torch.tensor(fill).to(images))


def _square(part: nn.Module, of: str) -> int:
    value = getattr(part, of)
    if isinstance(value, int):
        return value
    if isinstance(value, str) or len(set(value)) != 1:
        raise ValueError(
            f"net: {type(part).__name__} has {of} {value!r}; it must be one number for both axes"
        )
    return value[0]


def _is_pointwise(part: nn.Module, below: Tensor) -> bool:
    """Whether the middle of its result depends on the middle of what it gets alone; asked on a map like this one."""
    below = torch.linspace(0.1, 1, below.numel()).to(below).view_as(below).requires_grad_()
    try:
        above = part(below)
        (gradient,) = torch.autograd.grad(above[..., 2, 2].square().sum(), below)
    except (RuntimeError, IndexError):
        return False
    gradient[..., 2, 2] = 0
    return above.shape[2:] == below.shape[2:] and not gradient.any()
