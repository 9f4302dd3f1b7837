"""`python -m d2lhelpers class release | collect | grade | report`: the teacher's commands, thin over nbgrader."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from d2lhelpers.files import ROOT

if TYPE_CHECKING:  # nbgrader and torch are loaded by the command that is asked for
    from d2lhelpers.classroom.course import Course


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Describe the four commands to the parser of `class`."""
    commands = parser.add_subparsers(required=True, metavar="release|collect|grade|report")

    command = _command(commands, "release", "make the students' notebook from the instructor's")
    command.add_argument(
        "--each",
        type=Path,
        metavar="FILE",
        help="a variant for each student; FILE has a name a line",
    )
    command.set_defaults(function=lambda given: _run(given, _release))

    command = _command(commands, "collect", "take in what was submitted")
    command.add_argument(
        "--from", dest="folder", type=Path, metavar="FOLDER",
        help="a notebook, zip or folder for each student, named by student; else nbgrader's exchange",
    )  # fmt: skip
    command.set_defaults(function=lambda given: _run(given, _collect))

    command = _command(commands, "grade", "run every submission in a sandbox and record its points")
    command.add_argument("--jobs", type=int, default=2, help="submissions at a time")
    command.add_argument(
        "--force", action="store_true", help="also what has been graded and has not changed"
    )
    command.set_defaults(function=lambda given: _run(given, _grade))

    command = _command(commands, "report", "table, CSV, feedback pages, similar submissions")
    command.set_defaults(function=lambda given: _run(given, _report))


def _command(commands: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text)
    command.add_argument("assignment", metavar="ASSIGNMENT", help="as its folder in `source`: a2")
    command.add_argument(
        "--course",
        type=Path,
        metavar="FOLDER",
        help="holds nbgrader_config.py; else this folder, if it does, else the package's `assignments`",
    )
    return command


def _run(given: argparse.Namespace, work: Callable[[argparse.Namespace, Course], None]) -> int:
    """Run one of the commands; what is wrong with what was asked for is said in a line.

    Returns:
        The exit code: 0 all well, 1 something is missing or refused, 130 stopped by the teacher.
    """
    try:
        from d2lhelpers.classroom.course import CONFIG, Course

        here = Path.cwd()
        usual = here if (here / CONFIG).is_file() else ROOT / "assignments"
        work(given, Course((given.course or usual).resolve()))
    except ModuleNotFoundError as problem:
        advice = "the classroom needs nbgrader: `uv sync`, or `pip install nbgrader`"
        print(f"{problem}; {advice}", file=sys.stderr)
        return 1
    except (FileNotFoundError, ValueError, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _release(given: argparse.Namespace, course: Course) -> None:
    from d2lhelpers.classroom.release import release

    students = given.each.read_text(encoding="utf-8").split() if given.each else ()
    print(*release(course, given.assignment, students), sep="\n")


def _collect(given: argparse.Namespace, course: Course) -> None:
    from d2lhelpers.classroom.collect import collect_exchange, collect_folder

    if given.folder:
        students = collect_folder(course, given.assignment, given.folder)
    else:
        students = collect_exchange(course, given.assignment)
    print(f"{len(students)} submissions of {given.assignment}: {', '.join(students)}")


def _grade(given: argparse.Namespace, course: Course) -> None:
    if sys.platform == "win32":
        raise RuntimeError("a process cannot be walled in on Windows: grade under WSL")
    from d2lhelpers.classroom import report
    from d2lhelpers.classroom.grade import grade

    grade(course, given.assignment, given.jobs, force=given.force)
    print(report.text(report.table(course, given.assignment), course.points(given.assignment)))


def _report(given: argparse.Namespace, course: Course) -> None:
    from d2lhelpers.classroom import report

    folder, name = course.root / "reports", given.assignment
    rows, best = report.table(course, name), course.points(name)
    report.write_csv(rows, best, folder / f"{name}.csv")
    pages = report.write_feedback(course, name, rows)
    pairs = report.write_similarity(course, name, folder / f"{name}_similar.csv")
    print(report.text(rows, best))
    print(f"\n{folder / f'{name}.csv'}")
    print(f"{folder / f'{name}_similar.csv'}: {len(pairs)} pairs to look at")
    print(f"{course.root / 'feedback'}: {len(pages)} pages")
