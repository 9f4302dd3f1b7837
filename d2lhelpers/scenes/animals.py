"""Toy animals, as solids: duck, fish."""

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice
from d2lhelpers.scenes.model import Coat, Model, edge
from d2lhelpers.scenes.solids import (
    ellipsoid,
    length,
    ramp,
    smooth_max,
    smooth_min,
    turn,
)

WHITE, BLACK = (0.96, 0.95, 0.92), (0.06, 0.06, 0.07)


def duck(dice: Dice) -> Model:
    """A rubber duck: body, upturned tail, head, beak, wings, eyes."""
    plump, head = dice.uniform(0.38, 0.46), dice.uniform(0.29, 0.35)
    high, beak = dice.uniform(0.30, 0.40), dice.uniform(0.16, 0.23)
    bill = dice.pick(((0.93, 0.45, 0.08), (0.90, 0.55, 0.10), (0.86, 0.30, 0.10)))
    front = 0.34

    def body(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        d = ellipsoid(x + 0.06, y + 0.36, z, 0.68, plump, 0.47)
        p, q = turn(x + 0.62, y + 0.14, 38)
        d = smooth_min(d, ellipsoid(p, q, z, 0.13, 0.26, 0.17), 0.22)
        d = smooth_min(d, length(x - front, y - high, z) - head, 0.16)
        p, q = turn(x + 0.14, y + 0.28, -16)
        wing = ellipsoid(p, q, np.abs(z) - 0.43, 0.36, 0.2, 0.09)
        d = smooth_min(d, wing, 0.025)
        return smooth_max(d, -0.70 - y, 0.08)

    def mouth(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        px, py = x - front - head - 0.03, y - high + 0.05
        upper = ellipsoid(px, py - 0.03 - 0.35 * px, z, beak, 0.055, 0.15)
        lower = ellipsoid(px + 0.03, py + 0.04, z, 0.8 * beak, 0.045, 0.12)
        return np.minimum(upper, lower)

    def eye(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return (
            length(x - front - 0.62 * head, y - high - 0.32 * head, np.abs(z) - 0.62 * head)
            - 0.29 * head
        )

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return np.minimum(np.minimum(body(x, y, z), mouth(x, y, z)), eye(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        result.shade(1 - 0.10 * ramp(y, -0.3, -0.7))
        rest = body(x, y, z)
        result.cover(edge(mouth(x, y, z) - rest, pixel), bill)
        weight = edge(eye(x, y, z) - np.minimum(rest, mouth(x, y, z)), pixel)
        result.cover(weight, WHITE)
        ex, ey = front + 0.82 * head, high + 0.36 * head
        pupil = length(x - ex, y - ey, np.abs(z) - 0.74 * head) - 0.19 * head
        result.cover(weight * edge(pupil, pixel), BLACK)
        glint = length(x - ex - 0.01, y - ey - 0.08 * head, np.abs(z) - 0.86 * head) - 0.075 * head
        result.cover(weight * edge(glint, pixel), (1, 1, 1))
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(2, 22),
        yaw=dice.uniform(-50, 6),  # its face towards us
        reach=1.1,
        step=0.78,
        gloss=(0.8, 0.6),
        height=0.7,
    )


def fish(dice: Dice) -> Model:
    """A fish from the side: a scaly body, a forked tail, fins and a round eye."""
    deep, fat = dice.uniform(0.34, 0.46), dice.uniform(0.2, 0.27)
    fork, fin = dice.uniform(28, 42), dice.uniform(0.2, 0.32)
    bands = dice.pick((0, 0, 2, 3))
    scale = dice.uniform(0.10, 0.135)

    def trunk(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        d = ellipsoid(x - 0.14, y, z, 0.74, deep, fat)
        # lips, and a root for the tail
        d = smooth_min(d, length(x - 0.86, y + 0.02, z) - 0.055, 0.08)
        return smooth_min(d, ellipsoid(x + 0.55, y, z, 0.25, 0.12, 0.09), 0.15)

    def fins(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        found = np.full_like(x, 9.0)
        for side in (1, -1):
            p, q = turn(x + 0.62, side * y, -fork)
            found = smooth_min(found, ellipsoid(p + 0.2, q, z, 0.30, 0.135, 0.045), 0.05)
        p, q = turn(x - 0.02, y - deep * 0.92, -14)
        found = np.minimum(found, smooth_max(ellipsoid(p, q, z, 0.42, fin, 0.05), p - 0.26, 0.05))
        p, q = turn(x + 0.12, y + deep * 0.92, 28)
        found = np.minimum(found, ellipsoid(p, q, z, 0.16, 0.20, 0.045))
        p, q = turn(x - 0.18, y + 0.10, 24)
        return np.minimum(found, ellipsoid(p, q, np.abs(z) - fat * 0.98, 0.20, 0.10, 0.035))

    def eye(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        return length(x - 0.58, y - 0.24 * deep, np.abs(z) - fat * 0.66) - 0.125

    def distance(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        d = smooth_min(trunk(x, y, z), fins(x, y, z), 0.03)
        return np.minimum(d, eye(x, y, z))

    def coat(x: ndarray, y: ndarray, z: ndarray, pixel: float) -> Coat:
        result = Coat(x)
        d_trunk, d_fins = trunk(x, y, z), fins(x, y, z)
        on_fins = edge(d_fins - d_trunk, 3 * pixel)
        # rows of scales, shifted by half: how far from the rim of the one that lies on top
        column = np.floor(x / scale)
        shifted = y / scale + 0.5 * (column % 2)
        row = shifted - np.floor(shifted) - 0.5
        depth = (x / scale - column) - (1 - np.sqrt(np.clip(1 - 3.2 * row * row, 0, 1))) * 0.6
        rim = ramp(depth % 1.0, 0.28, 0.0)
        scaly = (1 - on_fins) * ramp(x, 0.44, 0.36)
        result.shade(1 - 0.26 * scaly * rim)
        result.shade(1 + 0.18 * scaly * ramp(depth % 1.0, 0.3, 0.9))
        belly = ramp(y, 0.05, -0.8 * deep) * (1 - on_fins)
        result.cover(0.62 * belly, (0.97, 0.93, 0.84), 0.25)
        for k in range(bands):
            stripe = np.abs(x - 0.34 + 0.42 * k + 0.12 * y * y) - 0.055
            result.cover((1 - on_fins) * edge(stripe, 1.5 * pixel), WHITE)
            result.cover((1 - on_fins) * edge(np.abs(stripe) - 0.012, pixel) * 0.7, BLACK)
        slope = np.where(x < -0.5, np.abs(y) / (0.35 - x), (x + 0.5 * y) * 0.9)
        rays = np.abs((slope * 16) % 1.0 - 0.5)
        result.shade(1 - on_fins * (0.12 + 0.25 * ramp(rays, 0.18, 0.42)))
        gill = np.abs(length(x - 0.66, y * 0.75) - 0.30) - 0.01
        result.shade(1 - 0.35 * edge(gill, 1.5 * pixel) * (x < 0.6) * ramp(np.abs(y), 0.3, 0.2))
        smile = np.maximum(np.abs(y + 0.03 + 0.5 * (x - 0.86)) - 0.012, 0.74 - x)
        result.cover(0.75 * edge(smile, pixel), (0.2, 0.08, 0.07))
        weight = edge(eye(x, y, z) - np.minimum(d_trunk, d_fins), pixel)
        result.cover(weight, WHITE)
        away = length(x - 0.60, y - 0.24 * deep)
        result.cover(weight * edge(away - 0.078, pixel), BLACK)
        result.cover(
            weight * edge(length(x - 0.625, y - 0.24 * deep - 0.03) - 0.024, pixel), (1, 1, 1)
        )
        return result

    return Model(
        distance=distance,
        coat=coat,
        pitch=dice.uniform(-4, 14),
        yaw=dice.uniform(-30, 30),
        reach=1.12,
        step=0.75,
        gloss=(0.75, 0.4),
        height=0.4,
    )
