"""What can be asked of the picture generator: classes, colours, things, and every nuisance as a range."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

__all__ = ["BACKGROUNDS", "CLASSES", "COLOURS", "Setting", "Thing"]

CLASSES = (
    "apple", "ball", "banana", "bottle", "box", "car", "donut", "duck", "fish", "mug", "mushroom", "star",
)  # fmt: skip

# sRGB in 0..1, of the paint; light, shadow and white balance change it from picture to picture
COLOURS = {
    "red": (0.82, 0.13, 0.11),
    "orange": (0.95, 0.49, 0.09),
    "yellow": (0.96, 0.80, 0.14),
    "green": (0.24, 0.60, 0.22),
    "blue": (0.13, 0.37, 0.78),
    "purple": (0.48, 0.24, 0.66),
    "pink": (0.95, 0.52, 0.66),
}

BACKGROUNDS = ("train", "test", "plain")


@dataclass(frozen=True)
class Thing:
    """One object to draw; what is None is drawn at random, from the setting or among classes and colours.

    Attributes:
        class_name: one of CLASSES, or None.
        colour: one of COLOURS, or None.
        place: (cx, cy) of the middle of the object, in fractions of the picture, origin top-left.
        size: longest side of the object in its natural pose, as a fraction of the picture; 3 pixels at least.
        angle: tilt from the natural pose in degrees, clockwise.
    Raises:
        ValueError: an unknown class or colour, a place or an angle that is not finite, a size outside (0, 2].
    """

    class_name: str | None = None
    colour: str | None = None
    place: tuple[float, float] | None = None
    size: float | None = None
    angle: float | None = None

    def __post_init__(self) -> None:
        _require_name("class_name", self.class_name, CLASSES)
        _require_name("colour", self.colour, tuple(COLOURS))
        if self.place is not None and not (
            len(self.place) == 2 and all(math.isfinite(value) for value in self.place)
        ):
            raise ValueError(f"place must be two finite numbers (cx, cy), got {self.place}")
        if self.size is not None and not 0 < self.size <= 2:
            raise ValueError(f"size must be a fraction of the picture in (0, 2], got {self.size}")
        if self.angle is not None and not math.isfinite(self.angle):
            raise ValueError(f"angle must be a finite number of degrees, got {self.angle}")


@dataclass(frozen=True)
class Setting:
    """Every nuisance of a picture; a range (low, high) is drawn from uniformly, (x, x) fixes it.

    Each nuisance has random numbers of its own: with the same seed, another brightness changes nothing but the
    brightness, another background leaves objects, poses and the light's direction as they were.

    Attributes:
        sizes: an object's longest side, as a fraction of the picture.
        places: how far from the picture's middle an object's middle is, in half pictures along the longer of
            the two axes: 0 the very middle, 1 the edge.
        angles: tilt from the class's natural pose in degrees, clockwise: (-10, 10) upright, (170, 190) upside
            down, (0, 360) any way.
        light: where the light comes from, in degrees clockwise from straight above: -90 left, 0 above, 90 right.
        contrast: how much of the light comes from there: 0 an overcast sky that casts no shadow, 1 a lamp.
        brightness: factor on the exposure of the whole picture.
        warmth: colour cast of the whole picture, from -1 (cold, blue) to 1 (warm, orange).
        background: "train" or "test" (crops of photographs and surfaces, disjoint), or "plain" (a studio's).
        occlusion: the largest fraction of any object's area that others or the picture's edge may hide.
        noise: standard deviation of the sensor's noise, as a fraction of full scale.
        blur: standard deviation of the lens's blur in pixels.
    Raises:
        ValueError: a range that is not (low, high) with low <= high within its limits, or an unknown background.
    """

    sizes: tuple[float, float] = (0.22, 0.5)
    places: tuple[float, float] = (0.0, 0.8)
    angles: tuple[float, float] = (-30.0, 30.0)
    light: tuple[float, float] = (-70.0, 70.0)
    contrast: tuple[float, float] = (0.45, 0.9)
    brightness: tuple[float, float] = (0.8, 1.2)
    warmth: tuple[float, float] = (-0.3, 0.3)
    background: str = "train"
    occlusion: float = 0.4
    noise: tuple[float, float] = (0.004, 0.02)
    blur: tuple[float, float] = (0.3, 0.6)

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in _LIMITS:
                _require_range(field.name, getattr(self, field.name), *_LIMITS[field.name])
        _require_name("background", self.background, BACKGROUNDS)
        if not 0 <= self.occlusion < 1:
            raise ValueError(f"occlusion must be a fraction in [0, 1), got {self.occlusion}")


_LIMITS = {
    "sizes": (0.02, 2.0),
    "places": (0.0, 1.5),
    "angles": (-720.0, 720.0),
    "light": (-360.0, 360.0),
    "contrast": (0.0, 1.0),
    "brightness": (0.05, 5.0),
    "warmth": (-1.0, 1.0),
    "noise": (0.0, 0.5),
    "blur": (0.0, 10.0),
}


def _require_name(argument: str, name: str | None, known: tuple[str, ...]) -> None:
    if name is not None and name not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)}, got {name!r}")


def _require_range(argument: str, pair: tuple[float, float], least: float, most: float) -> None:
    ok = isinstance(pair, tuple) and len(pair) == 2
    if not (ok and least <= pair[0] <= pair[1] <= most):
        raise ValueError(
            f"{argument} must be (low, high) with {least:g} <= low <= high <= {most:g}, got {pair}"
        )
