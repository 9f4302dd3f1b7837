"""One picture with all that is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes import backgrounds
from d2lhelpers.scenes.camera import photograph
from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.layout import Placed, Things, choose, lay_out, requested, within
from d2lhelpers.scenes.settings import CLASSES, COLOURS, Setting
from d2lhelpers.scenes.shading import Light, shade, shadows
from d2lhelpers.scenes.sprites import warp

SMALLEST, LARGEST = 16, 1024  # pixels
BACKGROUND, LIGHT, PAINT, CAMERA = 2, 3, 4, 5  # streams of random numbers; `layout` has the others
USUAL = Setting()


@dataclass(frozen=True)
class Scene:
    """A picture and the truth about it; N objects in the order in which they were asked for, later ones on top.

    Attributes:
        image: (size, size, 3) uint8, RGB.
        classes: (N,) int64, into CLASSES.
        colours: (N,) int64, into the keys of COLOURS.
        boxes: (N, 4) float32, (x1, y1, x2, y2) around the visible part in pixels, origin top-left; edges, so that
            x2 - x1 is the width.
        instances: (size, size) uint8, 0 background, k the k-th object.
        semantic: (size, size) uint8, 0 background, else class + 1.
    """

    image: ndarray
    classes: ndarray
    colours: ndarray
    boxes: ndarray
    instances: ndarray
    semantic: ndarray


def render(
    seed: int,
    size: int = 128,
    things: Things = (1, 4),
    setting: Setting = USUAL,
    background: ndarray | None = None,
    classes: Sequence[str] = CLASSES,
) -> Scene:
    """Draw a scene.

    The same arguments give the same scene everywhere, pixels to within 1. Each nuisance has random numbers of its
    own: another setting of one leaves all others, and what is in the picture, as they are.

    Args:
        seed: 0 or more.
        size: of the picture in pixels, 16 to 1024.
        things: how many, as a number or as (low, high); or which, as Things, whose open ends are drawn at random.
        setting: every nuisance.
        background: (size, size, 3) uint8 to put in place of the setting's.
        classes: what to choose from where a thing does not say.
    Returns:
        The picture with its classes, colours, boxes and masks. A pixel belongs to what covers at least half of it.
    Raises:
        ValueError: an argument out of its range, or no room for the things; says which and what to do.
    """
    require_drawable(seed, size, things, classes)
    if background is None:
        dice = Dice(BACKGROUND, 0, 0, seed)
        background = backgrounds.background(dice, size, setting.background)
    elif background.shape != (size, size, 3) or background.dtype != np.uint8:
        raise ValueError(
            f"background must be ({size}, {size}, 3) uint8, got {background.shape} {background.dtype}"
        )
    placed, instances = lay_out(seed, size, choose(seed, things, classes), setting)

    canvas = background.astype(np.float32) * np.float32(1 / 255)
    canvas *= canvas  # linear light, see `shading`
    dice = Dice(LIGHT, 0, 0, seed)
    light = Light.at(
        angle=dice.uniform(*setting.light),
        contrast=dice.uniform(*setting.contrast),
        height=dice.uniform(38, 58),
        surroundings=_mean_colour(canvas[::8, ::8]),
    )
    for number, item in enumerate(placed):
        _draw(canvas, item, light, Dice(PAINT, number, 0, seed))
    image = photograph(canvas, Dice(CAMERA, 0, 0, seed), setting, light)

    class_indices = np.array([item.class_index for item in placed], np.int64)
    lookup = np.zeros(len(placed) + 1, np.uint8)
    lookup[1:] = class_indices + 1
    return Scene(
        image=image,
        classes=class_indices,
        colours=np.array([item.colour_index for item in placed], np.int64),
        boxes=_boxes(instances, len(placed)),
        instances=instances,
        semantic=lookup[instances],
    )


def require_drawable(seed: int, size: int, things: Things, classes: Sequence[str]) -> None:
    """Raise a ValueError for arguments that `render` refuses."""
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be {SMALLEST} to {LARGEST} pixels, got {size}")
    if isinstance(classes, str) or not classes or not set(classes) <= set(CLASSES):
        raise ValueError(f"classes must be some of {', '.join(CLASSES)}, got {classes!r}")
    requested(things)


def _boxes(instances: ndarray, count: int) -> ndarray:
    boxes = np.zeros((count, 4), np.float32)
    for k in range(count):
        mask = instances == k + 1
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes[k] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def _draw(canvas: ndarray, item: Placed, light: Light, dice: Dice) -> None:
    """Put an object into the picture, its shadow first."""
    pose, sprite, size = item.pose, item.sprite, len(canvas)
    x1, y1, x2, y2 = within(pose.window(sprite, margin=0.1), size)
    ground = _mean_colour(canvas[y1:y2:3, x1:x2:3])
    shadows(canvas, sprite, pose, light)

    left, top, right, bottom = within(item.window, size)
    x1, y1, _, _ = item.window
    shape = item.shape[top - y1 : bottom - y1, left - x1 : right - x1]
    level = sprite.level(pose.size)
    coat = warp(level.coat, level.longest, pose, (left, top, right, bottom))
    touched = np.nonzero(shape[..., 3])
    depth = dice.uniform(0.82, 1.08)
    paint = tuple(
        (value * depth * dice.uniform(0.95, 1.05)) ** 2
        for value in list(COLOURS.values())[item.colour_index]
    )
    colour = shade(shape[touched], coat[touched], sprite, pose, paint, light, ground)
    covered = shape[touched][:, 3:].astype(np.float32) * np.float32(1 / 255)
    part = canvas[top:bottom, left:right]
    under = part[touched]
    part[touched] = under + (colour - under) * covered


def _mean_colour(part: ndarray) -> tuple[float, float, float]:
    return tuple(part.reshape(-1, 3).mean(axis=0).tolist())
