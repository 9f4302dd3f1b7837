"""Boxes as files: a folder of pictures and a table with a row for each object, as d2l's banana detection has them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from d2lhelpers.datasets.tiers import folder

__all__ = ["BananasDataset", "load_data_bananas", "read_boxes", "read_data_bananas"]

COLUMNS = ("img_name", "label", "xmin", "ymin", "xmax", "ymax")


def read_boxes(place: Path) -> tuple[Tensor, Tensor]:
    """Read pictures and their boxes from disk.

    Args:
        place: holds `label.csv`, a row (img_name, label, xmin, ymin, xmax, ymax) for each object in pixels, and
            `images`, with the pictures, all of one size. A picture may have several rows; one of `images` that
            has none is a picture without objects.
    Returns:
        images (N, 3, height, width) uint8, in the order of the table and then of the other names; labels (N, G, 5)
        float32, rows (class, x1, y1, x2, y2), corners in fractions; pictures with fewer than G objects have rows
        of -1.
    Raises:
        FileNotFoundError: no table, or no file for one of its pictures.
        ValueError: a column is missing, pictures differ in size, a class is negative, or a box is empty or reaches
            out of its picture; names the row.
    Taught in chapter 03.
    """
    table = pd.read_csv(place / "label.csv")
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(f"{place.name}/label.csv has no column {missing[0]}: it needs {COLUMNS}")
    listed = list(dict.fromkeys(table["img_name"]))
    on_disk = sorted(path.name for path in (place / "images").iterdir() if path.suffix == ".png")
    names = listed + sorted(set(on_disk) - set(listed))
    if not names:
        raise ValueError(f"no picture in {place.name}/images, and no row in its label.csv")
    # Pillow lets go of Python's lock while it decodes
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(_read_picture, (place / "images" / name for name in names)))
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise ValueError(
            f"pictures must have one size, but {place.name}/images has {sorted(sizes)}"
        )

    height, width = pictures[0].shape[:2]
    _require_valid(table, height, width, place)
    rows = table[list(COLUMNS[1:])].to_numpy(np.float32) / [1, width, height, width, height]
    most = int(table["img_name"].value_counts().max()) if len(table) else 0
    labels = np.full((len(names), most, 5), -1, np.float32)
    picture = table["img_name"].map({name: i for i, name in enumerate(names)}).to_numpy()
    slot = table.groupby("img_name").cumcount().to_numpy()
    labels[picture, slot] = rows
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(labels)


def _read_picture(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def _require_valid(table: pd.DataFrame, height: int, width: int, place: Path) -> None:
    good = (
        (table["label"] >= 0) & (table["xmin"] >= 0) & (table["xmin"] < table["xmax"]) & (table["xmax"] <= width)
        & (table["ymin"] >= 0) & (table["ymin"] < table["ymax"]) & (table["ymax"] <= height)
    )  # fmt: skip
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        # 2: the header is line 1, and lines count from 1
        raise ValueError(
            f"{place.name}/label.csv, line {row + 2}, {table.iloc[row].to_dict()}: a class must be 0 or more and a "
            f"box must have xmin < xmax and ymin < ymax within {width} x {height} pixels"
        )


def read_data_bananas(is_train: bool = True) -> tuple[list[Tensor], Tensor]:
    """The banana pictures and their labels, the full tier where it has been fetched, else the mini tier.

    Args:
        is_train: the pictures to train on, else those to validate on.
    Returns:
        N images (3, 256, 256) uint8, and labels (N, 1, 5) float32, (class, x1, y1, x2, y2) with corners in [0, 1].
        d2l divides the class by 256 as well, which only goes well for class 0.
    Source: d2l, section 14.6. Taught in chapter 03.
    """
    images, labels = read_boxes(
        folder("banana-detection") / ("bananas_train" if is_train else "bananas_val")
    )
    return list(images), labels


class BananasDataset(Dataset):
    """d2l's dataset of bananas: items (image, label), the image (3, 256, 256) float32 in 0..255, the label (1, 5)."""

    def __init__(self, is_train: bool) -> None:
        self.features, self.labels = read_data_bananas(is_train)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.features[index].float(), self.labels[index]

    def __len__(self) -> int:
        return len(self.features)


def load_data_bananas(batch_size: int) -> tuple[DataLoader, DataLoader]:
    """Loaders of the bananas to train on, in a new order each time, and of those to validate on.

    Args:
        batch_size: pictures in a batch; the last may be short.
    Returns:
        batches (images (B, 3, 256, 256) float32 in 0..255, labels (B, 1, 5)), as `BananasDataset` has them.
    Source: d2l, section 14.6.
    """
    return (
        DataLoader(BananasDataset(is_train=True), batch_size, shuffle=True),
        DataLoader(BananasDataset(is_train=False), batch_size),
    )
