"""Pascal VOC's files for segmentation: the pictures, the label pictures, and the names of the classes.

A label picture is a PNG with a palette: each pixel holds its class, and the palette gives that class its colour, for
the eyes. So there are two ways from the file to the classes. The fast one takes the numbers as they stand in it; the
other, d2l's, has the colours drawn and looks each of them up.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from d2lhelpers.datasets.voc import VOC_CLASSES, VOC_COLORMAP, VOID, voc_palette

__all__ = [
    "decode_image",
    "decode_labels",
    "read_voc_images",
    "read_voc_names",
    "voc_classes",
    "voc_colormap2label",
    "voc_label_indices",
    "voc_paths",
]

# one channel after the other: (3, 256)
_PALETTE = np.ascontiguousarray(voc_palette().T)


def voc_classes(voc_dir: str | Path) -> tuple[str, ...]:
    """The names of the classes, background first: those of the folder's `classes.txt`, else VOC's own twenty.

    Args:
        voc_dir: as `datasets.folder("voc2012")` gives it.
    """
    listed = Path(voc_dir) / "classes.txt"
    if listed.exists():
        return (VOC_CLASSES[0], *listed.read_text(encoding="utf-8").split())
    return VOC_CLASSES


def read_voc_names(voc_dir: str | Path, is_train: bool = True) -> list[str]:
    """The names of the pictures to train on, or of those to validate on, in the order of VOC's list.

    Raises:
        FileNotFoundError: no list, because `voc_dir` is not a VOC folder.
    """
    path = Path(voc_dir) / "ImageSets" / "Segmentation" / ("train.txt" if is_train else "val.txt")
    if not path.exists():
        raise FileNotFoundError(
            f"voc_dir has no ImageSets/Segmentation/{path.name}: it must be the folder that "
            'datasets.folder("voc2012") gives, VOCdevkit/VOC2012 of the full dataset'
        )
    return path.read_text(encoding="utf-8").split()


def voc_paths(voc_dir: str | Path, name: str) -> tuple[Path, Path]:
    """The files of a picture and of its labels."""
    place = Path(voc_dir)
    return place / "JPEGImages" / f"{name}.jpg", place / "SegmentationClass" / f"{name}.png"


def read_voc_images(
    voc_dir: str | Path, is_train: bool = True
) -> tuple[list[Tensor], list[Tensor]]:
    """Read all pictures and, as coloured pictures, their labels: 1.1 MB for each pair of the full dataset.

    Args:
        voc_dir: as `datasets.folder("voc2012")` gives it.
        is_train: the pictures to train on, else those to validate on.
    Returns:
        N images and N label pictures, each (3, height, width) uint8, of various sizes.
    Raises:
        FileNotFoundError: no such folder, or a file of the list is missing.
    Source: d2l, section 14.9. Taught in chapter 08.
    """
    paths = [voc_paths(voc_dir, name) for name in read_voc_names(voc_dir, is_train)]
    # Pillow lets go of Python's lock while it decodes
    with ThreadPoolExecutor() as pool:
        images, labels = (
            list(pool.map(lambda path: decode_image(path.read_bytes()).contiguous(), column))
            for column in zip(*paths, strict=True)
        )
    return images, labels


def decode_image(content: bytes) -> Tensor:
    """A picture from the bytes of its JPEG or PNG file, (3, height, width) uint8, RGB.

    In memory the channels of a pixel stay side by side, as they are decoded: a crop is copied in any case.
    """
    with Image.open(io.BytesIO(content)) as picture:
        pixels = np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def decode_labels(content: bytes) -> Tensor:
    """The classes in a label picture from the bytes of its PNG file: the fast way, no colour is looked at.

    A file without a palette, as some copies of the dataset have them, is read by its colours; a grey one holds the
    classes themselves.

    Returns:
        (height, width) uint8, 0 background, 255 void.
    Raises:
        ValueError: a colour that is not one of VOC's.
    Taught in chapter 08.
    """
    with Image.open(io.BytesIO(content)) as picture:
        if picture.mode in ("P", "L"):
            return torch.from_numpy(np.array(picture))
    return voc_label_indices(decode_image(content), voc_colormap2label())


def voc_colormap2label() -> Tensor:
    """The table in which `voc_label_indices` looks up a colour.

    d2l's has an entry for each of the 16.8 million colours, 134 MB. But VOC's palette puts the lowest six bits of a
    class into the top two bits of red, green and blue: 64 entries tell all of its classes apart, and 64 bytes do.

    Returns:
        (64,) uint8: at 16 r + 4 g + b, with r, g, b the top two bits of each, the class; 255 where there is none, and
        for void.
    Source: d2l, section 14.9. Taught in chapter 08.
    """
    table = torch.full((64,), VOID, dtype=torch.uint8)
    colours = np.array(VOC_COLORMAP, np.uint8)
    table.numpy()[_top_bits(colours.T)] = np.arange(len(colours))
    return table


def voc_label_indices(colormap: Tensor, colormap2label: Tensor) -> Tensor:
    """From the colours of a label picture to its classes.

    Args:
        colormap: (3, height, width) uint8, RGB, as from `read_voc_images`, on the CPU.
        colormap2label: as from `voc_colormap2label`.
    Returns:
        (height, width) uint8: 255 for void, which d2l takes for background.
    Raises:
        ValueError: another shape or dtype, or a colour that no class has, which d2l takes for background too: a
            picture that was scaled with interpolation, or saved as JPEG, is full of such.
    Source: d2l, section 14.9. Taught in chapter 08.
    """
    if colormap.ndim != 3 or colormap.shape[0] != 3 or colormap.dtype != torch.uint8:
        raise ValueError(
            f"colormap must be (3, height, width) uint8, got {tuple(colormap.shape)} {colormap.dtype}"
        )
    if colormap2label.shape != (64,):
        raise ValueError(
            f"colormap2label must be (64,), as voc_colormap2label() gives it, "
            f"got {tuple(colormap2label.shape)}"
        )
    # numpy looks up bytes by bytes, where torch would widen them first
    colours = colormap.numpy()
    labels = colormap2label.numpy().take(_top_bits(colours))
    # two bits of eight were looked at; the palette says what the others must be
    for channel, expected in zip(colours, _PALETTE, strict=True):
        if not np.array_equal(expected.take(labels), channel):
            row, column = np.argwhere((_PALETTE[:, labels] != colours).any(0))[0]
            raise ValueError(
                f"colormap has the colour {colours[:, row, column].tolist()} at row {row}, column {column}, which is "
                "none of VOC's: labels must be cut, or scaled with interpolation=NEAREST, and kept as PNG"
            )
    return torch.from_numpy(labels)


def _top_bits(colours: np.ndarray) -> np.ndarray:
    """(3, ...) uint8 -> (...) uint8 in 0..63."""
    red, green, blue = colours >> 6
    return (red << 4) | (green << 2) | blue
