"""What a learner sees: the verdict on an answer, and pages of text such as a hint."""

import base64
import re
import textwrap
from dataclasses import dataclass, field
from html import escape
from typing import Any

from d2lhelpers import plot

# Word, mark and colour. The mark is white on the colour, which can be read on a light page and on a dark one.
STATUS = {
    "right": ("Right", "✓", "#00795c"),
    "blank": ("Not attempted yet", "○", "#5c6773"),
    "wrong": ("Not right yet", "✗", "#b8430e"),
    "error": ("Stopped by an error", "✗", "#b8430e"),
    "timeout": ("Did not finish", "✗", "#b8430e"),
}
TEXT_WIDTH = 96


@dataclass(frozen=True, repr=False)
class Verdict:
    """The answer of a checker. As the last line of a cell it shows itself; it counts as true when right.

    Attributes:
        exercise: its name.
        status: one of the keys of `STATUS`.
        message: what to tell the learner; `code` stands between backticks.
        summary: how much is right, short.
        mistake: the name of the known mistake that the answer looks like, or None.
        note: what the smallest failing case is.
        rows: what to show of that case, label and text.
        arguments: of that case; `function(*verdict.arguments)` repeats it.
        expected, value: what should have come, and what came.
        png, alt: the case as a picture, where it is geometric, and the picture in words.
        footer: what to do next.
    """

    exercise: str
    status: str
    message: str = ""
    summary: str = ""
    mistake: str | None = None
    note: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    arguments: tuple = ()
    expected: Any = None
    value: Any = None
    png: bytes | None = field(default=None)
    alt: str = ""
    footer: str = ""

    @property
    def right(self) -> bool:
        return self.status == "right"

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        word, mark, _ = STATUS[self.status]
        lines = [f"{mark} {self.exercise}: {word}" + (f" ({self.summary})" if self.summary else "")]
        lines += textwrap.wrap(self.message, TEXT_WIDTH)
        if self.note:
            lines += textwrap.wrap(f"Smallest failing case: {self.note}", TEXT_WIDTH)
        width = max((len(label) for label, _ in self.rows), default=0)
        for label, text in self.rows:
            lines.append(f"  {label:<{width}}  " + text.replace("\n", "\n" + " " * (width + 4)))
        if self.png:
            lines += textwrap.wrap(f"Picture: {self.alt}", TEXT_WIDTH)
        lines += textwrap.wrap(self.footer, TEXT_WIDTH)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        word, mark, colour = STATUS[self.status]
        parts = [
            f'<span style="background: {colour}; color: white; border-radius: 1em; padding: 0.15em 0.8em; '
            f'font-weight: 600">{mark} {word}</span> '
            f'<code>{escape(self.exercise)}</code> <span style="opacity: 0.75">{escape(self.summary)}</span>'
        ]
        if self.message:
            parts.append(f'<p style="margin: 0.6em 0; max-width: 46em">{_inline(self.message)}</p>')
        if self.note:
            parts.append(
                f'<p style="margin: 0.6em 0 0.2em"><b>Smallest failing case:</b> {_inline(self.note)}</p>'
            )
        if self.rows:
            cells = "".join(
                f'<span style="opacity: 0.75">{escape(label)}</span>'
                '<pre style="margin: 0; padding: 0; background: none; color: inherit; overflow-x: auto; '
                f"font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace; font-size: 0.92em\">"
                f"{escape(text)}</pre>"
                for label, text in self.rows
            )
            parts.append(
                '<div style="display: grid; grid-template-columns: max-content minmax(0, 1fr); '
                f'gap: 0.15em 1em; align-items: baseline; margin: 0.2em 0">{cells}</div>'
            )
        if self.png:
            width = plot.shown_width(int.from_bytes(self.png[16:20]))  # as the PNG's header has it
            data = base64.b64encode(self.png).decode()
            parts.append(
                f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt)}" width="{width}" '
                'style="display: block; max-width: 100%; margin: 0.5em 0; border-radius: 6px">'
            )
        if self.footer:
            parts.append(f'<p style="margin: 0.6em 0 0; opacity: 0.75">{_inline(self.footer)}</p>')
        style = f"border-left: 4px solid {colour}; padding: 0.4em 0.9em; margin: 0.3em 0"
        return f'<div style="{style}">{"".join(parts)}</div>'


def _inline(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


@dataclass(frozen=True, repr=False)
class Page:
    """Text in Markdown that shows itself as the last line of a cell."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text
