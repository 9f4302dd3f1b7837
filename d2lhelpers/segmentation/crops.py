"""Cutting a window out of a picture and, at the same place, out of its labels."""

from __future__ import annotations

import torch
from torch import Tensor

from d2lhelpers.datasets.voc import VOID, voc_palette

__all__ = ["crop_window", "voc_rand_crop"]

VOID_COLOUR = torch.from_numpy(voc_palette()[VOID])


def voc_rand_crop(feature: Tensor, label: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Cut one window, placed at random, out of a picture and out of its labels.

    A picture that is smaller than the window gets a random place in it, with the rest filled as `crop_window` does it.
    For larger ones the result is d2l's, draw for draw; the draws are of torch's global generator.

    Args:
        feature: (3, h, w), uint8 or float.
        label: (h, w) classes, or (3, h, w), a label picture in colours.
        height, width: of the window, in pixels.
    Returns:
        (3, height, width), and (height, width) or (3, height, width); dtypes as given.
    Raises:
        ValueError: labels that do not fit the picture, or a window without pixels.
    Source: d2l, section 14.9. Taught in chapter 08.
    """
    _require_fit(feature, label, height, width)
    h, w = feature.shape[-2:]
    return crop_window(feature, label, _start(h, height), _start(w, width), height, width)


def crop_window(
    feature: Tensor, label: Tensor, top: int, left: int, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Cut a given window out of a picture and out of its labels.

    Where it reaches out of the picture, labels are void, and the picture has its own mean colour, which of all colours
    means least to a network.

    Args:
        feature, label, height, width: as for `voc_rand_crop`.
        top, left: the window's first row and column, perhaps negative.
    Returns:
        as `voc_rand_crop`; where nothing had to be filled, views.
    Raises:
        ValueError: as `voc_rand_crop`.
    Taught in chapter 08.
    """
    _require_fit(feature, label, height, width)
    window = (top, left, height, width)
    void = VOID_COLOUR if label.ndim == 3 else VOID_COLOUR.new_tensor(VOID)
    return _cut(feature, None, *window), _cut(label, void, *window)


def _start(have: int, want: int) -> int:
    """A random first row: of the picture from which to cut, or, below 0, of the window at which the picture starts."""
    low, high = sorted((0, have - want))
    return torch.randint(low, high + 1, (1,)).item()


def _cut(
    pixels: Tensor, filling: Tensor | None, top: int, left: int, height: int, width: int
) -> Tensor:
    h, w = pixels.shape[-2:]
    # the part of the window that there is something in
    y1, x1 = max(top, 0), max(left, 0)
    y2, x2 = max(min(top + height, h), y1), max(min(left + width, w), x1)
    part = pixels[..., y1:y2, x1:x2]
    if part.shape[-2:] == (height, width):
        return part
    if filling is None:
        filling = pixels.float().mean((-2, -1))
        filling = filling if pixels.is_floating_point() else filling.round()
    whole = filling.to(pixels)[..., None, None].repeat(
        *(1 for _ in pixels.shape[:-2]), height, width
    )
    whole[..., y1 - top : y2 - top, x1 - left : x2 - left] = part
    return whole


def _require_fit(feature: Tensor, label: Tensor, height: int, width: int) -> None:
    if feature.ndim != 3 or feature.shape[0] != 3:
        raise ValueError(f"feature must be (3, height, width), got {tuple(feature.shape)}")
    size = tuple(feature.shape[-2:])
    if tuple(label.shape) not in (size, (3, *size)):
        raise ValueError(
            f"label must be {size}, the classes of feature's pixels, or {(3, *size)}, their colours, "
            f"got {tuple(label.shape)}"
        )
    if height < 1 or width < 1:
        raise ValueError(f"height and width must be at least 1 pixel, got {height} and {width}")
