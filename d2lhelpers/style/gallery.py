"""Photographs and paintings for chapter 11 that need no download: scikit-image's pictures, some of them painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage import data

from d2lhelpers.orientation import LUMINANCE
from d2lhelpers.painting import gradient_map, paint
from d2lhelpers.style.pictures import as_picture, to_bytes

__all__ = ["PAINTINGS", "PHOTOGRAPHS", "painting", "photograph"]

# dark to light
NIGHT = (
    (8, 14, 52), (20, 44, 120), (30, 80, 165), (70, 130, 195), (150, 190, 210), (250, 215, 95), (255, 248, 210),
)  # fmt: skip
EMBERS = (
    (45, 15, 35), (130, 25, 35), (215, 70, 25), (245, 150, 35), (255, 215, 110), (110, 165, 195), (225, 240, 245),
)  # fmt: skip

PHOTOGRAPHS: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": lambda: data.astronaut()[:341],  # head to chest
    "cat": data.chelsea,
    "cup": data.coffee,
    "galaxies": lambda: data.hubble_deep_field()[:500, :750],
    "retina": data.retina,
}


@dataclass(frozen=True)
class Painting:
    """What is painted, with what brushes, and in which colours: None for its own.

    `glow` lets lights shine far around themselves before they are painted.
    """

    photograph: str
    brushwork: str
    colours: tuple[tuple[int, int, int], ...] | None = None
    glow: bool = False


PAINTINGS = {
    "night": Painting("galaxies", "swirls", NIGHT, glow=True),
    "embers": Painting("galaxies", "swirls", EMBERS, glow=True),
    "sun": Painting("retina", "swirls", EMBERS),
    "cup": Painting("cup", "impressionist"),
    "dots": Painting("cup", "dots"),
}


def photograph(name: str, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """One of PHOTOGRAPHS, (height, width, 3) uint8.

    Args:
        name: of it.
        size: as for `as_picture`.
    Raises:
        ValueError: an unknown name.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"name must be one of {', '.join(PHOTOGRAPHS)}, not {name!r}")
    return to_bytes(as_picture(PHOTOGRAPHS[name](), size))


def painting(name: str, size: int | tuple[int, int] = (200, 300), seed: int = 0) -> np.ndarray:
    """One of PAINTINGS, painted now, which takes seconds: (height, width, 3) uint8.

    Args:
        name: of it.
        size: as for `as_picture`. Brushes are of so many pixels, whatever the size.
        seed: of the strokes.
    Raises:
        ValueError: an unknown name.
    """
    if name not in PAINTINGS:
        raise ValueError(f"name must be one of {', '.join(PAINTINGS)}, not {name!r}")
    which = PAINTINGS[name]
    picture = photograph(which.photograph, size)
    if which.glow:
        picture = _glow(picture)
    if which.colours:
        picture = gradient_map(picture, which.colours)
    return paint(picture, which.brushwork, seed)


def _glow(picture: np.ndarray) -> np.ndarray:
    grey = picture @ LUMINANCE
    # the wider the blur, the fainter it is, and the more it counts
    light = sum(radius * gaussian_filter(grey, radius) for radius in (1, 3, 6, 12))
    return (255 * light / max(light.max(), 1)).astype(np.uint8)[..., None].repeat(3, axis=2)
