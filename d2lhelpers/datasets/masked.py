"""Pictures with a class for every pixel, in memory, and the set of them that the course's FCN is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from d2lhelpers.datasets.boxed import (
    SCENES,
    SCENES_SEED,
    BoxedPictures,
    load_boxes,
    render_scenes,
)
from d2lhelpers.datasets.pictures import require_images
from d2lhelpers.datasets.voc import BACKGROUND, VOC_CLASSES, VOID

__all__ = ["MaskedPictures", "MaskedSplit", "load_masks", "outlines", "semantic_labels"]

Batch = tuple[Tensor, Tensor]

NUM_FAMILIAR = 400
FAMILIAR_SEED = SCENES_SEED + 2  # after those of training and test
AT_ONCE = (
    500  # pictures, so that whole numbers of 64 bits for all pixels are never in memory together
)


@dataclass(frozen=True)
class MaskedPictures(Dataset):
    """Pictures of one size, each with a label picture.

    An item is (image, labels). Batches are `loader`'s: this hands out a whole one at a time, which a DataLoader must
    be told.

    Attributes:
        images: (N, 3, height, width) uint8.
        labels: (N, height, width) uint8, classes; 0 is the background, 255 is void and counts nowhere.
        classes: the classes' names, that of the background first.
        transform: applied to a batch when it is asked for, (images, labels) -> the same, as in `augment_masks`.
    Raises:
        ValueError: shapes or types other than these, or a label that has no name.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    transform: Callable[..., Batch] | None = None

    def __post_init__(self) -> None:
        require_images(self.images)
        like = (len(self.images), *self.images.shape[2:])
        if self.labels.dtype != torch.uint8 or self.labels.shape != like:
            raise ValueError(
                f"labels must be {like} uint8, a class for each pixel, not {tuple(self.labels.shape)} "
                f"{self.labels.dtype}"
            )
        present = self.labels.flatten().bincount(minlength=VOID + 1)
        if present[len(self.classes) : VOID].any():
            wrong = len(self.classes) + int(present[len(self.classes) : VOID].nonzero()[0])
            raise ValueError(
                f"labels must be in 0..{len(self.classes) - 1}, or {VOID} for void, but {wrong} is among them"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch, which is what a DataLoader asks for where it can: one indexing in place of many."""
        index = torch.as_tensor(indices)
        images, labels = self.images[index], self.labels[index]
        return (images, labels) if self.transform is None else self.transform(images, labels)

    def with_transform(self, transform: Callable[..., Batch] | None) -> MaskedPictures:
        """The same pictures, seen through another transform."""
        return replace(self, transform=transform)

    def subset(self, indices: Tensor | Sequence[int]) -> MaskedPictures:
        """The pictures at `indices`, (M,) int64, in that order."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        return replace(self, images=self.images[index], labels=self.labels[index])


@dataclass(frozen=True)
class MaskedSplit:
    """A segmentation dataset's three parts.

    Attributes:
        name: as `load_masks` was asked for it.
        tier: "mini" or "full".
        train: to train on.
        familiar: other scenes, on the photographs that `train` has.
        test: other scenes, on photographs that no picture of `train` has.
    """

    name: str
    tier: str
    train: MaskedPictures
    familiar: MaskedPictures
    test: MaskedPictures

    def __str__(self) -> str:
        """One line: which tier, the classes, the size and the numbers of pictures."""
        height, width = self.train.images.shape[-2:]
        return (
            f"{self.name}, {self.tier} tier: {', '.join(self.train.classes)}; {height} × {width} pixels, "
            f"{len(self.train):,} pictures to train on; to test on {len(self.familiar):,} on the same photographs "
            f"and {len(self.test):,} on others"
        )


def load_masks(name: str) -> MaskedSplit:
    """Read a segmentation dataset into memory.

    "scenes", the only one, are the scenes of `load_boxes`: none to eight toys of six classes, 128 x 128 pixels. The
    outline of each object is void, as VOC's people drew it: two pixels wide, one on each side.

    Args:
        name: "scenes".
    Raises:
        ValueError: an unknown name.
    Taught in chapter 10.
    """
    if name != SCENES:
        raise ValueError(f"name is {name!r}; for segmentation in memory there is {SCENES}")
    boxed = load_boxes(SCENES)
    familiar = render_scenes(NUM_FAMILIAR, FAMILIAR_SEED, "train")
    parts = (boxed.train, familiar, boxed.test)
    return MaskedSplit(name, "mini", *map(from_boxes, parts))


def from_boxes(pictures: BoxedPictures) -> MaskedPictures:
    """Pictures whose objects' pixels are known, as pictures with a class for every pixel.

    Args:
        pictures: with instances.
    Returns:
        the same images, not copied; the classes moved up by one to make room for the background.
    """
    labels = semantic_labels(pictures.labels, pictures.instances)
    return MaskedPictures(pictures.images, labels, (VOC_CLASSES[BACKGROUND], *pictures.classes))


def semantic_labels(labels: Tensor, instances: Tensor) -> Tensor:
    """From which object each pixel belongs to, to which class it is of.

    Args:
        labels: (N, G, 5), rows (class, ...); class -1 is padding.
        instances: (N, height, width) uint8, k for the object of row k - 1, 0 for the background.
    Returns:
        (N, height, width) uint8: 0 background, else class + 1, 255 along the objects' outlines.
    """
    classes = torch.nn.functional.pad((labels[..., 0] + 1).to(torch.uint8), (1, 0))  # [N, 1 + G]
    semantic = torch.empty_like(instances)
    for start in range(0, len(instances), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        index = instances[some].flatten(1).long()
        semantic[some] = classes[some].gather(1, index).view_as(semantic[some])
    return semantic.masked_fill_(outlines(instances), VOID)


def outlines(instances: Tensor) -> Tensor:
    """The pixels that have a neighbour, also across a corner, of another object or of the background.

    Args:
        instances: (N, height, width) uint8, a number for each object.
    Returns:
        (N, height, width) bool: two pixels along each outline, one on each side; the picture's edge is none.
    """
    return _largest_around(instances) != 255 - _largest_around(255 - instances)


def _largest_around(values: Tensor) -> Tensor:
    """The largest of each pixel's 3 x 3 neighbourhood: first along the columns, then along the rows."""
    for dim in (1, 2):
        far, length = values, values.shape[dim] - 1
        values = far.clone()
        for here, there in ((0, 1), (1, 0)):
            part = values.narrow(dim, here, length)
            torch.maximum(part, far.narrow(dim, there, length), out=part)
    return values
