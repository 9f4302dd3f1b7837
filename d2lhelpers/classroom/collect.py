"""Collecting: from nbgrader's exchange, or from a folder of files as a learning platform exports it."""

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from d2lhelpers.classroom.course import Course
from d2lhelpers.classroom.repair import MAX_BYTES
from d2lhelpers.files import write_bytes


def collect_folder(course: Course, assignment: str, folder: Path) -> list[str]:
    """Take in a folder: for each student a notebook, a zip or a folder, with the student's name as its name.

    What comes after the first of `_`, space or `.` in `ada_1234_a2.ipynb` does not count, nor does what else a
    zip holds; a file of another kind is taken in as it is, so that grading can say what is wrong with it.

    Returns:
        The students, by name; what an earlier collection brought of them is replaced.
    Raises:
        FileNotFoundError: no such folder.
        ValueError: two files of one student, or none at all.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"folder must exist, got {folder}")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        student = re.split(r"[_ .]", path.name, maxsplit=1)[0]
        if not student:  # .DS_Store
            continue
        if student in files:
            raise ValueError(
                f"folder has two files of {student}: {files[student].name} and {path.name}"
            )
        files[student] = path
    if not files:
        raise ValueError(f"folder has no submissions, got {folder}")
    for student, path in files.items():
        target = course.submitted(assignment, student)
        shutil.rmtree(target.parent, ignore_errors=True)
        write_bytes(_content(path, assignment), target)
    return list(files)


def collect_exchange(course: Course, assignment: str) -> list[str]:
    """Take in what students submitted through nbgrader's exchange.

    Raises:
        RuntimeError: nbgrader could not.
    """
    done = course.api(assignment).collect(assignment, update=True)
    if not done["success"]:
        raise RuntimeError(f"nbgrader could not collect {assignment}:\n{done['log']}")
    return course.submissions(assignment)


def _content(path: Path, assignment: str) -> bytes:
    if path.is_dir():
        notebooks = sorted(path.rglob("*.ipynb"))
        names = [notebook.relative_to(path).as_posix() for notebook in notebooks]
        chosen = _choose(names, assignment)
        return _read(path / chosen) if chosen else b""
    if path.suffix.lower() == ".zip":
        return b"".join(_from_zip(path, assignment))
    return _read(path)


def _from_zip(path: Path, assignment: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = _choose(archive.namelist(), assignment)
            if chosen:
                with archive.open(chosen) as file:
                    # one byte too many tells what is too large; a zip of zeros may claim any size
                    yield file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError):
        yield b"not a readable zip"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _choose(names: list[str], assignment: str) -> str:
    """The notebook to take: the one of the assignment's name, else the first; empty where there is none."""
    found = [
        name
        for name in names
        if name.endswith(".ipynb")
        and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)
    ]
    named = [name for name in found if PurePosixPath(name).stem == assignment]
    return next(iter(named or sorted(found)), "")
