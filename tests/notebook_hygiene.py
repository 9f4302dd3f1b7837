"""What every chapter's notebook must be. Each rule lists what breaks it; an empty list is a clean notebook.

`test_notebooks.py` holds all notebooks to all rules, and each rule to a notebook that breaks it.
"""

import json
import re
from collections.abc import Callable, Iterator
from statistics import median

from nbformat import NotebookNode

from d2lhelpers.notebooks import WIDGET_MIME, normalise, serialise
from d2lhelpers.record import data_tier, thumbnail

MAX_KB = 700
MAX_LINES = 30  # non-blank, in one code cell
MAX_MEDIAN_LINES = 6
MARKDOWN_PER_CODE_CELL = (1.2, 1.6)
ABSOLUTE_PATH = re.compile(r"(?<![\w.~/-])/(?:home|work|root|tmp|Users)/|\b[A-Z]:\\")

Rule = Callable[[NotebookNode], list[str]]


def cells(nb: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == kind]


def outputs(nb: NotebookNode) -> Iterator[NotebookNode]:
    for cell in cells(nb, "code"):
        yield from cell.outputs


def lines(cell: NotebookNode) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip())


def headings(nb: NotebookNode) -> list[tuple[int, str]]:
    """(level, text) of each ATX heading outside fenced code."""
    found = []
    for cell in cells(nb, "markdown"):
        prose = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
        found += [
            (len(marks), text)
            for marks, text in re.findall(r"^(#{1,6}) +(.+)$", prose, re.MULTILINE)
        ]
    return found


def one_title(nb: NotebookNode) -> list[str]:
    found = headings(nb)
    titles = [text for level, text in found if level == 1]
    if len(titles) == 1 and found[0][0] == 1:
        return []
    return [f"there must be one H1, before all other headings; there are {titles}"]


def nested_headings(nb: NotebookNode) -> list[str]:
    problems, above = [], 0
    for level, text in headings(nb):
        if level > above + 1:
            problems.append(f"heading {text!r} has level {level} below one of level {above}")
        above = level
    return problems


def clean_run(nb: NotebookNode) -> list[str]:
    counts = [cell.execution_count for cell in cells(nb, "code")]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts must be 1 to {len(counts)} from one clean run, not {counts}"]


def no_stderr(nb: NotebookNode) -> list[str]:
    return [
        f"stderr: {o.text[:80]!r}"
        for o in outputs(nb)
        if o.output_type == "stream" and o.name == "stderr"
    ]


def no_errors(nb: NotebookNode) -> list[str]:
    return [f"error: {o.ename}: {o.evalue[:80]}" for o in outputs(nb) if o.output_type == "error"]


def no_absolute_paths(nb: NotebookNode) -> list[str]:
    problems = []
    for index, cell in enumerate(nb.cells, 1):
        shown = []
        for output in cell.get("outputs", []):
            shown.append(output.get("text", ""))
            # the letters of an encoded picture can spell anything
            pages = {
                mime: data
                for mime, data in output.get("data", {}).items()
                if not mime.startswith("image/")
            }
            shown += [
                data if isinstance(data, str) else json.dumps(data) for data in pages.values()
            ]
        for text in (cell.source, *shown):
            problems += [
                f"cell {index} holds an absolute path, {m[0]}" for m in ABSOLUTE_PATH.finditer(text)
            ]
    return problems


def no_widget_state(nb: NotebookNode) -> list[str]:
    problems = ["widget state in the metadata"] if "widgets" in nb.metadata else []
    return problems + [
        "a live widget is saved" for o in outputs(nb) if WIDGET_MIME in o.get("data", {})
    ]


def is_normalised(nb: NotebookNode) -> list[str]:
    return (
        []
        if serialise(normalise(nb)) == serialise(nb)
        else ["run `python -m d2lhelpers normalise` on it"]
    )


def short_cells(nb: NotebookNode) -> list[str]:
    lengths = [lines(cell) for cell in cells(nb, "code")]
    problems = [
        f"a code cell of {n} lines, more than {MAX_LINES}" for n in lengths if n > MAX_LINES
    ]
    if lengths and median(lengths) > MAX_MEDIAN_LINES:
        problems.append(
            f"code cells have a median of {median(lengths)} lines, more than {MAX_MEDIAN_LINES}"
        )
    return problems


def enough_prose(nb: NotebookNode) -> list[str]:
    low, high = MARKDOWN_PER_CODE_CELL
    markdown, code = len(cells(nb, "markdown")), len(cells(nb, "code"))
    if low * code <= markdown <= high * code:
        return []
    return [f"{markdown} Markdown cells for {code} code cells is not {low} to {high} for each"]


def not_too_large(nb: NotebookNode) -> list[str]:
    size = len(serialise(nb).encode()) / 1000
    return [] if size <= MAX_KB else [f"{size:.0f} KB, more than {MAX_KB}"]


def has_figure(nb: NotebookNode) -> list[str]:
    shown = {mime for output in outputs(nb) for mime in output.get("data", {})}
    return [] if shown & {"image/png", "image/jpeg"} else ["no figure"]


def alt_texts(nb: NotebookNode) -> list[str]:
    problems = []
    for index, cell in enumerate(nb.cells, 1):
        for output in cell.get("outputs", []):
            for mime in output.get("data", {}):
                if (
                    mime.startswith("image/")
                    and not output.metadata.get(mime, {}).get("alt", "").strip()
                ):
                    problems.append(f"cell {index} shows a figure without alt text")
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
            problems.append(f"cell {index} holds a picture without alt text")
    return problems


def known_to_the_table(nb: NotebookNode) -> list[str]:
    """README's table shows a picture of each chapter and says what data it uses."""
    problems = [] if thumbnail(nb) else ["no cell that shows a picture has the tag `thumbnail`"]
    return problems + ([] if data_tier(nb) else ["no line that begins with **Data:**"])


RULES: tuple[Rule, ...] = (
    one_title,
    nested_headings,
    clean_run,
    no_stderr,
    no_errors,
    no_absolute_paths,
    no_widget_state,
    is_normalised,
    short_cells,
    enough_prose,
    not_too_large,
    has_figure,
    alt_texts,
    known_to_the_table,
)
