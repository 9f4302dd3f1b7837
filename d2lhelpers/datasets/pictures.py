"""Labelled pictures in memory, and loaders that hand them out a whole batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from d2lhelpers.datasets.boxed import BoxedPictures
    from d2lhelpers.datasets.masked import MaskedPictures

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Pictures(Dataset):
    """Pictures of one size with a class each.

    Attributes:
        images: (N, 3, height, width) uint8.
        labels: (N,) int64, indices into `classes`.
        classes: the classes' names.
        transform: applied to a batch of images when it is asked for, `(B, 3, h, w) uint8 -> (B, 3, h', w')`.
    Raises:
        ValueError: shapes or types other than these, or a label that no class has.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    transform: Transform | None = None

    def __post_init__(self) -> None:
        require_images(self.images)
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels must be ({len(self.images)},) int64, one for each image, "
                f"not {tuple(self.labels.shape)} {self.labels.dtype}"
            )
        if len(self.labels) and not (
            self.labels.min() >= 0 and self.labels.max() < len(self.classes)
        ):
            raise ValueError(
                f"labels must be in 0..{len(self.classes) - 1}, one of {len(self.classes)} classes, "
                f"but run from {self.labels.min()} to {self.labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch, which is what a DataLoader asks for where it can: one indexing in place of many."""
        index = torch.as_tensor(indices)
        images = self.images[index]
        return images if self.transform is None else self.transform(images), self.labels[index]

    def with_transform(self, transform: Transform | None) -> Pictures:
        """The same pictures, seen through another transform."""
        return replace(self, transform=transform)

    def subset(self, indices: Tensor) -> Pictures:
        """The pictures at `indices`, (M,) int64, in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def few(self, per_class: int, seed: int) -> Pictures:
        """So many pictures of each class, drawn at random.

        Raises:
            ValueError: a class has fewer.
        """
        generator = torch.Generator().manual_seed(seed)
        chosen = []
        for label, name in enumerate(self.classes):
            members = (self.labels == label).nonzero().flatten()
            if len(members) < per_class:
                raise ValueError(f"per_class is {per_class}, but {name!r} has {len(members)}")
            chosen.append(members[torch.randperm(len(members), generator=generator)[:per_class]])
        return self.subset(torch.cat(chosen))


def require_images(images: Tensor) -> None:
    """Raise the ValueError that says what it is unless `images` are (N, 3, height, width) uint8."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images must be (N, 3, height, width) uint8, not {tuple(images.shape)} {images.dtype}"
        )


def loader(
    pictures: Pictures | BoxedPictures | MaskedPictures,
    batch_size: int,
    *,
    shuffle: bool,
    transform: Callable | None = None,
) -> DataLoader:
    """Batches of pictures: `(images, labels)`, the last one perhaps short.

    Args:
        pictures: with a class, with boxes, or with a class for every pixel.
        batch_size: pictures in a batch, over all devices together.
        shuffle: a new order in each epoch, for training.
        transform: in place of the pictures' own.
    """
    if transform is not None:
        pictures = pictures.with_transform(transform)
    return DataLoader(pictures, batch_size, shuffle=shuffle, collate_fn=_as_it_is)


def _as_it_is(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return batch
