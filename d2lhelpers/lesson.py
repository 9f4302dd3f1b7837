"""What a notebook needs around the concept: show a function, make a claim, size a run, turn a knob."""

import base64
import inspect
import os
from collections.abc import Callable
from html import escape
from typing import Any, TypeVar

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from d2lhelpers import CLAIM_MIME, STILLS_MIME, STILLS_WANTED, plot
from d2lhelpers.devices import best_device
from d2lhelpers.stills import contact_sheet
from d2lhelpers.uses import as_shown

__all__ = ["budget", "claim", "play", "show_source"]

Value = TypeVar("Value")


def budget(*, cpu: Value, gpu: Value) -> Value:
    """Choose the size of a run by the device: `budget(cpu=3, gpu=30)` epochs.

    Returns:
        `gpu` where `best_device()` is a GPU, else `cpu`.
    """
    return cpu if best_device().type == "cpu" else gpu


def claim(text: str, holds: bool, evidence: str) -> None:
    """State what the chapter asserts, with the measurement that it rests on, and fail if it is not so.

    Args:
        text: the claim, a full sentence.
        holds: whether the measurement bears it out; a bool or a tensor or array of one element.
        evidence: the measured figures, formatted.
    Raises:
        AssertionError: `holds` is false. The mark is drawn all the same.
    """
    holds = bool(holds)
    mark, colour = ("✓", "#00795c") if holds else ("✗", "#b8430e")
    html = (
        f'<div style="border-left: 4px solid {colour}; padding: 0.3em 0.8em; margin: 0.3em 0">'
        f'<strong style="color: {colour}">{mark}</strong> {escape(text)}<br>'
        f'<span style="opacity: 0.75">{escape(evidence)}</span></div>'
    )
    bundle = {
        CLAIM_MIME: {"holds": holds, "text": text, "evidence": evidence},
        "text/html": html,
        "text/plain": f"{mark} {text}\n  {evidence}",
    }
    display(bundle, raw=True)
    if not holds:
        raise AssertionError(f"claim does not hold: {text} ({evidence})")


def show_source(function: Callable) -> None:
    """Show the code of a function of the package in the page, highlighted; of its docstring only the first line.

    Raises:
        TypeError: it was not written in Python.
    """
    code = as_shown(inspect.getsource(function))
    where = f"{function.__module__}.{function.__qualname__}"
    # Markdown, so that every reader (JupyterLab, a web page, dark or light) highlights it in its own colours.
    display({"text/markdown": f"`{where}`\n\n```python\n{code}```", "text/plain": code}, raw=True)


def play(draw: Callable[..., Figure], alt: str, **controls: ipywidgets.Widget) -> None:
    """Redraw a figure while the reader moves sliders.

    In a live notebook the sliders and the figure appear; where widgets do not work (a printed copy) the figure for
    the sliders' first values stands in their place, and on the course's web page stills of several values.

    Args:
        draw: makes the figure from the controls' values, given by name.
        alt: what the figure shows, for those who cannot see it.
        controls: one ipywidgets control with a `value` for each argument of `draw`.
    Raises:
        ValueError: no words in `alt`.
    """

    def redraw(_: Any = None) -> tuple[dict, dict]:
        figure = draw(**{name: control.value for name, control in controls.items()})
        data, metadata = plot.bundle(figure, alt)
        (mime,) = metadata
        image.format, image.value = mime.removeprefix("image/"), base64.b64decode(data[mime])
        # Without a width of its own the picture would be stretched to the whole page.
        image.layout.width = f"{metadata[mime]['width']}px"
        return data, metadata

    image = ipywidgets.Image(layout={"max_width": "100%", "object_fit": "contain"})
    data, metadata = redraw()
    for control in controls.values():
        control.observe(redraw, names="value")
    box = ipywidgets.VBox([*controls.values(), image])
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    if os.environ.get(STILLS_WANTED):
        data = {STILLS_MIME: contact_sheet(draw, controls), **data}
    display({"application/vnd.jupyter.widget-view+json": view, **data}, metadata=metadata, raw=True)
