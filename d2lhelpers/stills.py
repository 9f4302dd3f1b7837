"""Stills of what `lesson.play` draws, for pages where no slider can move: a sheet of small pictures for each widget.

They are drawn by the chapter's own function while the chapter runs; `record.keep_stills` keeps them beside the
notebook, which would be too large with them.
"""

from __future__ import annotations

import base64
import io
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from d2lhelpers import plot

# How many values of each control are drawn, by the number of controls: a page must stay small.
COLUMNS = {1: 9, 2: 6}
FEWEST_COLUMNS = 5
MAX_WIDTH = 620  # CSS pixels of one still


def contact_sheet(
    draw: Callable[..., Figure], controls: Mapping[str, ipywidgets.Widget]
) -> dict[str, Any]:
    """Draw a figure for several values of each control, the others at their first values.

    What the drawing takes from the random numbers of Python, NumPy and torch is given back, so that the notebook goes
    on as if nothing had been drawn.

    Args:
        draw: makes the figure from the controls' values, given by name.
        controls: those of `lesson.play`.
    Returns:
        "sheet": a WebP in base64, one row of stills a control; "width" and "height" of one still in CSS pixels;
        "controls": for each row its "label", its "values" as text and the index of the first, "start"; "seconds" that
        it took.
    """
    begin = time.perf_counter()
    first = {name: control.value for name, control in controls.items()}
    columns = COLUMNS.get(len(controls), FEWEST_COLUMNS)
    chosen = {name: positions(control, columns) for name, control in controls.items()}
    chosen = {name: values for name, values in chosen.items() if len(values) > 1}
    with _same_random_numbers():
        rows = [
            [_picture(draw(**first | {name: value})) for value, _ in values]
            for name, values in chosen.items()
        ]
    width, height, sheet = _paste(rows)
    described = [
        {
            "label": controls[name].description or name,
            "values": [text for _, text in values],
            "start": [value for value, _ in values].index(first[name]),
        }
        for name, values in chosen.items()
    ]
    return {
        "controls": described, "height": height, "seconds": time.perf_counter() - begin,
        "sheet": base64.b64encode(sheet).decode(), "width": width,
    }  # fmt: skip


def positions(control: ipywidgets.Widget, count: int) -> list[tuple[Any, str]]:
    """Up to `count` values of a control from end to end, its present one among them, each with its text."""
    if hasattr(control, "options"):
        return [(value, str(label)) for label, value in control._options_full][:count]
    if isinstance(control.value, bool):
        return [(False, "no"), (True, "yes")]
    if not hasattr(control, "step") or isinstance(control.value, tuple):
        return [(control.value, str(control.value))]
    steps = round((control.max - control.min) / control.step)
    places = {round(place) for place in np.linspace(0, steps, min(count, steps + 1))}
    here = round((control.value - control.min) / control.step)
    places.discard(min(places, key=lambda place: abs(place - here)))
    kind, layout = type(control.value), control.readout_format
    found = {place: kind(round(control.min + place * control.step, 10)) for place in places}
    found[here] = control.value
    return [(found[place], format(found[place], layout)) for place in sorted(found)]


def _picture(figure: Figure) -> Image.Image:
    pixels = plot.rasterise(figure)
    width = min(plot.shown_width(pixels.width), MAX_WIDTH)
    return pixels.resize((width, round(pixels.height * width / pixels.width)), Image.LANCZOS)


def _paste(rows: Sequence[Sequence[Image.Image]]) -> tuple[int, int, bytes]:
    """Width and height of one still, and all of them on one white sheet."""
    width = max(picture.width for row in rows for picture in row)
    height = max(picture.height for row in rows for picture in row)
    sheet = Image.new("RGB", (width * max(map(len, rows)), height * len(rows)), "white")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            # a figure that is smaller for some values stands in the middle
            left, top = (width - picture.width) // 2, (height - picture.height) // 2
            sheet.paste(picture, (j * width + left, i * height + top))
    sheet.save(buffer := io.BytesIO(), "webp", quality=62, method=6)
    return width, height, buffer.getvalue()


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    before, numpy_before = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(numpy_before)  # noqa: NPY002
