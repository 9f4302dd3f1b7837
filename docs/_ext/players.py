"""A widget on a static page: its stills, one of which is seen, and a slider for each control to choose it by."""

from __future__ import annotations

import html
from typing import Any


def player(name: str, still: dict[str, Any], alt: str) -> str:
    """HTML for one widget, as a block of Markdown. Without scripts the whole sheet of stills is shown.

    Args:
        name: of the sheet, without its ending, in the folder `stills` beside the page.
        still: what `record.read_stills` says of it.
        alt: the widget's words.
    """
    controls = still["controls"]
    columns = max(len(control["values"]) for control in controls)
    settings = [f"{c['label']} {', '.join(c['values'])}" for c in controls]
    words = html.escape(f"{alt} Stills for {'; '.join(settings)}.", quote=True)
    size = f"width={columns * still['width']} height={len(controls) * still['height']}"
    image = f'<img src="stills/{name}.webp" alt="{words}" {size} loading="lazy">'
    sliders = "".join(_slider(row, control) for row, control in enumerate(controls))
    style = f"--columns: {columns}; --rows: {len(controls)}; --width: {still['width']}px; "
    style += f"--shape: {still['width']} / {still['height']}"
    note = "one knob at a time, " if len(controls) > 1 else ""
    return (
        f'<div class="stills" style="{style}">'
        f'<div class="stills-sheet">{image}</div>'
        f'<div class="stills-knobs">{sliders}</div>'
        f'<p class="stills-note">Stills, {note}drawn by the function above; '
        f"in the notebook the figure follows every move.</p></div>"
    )


def _slider(row: int, control: dict[str, Any]) -> str:
    label, values, start = control["label"], control["values"], control["start"]
    texts = html.escape("|".join(values), quote=True)
    return (
        f"<label><span>{html.escape(label)}</span>"
        f'<input type="range" min="0" max="{len(values) - 1}" value="{start}" step="1" '
        f'data-row="{row}" data-start="{start}" data-values="{texts}" '
        f'aria-valuetext="{html.escape(values[start])}">'
        f"<output>{html.escape(values[start])}</output></label>"
    )
