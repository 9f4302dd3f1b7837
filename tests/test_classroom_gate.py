"""The gate of the assignments: each is released, and answers right, blank and mistaken are graded as a teacher would.

What is of the machinery and of no assignment, such as hostile submissions, is tested on a2, in test_classroom. a6 is
tested in test_classroom_a6, because a file of weights belongs to it.
"""

import shutil

import classroom_a1
import classroom_a2
import classroom_a3
import classroom_a4
import classroom_a5
import classroom_gate as gate
import nbformat
import pytest

from d2lhelpers.classroom.cells import is_answer
from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.grade import grade
from d2lhelpers.classroom.jail import Limits
from d2lhelpers.classroom.preprocessors import leaks
from d2lhelpers.classroom.release import release
from d2lhelpers.classroom.report import table
from d2lhelpers.files import ROOT

ASSIGNMENTS = {
    module.NAME: module
    for module in (classroom_a1, classroom_a2, classroom_a3, classroom_a4, classroom_a5)
}
NUMBERED = [
    (name, number)
    for name, module in ASSIGNMENTS.items()
    for number in range(gate.num_mistakes(module))
]
# by the wall clock, and the cores are shared: nothing here is slow of itself
LIMITS = Limits(call=10, cell=20, total=200)


class Graded:
    """A class that was graded, and what each submission was made to lose."""

    def __init__(self, course, assignment):
        self.assignment, name = assignment, assignment.NAME
        release(course, name)
        self.source = read_notebook(course.source(name))
        self.released = read_notebook(course.released(name))
        self.points = course.points(name)
        self.automatic = set(self.points) - {"words"}
        self.answers = gate.reference(self.source)
        self.expected = {"reference": set(), "blank": self.automatic}
        submitted = {"reference": self.answers, "blank": {}}
        for number in range(gate.num_mistakes(assignment)):
            student = f"mistake{number}"
            submitted[student], self.expected[student] = gate.mistaken_answers(
                assignment, self.answers, number
            )
        for student, answers in submitted.items():
            target = course.submitted(name, student)
            target.parent.mkdir(parents=True)
            nbformat.write(gate.answered(self.released, answers), target)
        grade(course, name, limits=LIMITS)
        self.rows = {row.student: row for row in table(course, name)}

    def lost(self, student):
        return gate.lost(self.rows[student], self.points)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grades a class of an assignment when a test first asks for it."""
    classes = {}

    def of(name):
        if name not in classes:
            root = tmp_path_factory.mktemp("course")
            shutil.copytree(ROOT / "assignments" / "source" / name, root / "source" / name)
            shutil.copy(ROOT / "assignments" / "nbgrader_config.py", root)
            classes[name] = Graded(Course(root), ASSIGNMENTS[name])
        return classes[name]

    return of


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_release_holds_no_solution_no_hidden_test_and_no_rubric(graded, name):
    one = graded(name)
    assert leaks(one.released, one.source) == []
    released, source = nbformat.writes(one.released), nbformat.writes(one.source)
    for secret in ("BEGIN", *one.assignment.SECRETS):
        assert secret not in released
        assert secret in source
    code = [cell for cell in one.source.cells if is_answer(cell) and cell.cell_type == "code"]
    assert released.count("raise NotImplementedError()") == len(code) >= 5
    assert len(leaks(one.source, one.source)) > 50


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_points_add_up_and_each_part_says_its_own(graded, name):
    one = graded(name)
    parts = one.assignment.POINTS
    assert sum(one.points.values()) == sum(parts.values()) == 100
    for prefix, total in parts.items():
        assert sum(value for key, value in one.points.items() if key.startswith(prefix)) == total
    text = "\n".join(cell.source for cell in one.released.cells)
    for number in parts.values():
        assert f"({number} points)" in text


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_reference_gets_everything_and_a_blank_nothing(graded, name):
    one = graded(name)
    assert one.lost("reference") == set()
    assert one.rows["reference"].flags == []
    assert one.lost("blank") == one.automatic
    assert one.rows["blank"].total == 0


@pytest.mark.parametrize(("name", "number"), NUMBERED)
def test_each_known_mistake_loses_exactly_the_points_of_what_it_breaks(graded, name, number):
    one = graded(name)
    assert one.lost(f"mistake{number}") == one.expected[f"mistake{number}"]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_there_are_at_least_five_mistakes_of_each_task_and_every_test_is_lost_by_one(graded, name):
    one = graded(name)
    known = [mistakes for _, _, mistakes in one.assignment.LOST.values()]
    assert len(known) >= 4
    for mistakes in (*known, one.assignment.WEAK_TESTS):
        assert len(mistakes) >= 5
    together = {"hunt_exposes"}.union(*(lost for mistakes in known for lost in mistakes.values()))
    assert together == one.automatic


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_no_seed_makes_a_right_answer_wrong(graded, name, seed):
    one = graded(name)
    assert gate.failed(one.source, name, one.answers, seed) == set()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "number"), NUMBERED)
def test_no_seed_hides_a_mistake_or_adds_one(graded, name, number, seed):
    one = graded(name)
    answers, lost = gate.mistaken_answers(one.assignment, one.answers, number)
    assert gate.failed(one.source, name, answers, seed) == lost


def test_a_constant_zero_passes_no_test_of_a5_that_compares_it_with_itself(graded):
    one = graded("a5")
    zeros = {
        "gram": "def my_gram_matrix(features):\n    return torch.zeros(len(features), 2, 2)",
        "cam": "def my_grad_cam(activations, gradients):\n    return 0 * activations.sum(dim=1)",
    }
    lost = gate.failed(one.source, "a5", one.answers | zeros, 0)
    assert {"gram_size", "gram_batch", "cam_batch"} <= lost
