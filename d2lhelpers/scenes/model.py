"""What an object is to the renderer: a distance, a coat of paint, and how it likes to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import ndarray


class Coat:
    """The colour of a surface: paint of a colour chosen later, and fixed colours (a stem, a wheel) beside it.

    Attributes:
        paint: (n,) how much of the paint's colour, 1 for all, up to 1.5 for a paler spot.
        fixed: three (n,) of linear light, added to it.
    """

    def __init__(self, like: ndarray) -> None:
        self.paint = np.ones_like(like)
        self.fixed = [np.zeros_like(like) for _ in range(3)]

    def cover(
        self, weight: ndarray, colour: tuple[float, float, float], paint: float = 0.0
    ) -> None:
        """Lay a colour (sRGB, 0..1) and a share of paint over what is there; weight 1 hides it, 0 changes nothing."""
        rest = 1 - weight
        self.paint = self.paint * rest + paint * weight
        self.fixed = [
            old * rest + value * value * weight
            for old, value in zip(self.fixed, colour, strict=True)
        ]

    def shade(self, factor: ndarray) -> None:
        """Darken (below 1) or brighten all."""
        self.paint = self.paint * factor
        self.fixed = [old * factor for old in self.fixed]


@dataclass(frozen=True)
class Model:
    """One variant of a class, in a frame with x to the right, y up and z towards the viewer, within a unit or so.

    Attributes:
        distance: (x, y, z) -> signed distance to the surface.
        coat: (x, y, z, pixel) on the surface, and the width of a pixel -> Coat.
        pitch: degrees by which the viewer looks down on it.
        yaw: degrees by which it is turned to the viewer's right.
        reach: no part of it is farther from the origin.
        step: safe part of the distance to walk along a ray; below 1 where the distance is overestimated.
        gloss: of painted and of other surfaces, 0 matt to 1 polished.
        height: how far it stands out of the surface it lies on, in half sizes; lengthens its shadow.
        clear: how much light shines through its painted parts, 0 none.
    """

    distance: Callable[[ndarray, ndarray, ndarray], ndarray]
    coat: Callable[[ndarray, ndarray, ndarray, float], Coat]
    pitch: float
    yaw: float
    reach: float = 1.1
    step: float = 0.9
    gloss: tuple[float, float] = (0.5, 0.5)
    height: float = 0.5
    clear: float = 0.0


def edge(distance: ndarray, pixel: float) -> ndarray:
    """1 where the distance is negative, 0 where positive, blended over a pixel: an edge without stairs."""
    return np.clip(0.5 - distance * (1 / pixel), 0, 1)
