"""Small grids of numbers in coloured cells: what a kernel reads, what a stroke paints, who reaches which pixel."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from torch import Tensor

from d2lhelpers import plot

__all__ = ["arrow_between", "show_cells", "stroke_colours"]

# One for each pixel of a small input, in reading order.
PIXEL_COLOURS = (plot.BLUE, plot.ORANGE, plot.GREEN, plot.PURPLE, plot.RED, plot.SKY, plot.YELLOW)
GRID = "#bbbbbb"

Cell = tuple[int, int]


def show_cells(
    axes: Axes,
    values: np.ndarray | Tensor,
    title: str = "",
    fills: Mapping[Cell, Sequence[str]] | None = None,
    frames: Iterable[tuple[Cell, Cell, str]] = (),
    numbers: bool = True,
    border: int = 0,
) -> None:
    """Draw a table of numbers as square cells, row 0 on top; coordinates run from 0 to width and height.

    Args:
        axes: to draw on.
        values: (h, w); NaN leaves a cell without a number, a zero is grey.
        title: above the table.
        fills: colours of a cell, given as (row, column): several stand side by side, as stripes. Default: white.
        frames: thick outlines, each ((row, column) of the first cell, (height, width) in cells, colour).
        numbers: whether to write the numbers.
        border: cells along each edge that are drawn as cut off: hatched.
    Raises:
        ValueError: values without two dimensions.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2:
        raise ValueError(f"values must be (h, w), got {table.shape}")
    height, width = table.shape
    size = min(13.0, 48 / max(height, width) + 4)
    for (row, column), value in np.ndenumerate(table):
        colours = (fills or {}).get((row, column), ())
        for k, colour in enumerate(colours):
            share = 1 / len(colours)
            axes.add_patch(Rectangle((column + k * share, row), share, 1, color=pale(colour), lw=0))
        cut = not (border <= row < height - border and border <= column < width - border)
        axes.add_patch(
            Rectangle((column, row), 1, 1, fill=False, edgecolor=GRID, linewidth=0.8,
                      hatch="////" if cut else None)
        )  # fmt: skip
        if numbers and np.isfinite(value):
            grey = value == 0 and not colours
            axes.text(column + 0.5, row + 0.5, f"{value:g}", ha="center", va="center",
                      fontsize=size, color="#999999" if grey else "black")  # fmt: skip
    for (row, column), (high, wide), colour in frames:
        axes.add_patch(
            Rectangle(
                (column, row), wide, high, fill=False, edgecolor=colour, linewidth=2.5, zorder=3
            )
        )
    # The axes alone decide the layout: hundreds of cells in it would take a second a figure.
    for artist in (*axes.patches, *axes.texts):
        artist.set_in_layout(False)
    axes.set(xlim=(-0.06, width + 0.06), ylim=(height + 0.06, -0.06), aspect=1, title=title)
    axes.axis("off")


def stroke_colours(
    size: Cell, kernel: Cell, stride: Cell = (1, 1), strokes: int | None = None
) -> dict[Cell, list[str]]:
    """Which strokes of a transposed convolution reach which pixel of its uncut output, as colours.

    Args:
        size, kernel, stride: of the input and the transposed convolution, each (for height, for width).
        strokes: only the first so many, in reading order; default all.
    Returns:
        for each pixel (row, column) that is reached the colours of the input pixels that reach it, in reading order.
    """
    reached: dict[Cell, list[str]] = {}
    for number, (row, column) in enumerate(np.ndindex(*size)):
        if strokes is not None and number >= strokes:
            break
        for i, j in np.ndindex(*kernel):
            place = row * stride[0] + i, column * stride[1] + j
            reached.setdefault(place, []).append(PIXEL_COLOURS[number % len(PIXEL_COLOURS)])
    return reached


def arrow_between(
    figure: Figure, start: tuple[Axes, float, float], end: tuple[Axes, float, float], colour: str
) -> None:
    """An arrow from a point of one table to a point of another; points are (axes, x, y)."""
    (axes, *point), (other, *other_point) = start, end
    arrow = figure.add_artist(
        ConnectionPatch(point, other_point, "data", "data", axesA=axes, axesB=other, color=colour,
                        arrowstyle="-|>", mutation_scale=14, linewidth=1.6, shrinkA=2, shrinkB=2, zorder=5)
    )  # fmt: skip
    arrow.set_in_layout(False)


def pale(colour: str) -> str:
    """A colour light enough for black numbers on top of it."""
    return mpl.colors.to_hex(0.45 * np.array(mpl.colors.to_rgb(colour)) + 0.55)
