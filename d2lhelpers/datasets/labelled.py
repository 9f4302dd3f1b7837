"""The datasets for classification, by name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from skimage.data import lfw_subset
from torch.nn.functional import interpolate

from d2lhelpers.datasets.cifar10 import SIDE, read_batches, read_classes
from d2lhelpers.datasets.folders import read_folders
from d2lhelpers.datasets.pictures import Pictures
from d2lhelpers.datasets.tiers import FACES, command, folder, tier

SIZES = {
    ("cifar10", "mini"): SIDE,
    ("cifar10", "full"): SIDE,
    ("hotdog", "mini"): 64,
    ("hotdog", "full"): 224,
    (FACES, "mini"): 32,
}


@dataclass(frozen=True)
class Split:
    """A dataset's two parts.

    Attributes:
        name: as `load` was asked for it.
        tier: "mini" or "full".
        train, test: pictures of the same size and classes.
    """

    name: str
    tier: str
    train: Pictures
    test: Pictures

    def __str__(self) -> str:
        """One line: which tier, the classes, the size and the numbers of pictures."""
        classes = self.train.classes
        height, width = self.train.images.shape[-2:]
        tier = f"{self.tier} tier"
        if self.tier == "mini" and self.name != FACES:
            tier += f" (`{command(self.name)}` for the full one)"
        return (
            f"{self.name}, {tier}: {len(classes)} classes ({', '.join(classes)}), {height} × {width} pixels, "
            f"{len(self.train):,} pictures to train on, {len(self.test):,} to test on"
        )


def load(name: str, size: int | None = None) -> Split:
    """Read a dataset for classification into memory, the full tier where it has been fetched, else the mini tier.

    | name | full | mini |
    |---|---|---|
    | cifar10 | CIFAR-10 | ten classes of `scenes`, one object a picture, unseen backgrounds in the test |
    | hotdog | d2l's hot dogs and other food | bananas and other things, from `scenes`; the test as above |
    | faces | | Labeled Faces in the Wild and pictures without a face, from scikit-image |

    Args:
        name: one of these.
        size: pixels along each side. Default: 32; for hotdog 224 in the full tier and 64 in the mini tier.
    Raises:
        ValueError: an unknown name, or a size below 1.
        FileNotFoundError: D2LHELPERS_DATA is full and it has not been fetched.
    """
    names = sorted({known for known, _ in SIZES})
    if name not in names:
        raise ValueError(f"name is {name!r}; for classification there are {', '.join(names)}")
    if size is not None and size < 1:
        raise ValueError(f"size is {size}; it must be at least 1 pixel")
    which = tier(name)
    if size is None:
        size = SIZES[name, which]
    train, test = {"cifar10": _cifar10, "hotdog": _hotdog, FACES: _faces}[name](size)
    return Split(name, which, train, test)


def _cifar10(size: int) -> tuple[Pictures, Pictures]:
    place = folder("cifar10")
    classes = read_classes(place)
    parts = (read_batches(place, pattern) for pattern in ("data_batch_*.bin", "test_batch.bin"))
    return tuple(Pictures(_resized(images, size), labels, classes) for images, labels in parts)


def _hotdog(size: int) -> tuple[Pictures, Pictures]:
    place = folder("hotdog")
    return read_folders(place / "train", size), read_folders(place / "test", size)


def _faces(size: int) -> tuple[Pictures, Pictures]:
    """Half of each class to train on, drawn at random, always the same."""
    grey = torch.from_numpy(
        lfw_subset()
    ).float()  # 100 faces, then 100 others, (200, 25, 25) in [0, 1]
    images = _resized((255 * grey).round().to(torch.uint8)[:, None], size).expand(-1, 3, -1, -1)
    labels = torch.arange(200) // 100
    generator = torch.Generator().manual_seed(0)
    order = torch.stack([torch.randperm(100, generator=generator) + 100 * k for k in (0, 1)])
    whole = Pictures(images.contiguous(), labels, ("face", "not-face"))
    return whole.subset(order[:, :50].flatten()), whole.subset(order[:, 50:].flatten())


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """Square pictures, (N, C, side, side) uint8, at another size."""
    if images.shape[-1] == size:
        return images
    # a few at a time: as floats all of CIFAR-10 would not fit into a laptop
    return torch.cat(
        [
            interpolate(part.float(), (size, size), mode="bilinear", antialias=True)
            .round()
            .to(torch.uint8)
            for part in images.split(1000)
        ]
    )
