"""From a solid to what a camera sees of it: outline, direction of the surface, crevices and colours."""

import math

import numpy as np
from numpy import ndarray

from d2lhelpers.scenes.model import Model

MAX_STEPS = 48
ARRIVED = 0.1  # pixels from the surface
# the four corners of a tetrahedron: differences along them give the gradient with four distances, not six
CORNERS = ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1))


def trace(model: Model, side: int) -> ndarray:
    """Look at a model from far away along parallel rays, and walk each ray to the surface.

    Args:
        model: the solid and its coat.
        side: rays along each side of the square that its reach fills.
    Returns:
        (side, side, 8) float32: covered fraction of the pixel; nx, ny of the outward normal in the picture (x right,
        y down); openness in 0..1, low in crevices; paint; red, green and blue of fixed colours (linear).
        All but the first are zero where nothing is seen.
    """
    pixel = 2 * model.reach / side
    frame = _view(model.pitch, model.yaw)
    origin, t, gap = _march(model, frame, side, pixel)
    seen = np.flatnonzero(gap < pixel)
    t = t[seen]
    x, y, z = (o[seen] - axis * t for o, axis in zip(origin, frame[2], strict=True))

    small = 0.7 * pixel
    gradient = [np.zeros_like(x) for _ in range(3)]
    level = np.zeros_like(x)
    for corner in CORNERS:
        value = model.distance(x + small * corner[0], y + small * corner[1], z + small * corner[2])
        level += 0.25 * value
        for i in range(3):
            gradient[i] += corner[i] * value
    norm = np.sqrt(gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2) + 1e-9
    normal = [g / norm for g in gradient]

    openness = np.ones_like(x)
    for reach, weight in ((0.05, 1.6), (0.12, 1.0), (0.25, 0.6), (0.45, 0.35)):
        value = model.distance(x + reach * normal[0], y + reach * normal[1], z + reach * normal[2])
        # what is left of the walk to the surface would show as rings
        openness -= weight * np.clip(reach - (value - level), 0, reach)

    coat = model.coat(x, y, z, pixel)
    right, up, _ = frame
    out = np.zeros((side * side, 8), np.float32)
    out[seen, 0] = np.clip(1 - gap[seen] / pixel, 0, 1)
    out[seen, 1] = sum(n * a for n, a in zip(normal, right, strict=True))
    out[seen, 2] = -sum(n * a for n, a in zip(normal, up, strict=True))
    out[seen, 3] = np.clip(openness, 0, 1)
    out[seen, 4] = coat.paint
    for i in range(3):
        out[seen, 5 + i] = coat.fixed[i]
    return out.reshape(side, side, 8)


def _view(pitch: float, yaw: float) -> tuple[tuple[float, float, float], ...]:
    """The viewer's right, up and backward directions in the model's frame."""
    cp, sp = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    cy, sy = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    return (cy, 0.0, sy), (sp * sy, cp, -sp * cy), (-cp * sy, sp, cp * cy)


def _march(
    model: Model, frame: tuple, side: int, pixel: float
) -> tuple[list[ndarray], ndarray, ndarray]:
    """Walk all rays at once.

    Returns:
        The rays' origins, how far along each the nearest point is, and how far from the surface that point is.
    """
    line = ((np.arange(side) + 0.5) * pixel - model.reach).astype(np.float32)
    u, v = (a.ravel() for a in np.meshgrid(line, -line))
    right, up, back = frame
    origin = [u * right[i] + v * up[i] + back[i] * model.reach for i in range(3)]
    t = np.zeros_like(u)
    gap = np.full_like(u, 1e3)

    rays = np.flatnonzero(u * u + v * v < model.reach * model.reach)
    x, y, z = (o[rays] for o in origin)
    at = np.zeros_like(x)
    best, best_at = np.full_like(x, 1e3), np.zeros_like(x)
    arrived = ARRIVED * pixel
    for step in range(MAX_STEPS):
        d = model.distance(x - back[0] * at, y - back[1] * at, z - back[2] * at)
        nearer = (d < best) & (best > arrived)
        best, best_at = np.where(nearer, d, best), np.where(nearer, at, best_at)
        at = at + model.step * np.maximum(d, arrived)
        if step % 2 == 1:
            # rays that have arrived, or left, walk no farther
            going = (best > arrived) & (at < 2 * model.reach)
            done = ~going
            gap[rays[done]], t[rays[done]] = best[done], best_at[done]
            rays, x, y, z, at, best, best_at = (
                a[going] for a in (rays, x, y, z, at, best, best_at)
            )
            if not len(rays):
                break
    gap[rays], t[rays] = best, best_at
    # one last step, for those that hit: unequal remainders would show as rings
    hit = gap < arrived
    t += np.where(hit, gap, 0)
    return origin, t, np.where(hit, 0, gap)
