"""Surfaces made by rule rather than photographed: wood, cloth and plaster; marble, tiles and denim.

Each is a grey (SIDE, SIDE) uint8 array that `backgrounds` gives a colour.
"""

from collections.abc import Callable

import numpy as np
from numpy import ndarray
from PIL import Image

from d2lhelpers.scenes.dice import Dice

SIDE = 512


def wood(dice: Dice) -> ndarray:
    """Planks of different boards, each with grain along it and a knot or two."""
    planks = 4
    rows = SIDE // planks
    out = np.empty((SIDE, SIDE), np.float32)
    x = np.arange(SIDE, dtype=np.float32)[None, :]
    y = np.arange(rows, dtype=np.float32)[:, None]
    for k in range(planks):
        # year rings cut lengthwise: contours of a height that changes slowly along the board, and bends round knots
        height = y / rows * dice.uniform(2.0, 3.5) + 1.6 * _clouds(dice, rows, SIDE, 2, 3)
        for _ in range(dice.below(3)):
            kx, ky = dice.uniform(0, SIDE), dice.uniform(0.2, 0.8) * rows
            away = ((x - kx) / 38) ** 2 + ((y - ky) / 13) ** 2
            height = height + 1.5 / (1 + away)
        rings = np.abs((height * 4) % 2 - 1)
        fibres = _clouds(dice, rows, SIDE, rows // 2, 6) + 0.6 * _clouds(dice, rows, SIDE, rows, 24)
        board = 0.5 + 0.22 * rings + 0.26 * (fibres - 0.8) + dice.uniform(-0.1, 0.1)
        # the joints
        board *= 1 - 0.75 * np.exp(-np.minimum(y, rows - 1 - y) / 1.3)
        end = dice.below(SIDE)
        board *= 1 - 0.7 * np.exp(-np.abs(x - end) / 1.2)
        out[k * rows : (k + 1) * rows] = board
    return _grey(out)


def gingham(dice: Dice) -> ndarray:
    """A checked tablecloth: dark threads on light ones both ways, woven, with soft folds."""
    pitch = 64
    line = np.arange(SIDE, dtype=np.float32)
    dark = (np.abs((line / pitch) % 2 - 1) < 0.5).astype(np.float32)
    threads = line % 4 < 2
    # over and under: which of the two threads lies on top changes from thread to thread
    over = np.where((line // 4 % 2 == 0)[:, None] ^ (line // 4 % 2 == 0)[None, :], 0.62, 0.38)
    checks = 1 - (dark[None, :] * over + dark[:, None] * (1 - over))
    weave = 1 - 0.10 * (threads[:, None] ^ threads[None, :])
    folds = 0.80 + 0.4 * _clouds(dice, SIDE, SIDE, 3, 4)
    slubs = 0.94 + 0.12 * _clouds(dice, SIDE, SIDE, 256, 40)
    return _grey((0.2 + 0.75 * checks) * weave * folds * slubs)


def plaster(dice: Dice) -> ndarray:
    """A trowelled wall: broad stains, fine grain, lit from one side."""
    relief = _fractal(dice, 4, 7) + 0.25 * _clouds(dice, SIDE, SIDE, 60, 14)
    lit = np.diff(relief, axis=0, prepend=relief[:1]) + np.diff(
        relief, axis=1, prepend=relief[:, :1]
    )
    return _grey(0.62 + 0.35 * (_fractal(dice, 3, 4) - 0.5) + 2.2 * lit)


def marble(dice: Dice) -> ndarray:
    """Polished stone with fine veins where two clouds are equal."""
    base, bend = _fractal(dice, 3, 6), _fractal(dice, 3, 6)
    veins = np.zeros_like(base)
    for sharp, strength in ((70, 0.45), (28, 0.25), (11, 0.18)):
        away = np.abs(_fractal(dice, 2, 6) - 0.5 + 0.3 * (bend - 0.5))
        veins += strength / (1 + (sharp * away) ** 2)
    return _grey(0.86 + 0.25 * (base - 0.5) - veins)


def tiles(dice: Dice) -> ndarray:
    """Square glazed tiles with joints, each of its own tone, bright at the upper left rim."""
    pitch, joint = 128, 5.0
    line = np.arange(SIDE, dtype=np.float32) % pitch
    inner = np.minimum(line, pitch - 1 - line)
    edge = np.minimum(inner[:, None], inner[None, :])
    tone = 0.66 + 0.14 * np.kron(
        dice.table(SIDE // pitch, SIDE // pitch), np.ones((pitch, pitch), np.float32)
    )
    glaze = tone + 0.16 * (_fractal(dice, 4, 5) - 0.5)
    bevel = np.exp(-np.maximum(edge - joint, 0) / 4)
    corner = np.minimum(line[:, None], line[None, :]) < 20
    glaze = glaze + bevel * np.where(corner, 0.16, -0.16)
    grout = 0.36 + 0.2 * (_clouds(dice, SIDE, SIDE, 200, 200) - 0.5)
    cover = np.clip(edge - joint, 0, 1)
    return _grey(glaze * cover + grout * (1 - cover))


def denim(dice: Dice) -> ndarray:
    """Twill: slanting ridges of thread, faded here and there."""
    x = np.arange(SIDE, dtype=np.float32)
    ridge = np.abs(((x[None, :] + 2 * x[:, None]) / 5) % 2 - 1)
    cut = np.abs((x[None, :] / 3) % 2 - 1)
    fade = 0.5 + 0.55 * (_fractal(dice, 3, 4) - 0.5)
    slubs = _clouds(dice, SIDE, SIDE, 40, 300) - 0.5
    return _grey(fade + 0.30 * (ridge * (0.6 + 0.4 * cut) - 0.4) + 0.28 * slubs)


TRAIN: tuple[Callable[[Dice], ndarray], ...] = (wood, gingham, plaster)
TEST: tuple[Callable[[Dice], ndarray], ...] = (marble, tiles, denim)


def _clouds(dice: Dice, height: int, width: int, rows: int, columns: int) -> ndarray:
    """Random values in [0, 1] on a grid of rows x columns, blended smoothly to height x width."""
    image = Image.fromarray(dice.table(rows + 3, columns + 3))
    box = (1.5, 1.5, columns + 1.5, rows + 1.5)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box))


def _fractal(dice: Dice, cells: int, octaves: int) -> ndarray:
    """Clouds of clouds: each octave twice as fine and a little over half as strong; mean 1/2."""
    total, weight, amount = np.zeros((SIDE, SIDE), np.float32), 0.0, 1.0
    for octave in range(octaves):
        size = cells * 2**octave
        total += amount * _clouds(dice, SIDE, SIDE, size, size)
        weight, amount = weight + amount, 0.55 * amount
    return total * np.float32(1 / weight)


def _grey(values: ndarray) -> ndarray:
    return np.clip(255 * values + 0.5, 0, 255).astype(np.uint8)
