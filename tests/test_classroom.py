"""A whole class of a2, from release to feedback: answers right, blank and mistaken, and all that is hostile.

The class is graded once, by the teacher's own commands; the tests look at what came of it.
"""

import csv
import io
import json
import re
import shutil

import classroom_a2 as a2
import classroom_gate as gate
import classroom_hostile as hostile
import nbformat
import pytest
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange.default import (
    ExchangeFetchAssignment,
    ExchangeFetchFeedback,
    ExchangeSubmit,
)
from PIL import Image
from test_browser import TOKEN, browser_page, chromium, jupyterlab  # noqa: F401 - chromium is a fixture

from d2lhelpers.__main__ import main
from d2lhelpers.classroom import report
from d2lhelpers.classroom.cells import HIDDEN_BEGIN, grade_id, is_setup
from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.grade import grade
from d2lhelpers.classroom.jail import Limits
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.records import write_record
from d2lhelpers.classroom.release import ReleaseError, release
from d2lhelpers.classroom.variants import variant_of
from d2lhelpers.files import ROOT

ASSIGNMENTS = ROOT / "assignments"
LIMITS = Limits(call=2, cell=5, total=90)


def copy_course(folder):
    """A course of its own, with nothing handed out yet."""
    (folder / "source").parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ASSIGNMENTS / "source", folder / "source")
    shutil.copy(ASSIGNMENTS / "nbgrader_config.py", folder)
    return Course(folder)


class Class:
    """A graded class, and what each submission was made to lose."""

    def __init__(self, course):
        self.course, self.expected = course, {}
        release(course, "a2")
        self.source = read_notebook(course.source("a2"))
        self.released = read_notebook(course.released("a2"))
        self.points = course.points("a2")
        self.automatic = set(self.points) - {"words"}
        folder = course.root / "from the platform"
        folder.mkdir()
        for name, (nb, lost, flag) in self.submissions().items():
            self.expected[name] = lost, flag
            (folder / f"{name}_12345_a2.ipynb").write_text(json.dumps(nb), encoding="ascii")
        for name, (content, flag) in hostile.UNREADABLE.items():
            self.expected[name.replace("_", "-")] = None, flag
            (folder / f"{name.replace('_', '-')}.ipynb").write_bytes(content)
        assert (
            main(["class", "collect", "a2", "--from", str(folder), "--course", str(course.root)])
            == 0
        )
        self.records = {record.student: record for record in grade(course, "a2", limits=LIMITS)}
        assert main(["class", "report", "a2", "--course", str(course.root)]) == 0
        self.rows = {row.student: row for row in report.table(course, "a2")}

    def submissions(self):
        answers = gate.reference(self.source)
        right = gate.answered(self.released, answers)
        mistaken, lost = gate.mistaken_answers(a2, answers, 1)
        found = {
            "reference": (right, set(), None),
            "blank": (self.released, self.automatic, None),
            "mistaken": (gate.answered(self.released, mistaken), lost, None),
        }
        for name in hostile.names():
            made = hostile.change(self.released, answers, name, str(self.course.root))
            found[name.replace("_", "-")] = made
        return found


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    return Class(copy_course(tmp_path_factory.mktemp("course") / "assignments"))


# ---------------------------------------------------------------------------------------------- handing out


def test_a_leak_stops_the_release(tmp_path):
    course = copy_course(tmp_path)
    config = course.root / "nbgrader_config.py"
    config.write_text(
        config.read_text(encoding="utf-8").replace("    steps.ClearHiddenTests,\n", ""),
        encoding="utf-8",
    )
    with pytest.raises(ReleaseError, match="secret lines, the first: "):
        release(course, "a2")
    assert not (course.root / "release" / "a2" / "a2.ipynb").exists()


def test_a_course_seed_decides_on_the_numbers_and_on_the_hidden_cases(graded, monkeypatch):
    from d2lhelpers.classroom import Assignment

    setup = next(cell.source for cell in graded.released.cells if is_setup(cell))
    variant = variant_of(graded.course.seed, "a2")
    assert f'Assignment("a2", variant={variant})' in setup
    assert variant_of("other", "a2") != variant_of("one", "a2") == variant_of("one", "a2")
    assert variant_of("one", "a2", "ada") not in (
        variant_of("one", "a2", "bob"),
        variant_of("one", "a2"),
    )
    numbers = {tuple(Assignment("a2", v).integers("shift", 1, 1000, 2)) for v in range(20)}
    assert len(numbers) == 20
    monkeypatch.setenv("D2LHELPERS_CLASS_SEED", "one")
    first = Assignment("a2", 3).hidden("x").initial_seed()
    assert first == Assignment("a2", 3).hidden("x").initial_seed()
    assert first not in (
        Assignment("a2", 4).hidden("x").initial_seed(),
        Assignment("a2", 3).hidden("y").initial_seed(),
    )
    monkeypatch.setenv("D2LHELPERS_CLASS_SEED", "two")
    assert first != Assignment("a2", 3).hidden("x").initial_seed()
    monkeypatch.delenv("D2LHELPERS_CLASS_SEED")
    with pytest.raises(RuntimeError, match="D2LHELPERS_CLASS_SEED"):
        Assignment("a2", 3).hidden("x")


# ------------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize("name", [name.replace("_", "-") for name in hostile.names()])
def test_a_hostile_submission_is_worth_what_is_right_in_it(graded, name):
    lost, flag = graded.expected[name]
    assert gate.lost(graded.rows[name], graded.points) == lost
    flags = graded.rows[name].flags
    assert flag is None or any(flag in one for one in flags), flags


@pytest.mark.parametrize("name", [name.replace("_", "-") for name in hostile.UNREADABLE])
def test_what_cannot_be_read_is_no_zero_and_a_person_must_look(graded, name):
    row = graded.rows[name]
    assert row.total is None
    assert row.flags[0] == report.LOOK
    assert graded.expected[name][1] in row.flags[1]
    with graded.course.gradebook() as gradebook:
        assert gradebook.find_submission("a2", name).needs_manual_grade


def test_nothing_outside_was_touched(graded):
    hunts = (ROOT / "d2lhelpers" / "classroom" / "hunts.py").read_text(encoding="utf-8")
    assert "raise SystemExit" not in hunts


# ------------------------------------------------------------------------------------------------ afterwards


def test_grading_again_has_nothing_to_do_and_goes_on_where_it_was(graded, monkeypatch):
    def refuse():
        raise AssertionError("nothing had changed")

    monkeypatch.setattr("d2lhelpers.classroom.grade.Nursery", refuse)
    again = grade(graded.course, "a2", limits=LIMITS)
    assert {record.student: record for record in again} == graded.records


def test_the_report_has_a_row_a_page_and_no_silent_zero(graded):
    root = graded.course.root
    with (root / "reports" / "a2.csv").open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == graded.expected.keys()
    assert rows["reference"]["max"] == "100"
    assert rows["empty"]["total"] == rows["empty"]["iou_table"] == ""
    assert rows["empty"]["look"] == "yes"
    for name in graded.expected:
        page = (root / "feedback" / name / "a2" / "a2.html").read_text(encoding="utf-8")
        assert HIDDEN_BEGIN not in page
        for secret in ("a2.hidden", "patient_nms", "Rubric"):
            assert secret not in page
    # of nms_chain, every case is hidden
    page = (root / "feedback" / "mistaken" / "a2" / "a2.html").read_text(encoding="utf-8")
    assert "A hidden test of this part fails." in page


def test_nothing_of_a_submission_runs_in_a_browser_or_tells_what_was_hidden(graded):
    folder = graded.course.root / "feedback"
    page = (folder / "script-for-the-teacher" / "a2" / "a2.html").read_text(encoding="utf-8")
    assert "evil()" in page  # its code is shown
    assert "<script>evil" not in page
    assert not re.search(r"<img[^>]*onerror", page)
    page = (folder / "shows-what-tests-give" / "a2" / "a2.html").read_text(encoding="utf-8")
    assert "LEAK 0" in page


def test_a_person_sees_the_rubric_beside_the_answer(graded):
    path = graded.course.root / "autograded" / "reference" / "a2" / "a2.ipynb"
    sources = {grade_id(cell): cell.source for cell in read_notebook(path).cells}
    assert "**Rubric, 10 points**" in sources["words_question"]
    assert "Soft-NMS" in sources["words"]


def test_submissions_that_share_their_answers_are_listed(graded):
    with (graded.course.root / "reports" / "a2_similar.csv").open() as file:
        assert file.readline() == "one,two,likeness\n"


def test_formgrader_shows_the_grades(graded, chromium):  # noqa: F811
    root = graded.course.root
    with jupyterlab(root, ".") as address, browser_page(chromium, root) as (page, _):
        page.goto(f"{address}/formgrader/manage_students?token={TOKEN}")
        page.locator("tbody td", has_text="/ 100").first.wait_for()
        rows = [row.locator("td").all_inner_texts() for row in page.locator("tbody tr").all()]
        shown = {cells[1]: cells[3] for cells in rows}
        assert shown.keys() == graded.expected.keys()
        for student, total in (("reference", 90), ("blank", 0), ("exit-in-a-function", 66)):
            assert shown[student] == f"{total} / 100"
        picture = page.screenshot(path=root / "formgrader.png")
        page.goto(f"{address}/formgrader/gradebook/a2/a2")
        page.locator("tbody td", has_text="Submission #1").first.wait_for()
        # the answers in words, and all of what could not be read, wait for a person
        assert page.locator("tbody tr", has_text="90").count() >= 5
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    assert image.size == (1280, 1600)
    assert len(image.getcolors(1 << 20)) > 50  # text, with its soft edges; an empty page has one


# ----------------------------------------------------------------------------------------------- one's own


def test_a_variant_for_each_student_is_graded_by_its_own_numbers_also_after_a_stop(
    tmp_path, capsys, monkeypatch
):
    course = copy_course(tmp_path)
    paths = release(course, "a2", ["ada", "bob"])
    variants = [next(c.source for c in read_notebook(path).cells if is_setup(c)) for path in paths]
    assert variants[0] != variants[1]
    answers = gate.reference(read_notebook(course.source("a2")))
    for student, path in zip(("ada", "bob"), paths, strict=True):
        target = course.submitted("a2", student)
        target.parent.mkdir(parents=True)
        nbformat.write(gate.answered(read_notebook(path), answers), target)
    command = ["class", "grade", "a2", "--course", str(course.root)]

    def write_and_stop(*arguments):
        write_record(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("d2lhelpers.classroom.grade.write_record", write_and_stop)
        assert main(command) == 130
    (done,) = course.executed.glob("*/a2.json")
    written = done.stat().st_mtime_ns
    assert main(command) == 0
    assert done.stat().st_mtime_ns == written
    assert "\nbob " in capsys.readouterr().out
    for row, setup in zip(report.table(course, "a2"), variants, strict=True):
        assert row.total == 90
        executed = read_notebook(course.executed / row.student / "a2" / "a2.ipynb")
        assert next(c.source for c in executed.cells if is_setup(c)) == setup


def test_an_assignment_goes_out_and_its_feedback_comes_back_through_the_exchange(tmp_path, capsys):
    course, exchange = copy_course(tmp_path / "assignments"), tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    with (course.root / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write(f"c.Exchange.root = {str(exchange)!r}\n")
    release(course, "a2")
    assert course.api("a2").release_assignment("a2")["success"]

    def as_student(step):
        config = course.config("a2")
        config.Exchange.assignment_dir = str(tmp_path)
        config.CourseDirectory.root = str(tmp_path)
        directory, who = CourseDirectory(config=config), Authenticator(config=config)
        step(coursedir=directory, authenticator=who, config=config).start()

    as_student(ExchangeFetchAssignment)
    fetched = tmp_path / "a2" / "a2.ipynb"
    answers = gate.reference(read_notebook(course.source("a2")))
    nbformat.write(gate.answered(read_notebook(fetched), answers), fetched)
    as_student(ExchangeSubmit)
    command = ["a2", "--course", str(course.root)]
    for step in ("collect", "grade", "report"):
        assert main(["class", step, *command]) == 0
    assert "1 submissions of a2" in capsys.readouterr().out
    assert report.table(course, "a2")[0].total == 90
    assert course.api("a2").release_feedback("a2")["success"]
    as_student(ExchangeFetchFeedback)
    (page,) = tmp_path.glob("a2/feedback/*/a2.html")
    assert "A hidden test" not in page.read_text(encoding="utf-8")


def test_limits_alone_grade_too_and_say_so(tmp_path, monkeypatch, capsys):
    class WithoutNamespaces(Nursery):
        def __init__(self):
            super().__init__()
            self.namespaces = False

    monkeypatch.setattr("d2lhelpers.classroom.grade.Nursery", WithoutNamespaces)
    course = copy_course(tmp_path)
    release(course, "a2")
    answers = gate.reference(read_notebook(course.source("a2")))
    right = gate.answered(read_notebook(course.released("a2")), answers)
    hostile.insert(right, "import os\nif os.fork() == 0:\n    while True:\n        pass")
    target = course.submitted("a2", "ada")
    target.parent.mkdir(parents=True)
    nbformat.write(right, target)
    grade(course, "a2", limits=LIMITS)
    assert report.table(course, "a2")[0].total == 90
    said = capsys.readouterr()
    assert "limits alone" in said.err + said.out


def test_a_command_works_on_the_course_that_it_is_called_in(tmp_path, capsys, monkeypatch):
    course = copy_course(tmp_path / "mine")
    monkeypatch.chdir(course.root)
    assert main(["class", "release", "a2"]) == 0
    assert course.released("a2").is_file()


def test_what_is_asked_for_wrongly_is_said_in_a_line(tmp_path, capsys):
    assert main(["class", "grade", "a2", "--course", str(tmp_path)]) == 1
    assert "nbgrader_config.py" in capsys.readouterr().err
    course = copy_course(tmp_path / "assignments")
    assert main(["class", "grade", "a2", "--course", str(course.root)]) == 1
    assert "a2.ipynb" in capsys.readouterr().err
    assert main(["class", "release", "a9", "--course", str(course.root)]) == 1
    assert "a2" in capsys.readouterr().err
