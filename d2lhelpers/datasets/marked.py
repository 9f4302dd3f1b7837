"""Pictures with a class each, of which it is known where the object is that the class comes from.

Nobody is trained by the masks here; they are for asking a network, afterwards, where it has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from d2lhelpers.datasets.pictures import Pictures
from d2lhelpers.scenes import Setting, Thing, scene_set
from d2lhelpers.scenes.dice import Dice

__all__ = ["MarkedPictures", "load_marked"]

# The six that are asked for, and the six that only lie about.
CLASSES = ("banana", "bottle", "car", "duck", "mug", "star")
CLUTTER = ("apple", "ball", "box", "donut", "fish", "mushroom")
NUMBERS = ("one", "two", "three", "four", "five", "six")
SIDE = 96
NUM = {"train": 1800, "test": 600}
SEEDS = {"needle": 2001, "portrait": 2011, "crowd": 2021}  # and the next one for the test
NUM_CLUTTER = (6, 9)
COUNTED, CROWD = "duck", 8  # what is counted, and of how many things in all


@dataclass(frozen=True)
class MarkedPictures(Pictures):
    """`Pictures`, and for each where its object is.

    Attributes:
        masks: (N, height, width) bool, true on the visible part of what the label is about.
    Raises:
        ValueError: as for `Pictures`, or masks of another shape or type.
    """

    masks: Tensor | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        like = (len(self.images), *self.images.shape[2:])
        if self.masks is None or self.masks.shape != like or self.masks.dtype != torch.bool:
            got = None if self.masks is None else f"{tuple(self.masks.shape)} {self.masks.dtype}"
            raise ValueError(f"masks must be {like} bool, one for each image, not {got}")

    def subset(self, indices: Tensor | Sequence[int]) -> MarkedPictures:
        """The pictures at `indices`, (M,) int64, in that order."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        return replace(
            self, images=self.images[index], labels=self.labels[index], masks=self.masks[index]
        )


def load_marked(name: str, part: str) -> MarkedPictures:
    """Three tasks on pictures of toys, six classes each, rendered on first use.

    | name | which class? | the object | what else there is |
    |---|---|---|---|
    | needle | what it is | a quarter of the side, anywhere | six to nine toys of other classes, as large |
    | portrait | what it is | more than half of the side, in the middle | nothing |
    | crowd | how many ducks there are, one to six | a quarter of the side, anywhere | other toys, eight in all |

    Args:
        name: one of these.
        part: "train" or "test"; the backgrounds of the test are in no training picture.
    Raises:
        ValueError: an unknown name or part.
    Taught in chapter 13.
    """
    for argument, value, known in (("name", name, SEEDS), ("part", part, NUM)):
        if value not in known:
            raise ValueError(f"{argument} must be one of {', '.join(known)}, not {value!r}")
    num = NUM[part]
    seed = SEEDS[name] + list(NUM).index(part)
    if name == "portrait":
        setting = Setting(sizes=(0.5, 0.8), places=(0, 0.3), occlusion=0.2, background=part)
    else:
        setting = Setting(sizes=(0.2, 0.28), places=(0, 0.85), occlusion=0.35, background=part)
    labels = torch.arange(num) % len(CLASSES)
    asked = [_asked(name, label) for label in labels.tolist()]
    clutter = [_clutter(name, Dice(seed, index), len(asked[index])) for index in range(num)]
    things = [[*others, *objects] for others, objects in zip(clutter, asked, strict=True)]
    found = scene_set(num, SIDE, seed, things, setting)
    # numbered in this order, from 1 on
    num_clutter = torch.tensor([len(others) for others in clutter])
    masks = torch.from_numpy(found.instances) > num_clutter[:, None, None]
    classes = NUMBERS if name == "crowd" else CLASSES
    return MarkedPictures(torch.from_numpy(found.images), labels, classes, masks=masks)


def _asked(name: str, label: int) -> list[Thing]:
    """The objects that the label is about."""
    return [Thing(COUNTED)] * (label + 1) if name == "crowd" else [Thing(CLASSES[label])]


def _clutter(name: str, dice: Dice, num_asked: int) -> list[Thing]:
    low, high = {"needle": NUM_CLUTTER, "portrait": (0, 0), "crowd": (CROWD - num_asked,) * 2}[name]
    return [Thing(dice.pick(CLUTTER)) for _ in range(low + dice.below(high - low + 1))]
