"""Handing out: the students' notebook from the instructor's, and the proof that it gives nothing away."""

from collections.abc import Sequence
from pathlib import Path

import nbformat

from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.preprocessors import fill_variant, leaks
from d2lhelpers.classroom.variants import variant_of


class ReleaseError(RuntimeError):
    """The notebook cannot be handed out; the message says why."""


def release(course: Course, assignment: str, students: Sequence[str] = ()) -> list[Path]:
    """Make the notebook to hand out, by `nbgrader generate_assignment`.

    Args:
        students: where there are any, each gets a variant of their own.
    Returns:
        The notebooks: one for all, or one for each student in the order given.
    Raises:
        FileNotFoundError: there is no such assignment.
        ReleaseError: nbgrader refuses, or the notebook holds a solution or a hidden test.
    """
    source = read_notebook(course.source(assignment))
    done = course.api(assignment).generate_assignment(assignment, force=True)
    if not done["success"]:
        raise ReleaseError(f"nbgrader could not generate {assignment}:\n{done['log']}")
    path = course.released(assignment)
    if name := course.artefact(assignment):
        # nbgrader hands out whatever lies beside the notebook: a teacher's own detector would be an answer to copy
        for artefact in path.parent.glob(f"*{Path(name).suffix}"):
            artefact.unlink()
    released = read_notebook(path)
    if found := leaks(released, source):
        path.unlink()
        raise ReleaseError(
            f"the notebook to hand out would hold {len(found)} secret lines, the first: {found[0]}"
        )
    paths = []
    for student in students:
        own = course.root / "release_each" / student / assignment / f"{assignment}.ipynb"
        own.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(fill_variant(released, variant_of(course.seed, assignment, student)), own)
        paths.append(own)
    return paths or [path]
