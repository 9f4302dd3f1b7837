"""What nbgrader's own steps are made to do besides; `assignments/nbgrader_config.py` puts them in their place.

- `FillVariant`, when an assignment is generated: the class's variant in place of the instructor's.
- `UseExecution`, when a submission is graded: the outputs of the sandbox in place of nbgrader's own execution,
  which would run a student's code with all that the teacher may do.
- `HideTests`, when feedback is written: without hidden tests, and without what they say.
"""

import json
import re
from pathlib import Path

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Integer, Unicode

from d2lhelpers.classroom.cells import (
    HIDDEN_BEGIN,
    HIDDEN_END,
    MARK_BEGIN,
    MARK_END,
    SOLUTION_BEGIN,
    SOLUTION_END,
    region,
)

MIN_TELLING = 12  # characters of a line that could give something away
VARIANT = re.compile(r"\bvariant=\d+")


def fill_variant(nb: NotebookNode, variant: int) -> NotebookNode:
    """The notebook with `variant=...` of its first cell that has one set to a number.

    Raises:
        ValueError: there is no such cell.
    """
    for cell in nb.cells:
        if cell.cell_type == "code" and VARIANT.search(cell.source):
            cell.source = VARIANT.sub(f"variant={variant}", cell.source, count=1)
            return nb
    raise ValueError('nb has no cell with `variant=0`: it needs `Assignment("...", variant=0)`')


class FillVariant(NbGraderPreprocessor):
    """Writes the variant into the notebook before nbgrader keeps its cells."""

    variant = Integer(0, help="the public number of the class's variant; 0 leaves it").tag(
        config=True
    )

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        return (fill_variant(nb, self.variant) if self.variant else nb), resources


class UseExecution(NbGraderPreprocessor):
    """Takes the notebook as it was executed in the sandbox."""

    folder = Unicode("", help="where `class grade` keeps executed notebooks").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        about = resources["nbgrader"]
        path = executed_path(Path(self.folder), about["assignment"], about["student"])
        if not path.is_file():
            raise FileNotFoundError(
                f"{about['student']}'s {about['assignment']} has not run in the sandbox: use "
                f"`python -m d2lhelpers class grade {about['assignment']}`, which also records the scores here"
            )
        return nbformat.read(path, as_version=4), resources


def executed_path(folder: Path, assignment: str, student: str) -> Path:
    """Where the sandbox's notebook of a student is, as nbgrader lays out submissions."""
    return folder / student / assignment / f"{assignment}.ipynb"


class HideTests(NbGraderPreprocessor):
    """Cuts hidden tests and marking schemes out of a graded notebook."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: ResourcesDict, cell_index: int
    ) -> tuple[NotebookNode, ResourcesDict]:
        cell.source, hidden = region(cell.source, HIDDEN_BEGIN, HIDDEN_END)
        cell.source, _ = region(cell.source, MARK_BEGIN, MARK_END)
        if hidden and cell.metadata.get("d2lhelpers", {}).get("hidden"):
            text = "A hidden test of this part fails."
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    output.update(ename="AssertionError", evalue=text, traceback=[text])
        return cell, resources


def leaks(released: NotebookNode, source: NotebookNode) -> list[str]:
    """Lines of solutions, hidden tests and marking schemes that a released notebook still holds.

    Args:
        source: the instructor's notebook.
    Returns:
        The lines, with the markers themselves where one is left. Short ones, such as `)`, say nothing and do
        not count, nor do those that stand outside such regions as well.
    """
    text = json.dumps(released, ensure_ascii=False)
    markers = [SOLUTION_BEGIN, SOLUTION_END, HIDDEN_BEGIN, HIDDEN_END, MARK_BEGIN, MARK_END]
    secret: list[str] = []
    outside: list[str] = []
    for cell in source.cells:
        rest = cell.source
        for begin, end in zip(markers[::2], markers[1::2], strict=True):
            rest, inside = region(rest, begin, end)
            secret += [line.strip() for part in inside for line in part.splitlines()]
        outside.append(rest)
    shown = "\n".join(outside)
    found = [
        line
        for line in secret
        if len(line) >= MIN_TELLING
        and line not in shown
        and json.dumps(line, ensure_ascii=False)[1:-1] in text
    ]
    return [marker for marker in markers if marker in text] + found
