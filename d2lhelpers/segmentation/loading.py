"""VOC for training and evaluating: pictures stay as compressed as their files until they are asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from d2lhelpers.datasets.tiers import folder
from d2lhelpers.datasets.voc_files import (
    decode_image,
    decode_labels,
    read_voc_names,
    voc_classes,
    voc_paths,
)
from d2lhelpers.segmentation.crops import voc_rand_crop

__all__ = ["VOCSegDataset", "load_data_voc"]


class VOCSegDataset(Dataset):
    """The pictures of VOC with a class for each pixel.

    The files' bytes are kept, a tenth of a megabyte a picture, and decoded when a picture is asked for. d2l keeps all
    pixels as floats, some three megabytes a picture.

    An item is (image (3, height, width) uint8, labels (height, width) uint8, 0 background, 255 void). On
    the way from a loader's processes to a GPU bytes are a quarter of what floats are; the network divides by 255 and
    standardises, and a loss takes `labels.long()` and ignore_index=255.

    To train on, an item is a random crop, another one each time. To validate on, it is the whole picture: each pixel
    of each picture counts once, the same way every time.

    Attributes:
        classes: their names, background first.
        names: of the pictures, in the order of the items.
    """

    def __init__(
        self,
        is_train: bool,
        crop_size: tuple[int, int],
        voc_dir: str | Path,
        *,
        drop_small: bool = False,
    ) -> None:
        """Read the files.

        Args:
            is_train: the pictures to train on, else those to validate on.
            crop_size: (height, width) of the crops to train on, in pixels.
            voc_dir: as `datasets.folder("voc2012")` gives it.
            drop_small: leave out pictures to train on that are smaller than a crop, as d2l does. Otherwise they are
                filled up with void.
        Raises:
            FileNotFoundError: no such folder, or a file of its list is missing.
            ValueError: no picture is left.
        Source: d2l, section 14.9. Taught in chapter 08.
        """
        self.is_train, self.crop_size = is_train, crop_size
        self.classes = voc_classes(voc_dir)
        self.names, self._files = [], []
        for name in read_voc_names(voc_dir, is_train):
            image, labels = (path.read_bytes() for path in voc_paths(voc_dir, name))
            if not (is_train and drop_small and _is_smaller(image, crop_size)):
                self.names.append(name)
                self._files.append((image, labels))
        if not self.names:
            raise ValueError(
                f"crop_size {tuple(crop_size)} leaves no picture: make it smaller, or drop_small=False"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, labels = self._files[index]
        pair = decode_image(image), decode_labels(labels)
        return voc_rand_crop(*pair, *self.crop_size) if self.is_train else pair


def load_data_voc(batch_size: int, crop_size: tuple[int, int]) -> tuple[DataLoader, DataLoader]:
    """Loaders of VOC, the full tier where it has been fetched, else the mini tier.

    Args:
        batch_size: crops in a batch to train on; the last may be short.
        crop_size: (height, width) in pixels.
    Returns:
        the pictures to train on, batches (images (B, 3, height, width) uint8, labels (B, height, width) uint8) in a new
        order each time; and those to validate on, whole and, as they differ in size, one by one. Both are of
        `VOCSegDataset`.
    Source: d2l, section 14.9. Taught in chapter 08.
    """
    place = folder("voc2012")
    workers = num_workers()
    settings = {"num_workers": workers, "persistent_workers": workers > 0}
    return (
        DataLoader(VOCSegDataset(True, crop_size, place), batch_size, shuffle=True, **settings),
        DataLoader(VOCSegDataset(False, crop_size, place), batch_size=1, **settings),
    )


def num_workers() -> int:
    """Processes that decode pictures while the network trains: none where they would only take its cores."""
    cores = os.cpu_count() or 1
    return min(8, cores // 2) if cores >= 4 else 0


def _is_smaller(content: bytes, size: tuple[int, int]) -> bool:
    # the size is in the file's first bytes: nothing is decoded
    with Image.open(io.BytesIO(content)) as picture:
        return picture.height < size[0] or picture.width < size[1]
