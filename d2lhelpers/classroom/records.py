"""What grading found out about a submission besides its points, kept beside the executed notebook."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from d2lhelpers.classroom.course import Course
from d2lhelpers.files import write_bytes


@dataclass(frozen=True)
class Record:
    """One graded submission.

    Attributes:
        student: by the name of the folder.
        key: of what it was graded from; the same again means that nothing has to be done.
        flags: what a person should know.
        look: whether a person must look, because some of the points are not known.
        ungraded: the tests whose points are not known; all of them where `recorded` is false.
        recorded: whether nbgrader has points of it.
        seconds: that it ran.
        ap50: of the detector that was handed in, on the hidden scenes; None where there is none.
    """

    student: str
    key: str
    flags: tuple[str, ...] = ()
    look: bool = False
    ungraded: tuple[str, ...] = ()
    recorded: bool = True
    seconds: float = 0.0
    ap50: float | None = None


def record_path(course: Course, assignment: str, student: str) -> Path:
    return course.executed / student / f"{assignment}.json"


def read_record(course: Course, assignment: str, student: str) -> Record | None:
    """The record of a submission; None where there is none that can be read."""
    try:
        content = json.loads(record_path(course, assignment, student).read_text(encoding="utf-8"))
        return Record(
            **{name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
        )
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_record(course: Course, assignment: str, record: Record) -> None:
    content = json.dumps(asdict(record), indent=1).encode()
    write_bytes(content, record_path(course, assignment, record.student))


def key_of(*parts: bytes) -> str:
    """A short digest that changes with any of the parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()[:16]
