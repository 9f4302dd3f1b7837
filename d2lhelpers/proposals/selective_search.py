"""Selective search: merge like with like, from specks to the whole picture, and propose every region on the way."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy import ndarray
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb
from torch import Tensor

from d2lhelpers.proposals.regions import Regions, neighbours

__all__ = ["Merging", "Remembered", "merge_regions", "selective_search"]

# Of the published method's many runs (colour spaces, similarities, scales) this is one, in Lab, with all four
# similarities: on small pictures a second run doubles the time and adds a few per cent of the objects.

# a and b against L in the starting segmentation: light and shadow on one thing differ in L
HUE_WEIGHT = 3


@dataclass(frozen=True)
class Merging:
    """How regions of a picture were merged: a tree with n leaves, n - 1 merges, 2 n - 1 regions.

    Attributes:
        segments: (height, width) int64, the regions at the beginning, 0 to n - 1.
        pairs: (n - 1, 2) int64; merge k made region n + k of these two.
        similarities: (n - 1,) float32, between the two, in [0, 4] but for rounding.
        boxes: (2 n - 1, 4) float32, corners in pixels around each region.
    """

    segments: Tensor
    pairs: Tensor
    similarities: Tensor
    boxes: Tensor

    def regions_after(self, steps: int) -> Tensor:
        """The picture after so many merges.

        Args:
            steps: from 0, the beginning, to n - 1, where all is one region.
        Returns:
            (height, width) int64, the region that each pixel belongs to.
        Raises:
            ValueError: fewer or more steps.
        """
        if not 0 <= steps <= len(self.pairs):
            raise ValueError(f"steps must be in 0..{len(self.pairs)}, got {steps}")
        owner = torch.arange(len(self.boxes))
        first = len(self.pairs) + 1  # the number of the region that the first merge makes
        # from the last merge back, so that an owner is final before it is handed down
        for step in reversed(range(steps)):
            owner[self.pairs[step]] = int(owner[first + step])
        return owner[self.segments]


def selective_search(
    image: Tensor, most: int = 200, scale: float = 30, smallest: float = 6
) -> Tensor:
    """Boxes that may hold an object, of any class.

    Args:
        image: (3, height, width), uint8 or float in [0, 1].
        most: boxes.
        scale: see `merge_regions`.
        smallest: shortest side of a box in pixels.
    Returns:
        (N, 4) float32, N <= most, corners in pixels, no two the same. Those of later merges first: they are of larger
        regions, which there are few of.
    Raises:
        ValueError: see `merge_regions`.
    Source: Uijlings et al. 2013, section 3. Taught in chapter 05.
    """
    boxes = merge_regions(image, scale).boxes.flip(0)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2]).amin(dim=1) >= smallest]
    _, first = np.unique(boxes.numpy(), axis=0, return_index=True)
    return boxes[torch.from_numpy(np.sort(first)[:most])]


def merge_regions(image: Tensor, scale: float = 30) -> Merging:
    """Segment a picture finely, then merge the two most similar neighbours until all is one.

    Args:
        image: (3, height, width), uint8 or float in [0, 1].
        scale: > 0; the larger, the fewer and larger the regions to begin with.
    Raises:
        ValueError: another shape, or a scale that is not positive.
    Source: Uijlings et al. 2013, algorithm 1; Felzenszwalb and Huttenlocher 2004. Taught in chapter 05.
    """
    if image.ndim != 3 or len(image) != 3 or 0 in image.shape:
        raise ValueError(f"image must be (3, height, width), got {tuple(image.shape)}")
    if scale <= 0:
        raise ValueError(f"scale must be above 0, got {scale}")
    lab = rgb2lab(image.permute(1, 2, 0).cpu().numpy())
    channels = (lab / (100, 200, 200) + (0, 0.5, 0.5)).astype(np.float32)  # each in [0, 1]
    weighted = channels * np.array([1, HUE_WEIGHT, HUE_WEIGHT], dtype=np.float32)
    segments = felzenszwalb(weighted, scale=scale, sigma=0.8, min_size=8)
    pairs, similarities, boxes = _merge(Regions.of(segments, channels), neighbours(segments))
    return Merging(
        torch.from_numpy(segments),
        torch.tensor(pairs, dtype=torch.int64).view(-1, 2),
        torch.tensor(similarities, dtype=torch.float32),
        torch.from_numpy(boxes),
    )


class Remembered:
    """A search over a batch that knows the pictures it has seen: proposals do not change while a network learns.

    Measure a search's time on pictures that are new to it.

    Args:
        search: (3, height, width) -> (N, 4), corners in pixels, on the CPU.
    """

    def __init__(self, search: Callable[[Tensor], Tensor] = selective_search) -> None:
        self.search = search
        self.found: dict[tuple, Tensor] = {}

    def __call__(self, images: Tensor) -> list[Tensor]:
        """(B, 3, height, width) -> the boxes of each picture, on the pictures' device."""
        return [self._of(image).to(images.device) for image in images.cpu()]

    def _of(self, image: Tensor) -> Tensor:
        # the picture itself as the key would take a hundred times the room
        key = (image.shape, blake2b(image.contiguous().numpy()).digest())
        if key not in self.found:
            # what is found while predicting may be trained on later
            with torch.inference_mode(False):
                self.found[key] = self.search(image)
        return self.found[key]


def _merge(
    regions: Regions, touching: ndarray
) -> tuple[list[tuple[int, int]], list[float], ndarray]:
    """Returns the pairs merged, their similarities, and the boxes of all regions.

    Greedily, from a queue; an entry of a region that is gone by then is passed over.
    """
    num = (len(regions.sizes) + 1) // 2
    around: dict[int, set[int]] = {region: set() for region in range(num)}
    for one, other in touching.tolist():
        around[one].add(other)
        around[other].add(one)
    similarity = regions.similarity(touching[:, 0], touching[:, 1])
    queue = [(-s, *pair) for s, pair in zip(similarity.tolist(), touching.tolist(), strict=True)]
    heapq.heapify(queue)
    pairs, similarities = [], []
    while len(around) > 1:
        negative, one, other = heapq.heappop(queue)
        if one not in around or other not in around:
            continue
        new = num + len(pairs)
        pairs.append((one, other))
        similarities.append(-negative)
        regions.merge(one, other, new)
        near = (around.pop(one) | around.pop(other)) - {one, other}
        for region in near:
            around[region] -= {one, other}
            around[region].add(new)
        around[new] = near
        others = np.fromiter(near, dtype=np.int64)
        for s, region in zip(regions.similarity(new, others).tolist(), others.tolist(), strict=True):  # fmt: skip
            heapq.heappush(queue, (-s, region, new))
    return pairs, similarities, regions.boxes
