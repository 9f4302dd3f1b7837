"""Predictions drawn over the truth."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from d2lhelpers.detection.detector import Detection
from d2lhelpers.plot import COLOURS, bbox_to_rect, show_image, text_colour

__all__ = ["show_detections"]


def show_detections(
    axes: Axes,
    image: np.ndarray | Tensor,
    classes: Sequence[str],
    detection: Detection | None = None,
    truth: dict[str, Tensor] | None = None,
    threshold: float = 0.5,
    title: str = "",
) -> None:
    """Draw a picture, what was found in it in the classes' colours, and dashed in white what is there.

    Args:
        axes: to draw on.
        image: as for `show_image`.
        classes: names; class k has the k-th colour.
        detection: what was found; each box is labelled with its class and score.
        truth: boxes (K, 4) in pixels and labels (K,), as from `truths_of`; labelled where nothing was looked for.
        threshold: in [0, 1], detections that score less are left out.
        title: above the picture.
    """
    show_image(axes, image, title)
    colours = [COLOURS[k % 7] for k in range(len(classes))]
    if detection is None and truth is not None:
        for box, k in zip(truth["boxes"], truth["labels"].tolist(), strict=True):
            _draw(axes, box, colours[k], classes[k])
    elif truth is not None:
        for box in truth["boxes"]:
            # white on black can be seen on any picture
            axes.add_patch(outline := bbox_to_rect(box, "white"))
            outline.set(linewidth=1, linestyle=(0, (2, 2)))
            outline.set_path_effects([effects.withStroke(linewidth=1.6, foreground="black")])
    if detection is not None:
        found = zip(*(detection[name].cpu() for name in ("boxes", "labels", "scores")), strict=True)
        # the surest last, on top
        for box, k, score in reversed([one for one in found if one[2] >= threshold]):
            _draw(axes, box, colours[k], f"{classes[k]} {score:.2f}")


def _draw(axes: Axes, box: Tensor, colour: str, text: str) -> None:
    """A box with its text above it, where it hides least; at the picture's top below the edge."""
    axes.add_patch(outline := bbox_to_rect(box, colour))
    outline.set_linewidth(1.5)
    outline.set_path_effects([effects.withStroke(linewidth=2.5, foreground="white", alpha=0.7)])
    at_top = float(box[1]) < 0.07 * axes.get_ylim()[0]
    axes.annotate(
        text, outline.get_xy(), xytext=(0, -1 if at_top else 1), textcoords="offset points",
        va="top" if at_top else "bottom", fontsize=6.5, color=text_colour(colour), annotation_clip=False,
        bbox={"facecolor": colour, "alpha": 0.85, "lw": 0, "pad": 1},
    )  # fmt: skip
