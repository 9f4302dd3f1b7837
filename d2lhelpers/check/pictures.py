"""Pictures of a failing case: boxes to scale, side by side where expected and actual are to be compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from d2lhelpers import plot

ONE, TWO, RIGHT, WRONG, QUIET = plot.BLUE, plot.ORANGE, plot.GREEN, plot.RED, "#6b7280"
PANEL_SIZE = 3.4  # inches, the longer side of what is drawn
FONT_SIZE = 9


@dataclass(frozen=True)
class Mark:
    """A box to draw. Not every eye tells two colours apart: what matters differs in its line too."""

    box: Sequence[float]  # corners
    label: str = ""
    colour: str = QUIET
    dashed: bool = False
    fill: float = 0.0  # opacity of the inside
    hatch: str = ""
    thin: bool = False
    band: bool = False  # a broad pale outline


@dataclass(frozen=True)
class Panel:
    """Boxes drawn over one another, with a title above and a line of text below."""

    marks: Sequence[Mark]
    title: str = ""
    caption: str = ""
    arrow: tuple[Sequence[float], Sequence[float]] | None = None  # from a point to a point


def finite(box: object) -> bool:
    """Whether a box can be drawn at all; a learner's may hold NaN."""
    return bool(np.isfinite(np.asarray(box, dtype=float)).all())


def within(box: Sequence[float], others: Sequence[Sequence[float]], times: float = 3.0) -> bool:
    """Whether a box is near the others; one far off would shrink them to dots."""
    corners = np.asarray(others, dtype=float).reshape(-1, 2)
    low, high = corners.min(0), corners.max(0)
    reach = times * max(high - low)
    points = np.asarray(box, dtype=float).reshape(2, 2)
    return finite(box) and bool((points >= low - reach).all() and (points <= high + reach).all())


def draw(panels: Sequence[Panel], frame: Sequence[float] | None = None, unit: str = "") -> Figure:
    """The panels side by side on the same axes.

    Args:
        panels: one or more.
        frame: corners of the picture that the boxes lie in, drawn as a thin line and always in view.
        unit: of the axes, in words.
    """
    shown = [mark.box for panel in panels for mark in panel.marks] + (
        [frame] if frame is not None else []
    )
    points = np.asarray(shown, dtype=float).reshape(-1, 2)
    low, high = points.min(0), points.max(0)
    # Whole coordinates are counted in whole steps.
    whole = bool((points == points.round()).all())
    ticks = MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole).tick_values(0, max(high - low) or 1)
    step = ticks[1] - ticks[0]
    margin = 0.09 * max(high - low) or 1.0
    low, high = low - margin, high + margin
    width, height = PANEL_SIZE * (high - low) / max(high - low)
    # Room for the title, which is wider than a slim picture, and for ticks and text above and below.
    width, height = max(width, 3.0), max(height, 0.9)
    lines = max(panel.title.count("\n") + 1 if panel.title else 0 for panel in panels)
    texts = 0.22 * lines + 0.3 * any(panel.caption for panel in panels)
    figure = Figure(
        figsize=((width + 0.45) * len(panels), height + 0.45 + texts),
        dpi=plot.DPI,
        layout="constrained",
    )
    for axes, panel in zip(
        np.ravel(figure.subplots(1, len(panels), squeeze=False)), panels, strict=True
    ):
        axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
        axes.set_title(panel.title, fontsize=FONT_SIZE + 1)
        axes.set_xlabel(panel.caption or unit, fontsize=FONT_SIZE)
        axes.grid(color="#e3e5e8", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        # The same step both ways: one square of the grid is a unit to count in.
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.yaxis.set_major_locator(MultipleLocator(step))
        axes.tick_params(length=0, labelsize=FONT_SIZE - 1, colors="#5c6773")
        if frame is not None:  # the picture's border
            axes.add_patch(plot.bbox_to_rect(frame, "#5c6773")).set(linewidth=1)
        for mark in panel.marks:
            _add_box(axes, mark)
        if panel.arrow:
            _add_arrow(axes, *panel.arrow)
    FigureCanvasAgg(figure)  # a figure of its own, whichever backend the notebook uses
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is final: labels can be placed on it
    for axes, panel in zip(figure.axes, panels, strict=True):
        _add_labels(figure, axes, panel.marks)
    return figure


def _add_box(axes: Axes, mark: Mark) -> None:
    if mark.hatch:
        axes.add_patch(plot.bbox_to_rect(mark.box, mark.colour)).set(
            hatch=mark.hatch, linewidth=0, alpha=0.5
        )
        return
    if mark.fill:
        inside = axes.add_patch(plot.bbox_to_rect(mark.box, mark.colour))
        inside.set(fill=True, facecolor=mark.colour, alpha=mark.fill, linewidth=0)
    if mark.box[0] == mark.box[2] or mark.box[1] == mark.box[3]:
        # It has no outline to see.
        axes.plot(mark.box[0::2], mark.box[1::2], "o-", color=mark.colour, markersize=5)
    outline = axes.add_patch(plot.bbox_to_rect(mark.box, mark.colour))
    if mark.dashed:
        outline.set(linestyle=(0, (4, 2.5)))
    if mark.band:  # a second line on top of it leaves it visible
        outline.set(linewidth=6, alpha=0.45)
    elif mark.colour == QUIET or mark.thin:
        outline.set(linewidth=1.5)


def _add_arrow(axes: Axes, start: Sequence[float], end: Sequence[float]) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": "#30363d", "lw": 1.4, "shrinkA": 0, "shrinkB": 0},
    )
    axes.plot(*start, "o", color="#30363d", markersize=4)


def _add_labels(figure: Figure, axes: Axes, marks: Sequence[Mark]) -> None:
    """Each label at the corner of its box where it covers least of other labels and other boxes' edges."""
    placed: list[np.ndarray] = []
    renderer = figure.canvas.get_renderer()
    inside = axes.get_window_extent(renderer).extents
    edges = [axes.transData.transform(np.reshape(mark.box, (2, 2)).astype(float)) for mark in marks]
    for mark, corners in zip(marks, edges, strict=True):
        if not mark.label:
            continue
        text = axes.text(
            0, 0, mark.label, transform=None, fontsize=FONT_SIZE, va="bottom", ha="left", linespacing=1.05,
            color=plot.text_colour(mark.colour), bbox={"facecolor": mark.colour, "lw": 0, "pad": 2}, zorder=5,
        )  # fmt: skip
        size = np.array(text.get_window_extent(renderer).size) + 6
        (left, right), (bottom, top) = np.sort(corners[:, 0]), np.sort(corners[:, 1])
        xs, ys = (
            (left, right - size[0], (left + right - size[0]) / 2),
            (top, top - size[1], bottom, bottom - size[1]),
        )
        spots = [np.array([x, y, x + size[0], y + size[1]]) for y in ys for x in xs]
        costs = []
        for i, spot in enumerate(spots):
            overlap = sum(_common(spot, other) for other in placed)
            outside = np.prod(size) - _common(spot, inside)
            crossed = sum(
                _common(spot, edge)
                for other in edges
                if other is not corners
                for edge in _strips(other)
            )
            costs.append(20 * overlap + 20 * outside + 4 * crossed + 0.01 * np.prod(size) * i)
        best = spots[int(np.argmin(costs))]
        placed.append(best)
        text.set(
            transform=axes.transData,
            position=axes.transData.inverted().transform(best[:2] + 3),
            in_layout=False,
        )


def _strips(corners: np.ndarray) -> list[np.ndarray]:
    """The four edges of a box as thin rectangles."""
    (x1, x2), (y1, y2), d = np.sort(corners[:, 0]), np.sort(corners[:, 1]), 2
    strips = ((x1, y1, x2, y1), (x1, y2, x2, y2), (x1, y1, x1, y2), (x2, y1, x2, y2))
    return [np.add(strip, (-d, -d, d, d)) for strip in strips]


def _common(one: np.ndarray, two: np.ndarray) -> float:
    """Area of the overlap of two rectangles in points."""
    return float(
        np.prod(np.clip(np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2]), 0, None))
    )
