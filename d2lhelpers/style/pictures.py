"""From any picture to a tensor that can be optimised, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

__all__ = ["as_picture", "to_bytes"]


def as_picture(
    source: str | Path | Image.Image | np.ndarray | Tensor,
    size: int | tuple[int, int] | None = None,
) -> Tensor:
    """A picture, whatever it came as, as (1, 3, height, width) float32 in [0, 1].

    What is see-through is laid on white; a grey picture gets three equal channels; a photograph is turned as its camera
    says.

    Args:
        source: a file, a PIL picture of any mode, or pixels: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or as a tensor
            (1, H, W), (3, H, W) or (4, H, W), of bytes, bools, or floats in [0, 1].
        size: None for its own; (height, width) fills a frame of that size, its middle cut out; a number is the length
            of the longer side.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file that is no picture, other shapes or types, floats outside [0, 1], nan, a size below 1.
    Taught in chapter 11.
    """
    image = _open(source)
    if size is not None:
        image = _resized(image, size)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    return pixels.contiguous().float() / 255


def to_bytes(picture: Tensor) -> np.ndarray:
    """A picture to draw or to save: what left [0, 1] on the way is brought back.

    Args:
        picture: (1, 3, height, width), floating.
    Returns:
        (height, width, 3) uint8.
    Raises:
        ValueError: another shape.
    """
    if picture.ndim != 4 or picture.shape[:2] != (1, 3):
        raise ValueError(f"picture must be (1, 3, height, width), got {tuple(picture.shape)}")
    pixels = (255 * picture.detach()[0].clamp(0, 1)).round().to("cpu", torch.uint8)
    return pixels.permute(1, 2, 0).contiguous().numpy()


def _open(source: str | Path | Image.Image | np.ndarray | Tensor) -> Image.Image:
    """As RGB."""
    if isinstance(source, str | Path):
        try:
            source = Image.open(source)
            source.load()
        except FileNotFoundError:
            raise
        except OSError as problem:
            raise ValueError(
                f"source: {source} cannot be read as a picture ({problem})"
            ) from problem
    elif isinstance(source, Tensor):
        source = source.detach().cpu()
        if source.ndim != 3 or source.shape[0] not in (1, 3, 4):
            raise ValueError(
                f"source: a tensor must be (1, 3 or 4, height, width), got {tuple(source.shape)}"
            )
        source = source.permute(1, 2, 0).numpy()
    if isinstance(source, np.ndarray):
        source = Image.fromarray(_bytes(source))
    if source.mode in ("I", "F") or source.mode.startswith("I;"):
        raise ValueError(
            f"source: a picture of mode {source.mode} has no fixed range; make it bytes first"
        )
    return _on_white(ImageOps.exif_transpose(source))


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 3) or (H, W, 4) uint8."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.size == 0 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    ):
        raise ValueError(
            f"source: pixels must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got {pixels.shape}"
        )
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"source: pixels must be bytes, bools or floats, got {pixels.dtype}")
    # also false for nan
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            f"source: floats must lie in [0, 1], but run from {pixels.min()} to {pixels.max()}"
        )
    return (255 * pixels).round().astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _resized(image: Image.Image, size: int | tuple[int, int]) -> Image.Image:
    numbers = (size,) if isinstance(size, int) else tuple(size)
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(
            f"size must be a number, or height and width, of 1 or more pixels, got {size}"
        )
    if len(numbers) == 1:
        scale = size / max(image.size)
        width, height = (max(round(scale * side), 1) for side in image.size)
    else:
        height, width = numbers
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
