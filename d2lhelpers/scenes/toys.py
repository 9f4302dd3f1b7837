"""Toys, as solids: ball, car, star."""

import math

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.solids import (
    Noise,
    length,
    ramp,
    round_box,
    round_disc,
    smooth_max,
    smooth_min,
    turn,
)

WHITE, BLACK = (0.96, 0.95, 0.92), (0.06, 0.06, 0.07)
GOLDEN = (1 + math.sqrt(5)) / 2


def ball(dice: Dice) -> Model:
    """A beach ball, a football, or a rubber ball with a stripe."""
    kind = dice.pick(("beach", "beach", "football", "football", "stripe"))
    tilt, spin = dice.uniform(15, 75), dice.uniform(0, 360)
    panels = dice.pick((3, 3, 4))
    patches = dice.pick((WHITE, WHITE, BLACK))
    band = dice.uniform(0.14, 0.24)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return length(x, y, z) - 1

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        y, z = turn(y, z, 0.5 * tilt if kind == "stripe" else tilt)
        x, z = turn(x, z, spin)
        if kind == "beach":
            # planes through the axis: the product of the sides that a point is on alternates from panel to panel
            side, seam = np.ones_like(x), np.full_like(x, 9.0)
            for k in range(panels):
                angle = math.pi * k / panels
                plane = math.cos(angle) * x + math.sin(angle) * z
                side = side * np.clip(plane * (2 / pixel), -1, 1)
                seam = np.minimum(seam, np.abs(plane))
            result.cover(0.5 + 0.5 * side, WHITE)
            result.shade(1 - 0.22 * ramp(seam, 0.02, 0.006))
            pole = length(x, z) - 0.2
            result.cover(edge(pole, pixel) * (y > 0), WHITE)
            result.cover(edge(pole, pixel) * (y < 0), (0, 0, 0), 1.0)
        elif kind == "football":
            pentagon = _best(x, y, z, PENTAGONS)[0] * (1 / 2.327)
            hexagon, second = (value * (1 / 2.267) for value in _best(x, y, z, HEXAGONS))
            seam = np.abs(
                np.maximum(pentagon, hexagon) - np.maximum(np.minimum(pentagon, hexagon), second)
            )
            result.cover(edge((hexagon - pentagon) * 2.0, pixel), patches)
            result.cover(0.6 * ramp(seam, 0.018, 0.006), (0.12, 0.11, 0.12))
        else:
            result.cover(edge(np.abs(y) - band, pixel), WHITE)
            result.cover(edge(np.abs(y) - 0.4 * band, pixel), (0, 0, 0), 0.75)
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=0,
        yaw=0,
        reach=1.03,
        step=1.0,
        gloss=(0.8, 0.7),
        height=1.0,
    )


def _directions(points: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    norms = [math.sqrt(sum(value * value for value in point)) for point in points]
    return [tuple(value / n for value in point) for point, n in zip(points, norms, strict=True)]


# middles of a football's 12 pentagons (an icosahedron's corners) and 20 hexagons (a dodecahedron's), half of each:
# the others lie opposite
PENTAGONS = _directions(
    [
        (0, 1, GOLDEN),
        (0, -1, GOLDEN),
        (1, GOLDEN, 0),
        (-1, GOLDEN, 0),
        (GOLDEN, 0, 1),
        (GOLDEN, 0, -1),
    ]
)
HEXAGONS = _directions(
    [(1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)]
    + [(1 / GOLDEN, 0, s * GOLDEN) for s in (1, -1)]
    + [(0, s * GOLDEN, 1 / GOLDEN) for s in (1, -1)]
    + [(GOLDEN, s / GOLDEN, 0) for s in (1, -1)]
)


def _best(x: ndarray, y: ndarray, z: ndarray, directions: list) -> tuple[ndarray, ndarray]:
    """The largest and the second largest cosine to the directions and their opposites."""
    first, second = np.zeros_like(x), np.zeros_like(x)
    for a, b, c in directions:
        value = np.abs(a * x + b * y + c * z)
        second = np.maximum(second, np.minimum(first, value))
        first = np.maximum(first, value)
    return first, second


def car(dice: Dice) -> Model:
    """A toy car: a rounded body, a cabin with windows, four wheels, lamps and bumpers."""
    long, cabin = dice.uniform(0.88, 0.98), dice.uniform(0.42, 0.56)
    back, roof = dice.uniform(-0.22, 0.0), dice.uniform(0.24, 0.36)
    rake, wheel = dice.uniform(0.25, 0.5), dice.uniform(0.19, 0.24)
    axle, striped = dice.uniform(0.54, 0.6), dice.chance(0.3)

    def slanted(x: ndarray, y: ndarray) -> ndarray:
        """The cabin's length shrinks towards the roof."""
        return (x - back) / (1 - rake * np.clip(y - 0.05, 0, 0.6))

    def tyre(x: ndarray, y: ndarray, z: ndarray, radius: float) -> ndarray:
        around = length(np.abs(x) - axle, y + 0.32)
        return round_disc(np.abs(z) - 0.36, around, 0.09, radius, 0.04)

    def body(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        # the bonnet falls a little towards the front
        lower = round_box(x, y + 0.13 + 0.03 * x * x, z, long, 0.2, 0.43, 0.11)
        upper = round_box(
            slanted(x, y),
            y - roof / 2,
            z * (1 + 0.25 * np.clip(y, 0, 1)),
            cabin,
            roof / 2 + 0.14,
            0.38,
            0.1,
        )
        whole = smooth_min(lower, upper, 0.07)
        arch = np.maximum(length(np.abs(x) - axle, y + 0.32) - wheel - 0.045, 0.25 - np.abs(z))
        return smooth_max(whole, -arch, 0.03)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(body(x, y, z), tyre(x, y, z, wheel))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        s = slanted(x, y)
        if striped:
            result.cover(edge(np.abs(np.abs(z) - 0.09) - 0.045, pixel), WHITE)
        # on the sides two windows between three pillars, before and behind one pane
        at_side = np.abs(s) / cabin < np.abs(z) * (1 + 0.25 * np.clip(y, 0, 1)) / 0.36
        pane = np.maximum(np.abs(y - (0.10 + 0.48 * roof)) - 0.36 * roof, -1)
        panes_side = np.maximum(np.abs(np.abs(s + 0.02) - 0.46 * cabin) - 0.37 * cabin, pane)
        panes_end = np.maximum(np.abs(z) - 0.27, pane)
        glass = edge(np.where(at_side, panes_side, panes_end) + 0.01, pixel)
        frame = edge(np.where(at_side, panes_side, panes_end) - 0.012, pixel)
        result.shade(1 - 0.35 * frame)
        result.cover(glass, (0.20, 0.27, 0.34))
        # a bright slant across the glass, like a sky reflected
        sheen = edge(np.abs((x + 0.7 * y + 0.3 * z) % 0.6 - 0.3) - 0.07, 3 * pixel)
        result.cover(0.35 * glass * sheen, (0.75, 0.84, 0.90))
        door = np.where(np.abs(z) > 0.4, np.abs(np.abs(x - back) - 0.02 - 0.5 * cabin), 9.0)
        result.shade(1 - 0.4 * edge(door - 0.006, pixel) * edge(np.abs(y + 0.08) - 0.17, pixel))
        handle = np.maximum(np.abs(x - back + 0.12) - 0.05, np.abs(y + 0.0) - 0.014)
        result.cover(edge(handle, pixel) * (np.abs(z) > 0.38), (0.82, 0.84, 0.86))
        lamps = length(y + 0.10, np.abs(z) - 0.28) - 0.085
        result.cover(edge(lamps, pixel) * (x > long - 0.12), (1.0, 0.97, 0.80))
        result.cover(edge(lamps, pixel) * (x < 0.12 - long), (0.78, 0.10, 0.08))
        grille = np.maximum(np.abs(y + 0.12) - 0.06, np.abs(z) - 0.14)
        result.cover(edge(grille, pixel) * (x > long - 0.1), (0.16, 0.17, 0.19))
        result.cover(edge(y + 0.255, pixel), (0.20, 0.21, 0.23))
        weight = edge(tyre(x, y, z, wheel) - body(x, y, z), pixel)
        result.cover(weight, (0.09, 0.09, 0.10))
        around = length(np.abs(x) - axle, y + 0.32)
        outer = weight * (np.abs(z) > 0.36)
        result.cover(outer * edge(around - 0.60 * wheel, pixel), (0.80, 0.82, 0.85))
        result.cover(
            outer * edge(np.abs(around - 0.40 * wheel) - 0.05 * wheel, pixel), (0.45, 0.46, 0.50)
        )
        result.cover(outer * edge(around - 0.15 * wheel, pixel), (0.35, 0.36, 0.40))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(6, 20),
        yaw=dice.uniform(-38, 38) + dice.pick((0, 180)),
        reach=1.12,
        step=0.75,
        gloss=(0.95, 0.6),
        height=0.55,
    )


def star(dice: Dice) -> Model:
    """A star with five points, each of two facets that meet in a ridge."""
    inner, thick = dice.uniform(0.40, 0.50), dice.uniform(0.24, 0.36)
    soft = dice.uniform(0.05, 0.09)
    frame = dice.pick((False, False, True))
    # a facet: the plane through the apex, an outer point and the notch beside it
    k = math.pi / 5
    tip, notch = (0.0, 1.0), (inner * math.sin(k), inner * math.cos(k))
    ex, ey = notch[0] - tip[0], notch[1] - tip[1]
    a, b, c = -ey * thick, ex * thick, ex
    norm = math.sqrt(a * a + b * b + c * c)
    a, b, c = a / norm, b / norm, c / norm
    level = b
    flat = math.sqrt(a * a + b * b)
    noise = Noise(dice)

    def folded(x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
        """Mirror the plane into the half point around (0, 1) with x >= 0."""
        x = np.abs(x)
        for cos in (math.cos(k), -math.cos(k)):
            push = 2 * np.maximum(cos * x - math.sin(k) * y, 0)
            x, y = x - push * cos, y + push * math.sin(k)
        return np.abs(x), y

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        p, q = folded(x, y)
        # rounding |.| softens the ridges
        p, z = np.sqrt(p * p + soft * soft * 0.3), np.sqrt(z * z + soft * soft * 0.3)
        return a * p + b * q + c * z - level * 0.97 - 0.3 * soft

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        result.shade(0.93 + 0.14 * noise(6 * x + 4, 6 * y + 4, 6 * z + 4))
        if frame:
            p, q = folded(x, y)
            rim = (a * p + b * q - level) / flat
            result.cover(0.85 * edge(-rim - 0.085, pixel), WHITE, 0.1)
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(-14, 14),
        yaw=dice.uniform(-20, 20),
        reach=1.06,
        step=0.8,
        gloss=(0.7, 0.6),
        height=0.3,
    )
