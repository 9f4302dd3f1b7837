"""Regions of a picture and how alike two of them are: in colour, in texture, in size, and in how they fit together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy import ndimage

__all__ = ["Regions", "neighbours"]

COLOUR_BINS, TEXTURE_BINS, DIRECTIONS = 25, 10, 8
# derivative, in full ranges of a channel for a pixel, from which on all edges are alike
STEEPEST = 0.25


@dataclass
class Regions:
    """What similarity is computed from, with room for all regions that merging will make.

    Attributes:
        histograms: (2 n - 1, bins) float32, of colour and of texture, each of them adding up to 1.
        sizes: (2 n - 1,) float32, in pixels.
        boxes: (2 n - 1, 4) float32, corners in pixels.
        picture: the whole picture's pixels.
    """

    histograms: ndarray
    sizes: ndarray
    boxes: ndarray
    picture: int

    @classmethod
    def of(cls, segments: ndarray, channels: ndarray) -> Regions:
        """Args: segments (height, width), channels (height, width, 3) in [0, 1]."""
        num = int(segments.max()) + 1
        colour = histograms_in(segments, channels, COLOUR_BINS)
        dx, dy = (
            ndimage.gaussian_filter(channels, (1, 1, 0), order) for order in ((0, 1, 0), (1, 0, 0))
        )
        angles = np.arange(DIRECTIONS, dtype=np.float32) * (2 * np.pi / DIRECTIONS)
        slopes = dx[..., None] * np.cos(angles) + dy[..., None] * np.sin(angles)
        slopes = slopes.reshape(*segments.shape, -1) / STEEPEST
        histograms = np.hstack((colour, histograms_in(segments, slopes, TEXTURE_BINS)))
        slices = ndimage.find_objects(segments + 1)
        boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in slices])
        sizes = np.bincount(segments.ravel(), minlength=num)
        with_room = (
            np.concatenate((part, np.zeros_like(part[1:]))).astype(np.float32)
            for part in (histograms, sizes, boxes)
        )
        return cls(*with_room, picture=segments.size)

    def similarity(self, one: ndarray | int, other: ndarray | int) -> ndarray:
        """Alike in colour and texture, both small, and one filling the other's gaps: four parts, each in [0, 1]."""
        alike = np.minimum(self.histograms[one], self.histograms[other]).sum(axis=-1)
        low = np.minimum(self.boxes[one, :2], self.boxes[other, :2])
        high = np.maximum(self.boxes[one, 2:], self.boxes[other, 2:])
        hull, both = (high - low).prod(axis=-1), self.sizes[one] + self.sizes[other]
        return alike + (1 - both / self.picture) + (1 - (hull - both) / self.picture)

    def merge(self, one: int, other: int, new: int) -> None:
        """Fill in region `new`: what it is follows from its two parts, without a look at the pixels."""
        parts = [one, other]
        sizes = self.sizes[parts]
        self.sizes[new] = sizes.sum()
        self.histograms[new] = sizes @ self.histograms[parts] / sizes.sum()
        np.minimum(self.boxes[one, :2], self.boxes[other, :2], out=self.boxes[new, :2])
        np.maximum(self.boxes[one, 2:], self.boxes[other, 2:], out=self.boxes[new, 2:])


def histograms_in(segments: ndarray, values: ndarray, bins: int) -> ndarray:
    """(height, width) and (height, width, M) in [0, 1] -> (n, M * bins), a row for each region; values are clipped."""
    num, maps = int(segments.max()) + 1, values.shape[-1]
    which = (values * bins).clip(0, bins - 1).astype(np.int32)
    # region, map and bin as one number: all histograms are one count
    cell = (segments[..., None].astype(np.int32) * maps + np.arange(maps, dtype=np.int32)) * bins
    counts = np.bincount((cell + which).ravel(), minlength=num * maps * bins)
    counts = counts.reshape(num, maps * bins).astype(np.float32)
    return counts / counts.sum(axis=1, keepdims=True)


def neighbours(segments: ndarray) -> ndarray:
    """(P, 2): the pairs of regions that share an edge, the lower number first, each once."""
    across = np.stack((segments[:, 1:].ravel(), segments[:, :-1].ravel()))
    down = np.stack((segments[1:].ravel(), segments[:-1].ravel()))
    pairs = np.concatenate((across, down), axis=1)
    low, high = pairs.min(axis=0), pairs.max(axis=0)
    num = int(segments.max()) + 1
    # a pair as one number sorts far faster than rows do
    code = np.unique(low[low < high] * num + high[low < high])
    return np.stack((code // num, code % num), axis=1)
