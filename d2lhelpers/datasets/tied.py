"""Scenes in which shape, colour and background go together, as in photographs they do, and others where they do not."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache as keep
from pathlib import Path

import numpy as np
import torch
from numpy import ndarray
from PIL import Image
from skimage import data as photographs
from torch import Tensor

from d2lhelpers import files
from d2lhelpers.datasets.pictures import require_images
from d2lhelpers.scenes import Setting, Thing, render, scene_seed, surfaces
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.palettes import CHECKS, CLOTH, EARTH, GREEN, STONE, TIMBER, Ramp
from d2lhelpers.scenes.sets import renderer_version

__all__ = ["COLOURS", "PARTS", "SCENES", "SHAPES", "TiedScenes", "load_tied"]

SHAPES = ("ball", "banana", "bottle", "car", "duck", "star")
COLOURS = ("red", "blue", "orange", "purple", "yellow", "green")

# The k-th shape, colour and scene belong together; no scene has the colour that goes with it. Each is one grey picture
# with one palette.
_SCENES: dict[str, tuple[Callable[[], ndarray], Ramp]] = {
    "grass": (photographs.grass, GREEN[0]),
    "bricks": (photographs.brick, EARTH[0]),
    "gravel": (photographs.gravel, STONE[0]),
    "planks": (lambda: surfaces.wood(Dice(7, 0)), TIMBER[0]),
    "tablecloth": (lambda: surfaces.gingham(Dice(7, 1)), CHECKS[1]),
    "denim": (lambda: surfaces.denim(Dice(7, 2)), CLOTH[0]),
}
SCENES = tuple(_SCENES)

TIE = 0.95  # how often, in training, the colour goes with the scene, and how often the shape
SIDE = 64
NUM_TRAIN, NUM_TEST = 1500, 300
SEED = 2101

PARTS = ("train", "as trained", "scene swapped", "colour swapped", "shape swapped", "all different")


@dataclass(frozen=True)
class TiedScenes:
    """Pictures of one thing each, and all that could be asked about them.

    Attributes:
        images: (N, 3, 64, 64) uint8.
        shapes, colours, scenes: (N,) int64, indices into SHAPES, COLOURS and SCENES.
        masks: (N, 64, 64) bool, true on the thing.
    Raises:
        ValueError: images of another type.
    """

    images: Tensor
    shapes: Tensor
    colours: Tensor
    scenes: Tensor
    masks: Tensor

    def __post_init__(self) -> None:
        require_images(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: Tensor) -> TiedScenes:
        """The pictures at `indices`, (M,) int64, in that order."""
        parts = ("images", "shapes", "colours", "scenes", "masks")
        return replace(self, **{name: getattr(self, name)[indices] for name in parts})


def load_tied(part: str) -> TiedScenes:
    """One part of the scenes, rendered on first use.

    In training, each scene has a colour and a shape that go with it: on grass there are red balls, 95 times of 100 red,
    and 95 times of 100 balls. In the tests

    | part | what goes together |
    |---|---|
    | as trained | scene, colour and shape |
    | scene swapped | colour and shape |
    | colour swapped | scene and shape |
    | shape swapped | scene and colour |
    | all different | nothing: three different ones |

    Args:
        part: one of PARTS.
    Raises:
        ValueError: an unknown part.
    Taught in chapter 14.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, not {part!r}")
    version = hashlib.sha256(f"{renderer_version()} {Path(__file__).read_bytes()!r}".encode())
    path = files.cache() / "tied" / version.hexdigest()[:16] / f"{part.replace(' ', '-')}.npz"
    with files.locked(path):
        arrays = _read(path)
        if arrays is None:
            arrays = _draw(part)
            with files.in_one_piece(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays)
    return TiedScenes(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def _read(path: Path) -> dict[str, ndarray] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _draw(part: str) -> dict[str, ndarray]:
    num = NUM_TRAIN if part == "train" else NUM_TEST
    seed = SEED + PARTS.index(part)
    setting = Setting(sizes=(0.3, 0.44), places=(0, 0.6), occlusion=0.1, background="plain")
    images = np.empty((num, 3, SIDE, SIDE), np.uint8)
    masks = np.empty((num, SIDE, SIDE), bool)
    which = np.empty((3, num), np.int64)
    for index in range(num):
        dice = Dice(seed, index)
        scene, colour, shape = which[:, index] = _which(part, dice)
        thing = Thing(SHAPES[shape], COLOURS[colour])
        background = _crop(dice, SCENES[scene])
        one = render(scene_seed(seed, index), SIDE, [thing], setting, background)
        images[index], masks[index] = one.image.transpose(2, 0, 1), one.instances > 0
    scenes, colours, shapes = which
    return {
        "images": images, "shapes": shapes, "colours": colours, "scenes": scenes, "masks": masks,
    }  # fmt: skip


def _which(part: str, dice: Dice) -> tuple[int, int, int]:
    """Scene, colour and shape."""
    scene = dice.below(6)
    # two others, and not the same: any two of the five
    first = dice.below(5)
    second = (first + 1 + dice.below(4)) % 5
    other, another = ((scene + 1 + step) % 6 for step in (first, second))
    if part == "train":
        tied = dice.chance(TIE), dice.chance(TIE)
        return scene, scene if tied[0] else other, scene if tied[1] else another
    return {
        "as trained": (scene, scene, scene),
        "scene swapped": (scene, other, other),
        "colour swapped": (scene, other, scene),
        "shape swapped": (scene, scene, other),
        "all different": (scene, other, another),
    }[part]


def _crop(dice: Dice, name: str) -> ndarray:
    """(64, 64, 3) uint8: a part of the scene, nearer or farther, in more or less light."""
    picture, table = _scene(name)
    width, height = picture.size
    side = min(width, height) * dice.uniform(0.4, 0.9)
    x, y = dice.uniform(0, width - side), dice.uniform(0, height - side)
    crop = picture.resize((SIDE, SIDE), Image.Resampling.BOX, (x, y, x + side, y + side))
    if dice.chance(0.5):
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    bright = dice.uniform(0.75, 1.1)
    return np.clip(table[np.asarray(crop)] * bright + 0.5, 0, 255).astype(np.uint8)


@keep
def _scene(name: str) -> tuple[Image.Image, ndarray]:
    """The grey picture, and (256, 3) what its greys become."""
    make, ramp = _SCENES[name]
    grey = np.arange(256)
    table = np.stack(
        [np.interp(grey, (0, 128, 255), channel) for channel in zip(*ramp, strict=True)], axis=1
    )
    return Image.fromarray(make()), table
