"""A submission made whole: each cell that the instructor wrote is there once, as the instructor wrote it.

Notebooks come back from Colab or VS Code without nbgrader's metadata, with cells copied, deleted or moved. What
a cell is, is found out in turn by its metadata, by its text, by the function that it defines and by how
much it looks like what was handed out. What the student wrote is never changed; every doubt becomes a flag.
"""

import copy
import difflib
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from d2lhelpers.classroom.cells import grade_id, is_answer, is_setup, is_test, role

MAX_BYTES = 20_000_000  # of a submitted file; a2 as handed out has some 20 thousand
MIN_LIKENESS = 0.6
MIN_OPENING = 10  # characters of a first line that tell a cell


class UnreadableError(ValueError):
    """A submitted file that is no notebook; the message says what it is instead."""


def read_submission(path: Path) -> NotebookNode:
    """Read a submitted file.

    Raises:
        UnreadableError: too large, empty, or not a notebook.
    """
    if not path.is_file():
        raise UnreadableError(f"there is no {path.name}")
    size = path.stat().st_size
    if size == 0:
        raise UnreadableError("the file is empty")
    if size > MAX_BYTES:
        raise UnreadableError(f"the file has {size:,} bytes, more than {MAX_BYTES:,}")
    try:
        # the newest format, so that an old notebook is no special case
        nb = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        for cell in nb.cells:
            cell.source, cell.metadata, cell.cell_type  # noqa: B018
    except RecursionError as error:
        raise UnreadableError("the file is no notebook (nested too deeply)") from error
    except Exception as error:  # nbformat raises whatever comes to hand
        raise UnreadableError(f"the file is no notebook ({type(error).__name__})") from error
    if not nb.cells:
        raise UnreadableError("the notebook has no cells")
    return nb


def repair(
    submitted: NotebookNode, handed_out: NotebookNode, locked: dict[str, str]
) -> tuple[NotebookNode, list[str]]:
    """Put a submission's cells in order.

    Args:
        submitted: as read.
        handed_out: the notebook that students got.
        locked: the text of each locked cell with its hidden tests, by its name in the gradebook.
    Returns:
        A new notebook, and what a person should know, in words. In it every named cell of `handed_out` is there
        once, with its metadata; locked ones have their text. The student's other cells are where they were.
    """
    nb = copy.deepcopy(submitted)
    nb.metadata = NotebookNode(copy.deepcopy(handed_out.metadata))
    wanted = {grade_id(cell): cell for cell in handed_out.cells if grade_id(cell)}
    flags: list[str] = []
    found = _by_metadata(nb, wanted, flags)
    stripped = len(wanted) > len(found)
    for alike in (_same_text, _same_function, _same_opening, _looks_alike):
        _match(nb, wanted, found, alike)
    if stripped and found.keys() == wanted.keys():
        flags.append("cells had lost their metadata and were recognised by their text")
    _flag_second_definitions(nb, wanted, found, flags)
    for cell in nb.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for name, cell in found.items():
        _restore(cell, wanted[name], locked.get(name))
    _insert_missing(nb, wanted, found, locked, flags)
    _move_setup_before_answers(nb, wanted, found, flags)
    _move_tests_after_answers(nb, wanted, found, flags)
    for number, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{number}"  # copies carry their original's
    nb.nbformat, nb.nbformat_minor = 4, 5
    return nb, flags


def _by_metadata(nb: NotebookNode, wanted: dict, flags: list[str]) -> dict[str, NotebookNode]:
    copies: dict[str, list[NotebookNode]] = {}
    for cell in nb.cells:
        name = grade_id(cell)
        if name in wanted and cell.cell_type == wanted[name].cell_type:
            copies.setdefault(name, []).append(cell)
    for name, cells in copies.items():
        if len(cells) > 1 and is_answer(wanted[name]):
            flags.append(
                f"{name} is there {len(cells)} times: all run in their order, the last one counts"
            )
        elif len(cells) > 1:
            flags.append(f"{name} is there {len(cells)} times")
    # the last: in a notebook that runs from top to bottom, a later definition replaces an earlier one
    return {name: cells[0 if is_setup(wanted[name]) else -1] for name, cells in copies.items()}


def _match(
    nb: NotebookNode,
    wanted: dict,
    found: dict,
    alike: Callable[[NotebookNode, NotebookNode], float],
) -> None:
    """Find cells that are still missing among those that are nobody's yet, the best match first."""
    taken = {id(cell) for cell in found.values()}
    scores = [
        (score, -place, name)
        for name, cell in wanted.items()
        if name not in found
        for place, other in enumerate(nb.cells)
        if id(other) not in taken
        and other.cell_type == cell.cell_type
        and grade_id(other) not in found
        and (score := alike(cell, other)) >= MIN_LIKENESS
    ]
    for _, place, name in sorted(scores, reverse=True):
        other = nb.cells[-place]
        if name not in found and id(other) not in taken:
            found[name] = other
            taken.add(id(other))


def _same_text(cell: NotebookNode, other: NotebookNode) -> float:
    return float(cell.source.split() == other.source.split())


def _same_function(cell: NotebookNode, other: NotebookNode) -> float:
    names = _functions(cell)
    return float(bool(names) and is_answer(cell) and bool(names & _functions(other)))


def _same_opening(cell: NotebookNode, other: NotebookNode) -> float:
    """An answer in words has nothing of what was handed out but its first line."""
    one, two = (c.source.strip().split("\n")[0] for c in (cell, other))
    return float(is_answer(cell) and len(one) >= MIN_OPENING and one == two)


def _functions(cell: NotebookNode) -> set[str]:
    return (
        set(re.findall(r"^def (\w+)", cell.source, re.MULTILINE))
        if cell.cell_type == "code"
        else set()
    )


def _looks_alike(cell: NotebookNode, other: NotebookNode) -> float:
    # of a long cell the beginning will do: the comparison takes the product of both lengths
    one, two = cell.source[:2000], other.source[:2000]
    matcher = difflib.SequenceMatcher(None, one, two, autojunk=False)
    # most pairs are told apart by an upper bound that costs next to nothing
    if not two.strip() or matcher.quick_ratio() < MIN_LIKENESS:
        return 0.0
    return matcher.ratio()


def _flag_second_definitions(nb: NotebookNode, wanted: dict, found: dict, flags: list[str]) -> None:
    for name, cell in found.items():
        if not is_answer(wanted[name]) or any(
            flag.startswith(f"{name} is there") for flag in flags
        ):
            continue
        twice = [c for c in nb.cells if c is not cell and _functions(c) & _functions(wanted[name])]
        if twice:
            flags.append(
                f"the function of {name} is defined {len(twice) + 1} times: the last that ran counts"
            )


def _restore(cell: NotebookNode, original: NotebookNode, text: str | None) -> None:
    cell.metadata = NotebookNode(copy.deepcopy(original.metadata))
    if not is_answer(original):
        cell.source = original.source if text is None else text


def _insert_missing(
    nb: NotebookNode, wanted: dict, found: dict, locked: dict[str, str], flags: list[str]
) -> None:
    previous: NotebookNode | None = None
    for name, original in wanted.items():
        if name not in found:
            cell = copy.deepcopy(original)
            _restore(cell, original, locked.get(name))
            elsewhere = is_answer(original) and any(
                _functions(original) & _functions(other) for other in nb.cells
            )
            if elsewhere:  # as handed out it would replace what the student wrote in another cell
                cell.source = ""
            place = next((i for i, c in enumerate(nb.cells) if c is previous), -1) + 1
            nb.cells.insert(place, cell)
            found[name] = cell
            if role(original).get("solution") or role(original).get("grade"):
                where = (
                    "its function is in another cell" if elsewhere else "was put back as handed out"
                )
                flags.append(f"{name} was missing and {where}")
        previous = found[name]


def _move_setup_before_answers(
    nb: NotebookNode, wanted: dict, found: dict, flags: list[str]
) -> None:
    """Answers may use what the set-up imports."""
    skipped = nb.metadata.get("d2lhelpers", {}).get("skipped", ())
    for name, original in wanted.items():
        if is_setup(original) and name not in skipped:
            # by identity: copies of a cell are equal
            places = {id(cell): place for place, cell in enumerate(nb.cells)}
            answers = [found[one] for one, cell in wanted.items() if is_answer(cell)]
            first = min((places[id(cell)] for cell in answers), default=len(nb.cells))
            if places[id(found[name])] > first:
                nb.cells.insert(first, nb.cells.pop(places[id(found[name])]))
                flags.append(f"{name} stood after an answer and was moved")


def _move_tests_after_answers(
    nb: NotebookNode, wanted: dict, found: dict, flags: list[str]
) -> None:
    """A test that stands before the answer that it tests would find nothing there."""
    answer: NotebookNode | None = None
    for name, original in wanted.items():
        cell = found[name]
        if is_answer(original):
            answer = cell
        elif is_test(original) and answer is not None:
            places = {id(c): place for place, c in enumerate(nb.cells)}
            if places[id(cell)] < places[id(answer)]:
                del nb.cells[places[id(cell)]]
                nb.cells.insert(places[id(answer)], cell)
                flags.append(f"{name} stood before the answer that it tests and was moved")
