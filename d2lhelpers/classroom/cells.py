"""The kinds of cells that nbgrader knows, and its regions inside a cell."""

from nbformat import NotebookNode

# nbgrader looks for these words, whatever stands around them on the line
HIDDEN_BEGIN, HIDDEN_END = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
SOLUTION_BEGIN, SOLUTION_END = "BEGIN SOLUTION", "END SOLUTION"
MARK_BEGIN, MARK_END = "BEGIN MARK SCHEME", "END MARK SCHEME"


def role(cell: NotebookNode) -> dict:
    """nbgrader's part of a cell's metadata; empty where there is none, or nonsense."""
    found = cell.metadata.get("nbgrader", {})
    return found if isinstance(found, dict) else {}


def grade_id(cell: NotebookNode) -> str:
    """The name of a cell in the gradebook; empty for one that it does not know."""
    return str(role(cell).get("grade_id", ""))


def is_answer(cell: NotebookNode) -> bool:
    """Whether a student writes here: code that tests try, or words that a person reads."""
    return bool(role(cell).get("solution"))


def is_test(cell: NotebookNode) -> bool:
    """Whether the cell tests and gives points."""
    return bool(role(cell).get("grade")) and not is_answer(cell) and cell.cell_type == "code"


def is_setup(cell: NotebookNode) -> bool:
    """Whether it is code of the instructor's that students get to read and run, without points."""
    locked = role(cell).get("locked") and not role(cell).get("grade") and not is_answer(cell)
    return bool(locked) and cell.cell_type == "code"


def region(text: str, begin: str, end: str) -> tuple[str, list[str]]:
    """A text without its regions from `begin` to `end`, and what stood in them.

    Raises:
        ValueError: a region that does not end.
    """
    outside, inside, within = [], [], False
    for line in text.split("\n"):
        if begin in line:
            within = True
            inside.append("")
        elif end in line:
            within = False
        elif within:
            inside[-1] += line + "\n"
        else:
            outside.append(line)
    if within:
        raise ValueError(f"text has {begin!r} without {end!r} after it")
    return "\n".join(outside), inside
