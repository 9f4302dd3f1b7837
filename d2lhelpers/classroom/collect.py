"""Collecting: from nbgrader's exchange, or from a folder of files as a learning platform exports it."""

import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from d2lhelpers.classroom.course import Course
from d2lhelpers.classroom.repair import MAX_BYTES
from d2lhelpers.files import write_bytes


def collect_folder(course: Course, assignment: str, folder: Path) -> list[str]:
    """Take in a folder: for each student a notebook, a zip or a folder, with the student's name as its name.

    What comes after the first of `_`, space or `.` in `ada_1234_a2.ipynb` does not count, nor does what else a
    zip holds; a file of another kind is taken in as it is, so that grading can say what is wrong with it. Where the
    assignment has a second file to be handed in, such as weights, that comes along: out of the zip or the folder, or as
    a file of its own that is the student's by its name.

    Returns:
        The students, by name; what an earlier collection brought of them is replaced.
    Raises:
        FileNotFoundError: no such folder.
        ValueError: two files of one student, or none at all.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"folder must exist, got {folder}")
    artefact = course.artefact(assignment)
    files: dict[str, Path] = {}
    beside: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        student = re.split(r"[_ .]", path.name, maxsplit=1)[0]
        if not student:  # .DS_Store
            continue
        kind = beside if artefact and path.suffix == Path(artefact).suffix else files
        if student in kind:
            raise ValueError(
                f"folder has two files of {student}: {kind[student].name} and {path.name}"
            )
        kind[student] = path
    if not files | beside:
        raise ValueError(f"folder has no submissions, got {folder}")
    students = sorted(files.keys() | beside.keys())
    for student in students:
        target = course.submitted(assignment, student)
        shutil.rmtree(target.parent, ignore_errors=True)
        path = files.get(student)
        content = (_content(path, f"{assignment}.ipynb") if path else None) or b""
        write_bytes(content, target)
        if not artefact:
            continue
        second = _read(beside[student]) if student in beside else _inside(path, artefact)
        if second is not None:
            write_bytes(second, target.with_name(artefact))
    return students


def collect_exchange(course: Course, assignment: str) -> list[str]:
    """Take in what students submitted through nbgrader's exchange.

    Raises:
        RuntimeError: nbgrader could not.
    """
    done = course.api(assignment).collect(assignment, update=True)
    if not done["success"]:
        raise RuntimeError(f"nbgrader could not collect {assignment}:\n{done['log']}")
    return course.submissions(assignment)


def _content(path: Path, wanted: str) -> bytes | None:
    """What a student's zip or folder holds of that name, else of its kind; a file itself. None: nothing."""
    if path.is_dir() or path.suffix.lower() == ".zip":
        return _inside(path, wanted)
    return _read(path)


def _inside(path: Path, wanted: str) -> bytes | None:
    """As `_content`, but of a zip or a folder only."""
    if path.is_dir():
        files = sorted(file for file in path.rglob(f"*{Path(wanted).suffix}") if file.is_file())
        names = [file.relative_to(path).as_posix() for file in files]
        chosen = _choose(names, wanted)
        return _read(path / chosen) if chosen else None
    return _from_zip(path, wanted) if path.suffix.lower() == ".zip" else None


def _from_zip(path: Path, wanted: str) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = _choose(archive.namelist(), wanted)
            if not chosen:
                return None
            with archive.open(chosen) as file:
                # one byte too many tells what is too large; a zip of zeros may claim any size
                return file.read(MAX_BYTES + 1)
    except Exception:
        # zipfile raises whatever a damaged file leads it to, and one file must not stop the others
        return b"not a readable zip"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _choose(names: list[str], wanted: str) -> str:
    """The file to take: the one of the name that is wanted, else the first of its kind; empty where there is none."""
    found = [
        name
        for name in names
        if name.endswith(Path(wanted).suffix)
        and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
    ]
    named = [name for name in found if PurePosixPath(name).name == wanted]
    return next(iter(named or sorted(found)), "")
