"""Maps of classes and what was taken for what, as figures.

VOC's own palette cannot be read by everybody: its first two classes are a dark red and a dark green of one lightness.
Here classes have the course's colours, in turn, and as seven colours are too few, their names are written on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage
from torch import Tensor

from d2lhelpers.datasets.voc import BACKGROUND, VOID
from d2lhelpers.plot import COLOURS, show_image

__all__ = ["show_confusion", "show_mask"]

NAMED = 0.008  # of the picture's pixels: smaller patches have no name written on them


def show_mask(
    axes: Axes,
    image: np.ndarray | Tensor | None,
    labels: np.ndarray | Tensor,
    classes: Sequence[str],
    title: str = "",
) -> None:
    """Draw a map of classes over its picture: a colour, an outline and a name for each patch, white for void.

    Args:
        axes: to draw on.
        image: as for `show_image`; None draws the map alone, background in grey.
        labels: (height, width) whole numbers, 0 background, 255 void; of the truth or predicted.
        classes: names, background first.
        title: above the picture.
    Raises:
        ValueError: labels of another shape, or a class that has no name.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"labels must be (height, width), got {labels.shape}")
    present = [int(k) for k in np.unique(labels) if k not in (BACKGROUND, VOID)]
    if present and not 0 < present[0] <= present[-1] < len(classes):
        raise ValueError(
            f"labels must be in 0..{len(classes) - 1}, one of {len(classes)} classes, or {VOID}, "
            f"but run from {present[0]} to {present[-1]}"
        )
    height, width = labels.shape
    if image is None:
        show_image(axes, np.full((height, width), 0.85), title)
    else:
        show_image(axes, image, title, fade=0.35)
    tint = np.zeros((height, width, 4))
    for k in present:
        tint[labels == k] = (*mpl.colors.to_rgb(_colour(k)), 0.7 if image is not None else 1)
    tint[labels == VOID] = 1
    axes.imshow(tint, extent=(0, width, height, 0), interpolation="nearest")
    for k in present:
        if (labels != k).any():
            # two classes of one colour may touch
            axes.contour(
                np.arange(width) + 0.5, np.arange(height) + 0.5, labels == k, [0.5],
                colors="white", linewidths=0.8,
            )  # fmt: skip
        patches, _ = ndimage.label(labels == k)
        sizes = np.bincount(patches.ravel())[1:]  # the first counts what is no patch
        for patch in 1 + np.flatnonzero(sizes >= NAMED * labels.size):
            _write(axes, *_deepest(patches == patch), classes[k])


def show_confusion(
    axes: Axes, confusion: np.ndarray | Tensor, classes: Sequence[str], title: str = ""
) -> None:
    """Draw for each true class what its pixels were taken for, in per cent; a class that is not there is grey.

    Args:
        axes: to draw on.
        confusion: (C, C) counts, rows the truth, as from `confusion_matrix`.
        classes: C names.
        title: above the table.
    Raises:
        ValueError: the names do not fit the table.
    """
    counts = np.asarray(confusion, dtype=float)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{len(classes)} classes are named, but confusion is {counts.shape}")
    total = counts.sum(1, keepdims=True)
    share = np.divide(100 * counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    shades = mpl.colormaps["Blues"].with_extremes(bad="#dddddd")
    axes.imshow(np.ma.masked_invalid(share), cmap=shades, vmin=0, vmax=120, aspect="auto")
    for row, column in np.argwhere(share >= 0.5):
        value = share[row, column]
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=8,
            color="white" if value > 70 else "black",
        )  # fmt: skip
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(length=0)
    axes.set(xlabel="taken for", ylabel="truth", title=title)
    axes.spines[:].set_visible(False)


def _colour(k: int) -> str:
    """Of class k, counted from 1 after the background; black is left for lines and words."""
    return COLOURS[(k - 1) % 7]


def _deepest(patch: np.ndarray) -> tuple[float, float]:
    """(x, y) of the pixel of a patch that is farthest from its edge, which is where there is room for a name."""
    depth = ndimage.distance_transform_edt(np.pad(patch, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return column + 0.5, row + 0.5


def _write(axes: Axes, x: float, y: float, text: str) -> None:
    # clipped to the axes, as a name at the edge would otherwise stand in the next picture
    drawn = axes.text(x, y, text, ha="center", va="center", fontsize=7.5, clip_on=True)
    drawn.set_path_effects([effects.withStroke(linewidth=2, foreground="white")])
