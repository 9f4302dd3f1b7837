"""What an assignment is held to: answers put into what was handed out, and the points that each mistake must lose.

A module `classroom_aN` describes assignment aN:

- NAME, and POINTS, the points of each part by how the names of its tests begin;
- LOST, for each task the exercise of `d2lhelpers.check` whose known mistakes are tried, the name of the function that
  the student writes, and for each mistake the tests that it must fail;
- HUNT, the first line of the student's test in the bug hunt, and WEAK_TESTS, bodies that must not pass for one;
- SECRETS, what no student may read.
"""

import copy
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from unittest import mock

from nbformat import NotebookNode

from d2lhelpers.classroom.cells import (
    SOLUTION_BEGIN,
    SOLUTION_END,
    grade_id,
    is_answer,
    is_setup,
    is_test,
)
from d2lhelpers.classroom.preprocessors import fill_variant
from d2lhelpers.classroom.report import Row
from d2lhelpers.classroom.variants import SEED_VARIABLE, variant_of


def reference(source: NotebookNode) -> dict[str, str]:
    """The instructor's own answers, by the name of their cells."""
    return {
        grade_id(cell): "\n".join(
            line
            for line in cell.source.split("\n")
            if SOLUTION_BEGIN not in line and SOLUTION_END not in line
        )
        for cell in source.cells
        if is_answer(cell)
    }


def answered(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """What was handed out, with answers in place of what was to be written."""
    nb = copy.deepcopy(released)
    for cell in nb.cells:
        cell.source = answers.get(grade_id(cell), cell.source) if is_answer(cell) else cell.source
    return nb


def num_mistakes(assignment: ModuleType) -> int:
    """So many submissions hold every known mistake at least once."""
    known = [len(mistakes) for _, _, mistakes in assignment.LOST.values()]
    return max(*known, len(assignment.WEAK_TESTS))


def mistaken_answers(
    assignment: ModuleType, answers: dict[str, str], number: int
) -> tuple[dict[str, str], set[str]]:
    """Answers with the mistake of that number in every task, and the tests that they must fail.

    A task with fewer mistakes than another begins again with its first.
    """
    answers, lost = dict(answers), {"hunt_exposes"}
    for task, (exercise, function, known) in assignment.LOST.items():
        name = list(known)[number % len(known)]
        answers[task] = (
            f"from d2lhelpers import check\n\n"
            f"{function} = {{m.name: m.function for m in check.{exercise}.mistakes}}[{name!r}]"
        )
        lost |= known[name]
    bodies = list(assignment.WEAK_TESTS.values())
    answers["hunt"] = f"{assignment.HUNT}\n    {bodies[number % len(bodies)]}"
    return answers, lost


def failed(
    source: NotebookNode,
    name: str,
    answers: dict[str, str],
    seed: int,
    given: Mapping[str, Any] | None = None,
) -> set[str]:
    """The tests that answers fail when the course's seed is another; all in this process, which trusts them.

    Args:
        given: what stands in the place of names that the first cell imports, as in the grader.
    """
    names, found = {"__name__": "tests"}, set()
    skipped = source.metadata["d2lhelpers"].get("skipped", ())
    nb = fill_variant(answered(source, answers), variant_of(str(seed), name))
    with mock.patch.dict(os.environ, {SEED_VARIABLE: str(seed)}):
        for cell in nb.cells:
            if grade_id(cell) in skipped:
                continue
            if is_setup(cell) or (is_answer(cell) and cell.cell_type == "code"):
                exec(cell.source, names)
        for cell in nb.cells:
            if is_test(cell):
                try:
                    exec(cell.source, {**names, **(given or {})})
                except Exception:
                    found.add(grade_id(cell))
    return found


def lost(row: Row, worth: Mapping[str, float]) -> set[str]:
    """The automatic tests that a submission has no points of; none may be worth a part of its points."""
    automatic = worth.keys() - {"words"}
    for name in automatic:
        assert row.points[name] in (0, worth[name]), name
    return {name for name in automatic if row.points[name] == 0}
