"""A chapter's page: its notebook with what a static page needs in place of what only a live one can do."""

from __future__ import annotations

import ast
import copy
from collections import defaultdict
from typing import TYPE_CHECKING

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from sphinx.errors import ExtensionError

from _ext.course import Chapter, Course
from _ext.players import player
from d2lhelpers import CLAIM_MIME, freshness, record
from d2lhelpers.uses import PACKAGE, imports

if TYPE_CHECKING:
    from _ext.exercises import Checks


def refuse_stale(course: Course) -> None:
    """Name every chapter whose outputs cannot be trusted.

    Raises:
        ExtensionError: an output is an error, or older than what it was made from.
    """
    problems = []
    for chapter in course.chapters:
        for cell in chapter.nb.cells:
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    problems.append(f"{chapter.stem} shows an error, {output.ename}")
        if changed := freshness.changes(chapter.nb, course.package, chapter.stem):
            problems.append(f"{chapter.stem} is older than: {', '.join(changed)}")
    if problems:
        listed = "\n  ".join(problems)
        raise ExtensionError(
            f"run `python -m d2lhelpers run --write` with the number of each of these:\n  {listed}"
        )


def page(chapter: Chapter, course: Course, checks: Checks) -> NotebookNode:
    """The notebook to show: what it cost below its title, stills for widgets, folded hints, the functions it uses.

    Raises:
        ExtensionError: a widget has no stills.
    """
    nb = copy.deepcopy(chapter.nb)
    names = imports(chapter.tree)
    stills = record.read_stills(chapter.stem, course.root)
    cells, waiting = [], list(enumerate(stills, 1))
    for cell in nb.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        calls = _calls(cell.source, names)
        if "d2lhelpers.lesson.play" in calls:
            if not waiting:
                raise ExtensionError(
                    f"{chapter.stem} has a widget without stills: `python -m d2lhelpers run {chapter.number} --write`"
                )
            number, still = waiting.pop(0)
            alt = _take_figure(cell)
            cells.append(_markdown(cell, player(f"{chapter.stem}-{number}", still, alt)))
        if _drop_blank(cell):
            cells += [
                _markdown(cell, checks.folded(call.removeprefix(f"{PACKAGE}.check.")))
                for call in calls
                if call.startswith(f"{PACKAGE}.check.")
            ]
    nb.cells = cells
    title, rest = nb.cells[0].source.split("\n", 1)
    nb.cells[0].source = f"{title}\n\n{facts(chapter)}\n{rest}"
    nb.cells.append(_markdown(nb.cells[-1], functions(chapter, course)))
    nb.metadata.pop(freshness.KEY, None)
    return nb


def facts(chapter: Chapter) -> str:
    """What the chapter's last recorded run cost, and its notebook, as a line of Markdown."""
    parts = [f"Chapter {chapter.number}", *costs(chapter)]
    shown = " ".join(f"[{part}]{{.fact}}" for part in parts)
    return f"{shown} {{download}}`Notebook </generated/notebooks/{chapter.path.name}>`\n"


def costs(chapter: Chapter) -> list[str]:
    """Time and memory of the last recorded run, and the claims below; empty before there is a run."""
    run = chapter.run
    if not run:
        return []
    outputs = (output for cell in chapter.nb.cells for output in cell.get("outputs", []))
    shown = [output.data for output in outputs if "data" in output]
    claims = [data[CLAIM_MIME]["holds"] for data in shown if CLAIM_MIME in data]
    return [
        f"{run['seconds']:.0f} s on {run['cpu_count']} cores",
        f"{run['peak_mib'] / 1024:.1f} GiB of memory",
        f"{sum(claims)} of {len(claims)} claims hold",
    ]


def functions(chapter: Chapter, course: Course) -> str:
    """The chapter's last section: what of the package its code uses, linked, by module.

    Raises:
        ExtensionError: a function or a class that is not public.
    """
    groups = defaultdict(list)
    for definition in sorted(chapter.uses):
        module = ".".join(definition[0].split(".")[:2])
        if name := course.public_names.get(definition):
            groups[module].append(f"{{py:obj}}`{definition[1]} <{name}>`")
        elif module == f"{PACKAGE}.check":
            groups[module].append(f"`{definition[1]}`")
        elif course.package.is_code(definition):
            raise ExtensionError(
                f"{chapter.stem} uses {'.'.join(definition)}, which no page describes: add it to `__all__`"
            )
    lines = ["## What this chapter uses of the package", ""]
    for module, links in sorted(groups.items()):
        name = module.split(".")[1]
        lines.append(f"- {{doc}}`{name} </api/{name}>`: {', '.join(links)}")
    return "\n".join(lines)


def _calls(source: str, names: dict[str, tuple[str, ...]]) -> list[str]:
    """The full names of what of the package a cell calls, in order, each once."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            head, *rest = ast.unparse(node.func).split(".")
            if head in names:
                found.append(".".join((*names[head], *rest)))
    return list(dict.fromkeys(found))


def _take_figure(cell: NotebookNode) -> str:
    """Remove the figure of a widget from its cell, as the stills show it too; gives its words."""
    for output in cell.outputs:
        for mime in ("image/png", "image/jpeg"):
            if mime in output.get("data", {}):
                cell.outputs.remove(output)
                return output.metadata[mime]["alt"]
    return ""


def _drop_blank(cell: NotebookNode) -> bool:
    """Remove the verdict on an exercise that nobody has attempted; whether there was one."""
    blank = [o for o in cell.outputs if o.get("data", {}).get("text/plain", "").startswith("○ ")]
    cell.outputs = [output for output in cell.outputs if output not in blank]
    return bool(blank)


def _markdown(after: NotebookNode, source: str) -> NotebookNode:
    cell = new_markdown_cell(source)
    cell.id = f"{after.id}-more"
    return cell
