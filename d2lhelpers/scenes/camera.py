"""From light to picture: exposure, white balance, the lens's blur and darker corners, the sensor's noise."""

from functools import lru_cache

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.settings import Setting
from d2lhelpers.scenes.shading import Light

TILE = 384


def photograph(canvas: ndarray, dice: Dice, setting: Setting, light: Light) -> ndarray:
    """Take the picture.

    Args:
        canvas: (size, size, 3) float32 linear light; changed.
        dice: for what the setting leaves open.
        setting: brightness, warmth, noise and blur.
        light: of the scene, whose side is a little brighter.
    Returns:
        (size, size, 3) uint8.
    """
    size = len(canvas)
    brightness, warmth = dice.uniform(*setting.brightness), dice.uniform(*setting.warmth)
    noise, blur = dice.uniform(*setting.noise), dice.uniform(*setting.blur)
    lx, ly, _ = light.direction
    line = np.linspace(-1, 1, size, dtype=np.float32)
    slope = 0.10 * light.contrast
    fall = _vignette(size) + np.float32(slope * lx) * line + np.float32(slope * ly) * line[:, None]
    gains = (
        brightness * (1 + 0.30 * warmth),
        brightness * (1 + 0.02 * warmth),
        brightness * (1 - 0.32 * warmth),
    )
    canvas *= fall[..., None] * np.array(gains, np.float32)
    canvas = _blurred(canvas, blur)
    np.maximum(canvas, 0, out=canvas)
    # the square root turns the noise of counted photons, which grows with the root of the light, into an even one
    picture = np.sqrt(canvas, out=canvas)
    x, y = dice.below(TILE), dice.below(TILE)
    if noise > 0:
        picture += _grain(size, x, y) * np.float32(noise)
    picture *= 255
    picture += 0.5
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


@lru_cache(maxsize=8)
def _vignette(size: int) -> ndarray:
    line = np.linspace(-1, 1, size, dtype=np.float32)
    return 1.03 - 0.09 * (line * line + (line * line)[:, None])


def _blurred(canvas: ndarray, blur: float) -> ndarray:
    """Three taps (a, 1 - 2a, a) have variance 2a; as often as it takes to reach the blur's."""
    passes = int(np.ceil(blur * blur / 0.5))
    for _ in range(passes):
        a = np.float32(blur * blur / passes / 2)
        for axis in (0, 1):
            moved = np.swapaxes(canvas, 0, axis)
            out = moved * (1 - 2 * a)
            out[1:] += a * moved[:-1]
            out[:-1] += a * moved[1:]
            out[0] += a * moved[0]
            out[-1] += a * moved[-1]
            canvas = np.swapaxes(out, 0, axis)
    return canvas


@lru_cache(maxsize=1)
def _tile() -> ndarray:
    """(TILE, TILE, 3) of mean 0 and standard deviation 1: sums of uniform numbers, most of it common to the colours."""
    dice = Dice(0)
    own = dice.table(TILE, TILE, 3, 6).sum(-1)
    return ((own - 3) * np.float32(1 / np.sqrt(0.5))).astype(np.float32)


def _grain(size: int, x: int, y: int) -> ndarray:
    tile = _tile()
    rows, columns = (np.arange(start, start + size) % TILE for start in (y, x))
    return tile[rows[:, None], columns]
