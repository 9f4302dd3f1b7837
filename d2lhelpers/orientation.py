"""Which way the edges of a picture run, and how far they agree: the structure tensor."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, sobel

__all__ = ["LUMINANCE", "coherence", "directions"]

LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def directions(picture: np.ndarray, scale: float) -> np.ndarray:
    """The direction along the edges: that in which, around a place, brightness changes least.

    Args:
        picture: (height, width, 3).
        scale: in pixels, how far around a place.
    Returns:
        (height, width, 2) unit vectors x, y; which of their two ends is meant has no meaning.
    Source: Bigün and Granlund 1987. Taught in chapter 11.
    """
    xx, xy, yy = _structure(picture, scale)
    # of the matrix (xx xy, xy yy) the eigenvector of the larger value lies at this angle; along is at right angles
    angle = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def coherence(picture: np.ndarray, scale: float = 3) -> float:
    """How far the edges around each place agree on a direction: 1 in stripes and long strokes, 0 where all directions
    are equally strong, as in specks.

    With the larger and the smaller eigenvalue of the matrix of `directions`, (l1 - l2) / (l1 + l2), where places with
    strong edges count most.

    Args:
        picture: (height, width, 3).
        scale: in pixels, how far around a place.
    Returns:
        In [0, 1]; 0 for a picture without edges.
    Source: Bigün and Granlund 1987. Taught in chapter 11.
    """
    xx, xy, yy = _structure(picture, scale)
    strength = (xx + yy).sum()
    return float(np.hypot(xx - yy, 2 * xy).sum() / strength) if strength else 0.0


def _structure(picture: np.ndarray, scale: float) -> list[np.ndarray]:
    """Products of the brightness's changes along x and y, (height, width) each, averaged around each place."""
    grey = picture @ LUMINANCE
    gx, gy = sobel(grey, axis=1), sobel(grey, axis=0)
    return [gaussian_filter(product, scale) for product in (gx * gx, gx * gy, gy * gy)]
