"""The table of a class: points of each task, seconds and flags; as text, as CSV, as feedback for each student."""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.preprocessors import executed_path
from d2lhelpers.classroom.records import Record, read_record
from d2lhelpers.classroom.similarity import Pair, similar, with_same_files
from d2lhelpers.files import write_bytes

LOOK = "a person must look"


@dataclass(frozen=True)
class Row:
    """One student.

    Attributes:
        points: of each graded cell; None where nobody knows yet.
        record: what grading found out; None for one who has not been graded.
    """

    student: str
    points: dict[str, float | None]
    record: Record | None

    @property
    def total(self) -> float | None:
        """The sum; None while a test's points are not known. What waits for a person to read counts as 0 so far."""
        if self.record is None or self.record.look:
            return None
        return sum(value or 0 for value in self.points.values())

    @property
    def flags(self) -> list[str]:
        if self.record is None:
            return [f"{LOOK}: not graded"]
        return [*([LOOK] if self.record.look else []), *self.record.flags]


def table(course: Course, assignment: str) -> list[Row]:
    """A row for each student of whom there is something, by name; points as the gradebook has them by now.

    Points that a person gave in formgrader take the place of automatic ones, and settle what was not known.
    """
    names = list(course.points(assignment))
    rows = []
    with course.gradebook() as gradebook:
        graded = {s.student.id: s for s in gradebook.assignment_submissions(assignment)}
        for student in course.submissions(assignment):
            marks = (
                {g.name: g for n in graded[student].notebooks for g in n.grades}
                if student in graded
                else {}
            )
            found: dict[str, float | None] = dict.fromkeys(names)
            for name in names:
                mark = marks.get(name)
                known = mark is not None and (
                    mark.manual_score is not None or mark.auto_score is not None
                )
                found[name] = mark.score if known else None
            rows.append(
                Row(student, found, _settled(read_record(course, assignment, student), found))
            )
    return rows


def _settled(record: Record | None, found: dict[str, float | None]) -> Record | None:
    """The record, no longer in need of a person once each of its unknown points has been given."""
    if record is None or not record.look:
        return record
    unknown = record.ungraded if record.recorded else tuple(found)
    if any(found[name] is None for name in unknown):
        return record
    return replace(record, look=False, ungraded=(), recorded=True)


def text(rows: Sequence[Row], best: dict[str, float]) -> str:
    """The table for a terminal: a line for each student; `-` is what nobody knows yet."""
    width = max(map(len, ["student", *(row.student for row in rows)]))
    widths = {name: max(len(name), 5) for name in best}
    head = f"{'student':{width}}  " + "  ".join(f"{name:>{widths[name]}}" for name in best)
    measured = _measured(rows)
    lines = [f"{head}  {'total':>6}  {'AP50  ' * measured}{'s':>5}  flags"]
    limit = "  ".join(f"{best[name]:>{widths[name]}g}" for name in best)
    lines.append(f"{'of':{width}}  {limit}  {sum(best.values()):>6g}")
    for row in rows:
        marks = "  ".join(f"{_number(row.points[name]):>{widths[name]}}" for name in best)
        seconds = f"{row.record.seconds:.0f}" if row.record else "-"
        ap50 = f"{_ap50(row) or '-':>4}  " * measured
        lines.append(
            f"{row.student:{width}}  {marks}  {_number(row.total):>6}  {ap50}{seconds:>5}  {'; '.join(row.flags)}"
        )
    return "\n".join(lines)


def write_csv(rows: Sequence[Row], best: dict[str, float], path: Path) -> None:
    """The table as CSV. A field whose points nobody knows is empty: it is no 0."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    measured = ["AP50"] * _measured(rows)
    writer.writerow(["student", *best, "total", "max", *measured, "seconds", "look", "flags"])
    for row in rows:
        marks = ["" if row.points[name] is None else f"{row.points[name]:g}" for name in best]
        total = "" if row.total is None else f"{row.total:g}"
        look = "yes" if row.record is None or row.record.look else ""
        seconds = row.record.seconds if row.record else ""
        # a name that begins with = is a formula to a spreadsheet
        student = f"'{row.student}" if row.student[:1] in "=+-@" else row.student
        most, ap50 = f"{sum(best.values()):g}", [_ap50(row)] * len(measured)
        flags = "; ".join(row.flags)
        writer.writerow([student, *marks, total, most, *ap50, seconds, look, flags])
    write_bytes(buffer.getvalue().encode("utf-8"), path)


def write_similarity(course: Course, assignment: str, path: Path) -> list[Pair]:
    """Which submissions are alike, as CSV; returns the pairs."""
    notebooks = {}
    for student in course.submissions(assignment):
        executed = executed_path(course.executed, assignment, student)
        if executed.is_file():
            notebooks[student] = read_notebook(executed)
    pairs = similar(notebooks, read_notebook(course.source(assignment)))
    lines = [
        "one,two,likeness",
        *(f"{pair.one},{pair.two},{pair.likeness:.2f}" for pair in pairs),
    ]
    if course.artefact(assignment):
        files = {
            name: course.handed_in(assignment, name) for name in course.submissions(assignment)
        }
        pairs = with_same_files(pairs, {name: held for name, held in files.items() if held})
        lines = ["one,two,likeness,same_file"]
        lines += [f"{p.one},{p.two},{p.likeness:.2f},{'yes' if p.same_file else ''}" for p in pairs]
    write_bytes(("\n".join(lines) + "\n").encode(), path)
    return pairs


def write_feedback(course: Course, assignment: str, rows: Sequence[Row]) -> list[Path]:
    """A page for each student, by `nbgrader generate_feedback`, without the hidden tests.

    One whose submission could not be graded gets a page that says so.
    """
    paths = []
    for row in rows:
        path = course.root / "feedback" / row.student / assignment / f"{assignment}.html"
        recorded = (course.root / "autograded" / row.student / assignment).is_dir()
        if (
            recorded
            and course.api(assignment).generate_feedback(assignment, row.student, force=True)[
                "success"
            ]
        ):
            paths.append(path)
            continue
        said = "".join(f"<li>{html.escape(flag)}</li>" for flag in row.flags)
        page = f"<!doctype html><meta charset='utf-8'><title>{assignment}</title><p>Not graded yet.</p><ul>{said}</ul>"
        write_bytes(page.encode(), path)
        paths.append(path)
    return paths


def _measured(rows: Sequence[Row]) -> bool:
    """Whether there is a detector to report on."""
    return any(row.record and row.record.ap50 is not None for row in rows)


def _ap50(row: Row) -> str:
    known = row.record is not None and row.record.ap50 is not None
    return f"{row.record.ap50:.2f}" if known else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
