"""What is special to Pascal VOC's files: the names, the colours and the two values that are no class."""

from __future__ import annotations

import numpy as np

__all__ = ["BACKGROUND", "VOC_CLASSES", "VOC_COLORMAP", "VOID", "voc_palette"]

BACKGROUND, VOID = 0, 255

# in the order of their labels, from 0
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def voc_palette() -> np.ndarray:
    """The colours of VOC's label pictures: (256, 3) uint8, RGB.

    The bits of a label, from the lowest, go in turn to the highest free bit of red, green and blue.

    Source: `VOClabelcolormap` in VOC's development kit.
    """
    label = np.arange(256)[:, None]
    channel = np.arange(3)
    colour = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        colour |= ((label >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colour


# d2l's name for the classes' colours, in the order of VOC_CLASSES
VOC_COLORMAP = voc_palette()[: len(VOC_CLASSES)].tolist()
