"""Light on a surface: a lamp, the sky, what the ground throws back, a shine, and shadows.

All colours are linear light. The pictures' own scale is its square root, close to sRGB's curve and exact everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.layout import within
from d2lhelpers.scenes.sprites import (
    PAINT_RANGE,
    SHADOW_MARGIN,
    SHADOW_SIDE,
    Pose,
    Sprite,
    warp,
)

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """The light of one scene.

    Attributes:
        direction: unit vector towards the lamp: x right, y down, z towards the viewer.
        lamp, sky: their colours, with their strengths.
        contrast: 0 no lamp and no shadows, 1 hardly any sky.
    """

    direction: Colour
    lamp: Colour
    sky: Colour
    contrast: float

    @staticmethod
    def at(angle: float, contrast: float, height: float, surroundings: Colour) -> Light:
        """A lamp `angle` degrees clockwise from above, `height` degrees in front of the picture's plane.

        The mean colour of the surroundings sets how much light there is at all, and tints the sky: what stands
        before a night sky is not lit as on a white table.
        """
        across = math.cos(math.radians(height))
        direction = (
            across * math.sin(math.radians(angle)),
            -across * math.cos(math.radians(angle)),
            math.sin(math.radians(height)),
        )
        mean = sum(surroundings) / 3 + 0.02
        amount = 0.74 + 0.42 * math.sqrt(mean)
        lamp, sky = 1.02 * amount * contrast, amount * (0.92 - 0.62 * contrast)
        tint = [0.85 + 0.15 * (value + 0.02) / mean for value in surroundings]
        return Light(
            direction,
            (1.04 * lamp, 1.0 * lamp, 0.93 * lamp),
            (0.95 * sky * tint[0], 1.0 * sky * tint[1], 1.08 * sky * tint[2]),
            contrast,
        )


def shade(
    shape: ndarray,
    coat: ndarray,
    sprite: Sprite,
    pose: Pose,
    paint: Colour,
    light: Light,
    ground: Colour,
) -> ndarray:
    """Light the pixels of an object.

    Args:
        shape: (n, 4) uint8, normal, openness and coverage as in `sprites.Level`.
        coat: (n, 4) uint8, fixed colours and paint as there.
        sprite: how its surfaces shine.
        pose: how it is turned; its normals turn along.
        paint: the colour of its paint.
        light: of the scene.
        ground: mean colour of what is around.
    Returns:
        (n, 3) float32.
    """
    cos, sin = pose.cosine, pose.sine
    side = -1.0 if pose.mirrored else 1.0
    planes = np.ascontiguousarray(shape.T).astype(np.float32)
    u, v = (planes[0] - 127.5) * (side / 127), (planes[1] - 127.5) * (1 / 127)
    openness = planes[2] * (1 / 255)
    nx, ny = cos * u - sin * v, sin * u + cos * v
    nz = np.sqrt(np.maximum(1 - u * u - v * v, 0))

    lx, ly, lz = light.direction
    facing = nx * lx + ny * ly + nz * lz
    # skin, wax and glaze let light creep round the edge of the shadow
    lit = np.maximum(facing + 0.12, 0) * (1 / 1.12)
    lit = lit * (0.4 + 0.6 * openness)
    above = 0.5 - 0.38 * ny + 0.12 * nz
    # the shine: half way between the lamp and the viewer, a broad sheen and a small bright spot
    norm = math.sqrt(2 + 2 * lz)
    half = (nx * lx + ny * ly + nz * (lz + 1)) * (1 / norm)
    spot = np.maximum(half, 0)
    for _ in range(3):
        spot = spot * spot
    broad = spot
    for _ in range(3):
        spot = spot * spot
    fresnel = 1 - nz
    fresnel = fresnel * fresnel * fresnel

    planes = np.ascontiguousarray(coat.T).astype(np.float32)
    share = planes[3] * (PAINT_RANGE / 255)
    painted = np.minimum(share, 1)
    gloss, other = sprite.gloss
    polish = (other + (gloss - other) * painted) * openness
    # light that enters a clear body on the lamp's side leaves it on the other
    through = (
        (1.6 * sprite.clear)
        * painted
        * np.maximum(-(nx * lx + ny * ly) - 0.1, 0)
        * (0.3 + 0.7 * nz)
    )
    shine = polish * (0.05 * broad + 0.55 * spot)
    mirror = polish * fresnel * 0.35

    out = np.empty((len(shape), 3), np.float32)
    for i in range(3):
        fixed = planes[i] * (1 / 255)
        albedo = fixed * fixed + paint[i] * share
        # light that bounces in a crevice takes on its colour
        openness_here = openness / (1 - np.minimum(albedo, 0.95) * (1 - openness) * 0.8)
        around = light.sky[i] * above + (0.85 * ground[i] * (light.lamp[i] + light.sky[i])) * (1 - above)  # fmt: skip
        out[:, i] = albedo * (light.lamp[i] * (lit + through) + openness_here * around)
        out[:, i] += (light.lamp[i] + 0.2) * shine + around * mirror
    # film and eye take bright light in ever less
    return out / (1 + 0.12 * out * out)


def shadows(canvas: ndarray, sprite: Sprite, pose: Pose, light: Light) -> None:
    """Darken the picture by the shadow that an object throws, and by the one in which it stands.

    Args:
        canvas: (size, size, 3) float32, changed.
        sprite: whose outlines, blurred, are the shadows.
        pose: where it lies.
        light: of the scene.
    """
    lx, ly, lz = light.direction
    throw = 0.5 * sprite.lift * pose.size / lz
    contact, cast = sprite.shadows
    for image, distance, strength in (
        (cast, 0.6 * throw, 0.72 * light.contrast),
        (contact, 0.12 * throw, 0.25 + 0.25 * light.contrast),
    ):
        shifted = replace(pose, x=pose.x - lx * distance, y=pose.y - ly * distance)
        window = within(shifted.window(sprite, margin=0.8 * SHADOW_MARGIN), len(canvas))
        left, top, right, bottom = window
        if left < right and top < bottom:
            dark = warp(image, SHADOW_SIDE, shifted, window) * np.float32(strength / 255)
            # the sky still lights it: a shadow is a little blue
            for i, share in enumerate((1.0, 0.97, 0.90)):
                canvas[top:bottom, left:right, i] *= 1 - np.float32(share) * dark
