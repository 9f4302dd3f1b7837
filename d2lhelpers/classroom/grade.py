"""Grading: every submission in a sandbox of its own, several at a time; then into nbgrader's gradebook."""

import io
import re
import shutil
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from d2lhelpers.classroom.cells import grade_id, is_answer
from d2lhelpers.classroom.course import CONFIG, Course, read_notebook
from d2lhelpers.classroom.execution import execute
from d2lhelpers.classroom.jail import LIMITS_ALONE, NAMESPACES, Limits
from d2lhelpers.classroom.judge import Judge
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.preprocessors import VARIANT, executed_path
from d2lhelpers.classroom.records import Record, key_of, read_record, write_record
from d2lhelpers.classroom.repair import UnreadableError, read_submission, repair
from d2lhelpers.files import ROOT, write_bytes

# what nbgrader's exchange puts beside a submission: lateness is counted by the one, feedback returned by the other
EXCHANGED = ("timestamp.txt", "submission_secret.txt")
# where the course keeps its answers, and ways to look at what a test was given
OWN_ANSWERS = re.compile(
    r"d2lhelpers\.check\.\w+|d2lhelpers\.classroom\.hunts|__closure__|__wrapped__|_getframe"
    r"|\.(?:reference|mistakes)\b"
)
NOT_RUN = "could not be run"
TAMPERED = "files of the course changed while it ran, by it or by one before it: restore them and grade with --force"


def grade(
    course: Course,
    assignment: str,
    jobs: int = 2,
    limits: Limits | None = None,
    force: bool = False,
) -> list[Record]:
    """Grade all submissions of an assignment that have not been graded yet.

    Interrupted, it keeps what is done; the same command goes on. Whatever a submission does, the others are
    graded.

    Args:
        jobs: submissions at a time.
        force: also those that have been graded and have not changed.
    Returns:
        A record of each submission, also of those graded before.
    Raises:
        FileNotFoundError: the assignment has not been released, or nothing was submitted.
    """
    limits = limits or Limits()
    course.released(assignment)
    students = course.submissions(assignment)
    if not students:
        raise FileNotFoundError(
            f"there are no submissions of {assignment} in {course.root / 'submitted'}: collect them first"
        )
    locked = course.locked_cells(assignment)
    keys = {student: _key(course, assignment, student, locked, limits) for student in students}
    known = {} if force else _up_to_date(course, assignment, keys)
    todo = [student for student in students if student not in known]
    bar = tqdm(total=len(students), initial=len(known), desc=assignment, unit="submission")
    with bar, course.hidden_cases():
        for record in (
            _run_all(course, assignment, todo, keys, locked, limits, jobs, bar) if todo else ()
        ):
            write_record(course, assignment, record)
            known[record.student] = record
            bar.update()
    return [known[student] for student in students]


def _run_all(
    course: Course, assignment: str, todo: Sequence[str], keys: dict, locked: dict, limits: Limits, jobs: int,
    bar: tqdm,
) -> Iterator[Record]:  # fmt: skip
    with Nursery() as nursery, ThreadPoolExecutor(jobs) as pool:
        bar.write(f"sandbox: {NAMESPACES if nursery.namespaces else LIMITS_ALONE}")
        runs: dict[Future, str] = {
            pool.submit(
                _run, course, assignment, student, keys[student], locked, nursery, limits
            ): student
            for student in todo
        }
        # Where the package can be written to, what ran once it has been is worth nothing.
        before = None if nursery.namespaces else _fingerprint(course)
        try:
            for run in as_completed(runs):
                record = run.result()
                if before and _fingerprint(course) != before:
                    record = replace(
                        record, flags=(*record.flags, TAMPERED), look=True, recorded=False
                    )
                # nbgrader's gradebook has one writer: this thread
                yield _record_points(course, assignment, record)
        except BaseException:  # stopped by the teacher: what runs is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            nursery.close()
            raise


def _fingerprint(course: Course) -> str:
    files = [
        *(ROOT / "d2lhelpers").rglob("*.py"),
        *course.root.glob("source/*/*"),
        course.root / CONFIG,
    ]
    return key_of(*(path.read_bytes() for path in sorted(files)))


def _run(
    course: Course,
    assignment: str,
    student: str,
    key: str,
    locked: dict,
    nursery: Nursery,
    limits: Limits,
) -> Record:
    """Run one submission; what it comes to is on disk. Raises nothing for what the submission does."""
    target = executed_path(course.executed, assignment, student)
    shutil.rmtree(target.parent, ignore_errors=True)
    try:
        submitted = read_submission(course.submitted(assignment, student))
        own = course.released(assignment, student)
        handed_out = read_notebook(own)
        nb, flags = repair(submitted, handed_out, _of_variant(locked, handed_out))
        flags += forbidden(nb, handed_out)
        name, content = course.artefact(assignment), course.handed_in(assignment, student)
        judge = Judge(name, content, nursery, limits, course.secrets())
        given = {"handed_in": judge} if name else {}
        done = execute(nb, nursery, limits, course.secrets(), given)
    except UnreadableError as problem:
        return Record(student, key, (str(problem),), look=True, recorded=False)
    except Exception as problem:  # the grader's own trouble must not look like a score of 0
        text = f"{NOT_RUN}: {type(problem).__name__}: {problem}"
        return Record(student, key, (text,), look=True, recorded=False)
    _disarm(done.nb)
    write_bytes(nbformat.writes(done.nb).encode("utf-8", "replace"), target)
    for beside in EXCHANGED:
        path = course.submitted(assignment, student).with_name(beside)
        if path.is_file():
            shutil.copy(path, target.parent)
    found, unknown = (*flags, *done.flags, *judge.flags), tuple(done.ungraded)
    seconds = round(done.seconds, 1)
    return Record(student, key, found, bool(unknown), unknown, seconds=seconds, ap50=judge.ap50)


def _disarm(nb: NotebookNode) -> None:
    """Make plain text of HTML in what a student wrote: the teacher, logged in, opens a page that shows it."""
    for cell in nb.cells:
        if cell.cell_type != "code" and (is_answer(cell) or not grade_id(cell)):
            cell.source = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell.source)


def _record_points(course: Course, assignment: str, record: Record) -> Record:
    """Into the gradebook, by nbgrader's autograder; tests whose points are not known wait for a person there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's, about nbgrader's own use of it
        if record.recorded:
            done = course.api(assignment, "executed").autograde(
                assignment, record.student, force=True
            )
            if not done["success"]:
                reason = str(done["log"]).strip().splitlines()[-1:]
                flag = f"nbgrader refused it: {''.join(reason)}"
                record = replace(record, flags=(*record.flags, flag), look=True, recorded=False)
        with course.gradebook() as gradebook:
            if not record.recorded:
                gradebook.update_or_create_student(record.student)
                gradebook.update_or_create_submission(assignment, record.student)
            for name in record.ungraded if record.recorded else course.points(assignment):
                mark = gradebook.find_grade(name, assignment, assignment, record.student)
                mark.auto_score, mark.needs_manual_grade = None, True
            gradebook.db.commit()
    return record


def _of_variant(locked: dict[str, str], handed_out: NotebookNode) -> dict[str, str]:
    """The locked cells with the variant that the student got, which may be of their own."""
    mine = next(found[0] for cell in handed_out.cells if (found := VARIANT.search(cell.source)))
    return {name: VARIANT.sub(mine, text) for name, text in locked.items()}


def _key(course: Course, assignment: str, student: str, locked: dict, limits: Limits) -> str:
    path = course.submitted(assignment, student)
    content = path.read_bytes() if path.is_file() else b""
    released = course.released(assignment, student).read_bytes()
    return key_of(
        content,
        course.handed_in(assignment, student) or b"",
        released,
        repr(sorted(locked.items())).encode(),
        course.seed.encode(),
        repr(limits).encode(),
    )


def _up_to_date(course: Course, assignment: str, keys: dict[str, str]) -> dict[str, Record]:
    records = {student: read_record(course, assignment, student) for student in keys}
    return {
        name: r
        for name, r in records.items()
        if r and r.key == keys[name] and NOT_RUN not in "".join(r.flags)
    }


def forbidden(nb: NotebookNode, handed_out: NotebookNode) -> list[str]:
    """Flags for answers that use what the assignment says is to be written by hand.

    The names are in the handed-out notebook's metadata: `{"d2lhelpers": {"forbidden": {cell: [names]}}}`.
    """
    names = handed_out.metadata.get("d2lhelpers", {}).get("forbidden", {})
    anywhere = {name for of_cell in names.values() for name in of_cell}
    given = {cell.source for cell in handed_out.cells}
    flags = []
    for cell in nb.cells:
        written = is_answer(cell) or (not grade_id(cell) and cell.source not in given)
        if cell.cell_type != "code" or not written:
            continue
        # in a cell of the student's own, what is forbidden in any answer
        wanted = names.get(grade_id(cell), ()) if grade_id(cell) else anywhere
        where = grade_id(cell) or "a cell of the student's own"
        if looked := OWN_ANSWERS.search(cell.source):
            flags.append(f"{where} reads {looked[0]}: answers or tests of the course's own")
        if used := _names(cell.source) & set(wanted):
            flags.append(f"{where} uses {', '.join(sorted(used))}: was it written by hand?")
    return flags


def _names(source: str) -> set[str]:
    """The names in some code, without those that only ask a checker of the course, as `check.box_iou(mine)` does."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return set(re.findall(r"\w+", source))
    words = [token.string for token in tokens]
    return {
        token.string
        for at, token in enumerate(tokens)
        if token.type == tokenize.NAME
        and not (words[max(at - 2, 0) : at] == ["check", "."] and words[at + 1] == "(")
    }
