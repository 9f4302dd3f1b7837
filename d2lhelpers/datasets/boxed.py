"""Pictures with boxes around their objects, in memory, and the two sets of them that detectors are trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from d2lhelpers.datasets.box_files import read_boxes
from d2lhelpers.datasets.pictures import require_images
from d2lhelpers.datasets.tiers import command, folder, tier
from d2lhelpers.scenes import CLASSES as SCENE_CLASSES
from d2lhelpers.scenes import SceneSet, Setting, scene_set

__all__ = ["BoxedPictures", "BoxedSplit", "load_boxes"]

Batch = tuple[Tensor, ...]

BANANAS = "banana-detection"
SCENES = "scenes"

# Six kinds of toys, none to eight of them in a picture, from a twelfth to a third of its side: hard enough to tell
# detectors apart. Every other object may be hidden up to two fifths.
SCENES_CLASSES = ("banana", "bottle", "car", "duck", "mug", "star")
SCENES_SIDE = 128
SCENES_SEED = 1005
NUM_SCENES = {"train": 3000, "test": 500}
NUM_OBJECTS = (0, 8)


@dataclass(frozen=True)
class BoxedPictures(Dataset):
    """Pictures of one size, each with any number of boxes; G is the most that one has.

    An item is (image, labels), and with `instances` (image, labels, instances). Batches are `loader`'s: this hands out
    a whole one at a time, which a DataLoader must be told.

    Attributes:
        images: (N, 3, height, width) uint8.
        labels: (N, G, 5) float32, rows (class, x1, y1, x2, y2), corners in fractions of the picture; missing rows
            are -1, so that pictures with different numbers of objects fit into one tensor.
        classes: the classes' names.
        instances: (N, height, width) uint8, where it is known which pixel belongs to which object: k for that of
            row k - 1, 0 for the background.
        transform: applied to a batch when it is asked for, (images, labels, ...) -> the same, as in `augment_boxes`.
    Raises:
        ValueError: shapes or types other than these, or a class that has no name.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    instances: Tensor | None = None
    transform: Callable[..., Batch] | None = None

    def __post_init__(self) -> None:
        require_images(self.images)
        if self.labels.ndim != 3 or self.labels.shape[::2] != (len(self.images), 5):
            raise ValueError(
                f"labels must be ({len(self.images)}, G, 5), rows (class, x1, y1, x2, y2) for each image, "
                f"not {tuple(self.labels.shape)}"
            )
        if self.labels.numel() and self.labels[..., 0].max() >= len(self.classes):
            raise ValueError(
                f"labels must have classes in 0..{len(self.classes) - 1}, or -1 for padding, "
                f"but {int(self.labels[..., 0].max())} is among them"
            )
        like = (len(self.images), *self.images.shape[2:])
        if self.instances is not None and self.instances.shape != like:
            raise ValueError(f"instances must be {like}, not {tuple(self.instances.shape)}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        return tuple(part[0] for part in self.__getitems__([index]))

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """A batch, which is what a DataLoader asks for where it can: one indexing in place of many."""
        index = torch.as_tensor(indices)
        parts = (self.images, self.labels, self.instances)
        batch = tuple(part[index] for part in parts if part is not None)
        return batch if self.transform is None else self.transform(*batch)

    def with_transform(self, transform: Callable[..., Batch] | None) -> BoxedPictures:
        """The same pictures, seen through another transform."""
        return replace(self, transform=transform)

    def subset(self, indices: Tensor | Sequence[int]) -> BoxedPictures:
        """The pictures at `indices`, (M,) int64, in that order."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        instances = None if self.instances is None else self.instances[index]
        return replace(
            self, images=self.images[index], labels=self.labels[index], instances=instances
        )

    def without_instances(self) -> BoxedPictures:
        """The same pictures with boxes alone, which is what most detectors are trained from."""
        return replace(self, instances=None)

    def tv_item(self, index: int) -> tuple[tv_tensors.Image, dict]:
        """One picture in torchvision's form, to be given to `transforms.v2`; padding is left out.

        Returns:
            the image, and "boxes" (K, 4) in pixels, "labels" (K,) int64 and, where there are instances, "masks"
            (K, height, width) bool.
        """
        height, width = self.images.shape[-2:]
        rows = self.labels[index]
        real = rows[:, 0] >= 0
        boxes = rows[real, 1:] * rows.new_tensor([width, height, width, height])
        target = {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
            "labels": rows[real, 0].long(),
        }
        if self.instances is not None:
            number = 1 + real.nonzero().flatten()
            target["masks"] = tv_tensors.Mask(self.instances[index] == number[:, None, None])
        return tv_tensors.Image(self.images[index]), target


@dataclass(frozen=True)
class BoxedSplit:
    """A detection dataset's two parts.

    Attributes:
        name: as `load_boxes` was asked for it.
        tier: "mini" or "full".
        train, test: pictures of the same size and classes.
    """

    name: str
    tier: str
    train: BoxedPictures
    test: BoxedPictures

    def __str__(self) -> str:
        """One line: which tier, the classes, the size and the numbers of pictures."""
        height, width = self.train.images.shape[-2:]
        tier = f"{self.tier} tier"
        if self.tier == "mini" and self.name == BANANAS:
            tier += f" (`{command(self.name)}` for the full one)"
        return (
            f"{self.name}, {tier}: {', '.join(self.train.classes)}; {height} × {width} pixels, "
            f"{len(self.train):,} pictures to train on, {len(self.test):,} to test on"
        )


def load_boxes(name: str) -> BoxedSplit:
    """Read a detection dataset into memory.

    | name | full | mini |
    |---|---|---|
    | banana-detection | d2l's bananas, one a picture, 256 x 256 pixels | the same, rendered |
    | scenes | | none to eight toys of six classes a picture, 128 x 128 pixels, with instances |

    The test pictures of what is rendered have backgrounds that no training picture has.

    Args:
        name: one of these.
    Raises:
        ValueError: an unknown name.
        FileNotFoundError: D2LHELPERS_DATA is full and bananas have not been fetched.
    """
    if name == BANANAS:
        place = folder(name)
        parts = (read_boxes(place / part) for part in ("bananas_train", "bananas_val"))
        train, test = (BoxedPictures(*part, ("banana",)) for part in parts)
        return BoxedSplit(name, tier(name), train, test)
    if name == SCENES:
        parts = (
            render_scenes(num, SCENES_SEED + k, part)
            for k, (part, num) in enumerate(NUM_SCENES.items())
        )
        return BoxedSplit(name, "mini", *parts)
    raise ValueError(f"name is {name!r}; for detection there are {BANANAS} and {SCENES}")


def render_scenes(num: int, seed: int, background: str) -> BoxedPictures:
    """Scenes as "scenes" has them.

    Args:
        num: how many.
        seed: another one gives other scenes.
        background: the photographs behind them, "train" or "test".
    """
    setting = Setting(sizes=(0.08, 0.35), places=(0.0, 0.9), background=background)
    found = scene_set(num, SCENES_SIDE, seed, NUM_OBJECTS, setting, classes=SCENES_CLASSES)
    return from_scenes(found, SCENES_CLASSES)


def from_scenes(found: SceneSet, classes: tuple[str, ...]) -> BoxedPictures:
    """Rendered scenes as pictures with boxes.

    Args:
        found: with no other classes than these.
        classes: whose order numbers them.
    """
    side = found.images.shape[-1]
    names = torch.from_numpy(found.classes)
    # the renderer numbers all its classes, and -1 is the last of the table
    table = torch.tensor([classes.index(c) if c in classes else -1 for c in SCENE_CLASSES] + [-1])
    number = table[names][..., None]
    boxes = torch.where(number >= 0, torch.from_numpy(found.boxes) / side, -1)
    labels = torch.cat((number, boxes), dim=-1).float()
    return BoxedPictures(
        torch.from_numpy(found.images), labels, classes, torch.from_numpy(found.instances)
    )
