"""Fruit, as solids: apple, banana."""

import math

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.solids import (
    Noise,
    capsule,
    length,
    ramp,
    smooth_max,
    smooth_min,
    turn,
)

BARK = (0.36, 0.23, 0.12)


def apple(dice: Dice) -> Model:
    """A torus so fat that its hole closes to a dimple, narrower below, with a stem and a leaf."""
    ring, squash, taper = (
        dice.uniform(0.20, 0.25),
        dice.uniform(0.80, 0.92),
        dice.uniform(0.14, 0.3),
    )
    lean, leaf_turn, leaf_tilt = (
        dice.uniform(-0.14, 0.14),
        dice.uniform(-50, 50),
        dice.uniform(12, 34),
    )
    blush, streaky = dice.uniform(0.15, 0.6), dice.uniform(0.02, 0.07)
    noise = Noise(dice)

    def body(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        around = length(x, z)
        # five lobes below, as cos(5 a) from the cosine of the angle a
        c = x / (around + 1e-6)
        lobes = (16 * c * c * c * c * c - 20 * c * c * c + 5 * c) * np.clip(-0.25 - y, 0, 1)
        scale = 1 + taper * np.clip(y, -0.8, 0.8)
        return length(around / scale - ring, y * squash) - 0.6 + 0.10 * lobes * around

    def stem(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        low = capsule(x, y, z, (0, 0.3, 0), (0.5 * lean, 0.62, 0), 0.035, 0.036)
        high = capsule(x, y, z, (0.5 * lean, 0.62, 0), (1.6 * lean, 0.86, 0), 0.036, 0.055)
        return smooth_min(low, high, 0.05)

    def leaf(x: ndarray, y: ndarray, z: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        x, z = turn(x - 0.5 * lean, z, leaf_turn)
        x, y = turn(x, y - 0.6, leaf_tilt)
        x = x - 0.3
        # two arcs that meet in points, thin, curved downwards and folded along the middle
        outline = length(x, np.abs(z) + 0.28) - 0.42
        sheet = np.abs(y + 0.5 * x * x - 0.25 * np.abs(z)) - 0.012
        return smooth_max(outline, sheet, 0.03), x, z

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(np.minimum(body(x, y, z), stem(x, y, z)), leaf(x, y, z)[0])

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        around = length(x, z) + 1e-6
        streak = noise(17 * x / around + 5, 1.6 * y + 5, 17 * z / around + 5)
        result.shade(1 - streaky + 2 * streaky * streak)
        dimple = ramp(around, 0.45, 0.08) * ramp(y, 0.1, 0.4)
        result.cover(dimple * blush, (0.72, 0.74, 0.35))
        specks = ramp(noise(21 * x + 3, 21 * y + 3, 21 * z + 3), 0.78, 0.9)
        result.cover(0.22 * specks, (0.90, 0.82, 0.60), 0.3)
        d_leaf, along, across = leaf(x, y, z)
        rest = np.minimum(body(x, y, z), stem(x, y, z))
        result.cover(edge(stem(x, y, z) - body(x, y, z), pixel), BARK)
        weight = edge(d_leaf - rest, pixel)
        result.cover(weight, (0.30, 0.55, 0.16))
        vein = np.minimum(
            np.abs(across), np.abs((along * 1.3 + np.abs(across)) % 0.13 - 0.065) + 0.012
        )
        result.cover(0.4 * weight * edge(vein - 0.014, 2 * pixel), (0.62, 0.78, 0.36))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(12, 34),
        yaw=dice.uniform(-35, 35),
        reach=1.08,
        step=0.8,
        gloss=(0.75, 0.3),
        height=0.8,
    )


def banana(dice: Dice) -> Model:
    """A bent stick with five soft edges, a stalk at one end and a dark tip at the other."""
    bend, thick = dice.uniform(0.85, 1.2), dice.uniform(0.21, 0.27)
    radius = 0.9 / math.sin(bend)
    lift, half = radius * (1 + math.cos(bend)) / 2, math.tan(bend / 2)
    phase, ripe, green = (
        dice.uniform(0, 72),
        dice.pick((0.0, 0.15, 0.5, 1.0)),
        dice.uniform(0.0, 0.5),
    )
    directions = [
        (math.cos(math.radians(phase + 72 * k)), math.sin(math.radians(phase + 72 * k)))
        for k in range(5)
    ]
    noise = Noise(dice)

    def unbend(x: ndarray, y: ndarray, z: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        """Where along the banana (-1 tip, 1 stalk), how far out of the bend, and how far past the end."""
        down = lift - y
        # tan(a / 2) of the angle a around the bend's centre grows as a does and needs no arctangent
        t = x / (length(x, down) + down + 1e-6) / half
        s = np.clip(t, -1, 1) * half
        sin, cos = 2 * s / (1 + s * s), (1 - s * s) / (1 + s * s)
        px, py = x - radius * sin, down - radius * cos
        return np.clip(t, -1, 1), px * sin + py * cos, px * cos - py * sin

    def width(t: ndarray) -> ndarray:
        t2 = t * t
        plump = thick * (1 - 0.55 * t2 * t2 * t2 - 0.12 * t2)
        stalk = ramp(t, 0.62, 0.9)
        return plump * (1 - stalk) + 0.068 * stalk

    def cross(out: ndarray, z: ndarray) -> ndarray:
        facet = directions[0][0] * out + directions[0][1] * z
        for cos, sin in directions[1:]:
            facet = smooth_max(facet, cos * out + sin * z, 0.06)
        return 0.6 * length(out, z) + 0.44 * np.maximum(facet, 0)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        t, out, past = unbend(x, y, z)
        return length(cross(out, z), past) - width(t)

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        t, out, _ = unbend(x, y, z)
        result.shade(0.9 + 0.2 * noise(3 * t + 5, 9 * out + 5, 9 * z + 5))
        # the edges between the facets are a little darker
        ridge = (cross(out, z) - 0.6 * length(out, z)) / (0.44 * length(out, z) + 1e-6)
        result.shade(1 - 0.16 * ramp(ridge, 0.93, 0.99))
        freckles = ramp(noise(11 * t + 3, 26 * out + 3, 26 * z + 3), 0.80 - 0.12 * ripe, 0.86)
        result.cover(0.75 * min(1.0, 3 * ripe) * freckles, (0.34, 0.20, 0.08), 0.1)
        result.cover(
            green * (ramp(t, 0.55, 0.9) + 0.6 * ramp(t, -0.75, -0.95)), (0.55, 0.66, 0.22), 0.3
        )
        result.cover(0.9 * ramp(t, -0.95, -0.985), (0.17, 0.12, 0.07))
        result.cover(0.85 * ramp(t, 0.965, 0.99), (0.28, 0.2, 0.1))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(-12, 35),
        yaw=dice.uniform(-25, 25),
        reach=1.16,
        step=0.75,
        gloss=(0.35, 0.2),
        height=0.45,
    )
