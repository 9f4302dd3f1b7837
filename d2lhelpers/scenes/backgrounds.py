"""What is behind the objects: a crop of a photograph or of a surface, or a studio's paper.

Training and testing pictures are disjoint, photographs (all of them shipped with scikit-image) and surfaces alike:

| | photographs | grey photographs, coloured | surfaces |
|---|---|---|---|
| train | astronaut, chelsea (a cat), ihc (tissue) | brick, grass, gravel | wood, gingham, plaster |
| test | motorcycle, rocket, coffee (the table), retina, Hubble deep field | moon | marble, tiles, denim |
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from d2lhelpers.scenes import surfaces
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.palettes import (
    CERAMIC,
    CHECKS,
    CLOTH,
    DUST,
    EARTH,
    GREEN,
    STONE,
    TIMBER,
    VEINED,
    WALL,
    Ramp,
)

# file, ramps for a grey one, the part to use (left, top, right, bottom), whether any side may be up, share
_PHOTOGRAPHS = {
    "train": (
        ("astronaut.png", None, None, False, 2),
        ("chelsea.png", None, None, False, 2),
        ("ihc.png", None, None, True, 1),
        ("brick.png", EARTH + STONE, None, True, 2),
        ("grass.png", GREEN, None, True, 2),
        ("gravel.png", STONE, None, True, 2),
    ),
    "test": (
        ("motorcycle_left.png", None, None, False, 2),
        ("rocket.jpg", None, None, False, 2),
        # the table beside the cup, which would be an object without a label
        ("coffee.png", None, (482, 0, 600, 400), True, 2),
        ("retina.jpg", None, (260, 260, 1160, 1160), True, 1),
        ("hubble_deep_field.jpg", None, None, True, 1),
        ("moon.png", DUST, None, True, 2),
    ),
}
_SURFACES = {
    "train": (
        (surfaces.wood, TIMBER, 3),
        (surfaces.gingham, CHECKS, 2),
        (surfaces.plaster, WALL, 2),
    ),
    "test": (
        (surfaces.marble, VEINED, 2),
        (surfaces.tiles, CERAMIC, 3),
        (surfaces.denim, CLOTH, 2),
    ),
}
LEVELS, SHARPNESS = (
    4,
    1.5,
)  # halvings of a photograph; pixels of it for one of the background, at least
LONGEST = 800  # pixels of a photograph's longer side; larger ones are shrunk when loaded


@dataclass(frozen=True)
class _Source:
    """A picture to cut backgrounds from.

    Attributes:
        pictures: the picture and, each half as large as the one before, smaller copies: shrinking a large crop to a
            small background in one step takes longer than all the rest of a small scene.
        ramps: to colour a grey one with.
        flat: whether any side may be up.
    """

    pictures: tuple[Image.Image, ...]
    ramps: tuple[Ramp, ...] | None
    flat: bool

    def crop(self, x: float, y: float, side: float, size: int) -> Image.Image:
        """The square of `side` with the upper left corner (x, y), as size x size pixels."""
        k = 0
        while k + 1 < len(self.pictures) and side >= SHARPNESS * size * 2 ** (k + 1):
            k += 1
        box = tuple(value / 2**k for value in (x, y, x + side, y + side))
        return self.pictures[k].resize((size, size), Image.Resampling.BILINEAR, box)


def background(dice: Dice, size: int, which: str) -> ndarray:
    """A background of its own for each stream of random numbers.

    Args:
        dice: decides all.
        size: of the picture in pixels.
        which: "train", "test" or "plain".
    Returns:
        (size, size, 3) uint8.
    """
    if which == "plain":
        return _studio(dice, size)
    source = dice.pick(_sources(which))
    width, height = source.pictures[0].size
    side = min(width, height) * dice.uniform(0.4, 1.0)
    x, y = dice.uniform(0, width - side), dice.uniform(0, height - side)
    # some are out of focus: what is fine is lost on the way through a smaller picture
    small = max(8, round(size / dice.pick((1.0, 1.0, 1.4, 2.2))))
    crop = source.crop(x, y, side, small)
    if small < size:
        crop = crop.resize((size, size), Image.Resampling.BICUBIC)
    if dice.chance(0.5):
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    turned = dice.chance(0.5)
    if source.flat and turned:
        crop = crop.transpose(Image.Transpose.TRANSPOSE)
    ramp = (
        dice.pick(source.ramps) if source.ramps else ((0, 0, 0), (128, 128, 128), (255, 255, 255))
    )
    table = _table(ramp, dice)
    pixels = np.asarray(crop)
    if source.ramps:
        return table[pixels]
    return np.stack([table[:, i][pixels[..., i]] for i in range(3)], axis=-1)


def _table(ramp: Ramp, dice: Dice) -> ndarray:
    """(256, 3) uint8: grey value to colour, with a cast, a contrast and a brightness of its own."""
    grey = np.arange(256)
    bright = dice.uniform(0.82, 1.06)
    columns = []
    for i in range(3):
        low, middle, high = (colour[i] for colour in ramp)
        column = np.interp(grey, (0, 128, 255), (low, middle, high))
        columns.append(column * bright * dice.uniform(0.94, 1.06))
    return np.clip(np.stack(columns, axis=-1) + 0.5, 0, 255).astype(np.uint8)


def _studio(dice: Dice, size: int) -> ndarray:
    """A sheet of coloured paper with a soft pool of light."""
    pale = dice.uniform(0.0, 0.7)
    colour = [(1 - pale) * dice.uniform(0.42, 0.86) + pale * 0.82 for _ in range(3)]
    cx, cy, spread = dice.uniform(-0.4, 0.4), dice.uniform(-0.7, 0.1), dice.uniform(0.5, 1.1)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    away = (line[None, :] - cx) ** 2 + (line[:, None] - cy) ** 2
    pool = 0.78 + 0.28 / (1 + spread * away)
    paper = pool[..., None] * np.array(colour, np.float32)
    return np.clip(255 * paper + 0.5, 0, 255).astype(np.uint8)


@cache
def _sources(which: str) -> tuple[_Source, ...]:
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    out = []
    for name, ramps, part, flat, share in _PHOTOGRAPHS[which]:
        with Image.open(folder / name) as file:
            picture = file.convert("L" if ramps else "RGB")
        if part:
            picture = picture.crop(part)
        if picture.height > picture.width:
            # the newer Pillows shrink a tall picture rows first, and round otherwise than the older ones
            picture = picture.transpose(Image.Transpose.TRANSPOSE)
        if max(picture.size) > LONGEST:
            picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
        out += [_Source(_halved(picture), ramps, flat)] * share
    for number, (make, ramps, share) in enumerate(_SURFACES[which]):
        pictures = [Image.fromarray(make(Dice(number, k))) for k in range(share)]
        out += [_Source(_halved(picture), ramps, True) for picture in pictures]
    return tuple(out)


def _halved(picture: Image.Image) -> tuple[Image.Image, ...]:
    """A picture cut to sides that are multiples of 2 ** (LEVELS - 1), and its halves, quarters, ..."""
    unit = 2 ** (LEVELS - 1)
    pixels = np.asarray(picture)
    pixels = pixels[: len(pixels) // unit * unit, : pixels.shape[1] // unit * unit]
    out = [Image.fromarray(np.ascontiguousarray(pixels))]
    for _ in range(LEVELS - 1):
        wide = pixels.astype(np.uint16)
        total = wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]
        pixels = ((total + 2) // 4).astype(np.uint8)
        out.append(Image.fromarray(pixels))
    return tuple(out)
