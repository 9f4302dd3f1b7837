"""Where objects lie, so that each stays visible enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.settings import CLASSES, COLOURS, Setting, Thing
from d2lhelpers.scenes.sprites import VARIANTS, Pose, Sprite, sprite_for, warp

TRIES, RESTARTS = 24, 12  # places tried for one thing, and for all from the first on
MOST_THINGS = 100
LEAST_PIXELS = 3.0  # an object's longest side, however small the size asked for
CHOICE, POSE = 0, 1  # streams of random numbers; `render` has the others

Things = Sequence[Thing] | int | tuple[int, int]


@dataclass(frozen=True)
class Placed:
    """An object in its place.

    Attributes:
        class_index, colour_index: into CLASSES and COLOURS.
        sprite, pose: what to draw and where.
        window: the pixels (x1, y1, x2, y2) it may touch, which may reach outside the picture.
        shape: (y2 - y1, x2 - x1, 4) uint8, the sprite's shape there, as in `sprites.Level`.
    """

    class_index: int
    colour_index: int
    sprite: Sprite
    pose: Pose
    window: tuple[int, int, int, int]
    shape: ndarray

    @property
    def solid(self) -> ndarray:
        """(y2 - y1, x2 - x1) bool: the pixels that it covers at least half."""
        return self.shape[..., 3] >= 128

    @cached_property
    def area(self) -> int:
        """Pixels that it covers, those outside the picture included."""
        return int(np.count_nonzero(self.solid))


def requested(things: Things) -> tuple[int, int] | tuple[Thing, ...]:
    """The range of how many things there may be, or the things themselves.

    Raises:
        ValueError: neither a number, nor (low, high), nor a sequence of Thing; or out of 0..MOST_THINGS.
    """
    items = (things, things) if isinstance(things, Integral) else things
    items = tuple(items) if isinstance(items, Sequence) and not isinstance(items, str) else None
    if items is not None and all(isinstance(one, Thing) for one in items):
        if len(items) <= MOST_THINGS:
            return items
    elif items is not None and len(items) == 2 and all(isinstance(one, Integral) for one in items):
        low, high = (int(one) for one in items)
        if 0 <= low <= high <= MOST_THINGS:
            return low, high
    raise ValueError(
        f"things must be a number, (low, high) or a list of Thing, 0 to {MOST_THINGS} of them, got {things!r}"
    )


def choose(seed: int, things: Things, classes: Sequence[str]) -> list[tuple[Thing, int, bool]]:
    """Decide how many things there are, and each one's class, colour, variant and whether it is mirrored."""
    dice = Dice(CHOICE, 0, 0, seed)
    items = requested(things)
    if items and not isinstance(items[0], Thing):
        low, high = items
        items = (Thing(),) * (low + dice.below(high - low + 1))
    chosen = []
    for thing in items:
        class_name, colour = dice.pick(classes), dice.pick(tuple(COLOURS))
        variant, mirrored = dice.below(VARIANTS), dice.chance(0.5)
        thing = replace(
            thing, class_name=thing.class_name or class_name, colour=thing.colour or colour
        )
        chosen.append((thing, variant, mirrored))
    return chosen


def lay_out(
    seed: int, size: int, chosen: Sequence[tuple[Thing, int, bool]], setting: Setting
) -> tuple[list[Placed], ndarray]:
    """Find a place for each thing, later ones on top of earlier ones.

    Args:
        seed: of the scene.
        size: of the picture in pixels.
        chosen: from `choose`.
        setting: sizes, places, angles and occlusion.
    Returns:
        The objects from the bottom up, and (size, size) uint8: 0 nothing, k the k-th object.
    Raises:
        ValueError: no room was found for all.
    """
    for restart in range(RESTARTS):
        placed: list[Placed] = []
        instances = np.zeros((size, size), np.uint8)
        for number, (thing, variant, mirrored) in enumerate(chosen):
            dice = Dice(POSE, number, restart, seed)
            for attempt in range(TRIES):
                # what finds no room gets smaller and smaller, within the setting
                crowded = max(attempt / TRIES, restart / RESTARTS)
                pose = _pose(dice, size, thing, mirrored, setting, crowded)
                item = _place(pose, thing, variant)
                over = _put_on_top(item, placed, instances, setting.occlusion)
                if over is not None:
                    break
            else:
                break
            placed.append(item)
            instances = over
        if len(placed) == len(chosen):
            return placed, instances
    raise ValueError(
        f"no room found for {len(chosen)} things in a picture of {size} pixels with sizes {setting.sizes}, "
        f"places {setting.places} and occlusion {setting.occlusion}: ask for fewer or smaller things, places "
        "farther apart and within the picture, or more occlusion"
    )


def _pose(
    dice: Dice, size: int, thing: Thing, mirrored: bool, setting: Setting, crowded: float
) -> Pose:
    # all is drawn even where the thing says it already, so that saying one changes none of the others
    low, high = setting.sizes
    longest = dice.uniform(low, high - (high - low) * crowded)
    angle = dice.uniform(*setting.angles)
    near, far = setting.places
    # evenly over the square ring between the two distances: how far out, where along the side, and on which side
    out = math.sqrt(dice.uniform(near * near, far * far))
    along, side = dice.uniform(-out, out), dice.below(4)
    dx, dy = ((out, along), (along, out), (-out, along), (along, -out))[side]
    cx, cy = thing.place or (0.5 + 0.5 * dx, 0.5 + 0.5 * dy)
    return Pose(
        x=cx * size,
        y=cy * size,
        size=max(LEAST_PIXELS, (thing.size or longest) * size),
        angle=angle if thing.angle is None else thing.angle,
        mirrored=mirrored,
    )


def _place(pose: Pose, thing: Thing, variant: int) -> Placed:
    sprite = sprite_for(thing.class_name, variant, pose.size)
    level = sprite.level(pose.size)
    window = pose.window(sprite)
    return Placed(
        class_index=CLASSES.index(thing.class_name),
        colour_index=list(COLOURS).index(thing.colour),
        sprite=sprite,
        pose=pose,
        window=window,
        shape=warp(level.shape, level.longest, pose, window),
    )


def _put_on_top(
    item: Placed, below: list[Placed], instances: ndarray, occlusion: float
) -> ndarray | None:
    """The instances with one more on top; None where that would hide too much of it or of another."""
    x1, y1, _, _ = item.window
    left, top, right, bottom = within(item.window, len(instances))
    if left >= right or top >= bottom:
        return None
    changed = instances.copy()
    solid = item.solid[top - y1 : bottom - y1, left - x1 : right - x1]
    changed[top:bottom, left:right][solid] = len(below) + 1
    visible = np.bincount(changed.ravel(), minlength=len(below) + 2)[1:]
    for count, one in zip(visible.tolist(), [*below, item], strict=True):
        if count < max(1, (1 - occlusion) * one.area):
            return None
    return changed


def within(window: tuple[int, int, int, int], size: int) -> tuple[int, int, int, int]:
    """The part of a window that lies in the picture."""
    x1, y1, x2, y2 = window
    return max(x1, 0), max(y1, 0), min(x2, size), min(y2, size)
