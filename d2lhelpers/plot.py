"""Figures, and nothing but figures: no maths, no data.

Colours are those of Okabe and Ito (2008), which readers with any kind of colour vision can tell apart.
"""

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

__all__ = [
    "COLOURS",
    "bbox_to_rect",
    "bundle",
    "course_style",
    "heatmap",
    "show",
    "show_bboxes",
    "show_image",
    "to_png",
]

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK)

DPI = 120


def course_style() -> None:
    """Give every figure of a notebook the course's look. Called once, in the settings cell."""
    mpl.rcParams.update(
        {
            "axes.prop_cycle": mpl.cycler(color=COLOURS[:5]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 11,
            "figure.figsize": (7, 4),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "legend.frameon": False,
        }
    )


def bbox_to_rect(bbox: Sequence[float] | Tensor, color: str) -> Rectangle:
    """A box as a matplotlib patch.

    Args:
        bbox: (4,), corners (x1, y1, x2, y2) in the units of the axes.
        color: of its outline.
    Returns:
        An unfilled rectangle, not yet on any axes.
    Source: d2l, section 14.3.
    """
    x1, y1, x2, y2 = (float(value) for value in bbox)
    return Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=2)


def show_bboxes(
    axes: Axes,
    bboxes: Sequence | Tensor,
    labels: Any = None,
    colors: str | Sequence[str] | None = None,
) -> None:
    """Draw boxes on axes, each with its label at the top-left corner.

    Args:
        axes: usually with a picture on it.
        bboxes: (N, 4), corners in the units of the axes (pixels, on a picture).
        labels: for the first of the boxes; anything but a list or tuple counts as a list of one. "" draws none.
        colors: used in turn; one colour counts as a list of one. Default: the course's.
    Source: d2l, section 14.4.1.
    """
    labels = _as_list(labels, default=[])
    colors = _as_list(colors, default=COLOURS[:5])
    for i, bbox in enumerate(bboxes):
        color = colors[i % len(colors)]
        rectangle = axes.add_patch(bbox_to_rect(bbox, color))
        # A thin white line under the coloured one keeps a box visible on any picture.
        rectangle.set_path_effects(
            [effects.withStroke(linewidth=3.5, foreground="white", alpha=0.7)]
        )
        if i < len(labels) and labels[i] != "":
            axes.annotate(
                str(labels[i]),
                rectangle.get_xy(),
                xytext=(3, -3),
                textcoords="offset points",
                va="top",
                ha="left",
                fontsize=9,
                color=text_colour(color),
                bbox={"facecolor": color, "lw": 0, "pad": 2},
                annotation_clip=False,
            )


def _as_list(value: Any, default: Sequence) -> Sequence:
    if value is None:
        return default
    return value if isinstance(value, list | tuple) else [value]


def text_colour(background: str) -> str:
    """Black or white, whichever can be read on the background (relative luminance, WCAG 2)."""
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(background)
    )
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white"


def show_image(axes: Axes, image: np.ndarray | Tensor, title: str = "", fade: float = 0.0) -> None:
    """Draw a picture without ticks, its pixels' coordinates running from 0 to width and height.

    Args:
        axes: to draw on.
        image: (H, W), (H, W, 3) or (3, H, W), uint8, or floats in [0, 1].
        title: above the picture.
        fade: in [0, 1], how far to bleach it, so that what is drawn on top stands out.
    Raises:
        ValueError: another shape.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.shape[2] != 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"image must be (H, W), (H, W, 3) or (3, H, W), got {pixels.shape}")
    height, width = pixels.shape[:2]
    scale = 255 if pixels.dtype == np.uint8 else 1
    bleached = (1 - fade) * (pixels / scale) + fade
    # The default extent puts pixel centres on whole numbers; a box's coordinates are those of pixel borders.
    axes.imshow(
        bleached,
        cmap="gray",
        vmin=0,
        vmax=1,
        extent=(0, width, height, 0),
        interpolation="bilinear",
    )
    axes.set(xticks=[], yticks=[], title=title)
    axes.spines[:].set_visible(False)


def heatmap(
    axes: Axes,
    values: np.ndarray | Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    frames: Sequence[tuple[int, int]] = (),
) -> None:
    """Draw a table of numbers in [0, 1] as shades of blue, the number in each cell; NaN leaves a cell grey.

    Args:
        axes: to draw on.
        values: (len(rows), len(columns)).
        rows, columns: their names.
        title: above the table.
        frames: cells (row, column) to frame in red.
    Raises:
        ValueError: the names do not fit the table.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(
            f"{len(rows)} rows and {len(columns)} columns are named, but values is {values.shape}"
        )
    shades = mpl.colormaps["Blues"].with_extremes(bad="#dddddd")
    axes.imshow(np.ma.masked_invalid(values), cmap=shades, vmin=0, vmax=1.2, aspect="auto")
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        axes.text(
            column,
            row,
            f"{value:.2f}",
            ha="center",
            va="center",
            color="white" if value > 0.7 else "black",
        )
    for row, column in frames:
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=RED, linewidth=3, zorder=3
            )
        )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.set_title(title)
    axes.spines[:].set_visible(False)


def show(figure: Figure, alt: str) -> None:
    """Put a finished figure on the page, with the words for those who cannot see it.

    Args:
        figure: is closed afterwards.
        alt: one or two sentences that say what is to be seen.
    Raises:
        ValueError: no words in `alt`.
    """
    data, metadata = bundle(figure, alt)
    display(data, metadata=metadata, raw=True)


def bundle(figure: Figure, alt: str) -> tuple[dict, dict]:
    """A figure as Jupyter's display data and metadata: the picture, its words, and the width in which to show it.

    A photograph takes half the room as JPEG, a drawing a fifth as PNG: the smaller of the two is taken.

    Args:
        figure: is closed afterwards.
        alt: what is to be seen.
    Raises:
        ValueError: no words in `alt`.
    """
    if not alt.strip():
        raise ValueError("alt must say in words what the figure shows")
    pixels = rasterise(figure)
    jpeg = io.BytesIO()
    # No colour subsampling, which would blur coloured lines.
    pixels.save(jpeg, format="jpeg", quality=76, subsampling=0, optimize=True)
    mime, content = min(
        ("image/png", _palette_png(pixels)),
        ("image/jpeg", jpeg.getvalue()),
        key=lambda p: len(p[1]),
    )
    metadata = {mime: {"alt": alt, "width": shown_width(pixels.width)}}
    return {mime: base64.b64encode(content).decode(), "text/plain": alt}, metadata


def shown_width(pixels: int) -> int:
    """CSS pixels (96 an inch) across which a picture of so many pixels shows its text in its nominal size."""
    return round(pixels * 96 / DPI)


def to_png(figure: Figure) -> bytes:
    """A drawing as PNG with a palette of 256 colours, the same bytes every time. Closes the figure."""
    return _palette_png(rasterise(figure))


def rasterise(figure: Figure) -> Image.Image:
    """A figure as RGB pixels, DPI an inch, on white. Closes the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


def _palette_png(pixels: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pixels.quantize(256).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
