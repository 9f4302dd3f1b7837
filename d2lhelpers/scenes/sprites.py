"""A bank of models as seen by the viewer, at several sizes, ready to be turned, scaled and lit.

Walking rays to a surface takes tens of milliseconds; turning and scaling what they found takes a fraction of one. So
each class has VARIANTS models, each traced once when it is first needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy import ndarray
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter

from d2lhelpers.scenes import animals, food, fruit, household, toys
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.settings import CLASSES
from d2lhelpers.scenes.trace import trace

VARIANTS = 16
# A sprite is traced at the smallest side that gives SHARPNESS texels for each pixel of the picture, if there is one.
SIDES, SHARPNESS = (128, 256), 2.0
PAINT_RANGE = 1.6  # of the paint in a byte
SHADOW_SIDE, SHADOW_MARGIN = 64, 0.5  # texels of the longest side, and room around it for the blur
SHADOW_BLURS = (0.03, 0.095)  # contact and cast, as fractions of the longest side

_MAKERS = {
    name: getattr(module, name)
    for module in (animals, food, fruit, household, toys)
    for name in CLASSES
    if hasattr(module, name)
}

_NEIGHBOURS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Level:
    """One size of a sprite.

    Attributes:
        shape: four bands: nx and ny (128 is 0, 255 is 1), openness, covered fraction.
        coat: four bands: fixed colours (square root of linear light), paint / PAINT_RANGE.
        longest: texels of the longest side.
    """

    shape: Image.Image
    coat: Image.Image
    longest: float


@dataclass(frozen=True)
class Sprite:
    """One variant of a class as seen by its viewer.

    Attributes:
        levels: from the largest on, each half the size of the one before.
        width, height: of its outline; the longer is 1.
        shadows: two L images, contact and cast, with SHADOW_SIDE texels for the longest side.
        gloss, clear: as in `Model`.
        lift: how far it stands out, in half sizes.
    """

    levels: tuple[Level, ...]
    width: float
    height: float
    shadows: tuple[Image.Image, Image.Image]
    gloss: tuple[float, float]
    clear: float
    lift: float

    def level(self, size: float) -> Level:
        """The level for a longest side of `size` pixels: as coarse as it may be without being blurred."""
        fine = [level for level in self.levels if level.longest >= 0.9 * size]
        return fine[-1] if fine else self.levels[0]


@dataclass(frozen=True)
class Pose:
    """Where a sprite lies in the picture.

    Attributes:
        x, y: of its middle in pixels. size: of its longest side in pixels. angle: degrees, clockwise.
        mirrored: left and right swapped, before it is turned.
    """

    x: float
    y: float
    size: float
    angle: float
    mirrored: bool

    @property
    def cosine(self) -> float:
        return math.cos(math.radians(self.angle))

    @property
    def sine(self) -> float:
        return math.sin(math.radians(self.angle))

    def window(self, sprite: Sprite, margin: float = 0.0) -> tuple[int, int, int, int]:
        """The pixels (x1, y1, x2, y2) that the sprite and `margin` sizes around it may touch."""
        cos, sin = abs(self.cosine), abs(self.sine)
        w = (0.5 * (cos * sprite.width + sin * sprite.height) + margin) * self.size + 1
        h = (0.5 * (sin * sprite.width + cos * sprite.height) + margin) * self.size + 1
        return (
            math.floor(self.x - w),
            math.floor(self.y - h),
            math.ceil(self.x + w),
            math.ceil(self.y + h),
        )


def sprite_for(class_name: str, variant: int, size: float) -> Sprite:
    """The sprite of a class's variant, fine enough for a longest side of `size` pixels."""
    side = next((s for s in SIDES if s >= SHARPNESS * size), SIDES[-1])
    return _sprite(class_name, variant, side)


@cache
def _sprite(class_name: str, variant: int, side: int) -> Sprite:
    model = _MAKERS[class_name](Dice(CLASSES.index(class_name), variant))
    seen = trace(model, side)
    # The paint and the normals count by how much of a texel is covered; nothing around the outline mixes in.
    weight = seen[..., :1]
    values = np.concatenate((weight, seen[..., 1:] * weight), axis=-1)
    rows, columns = (np.flatnonzero((weight[..., 0] >= 0.5).any(axis)) for axis in (1, 0))
    x1, x2, y1, y2 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    width, height = float(x2 - x1), float(y2 - y1)
    longest = max(width, height)
    levels = []
    # a margin of whole texels of the coarsest level, with the outline in the middle
    count = max(1, int(math.log2(longest / 10)))
    values = _centred(values, x1, x2, y1, y2, 2 ** (count - 1))
    for k in range(count):
        if k:
            values = 0.25 * (
                values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
            )
        levels.append(_level(values, longest / 2**k))
    return Sprite(
        levels=tuple(levels),
        width=width / longest,
        height=height / longest,
        shadows=_shadows(levels, width / longest, height / longest),
        gloss=model.gloss,
        clear=model.clear,
        lift=model.height,
    )


def _centred(values: ndarray, x1: int, x2: int, y1: int, y2: int, unit: int) -> ndarray:
    """Cut out or pad so that the outline's middle is the array's, both sides are multiples of 2 unit, with a rim."""
    sides = []
    for low, high in ((y1, y2), (x1, x2)):
        side = 2 * unit * math.ceil((high - low + 4 * unit) / (2 * unit))
        sides.append((low - (side - (high - low)) // 2, side))
    (top, rows), (left, columns) = sides
    out = np.zeros((rows, columns, values.shape[-1]), values.dtype)
    h, w = values.shape[:2]
    a1, a2, b1, b2 = max(0, top), min(h, top + rows), max(0, left), min(w, left + columns)
    out[a1 - top : a2 - top, b1 - left : b2 - left] = values[a1:a2, b1:b2]
    return out


def _level(values: ndarray, longest: float) -> Level:
    alpha = values[..., 0]
    straight = _fill(values)
    normal = 128 + 127 * straight[..., 1:3]
    shape = np.concatenate((normal, 255 * straight[..., 3:4], 255 * alpha[..., None]), axis=-1)
    fixed = 255 * np.sqrt(np.clip(straight[..., 5:8], 0, 1))
    coat = np.concatenate((fixed, (255 / PAINT_RANGE) * straight[..., 4:5]), axis=-1)
    return Level(_four_bands(shape), _four_bands(coat), longest)


def _four_bands(values: ndarray) -> Image.Image:
    # "CMYK" stands for any four bands: of "RGBA" Pillow would multiply the first three by the fourth
    height, width, _ = values.shape
    content = np.clip(values + 0.5, 0, 255).astype(np.uint8).tobytes()
    return Image.frombytes("CMYK", (width, height), content)


def _fill(values: ndarray) -> ndarray:
    """Values by their weight, continued over the two texels around the outline: no dark seam when they are blended."""
    total = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    for _ in range(2):
        known = total[..., 0] > 0
        rows, columns = np.nonzero(binary_dilation(known, _NEIGHBOURS) & ~known)
        inner = (
            (rows > 0) & (rows < len(total) - 1) & (columns > 0) & (columns < total.shape[1] - 1)
        )
        rows, columns = rows[inner], columns[inner]
        near = np.zeros((len(rows), total.shape[-1]), total.dtype)
        for dy, dx in np.argwhere(_NEIGHBOURS) - 1:
            near += total[rows + dy, columns + dx]
        total[rows, columns] = near
    total = total[1:-1, 1:-1]
    return total / np.maximum(total[..., :1], 1e-6)


def _shadows(levels: list[Level], width: float, height: float) -> tuple[Image.Image, Image.Image]:
    level = min(levels, key=lambda one: abs(one.longest - SHADOW_SIDE))
    rows = math.ceil((height + 2 * SHADOW_MARGIN) * SHADOW_SIDE)
    columns = math.ceil((width + 2 * SHADOW_MARGIN) * SHADOW_SIDE)
    k = level.longest / SHADOW_SIDE
    w, h = level.shape.size
    affine = (k, 0, w / 2 - k * columns / 2, 0, k, h / 2 - k * rows / 2)
    alpha = level.shape.getchannel("K").transform(
        (columns, rows), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    alpha = np.asarray(alpha, np.float32)
    first, second = (
        Image.fromarray((gaussian_filter(alpha, blur * SHADOW_SIDE) + 0.5).astype(np.uint8))
        for blur in SHADOW_BLURS
    )
    return first, second


def warp(
    image: Image.Image, longest: float, pose: Pose, window: tuple[int, int, int, int]
) -> ndarray:
    """What of a sprite's image falls on the pixels of a window.

    Args:
        image: with the middle of the outline in its middle.
        longest: its texels for the longest side.
        pose: where the sprite lies.
        window: (x1, y1, x2, y2) in whole pixels.
    Returns:
        (y2 - y1, x2 - x1) or (y2 - y1, x2 - x1, 4) uint8, 0 outside the image.
    """
    x1, y1, x2, y2 = window
    scale = longest / pose.size
    cos, sin = pose.cosine * scale, pose.sine * scale
    flip = -1.0 if pose.mirrored else 1.0
    dx, dy = x1 - pose.x, y1 - pose.y
    affine = (
        flip * cos,
        flip * sin,
        image.width / 2 + flip * (cos * dx + sin * dy),
        -sin,
        cos,
        image.height / 2 - sin * dx + cos * dy,
    )
    return np.asarray(
        image.transform(
            (x2 - x1, y2 - y1), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
        )
    )
