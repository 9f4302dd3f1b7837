"""Things about the house, as solids: bottle, box, mug."""

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.solids import (
    Noise,
    capsule,
    length,
    ramp,
    round_box,
    round_disc,
    smooth_max,
    smooth_min,
    turn,
)

PAPER, GOLD, NIGHT = (0.96, 0.93, 0.86), (0.86, 0.68, 0.30), (0.14, 0.15, 0.20)


def bottle(dice: Dice) -> Model:
    """A body, shoulders, a neck and a cap, with a paper label around the body."""
    wide, shoulder = dice.uniform(0.29, 0.37), dice.uniform(-0.05, 0.25)
    neck, fillet = dice.uniform(0.105, 0.14), dice.uniform(0.2, 0.42)
    cap = dice.pick(((0.92, 0.92, 0.90), NIGHT, GOLD, (0.75, 0.77, 0.80)))
    low, high = -0.62, shoulder - 0.16
    motif, waist = dice.pick(("disc", "bands", "print")), dice.uniform(0.0, 0.03)

    def glass(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        around = length(x, z)
        body = round_disc(y - (shoulder - 0.95) / 2, around, (shoulder + 0.95) / 2, wide, 0.09)
        throat = round_disc(y - 0.35, around, 0.5, neck, 0.03)
        solid = smooth_min(body, throat, fillet)
        pinch = waist * ramp(np.abs(y - (low + high) / 2), 0.5 * (high - low), 0.3 * (high - low))
        return smooth_min(
            solid + pinch, round_disc(y - 0.70, around, 0.03, neck + 0.03, 0.02), 0.03
        )

    def lid(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        around = length(x, z)
        return round_disc(y - 0.86, around, 0.11, neck + 0.025, 0.03)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(glass(x, y, z), lid(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        # as if filled: paler near the top of the liquid, darker in the foot
        result.shade(0.95 + 0.2 * ramp(y, -0.9, 0.3) - 0.25 * ramp(y, -0.85, -0.97))
        label = edge(np.maximum(low - y, y - high), pixel)
        result.cover(label, PAPER)
        middle, tall = (low + high) / 2, (high - low) / 2
        if motif == "disc":
            inner = edge(length(x, y - middle) - 0.62 * tall, pixel) * (z > 0)
            result.cover(label * inner, (0, 0, 0), 0.9)
            mark = edge(np.abs(length(x, y - middle) - 0.40 * tall) - 0.02, pixel) * (z > 0)
            result.cover(label * mark, PAPER)
        elif motif == "bands":
            for centre, half in ((0.72, 0.12), (-0.72, 0.12), (0.0, 0.22)):
                band = edge(np.abs(y - middle - centre * tall) - half * tall, pixel)
                result.cover(label * band, (0, 0, 0), 0.85)
        else:
            # a coloured head, and lines of something to read
            result.cover(label * edge(0.35 * tall - (y - middle), pixel), (0, 0, 0), 0.9)
            line = np.abs((y - middle + 0.1 * tall) % (0.26 * tall) - 0.13 * tall) - 0.045 * tall
            words = edge(np.maximum(line, np.abs(x) - 0.6 * wide), pixel) * (z > 0)
            result.cover(
                0.7 * label * words * edge(np.abs(y - middle + 0.3 * tall) - 0.5 * tall, pixel),
                NIGHT,
            )
        rim = edge(np.minimum(np.abs(y - low - 0.03), np.abs(y - high + 0.03)) - 0.012, pixel)
        result.cover(label * rim, GOLD)
        weight = edge(lid(x, y, z) - glass(x, y, z), pixel)
        result.cover(weight, cap)
        ridge = 0.82 + 0.18 * ramp(np.abs((x * (6 / neck)) % 2 - 1), 0.2, 0.8)
        result.shade(1 - weight * (1 - ridge))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(4, 22),
        yaw=dice.uniform(-30, 30),
        reach=1.02,
        step=0.85,
        gloss=(1.2, 0.35),
        height=0.5,
        clear=0.7,
    )


def box(dice: Dice) -> Model:
    """A present: a box with a lid, a ribbon crosswise and a bow."""
    a, b, c = dice.uniform(0.5, 0.66), dice.uniform(0.34, 0.56), dice.uniform(0.5, 0.66)
    lid, ribbon = dice.uniform(0.11, 0.17), dice.uniform(0.075, 0.12)
    tie = dice.pick((PAPER, PAPER, GOLD, (0.80, 0.82, 0.86), NIGHT))
    paper = dice.pick(("bare", "bare", "dots", "stripes"))
    foot, top = -0.62, -0.62 + 2 * b
    noise = Noise(dice)

    def case(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        lower = round_box(x, y - foot - b, z, a, b, c, 0.025)
        upper = round_box(x, y - top, z, a + 0.035, lid, c + 0.035, 0.03)
        return np.minimum(lower, upper)

    def strap(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(np.abs(x), np.abs(z)) - ribbon

    def bow(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        y = y - top - lid - 0.13
        knot = round_box(x, y + 0.02, z, 0.09, 0.09, 0.10, 0.07)
        found = knot
        for side in (1, -1):
            p, q = turn(side * x, y, 22)
            # a loop: a flat ring, longer than it is high, as wide as the ribbon
            loop = np.abs(length((p - 0.24) * 0.72, q * 1.25) - 0.155) - 0.022
            found = np.minimum(
                found, smooth_max(loop, np.abs(z) - 0.105 - 0.1 * np.abs(p - 0.1), 0.03)
            )
            tail = capsule(side * x, y, z, (0.05, -0.08, 0.05), (0.30, -0.10, 0.34), 0.05, 0.06)
            found = np.minimum(found, smooth_max(tail, np.abs(y + 0.10) - 0.02, 0.02))
        return found

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        ridge = 0.012 * np.clip(1 - 40 * strap(x, y, z), 0, 1)
        return np.minimum(case(x, y, z) - ridge, bow(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        result.shade(0.95 + 0.1 * noise(4 * x + 3, 4 * y + 3, 4 * z + 3))
        if paper == "dots":
            # each face shows the two coordinates that vary on it
            flat = np.abs(x) > a - 0.02
            p, q = np.where(flat, z, x), np.where(np.abs(y - top) > lid - 0.02, y, z)
            p, q = p % 0.2 - 0.1, q % 0.2 - 0.1
            result.cover(0.9 * edge(length(p, q) - 0.035, pixel), PAPER, 0.1)
        elif paper == "stripes":
            line = np.abs((x + z) % 0.2 - 0.1) - 0.035
            result.cover(0.8 * edge(line, 1.5 * pixel), (0, 0, 0), 0.62)
        result.cover(edge(strap(x, y, z), pixel), tie)
        result.cover(edge(bow(x, y, z) - case(x, y, z) + 0.012, pixel), tie)
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(20, 36),
        yaw=dice.pick((-1, 1)) * dice.uniform(18, 60),
        reach=1.2,
        step=0.8,
        gloss=(0.35, 0.6),
        height=0.8,
    )


def mug(dice: Dice) -> Model:
    """A hollow cylinder with a handle, white inside, often with coffee in it."""
    wide, tall, flare = dice.uniform(0.46, 0.58), dice.uniform(0.5, 0.64), dice.uniform(-0.05, 0.10)
    loop, full = dice.uniform(0.25, 0.32), dice.uniform(-0.1, 0.36)
    drink = dice.pick(((0.24, 0.13, 0.07), (0.50, 0.30, 0.15), None))
    motif = dice.pick(("bare", "stripes", "dots", "dip"))
    inside = (0.95, 0.94, 0.90)
    shift = -0.16

    def wall(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        around = length(x, z) - flare * y
        return round_disc(y, around, tall, wide, 0.07)

    def hollow(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        around = length(x, z) - flare * y
        return round_disc(y - 0.5, around, tall + 0.4, wide - 0.065, 0.06)

    def cup(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        handle = (
            length(
                length((x - wide + 0.04) * 0.95, (y + 0.02) * 0.78) - loop,
                0.75 * z,
            )
            - 0.062
        )
        solid = smooth_min(wall(x, y, z), handle, 0.06)
        return smooth_max(solid, -hollow(x, y, z), 0.035)

    def liquid(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.maximum(np.maximum(hollow(x, y, z), y - full * tall - 0.2), -0.4 - y)

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        x = x - shift
        d = cup(x, y, z)
        return d if drink is None else np.minimum(d, liquid(x, y, z) - 0.004)

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        x = x - shift
        result = Coat(x)
        on_wall = edge(wall(x, y, z) - 0.03, 4 * pixel)
        if motif == "stripes":
            for centre, half in ((0.3, 0.05), (0.12, 0.05), (-0.06, 0.05)):
                result.cover(on_wall * edge(np.abs(y - centre) - half, pixel), inside)
        elif motif == "dots":
            # rows of dots, shifted by half from row to row, spaced along the chord
            row = np.floor(y / 0.24)
            along = (x + 0.12 * (row % 2)) % 0.24 - 0.12
            dot = length(along, y - (row + 0.5) * 0.24) - 0.058
            result.cover(on_wall * edge(dot, pixel), inside)
        elif motif == "dip":
            result.cover(on_wall * edge(y + 0.25 * tall, pixel), inside)
        result.cover(edge(hollow(x, y, z) - 0.02, pixel) * edge(y - tall + 0.01, pixel), inside)
        if drink is not None:
            wet = edge(liquid(x, y, z) - 0.012, pixel)
            result.cover(wet, drink)
            foam = ramp(length(x, z), wide - 0.16, wide - 0.08)
            result.cover(0.45 * wet * foam, (0.72, 0.52, 0.32))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(16, 38),
        yaw=dice.uniform(-50, 50) + dice.pick((0, 180)),
        reach=1.08,
        step=0.75,
        gloss=(0.85, 0.7),
        height=0.7,
    )
