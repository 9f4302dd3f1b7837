"""Other things to eat, as solids: donut, mushroom."""

import math

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.solids import (
    Noise,
    capsule,
    ellipsoid,
    length,
    ramp,
    smooth_max,
    smooth_min,
)

CREAM = (0.95, 0.88, 0.72)
SPRINKLES = (
    (0.98, 0.97, 0.93),
    (0.95, 0.83, 0.25),
    (0.35, 0.75, 0.85),
    (0.97, 0.55, 0.65),
    (0.45, 0.25, 0.15),
)


def donut(dice: Dice) -> Model:
    """A ring of dough, icing of the paint's colour that runs down its side, and perhaps sprinkles."""
    ring, tube = dice.uniform(0.56, 0.63), dice.uniform(0.33, 0.39)
    kind = dice.pick(("sprinkles", "sprinkles", "lines", "bare"))
    noise = Noise(dice)
    wave = dice.uniform(0.22, 0.4)
    sprinkles = []
    if kind == "sprinkles":
        # one for each of many directions, spread by the golden angle and shaken
        for k in range(46):
            angle = math.radians(137.5 * k + dice.uniform(-12, 12))
            lean = math.radians(dice.uniform(-68, 68))
            from_axis = ring + tube * math.sin(lean) * 0.98
            middle = (
                math.cos(angle) * from_axis,
                0.9 * tube * math.cos(lean),
                math.sin(angle) * from_axis,
            )
            turned = math.radians(dice.uniform(0, 360))
            sprinkles.append(
                (middle, math.cos(turned) * 0.06, math.sin(turned) * 0.06, dice.pick(SPRINKLES))
            )

    def dough(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return length(length(x, z) - ring, 1.1 * y) - tube

    def icing(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        level = 0.06 + wave * (0.5 - noise(2.6 * x + 8, 0 * y + 0.5, 2.6 * z + 8))
        return smooth_max(dough(x, y, z) - 0.035, level - y, 0.07)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(dough(x, y, z), icing(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        crumbs = 0.88 + 0.24 * noise(15 * x + 3, 15 * y + 3, 15 * z + 3)
        if kind == "lines":
            stripe = np.abs((x + 0.5 * z + 0.06 * noise(3 * x, 3 * y, 3 * z)) % 0.24 - 0.12) - 0.03
            result.cover(edge(stripe, pixel), CREAM)
        for (mx, my, mz), dx, dz, colour in sprinkles:
            near = np.flatnonzero(
                (np.abs(x - mx) < 0.12) & (np.abs(z - mz) < 0.12) & (np.abs(y - my) < 0.14)
            )
            if len(near):
                px, pz = x[near] - mx, z[near] - mz
                along = np.clip((px * dx + pz * dz) * (1 / (dx * dx + dz * dz)), -1, 1)
                d = length(px - along * dx, pz - along * dz) - 0.03
                # lit from within by a paler middle, with a thin dark foot, so that it seems to stand out
                for reach, value, strength in (
                    (0.018, (0.25, 0.16, 0.12), 0.35),
                    (0.0, colour, 1.0),
                ):
                    weight = np.zeros_like(x)
                    weight[near] = strength * edge(d - reach, pixel)
                    result.cover(weight, value)
        below = edge(dough(x, y, z) - icing(x, y, z), pixel)
        result.cover(below, (0.80, 0.56, 0.30))
        pale = below * ramp(np.abs(y + 0.06), 0.09, 0.02)
        result.cover(0.5 * pale, (0.93, 0.80, 0.56))
        result.shade(1 - below * (1 - crumbs))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(38, 72),
        yaw=dice.uniform(0, 360),
        reach=1.06,
        step=0.8,
        gloss=(0.8, 0.15),
        height=0.4,
    )


def mushroom(dice: Dice) -> Model:
    """A domed cap with pale spots, gills below, on a stout stem with a skirt."""
    wide, tall = dice.uniform(0.78, 0.95), dice.uniform(0.55, 0.8)
    thick, rim = dice.uniform(0.2, 0.27), dice.uniform(0.0, 0.1)
    skirted = dice.chance(0.6)
    spots = []
    while len(spots) < 22:
        x, y, z = (dice.uniform(-1, 1) for _ in range(3))
        norm = math.sqrt(x * x + y * y + z * z)
        size = dice.uniform(0.10, 0.24)
        if not (0.1 < norm <= 1 and y / norm > 0.12):
            continue
        x, y, z = x / norm, y / norm, z / norm
        far = all(
            math.acos(min(1.0, x * a + y * b + z * c)) > 1.25 * (size + r) for a, b, c, r in spots
        )
        if far:
            spots.append((x, y, z, size))
        elif dice.chance(0.02):
            break
    noise = Noise(dice)

    def cap(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        dome = ellipsoid(x, y - rim, z, wide, tall, wide)
        hollow = ellipsoid(x, y + 0.1, z, 0.86 * wide, 0.26, 0.86 * wide)
        return smooth_max(smooth_max(dome, rim - 0.12 - y, 0.14), -hollow, 0.05)

    def stem(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        stick = capsule(x, y, z, (0, -0.78, 0), (0, 0.2, 0), thick * 1.3, thick * 0.85)
        if not skirted:
            return stick
        around = length(x, z)
        ring = smooth_max(
            np.abs(around - thick - 0.25 * (-0.16 - y)) - 0.035, np.abs(y + 0.27) - 0.1, 0.05
        )
        return smooth_min(stick, ring, 0.04)

    def spotted(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        """Distance to the nearest spot's rim, along the cap."""
        x, y, z = x / wide, (y - rim) / tall, z / wide
        norm = length(x, y, z) + 1e-6
        nearest = np.full_like(x, 9.0)
        for a, b, c, r in spots:
            # chord of the angle between: close to the angle for what is small
            chord = np.sqrt(np.maximum(2 - 2 * (x * a + y * b + z * c) / norm, 0))
            nearest = np.minimum(nearest, chord - r)
        return nearest

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        bump = 0.03 * ramp(spotted(x, y, z), 0.03, -0.05) * ramp(y, 0.0, 0.1)
        return np.minimum(cap(x, y, z) - bump, stem(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        d_cap, d_stem = cap(x, y, z), stem(x, y, z)
        result.shade(0.86 + 0.28 * noise(5 * x + 4, 5 * y + 4, 5 * z + 4))
        # what faces the ground is gills: the cap's dome is the part that lies on the outer ellipsoid
        dome = ellipsoid(x, y - rim, z, wide, tall, wide)
        gills = ramp(dome, -0.035, -0.06) * ramp(y, 0.12, 0.08)
        result.cover(edge(spotted(x, y, z), 1.2 * pixel) * (1 - gills), (0.97, 0.94, 0.86))
        around = length(x, z) + 1e-6
        lines = 0.72 + 0.28 * ramp(noise(16 * x / around, 0.5 + 0 * y, 16 * z / around), 0.3, 0.7)
        result.cover(gills, (0.93, 0.85, 0.70))
        result.shade(1 - gills * (1 - lines))
        weight = edge(d_stem - d_cap, pixel)
        result.cover(weight, (0.95, 0.90, 0.79))
        fibre = 0.86 + 0.14 * noise(11 * x + 3, 2 * y + 3, 11 * z + 3)
        result.shade(1 - weight * (1 - fibre))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(-4, 24),
        yaw=dice.uniform(-180, 180),
        reach=1.22,
        step=0.72,
        gloss=(0.6, 0.12),
        height=0.7,
    )
