"""Paint a photograph with brush strokes: large ones first, then smaller ones where the large ones are not enough.

A stroke follows the edges of what it paints, at right angles to the image's gradient, in the colour of the place where
it begins. So a few hundred lines make, of any photograph, a picture with a style of its own, for chapter 11 to learn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from d2lhelpers.orientation import LUMINANCE, directions

__all__ = ["BRUSHWORK", "Brushwork", "gradient_map", "paint"]

BRISTLES = 7  # of different thickness, across half a brush
FINENESS = 2  # pixels of the canvas to one of the picture, along each side, for smooth edges
STROKES = 100  # drawn at a time, which bounds the memory


@dataclass(frozen=True)
class Brushwork:
    """How to paint.

    Attributes:
        radii: of the brushes in pixels, the largest first; each paints over the one before.
        tolerance: how far the canvas may be from the picture, in colours of [0, 1], before a brush is put down.
        shortest, longest: steps of a stroke, each as long as the brush's radius.
        inertia: in [0, 1), how much a stroke keeps its direction when the edge that it follows turns.
        flow: in radii, how far around edges are looked for: the larger, the calmer the strokes lie beside each other.
        jitter: of each stroke's colour, as a standard deviation in [0, 1].
        vividness: factor of the colours' distance from grey.
        relief: how strongly light from the top left shows the thickness of the paint.
    """

    radii: tuple[float, ...] = (8, 4, 2)
    tolerance: float = 0.1
    shortest: int = 3
    longest: int = 12
    inertia: float = 0.3
    flow: float = 1.5
    jitter: float = 0.03
    vividness: float = 1.2
    relief: float = 0.5


BRUSHWORK = {
    "impressionist": Brushwork(),
    "swirls": Brushwork(
        radii=(9, 5, 3),
        tolerance=0.06,
        shortest=6,
        longest=16,
        inertia=0.5,
        flow=2,
        jitter=0.06,
    ),
    "dots": Brushwork(
        radii=(4, 2.5), tolerance=0.02, shortest=0, longest=0, jitter=0.11, vividness=1.5
    ),
}


def paint(
    picture: np.ndarray, brushwork: Brushwork | str = "impressionist", seed: int = 0
) -> np.ndarray:
    """A painting of a photograph.

    Args:
        picture: (height, width, 3) uint8.
        brushwork: or the name of one, of BRUSHWORK.
        seed: of the order of the strokes, their colours and bristles.
    Returns:
        (height, width, 3) uint8.
    Raises:
        ValueError: another shape or type, or an unknown name.
    Source: Hertzmann 1998, sections 2 and 3; the directions are those of a smoothed structure tensor. Taught in
    chapter 11.
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"picture must be (height, width, 3) uint8, got {picture.shape} {picture.dtype}"
        )
    if isinstance(brushwork, str):
        if brushwork not in BRUSHWORK:
            raise ValueError(f"brushwork must be one of {', '.join(BRUSHWORK)}, not {brushwork!r}")
        brushwork = BRUSHWORK[brushwork]
    rng = np.random.default_rng(seed)
    picture = picture / 255
    height, width = picture.shape[:2]
    fine = (FINENESS * height, FINENESS * width)
    canvas = np.full((*fine, 3), picture.mean(axis=(0, 1)))  # a ground in the mean colour
    thickness = np.zeros(fine)
    for number, radius in enumerate(brushwork.radii):
        wanted = gaussian_filter(picture, (0.6 * radius, 0.6 * radius, 0))
        seen = _coarse(canvas)
        starts = _starts(seen, wanted, radius, brushwork.tolerance if number else 0, rng)
        paths, lengths = _trace(starts, seen, wanted, radius, brushwork)
        colours = _mix(wanted[starts[:, 1], starts[:, 0]], brushwork, rng)
        for places, stroke, depth in _ribbons(paths, lengths, radius, rng):
            column, row = np.floor(FINENESS * (places + 0.5)).astype(int).T
            inside = (column >= 0) & (row >= 0) & (column < fine[1]) & (row < fine[0])
            place = row[inside], column[inside]
            # of several values for one place the last is kept: a stroke lies over those before it
            thickness[place] = radius**0.5 * depth[inside]
            canvas[place] = colours[stroke[inside]] * (0.92 + 0.12 * depth[inside, None])
    lit = _coarse(canvas + brushwork.relief * _light(thickness)[..., None])
    return (255 * np.clip(lit, 0, 1)).round().astype(np.uint8)


def gradient_map(picture: np.ndarray, colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Give a picture new colours by its brightness alone, the darkest the first and the lightest the last of them.

    Pixels are ranked: each step from one colour to the next takes an equal share of the picture, however dark it is.

    Args:
        picture: (height, width, 3) uint8.
        colours: two or more, of bytes, blended into each other.
    Returns:
        (height, width, 3) uint8.
    Raises:
        ValueError: fewer than two colours.
    Taught in chapter 11.
    """
    if len(colours) < 2:
        raise ValueError(f"colours must be at least two, got {len(colours)}")
    grey = (picture @ LUMINANCE).round(6)
    _, which, counts = np.unique(grey, return_inverse=True, return_counts=True)
    # equal pixels share the rank in their middle; the ends are the first and the last value's
    rank = (counts.cumsum() - counts / 2) / grey.size
    rank = (rank - rank[0]) / max(rank[-1] - rank[0], 1e-9)
    places = np.linspace(0, 1, len(colours))
    channels = [np.interp(rank, places, channel) for channel in np.array(colours).T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)[which].reshape(picture.shape)


def _coarse(canvas: np.ndarray) -> np.ndarray:
    """The canvas in the picture's pixels: the mean of each FINENESS x FINENESS of its own."""
    height, width, channels = canvas.shape
    blocks = canvas.reshape(height // FINENESS, FINENESS, width // FINENESS, FINENESS, channels)
    return blocks.mean(axis=(1, 3))


def _mix(colours: np.ndarray, brushwork: Brushwork, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) colours, each a little off, in brightness and in hue, and more vivid."""
    colours = colours + rng.normal(0, brushwork.jitter, colours.shape)
    colours += rng.normal(0, brushwork.jitter, (len(colours), 1))
    grey = (colours @ LUMINANCE)[:, None]
    return np.clip(grey + brushwork.vividness * (colours - grey), 0, 1)


def _starts(
    canvas: np.ndarray,
    wanted: np.ndarray,
    radius: float,
    tolerance: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """(N, 2) whole x and y, in random order: in each square that differs too much, the pixel that differs most."""
    side = max(round(radius), 1)
    height, width = (size // side * side for size in canvas.shape[:2])
    error = np.linalg.norm(canvas - wanted, axis=2)
    # what is left over at the right and at the bottom is painted by strokes that begin before it
    squares = error[: max(height, 1), : max(width, 1)]
    rows, columns = max(height // side, 1), max(width // side, 1)
    squares = squares.reshape(rows, squares.shape[0] // rows, columns, -1).swapaxes(1, 2)
    squares = squares.reshape(rows, columns, -1)
    # a trace of chance decides between equals, which an even ground is full of
    worst = (squares + 1e-3 * rng.random(squares.shape)).argmax(axis=-1)
    row, column = np.nonzero(squares.mean(axis=-1) >= tolerance)
    inner = worst[row, column]
    across = min(side, canvas.shape[1])
    starts = np.stack([column * side + inner % across, row * side + inner // across], axis=1)
    return rng.permutation(starts)


def _trace(
    starts: np.ndarray, canvas: np.ndarray, wanted: np.ndarray, radius: float, brushwork: Brushwork
) -> tuple[np.ndarray, np.ndarray]:
    """(N, L, 2) points of the strokes and (N,) how many of them count; all strokes go on at once, step by step."""
    size = np.array(canvas.shape[1::-1])
    along = directions(wanted, max(brushwork.flow * radius, 1))

    def at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
        x, y = np.clip(points.round().astype(int), 0, size - 1).T
        return field[y, x]

    colours = at(wanted, starts)
    points, lengths = [starts.astype(float)], np.ones(len(starts), dtype=int)
    alive, before = np.ones(len(starts), dtype=bool), np.zeros((len(starts), 2))
    # one point more than a stroke may have, so that the last one also has a direction
    for step in range(brushwork.longest + 1):
        direction = at(along, points[-1])
        # a direction has two ends: go on, do not turn back
        direction = np.where((direction * before).sum(axis=1)[:, None] < 0, -direction, direction)
        direction = (1 - brushwork.inertia) * direction + brushwork.inertia * before
        before = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        points.append(points[-1] + radius * before)
        alive &= ((points[-1] >= 0) & (points[-1] < size)).all(axis=1) & (step < brushwork.longest)
        if step >= brushwork.shortest:
            # where the canvas is nearer to the picture than the stroke's colour is, the stroke would do harm
            target = at(wanted, points[-1])
            gain = np.linalg.norm(target - at(canvas, points[-1]), axis=1)
            alive &= gain >= np.linalg.norm(target - colours, axis=1)
        lengths += alive
    return np.stack(points, axis=1), lengths


def _ribbons(
    paths: np.ndarray, lengths: np.ndarray, radius: float, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Samples of the strokes' surfaces, for some strokes at a time, in their order.

    Yields:
        (M, 2) places in pixels, (M,) which stroke, (M,) how thick the paint is there, in [0, 1].
    """
    spacing = 0.8 / FINENESS
    end = radius * (lengths - 1)
    across = np.linspace(-1, 1, math.ceil(2 * radius / spacing) + 1)
    bristles = rng.uniform(0.3, 1, (len(paths), 2 * BRISTLES + 1))
    bristle = (across + 1) * BRISTLES
    low = np.minimum(bristle.astype(int), 2 * BRISTLES - 1)
    depth = bristles[:, low] * (1 - bristle + low) + bristles[:, low + 1] * (bristle - low)
    depth *= np.sqrt(1 - 0.8 * across**2)
    for first in range(0, len(paths), STROKES):
        some = slice(first, first + STROKES)
        along = np.arange(-radius, end[some].max() + radius, spacing)
        # [S, A]: in a stroke's first and last radius its width is that of a disc
        beyond = np.maximum(-along, along - end[some, None]).clip(min=0) / radius
        width = radius * np.sqrt((1 - beyond**2).clip(min=0))
        step = np.clip(along / radius, 0, paths.shape[1] - 2).astype(int)
        share = (along / radius - step)[:, None]
        centre = paths[some, step] * (1 - share) + paths[some, step + 1] * share  # [S, A, 2]
        tangent = np.gradient(centre, axis=1)
        normal = tangent[..., ::-1] * (-1, 1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True).clip(min=1e-9)
        places = centre[:, :, None] + (width[:, :, None] * across)[..., None] * normal[:, :, None]
        there = beyond < 1
        number = np.broadcast_to(np.arange(len(places))[:, None], there.shape)[there] + first
        yield (
            places[there].reshape(-1, 2),
            number.repeat(len(across)),
            depth[number].reshape(-1),
        )


def _light(thickness: np.ndarray) -> np.ndarray:
    """How much brighter the slopes towards the top left are, between about -0.2 and 0.2."""
    smooth = gaussian_filter(thickness, 1)
    slope = np.gradient(smooth, axis=0) + np.gradient(smooth, axis=1)
    return 0.2 * np.tanh(slope)
