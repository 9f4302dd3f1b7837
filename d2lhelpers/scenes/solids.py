"""Solids as signed distances, the bricks of the objects: negative inside, zero on the surface.

All functions take float32 arrays of coordinates and use only sums, products, quotients, square roots, minima and
maxima, which every machine and every NumPy rounds alike; powers, sines and arctangents are not so.
Source of the formulas: Inigo Quilez, "Distance functions" (the ellipsoid, the smooth minimum).
"""

import math

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.dice import Dice


def length(*parts: ndarray) -> ndarray:
    """Euclidean length of the vectors with these components."""
    total = parts[0] * parts[0]
    for part in parts[1:]:
        total = total + part * part
    return np.sqrt(total)


def turn(a: ndarray, b: ndarray, degrees: float) -> tuple[ndarray, ndarray]:
    """The coordinates (a, b) as seen from a frame that is turned by `degrees` from a towards b."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cos * a + sin * b, cos * b - sin * a


def ellipsoid(x: ndarray, y: ndarray, z: ndarray, a: float, b: float, c: float) -> ndarray:
    """Half axes a, b, c; a distance to first order near the surface."""
    k0 = length(x / a, y / b, z / c)
    k1 = length(x / (a * a), y / (b * b), z / (c * c))
    return k0 * (k0 - 1) / (k1 + 1e-6)


def round_box(
    x: ndarray, y: ndarray, z: ndarray, a: float, b: float, c: float, r: float
) -> ndarray:
    """Half sides a, b, c, edges rounded with radius r."""
    p, q, s = np.abs(x) - (a - r), np.abs(y) - (b - r), np.abs(z) - (c - r)
    outside = length(np.maximum(p, 0), np.maximum(q, 0), np.maximum(s, 0))
    return outside + np.minimum(np.maximum(p, np.maximum(q, s)), 0) - r


def round_disc(along: ndarray, across: ndarray, half: float, radius: float, r: float) -> ndarray:
    """A cylinder: |along| <= half, across (the distance from the axis) <= radius, edges rounded with r."""
    p, q = across - (radius - r), np.abs(along) - (half - r)
    return length(np.maximum(p, 0), np.maximum(q, 0)) + np.minimum(np.maximum(p, q), 0) - r


def capsule(
    x: ndarray, y: ndarray, z: ndarray, start: tuple, end: tuple, r1: float, r2: float
) -> ndarray:
    """A stick from start to end, its radius going from r1 to r2."""
    dx, dy, dz = (e - s for s, e in zip(start, end, strict=True))
    x, y, z = x - start[0], y - start[1], z - start[2]
    t = np.clip((x * dx + y * dy + z * dz) / (dx * dx + dy * dy + dz * dz), 0, 1)
    return length(x - t * dx, y - t * dy, z - t * dz) - (r1 + (r2 - r1) * t)


def smooth_min(a: ndarray, b: ndarray, k: float) -> ndarray:
    """The union of two solids with a fillet of about k."""
    h = np.maximum(k - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h * (0.25 / k)


def smooth_max(a: ndarray, b: ndarray, k: float) -> ndarray:
    """The intersection of two solids with the edge rounded by about k."""
    return -smooth_min(-a, -b, k)


def ramp(value: ndarray, low: float, high: float) -> ndarray:
    """A smooth step from 0 below `low` to 1 above `high` (falling where low > high)."""
    t = np.clip((value - low) * (1 / (high - low)), 0, 1)
    return t * t * (3 - 2 * t)


class Noise:
    """Smooth noise in space: random values on a lattice, in [0, 1], mean 1/2, blended between.

    Args:
        dice: gives the values; the lattice repeats after 16 units.
    """

    def __init__(self, dice: Dice) -> None:
        self._table = dice.table(16 * 16 * 16)

    def __call__(self, x: ndarray, y: ndarray, z: ndarray) -> ndarray:
        cells, weights = [], []
        for value in (x, y, z):
            floor = np.floor(value)
            t = value - floor
            cells.append(floor.astype(np.int32))
            weights.append(t * t * (3 - 2 * t))
        (i, j, k), (u, v, w) = cells, weights
        i0, i1 = (i & 15) << 8, ((i + 1) & 15) << 8
        j0, j1 = (j & 15) << 4, ((j + 1) & 15) << 4
        k0, k1 = k & 15, (k + 1) & 15

        def line(row: ndarray) -> ndarray:
            near, far = self._table[row + k0], self._table[row + k1]
            return near + (far - near) * w

        low = line(i0 + j0)
        low = low + (line(i0 + j1) - low) * v
        high = line(i1 + j0)
        high = high + (line(i1 + j1) - high) * v
        return low + (high - low) * u
