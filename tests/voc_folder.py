"""A small folder in VOC's layout, of pictures without meaning."""

import numpy as np
from PIL import Image

from d2lhelpers.datasets.voc import VOID, voc_palette

# (height, width): two of one size, one taller than wide, two smaller than 40 x 50
SIZES = {"train": [(60, 80), (61, 83), (80, 60), (30, 90), (60, 20)], "val": [(60, 80), (33, 47)]}


def write_voc_folder(place, num_classes=21):
    """Random pixels and, in blocks, random labels with some void, all of VOC's classes among them."""
    rng = np.random.default_rng(0)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (place / name).mkdir(parents=True)
    for part, sizes in SIZES.items():
        names = [f"{part}_{index}" for index in range(len(sizes))]
        (place / f"ImageSets/Segmentation/{part}.txt").write_text("\n".join(names) + "\n")
        for name, (height, width) in zip(names, sizes, strict=True):
            coarse = rng.choice([*range(num_classes), VOID], (height // 4 + 1, width // 4 + 1))
            labels = coarse.repeat(4, 0).repeat(4, 1)[:height, :width].astype(np.uint8)
            picture = Image.fromarray(labels)
            picture.putpalette(voc_palette().tobytes())
            picture.save(place / f"SegmentationClass/{name}.png")
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"JPEGImages/{name}.jpg")
    return place
