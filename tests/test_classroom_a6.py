"""Assignment a6: its gate, and what becomes of a file of weights, right, wrong, missing or somebody else's.

In the gate a file only names the share of the objects that its detector finds, because one that finds them takes
minutes to train: the points table is held to predictions. How a file is read, and run behind walls, is tested on files.
"""

import csv
import pickle
import shutil
import zipfile
from types import SimpleNamespace

import classroom_a6 as a6
import classroom_gate as gate
import nbformat
import pytest
import safetensors.torch
import torch

from d2lhelpers.__main__ import main
from d2lhelpers.classroom import detectors
from d2lhelpers.classroom.cells import grade_id
from d2lhelpers.classroom.collect import collect_folder
from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.detectors import (
    MAX_BYTES,
    NETWORKS,
    handed_in,
    read_detector,
    render_unseen,
    save_detector,
    scores_of,
)
from d2lhelpers.classroom.execution import NotKnown
from d2lhelpers.classroom.grade import grade
from d2lhelpers.classroom.hunts import patient_class_nms, shifting_nms
from d2lhelpers.classroom.jail import Limits
from d2lhelpers.classroom.judge import Judge
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.preprocessors import leaks
from d2lhelpers.classroom.release import release
from d2lhelpers.classroom.report import table
from d2lhelpers.classroom.similarity import Pair, with_same_files
from d2lhelpers.datasets.boxed import render_scenes
from d2lhelpers.detection import nms_in_groups
from d2lhelpers.files import ROOT

LIMITS = Limits(call=10, cell=20, total=200)
NUMBERS = range(gate.num_mistakes(a6))
SCENES = 4


def course_at(root):
    shutil.copytree(ROOT / "assignments" / "source" / "a6", root / "source" / "a6")
    shutil.copy(ROOT / "assignments" / "nbgrader_config.py", root)
    return Course(root)


def hand_in(course, student, answers, content):
    target = course.submitted("a6", student)
    target.parent.mkdir(parents=True)
    nbformat.write(gate.answered(read_notebook(course.released("a6")), answers), target)
    if content is not None:
        target.with_name("a6.safetensors").write_bytes(content)


# -------------------------------------------------------------------------------------------------- the gate


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    course = course_at(tmp_path_factory.mktemp("course"))
    release(course, "a6")
    answers = gate.reference(read_notebook(course.source("a6")))
    expected = {"reference": set(), "blank": set(course.points("a6")) - {"words"}}
    hand_in(course, "reference", answers, a6.artefact(a6.ALL))
    hand_in(course, "blank", {}, None)
    for number in NUMBERS:
        wrong, lost = gate.mistaken_answers(a6, answers, number)
        share = a6.SHARES[number]
        hand_in(course, f"mistake{number}", wrong, a6.artefact(share))
        expected[f"mistake{number}"] = lost | a6.too_low(share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "_detections", lambda self, scenes: a6.detections(self.content, scenes))  # fmt: skip
        grade(course, "a6", limits=LIMITS)
    rows = {row.student: row for row in table(course, "a6")}
    return SimpleNamespace(course=course, answers=answers, expected=expected, rows=rows)


def test_the_release_holds_no_solution_no_hidden_test_no_rubric_and_no_detector(graded):
    source = read_notebook(graded.course.source("a6"))
    released = read_notebook(graded.course.released("a6"))
    assert leaks(released, source) == []
    for secret in ("BEGIN", *a6.SECRETS):
        assert secret not in nbformat.writes(released)
        assert secret in nbformat.writes(source)
    assert nbformat.writes(released).count("raise NotImplementedError()") == 6


def test_points_add_up_and_each_part_says_its_own(graded):
    points = graded.course.points("a6")
    assert sum(points.values()) == sum(a6.POINTS.values()) == 100
    text = "\n".join(cell.source for cell in read_notebook(graded.course.released("a6")).cells)
    for prefix, total in a6.POINTS.items():
        assert sum(value for name, value in points.items() if name.startswith(prefix)) == total
        assert f"({total} points)" in text


@pytest.mark.parametrize("student", ["reference", "blank", *(f"mistake{n}" for n in NUMBERS)])
def test_each_submission_loses_exactly_the_points_of_what_it_breaks(graded, student):
    points = graded.course.points("a6")
    assert gate.lost(graded.rows[student], points) == graded.expected[student]


def test_the_reference_has_no_flag_and_a_blank_says_what_is_missing(graded):
    assert graded.rows["reference"].flags == []
    assert graded.rows["reference"].record.ap50 == pytest.approx(1)
    assert graded.rows["blank"].total == 0
    assert graded.rows["blank"].flags == [
        "a6.safetensors: there is no such file beside the notebook"
    ]


def test_there_are_at_least_five_mistakes_of_each_task_and_every_test_is_lost_by_one(graded):
    for known in (*(of_task for _, _, of_task in a6.LOST.values()), a6.WEAK_TESTS):
        assert len(known) >= 5
    together = set().union(*(graded.expected[f"mistake{n}"] for n in NUMBERS))
    assert together == set(graded.course.points("a6")) - {"words", "artefact_file"}


GIVEN = {"handed_in": lambda _: SimpleNamespace(ap50=1.0), "render_unseen": lambda *_: None}


@pytest.mark.parametrize("seed", range(20))
def test_no_seed_makes_a_right_answer_wrong(graded, seed):
    source = read_notebook(graded.course.source("a6"))
    assert gate.failed(source, "a6", graded.answers, seed, GIVEN) == set()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("number", NUMBERS)
def test_no_seed_hides_a_mistake_or_adds_one(graded, number, seed):
    source = read_notebook(graded.course.source("a6"))
    answers, lost = gate.mistaken_answers(a6, graded.answers, number)
    assert gate.failed(source, "a6", answers, seed, GIVEN) == lost


def test_a_students_test_of_the_hunt_may_name_its_arguments(graded):
    by_name = (
        "def test_class_nms(class_nms):\n"
        "    boxes = torch.tensor([[-50.0, -50.0, -10.0, -10.0], [-40.0, -50.0, 0.0, -10.0]])\n"
        "    kept = class_nms(boxes=boxes, scores=torch.tensor([0.9, 0.8]),\n"
        "                     classes=torch.tensor([0, 1]), iou_threshold=0.5)\n"
        "    assert kept.tolist() == [0, 1]"
    )
    source = read_notebook(graded.course.source("a6"))
    answers = graded.answers | {"hunt": by_name}
    assert gate.failed(source, "a6", answers, 0, GIVEN) == set()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_a_detector_that_finds_a_share_of_the_objects_has_that_ap50(share):
    scenes = render_unseen(7, 60)
    found = a6.detections(a6.artefact(share), scenes)
    assert scores_of(found, scenes).ap50 == pytest.approx(share, abs=0.04)


def test_the_bug_shows_only_outside_of_the_picture():
    generator = torch.Generator().manual_seed(0)
    corner = 50 * torch.rand(60, 2, generator=generator, dtype=torch.float32)
    boxes = torch.cat((corner, corner + 10 + 20 * torch.rand(60, 2, generator=generator)), dim=1)
    scores = torch.rand(60, generator=generator, dtype=torch.float32)
    classes = torch.randint(0, 3, (60,), generator=generator)
    for away, same in ((0, True), (-100, False)):
        given = boxes + away, scores, classes, 0.3
        assert torch.equal(patient_class_nms(*given), nms_in_groups(*given))
        assert torch.equal(shifting_nms(*given), nms_in_groups(*given)) == same


# ------------------------------------------------------------------------------------------- files and scenes


def untrained(name="TinyYOLO", **changed):
    """A file's content: a network as it was drawn, some of its tensors replaced; None takes one out."""
    torch.manual_seed(0)
    tensors = {
        key: value.half()
        for key, value in NETWORKS[name]().state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    tensors |= {key.replace("__", "."): value for key, value in changed.items()}
    kept = {key: value for key, value in tensors.items() if value is not None}
    return safetensors.torch.save(kept, metadata={"passes": "3"})


BIAS = "class_branch__1__bias"
GOOD = untrained()
BAD = {
    "missing": (None, "no such file"),
    "empty": (b"", "the file is empty"),
    "too large": (bytes(MAX_BYTES + 1), "more than 4,000,000 bytes"),
    "words": (b"my detector is at home", "no safetensors file"),
    "cut off": (GOOD[:-1000], "no safetensors file"),
    "a pickle": (pickle.dumps(print), "no safetensors file"),
    "a key too few": (untrained(**{BIAS: None}), "of another network: class_branch.1.bias"),
    "a key too many": (untrained(more=torch.zeros(1)), "of another network: more"),
    "another shape": (untrained(**{BIAS: torch.zeros(7).half()}), "class_branch.1.bias is not as in TinyYOLO"),
    "whole numbers": (untrained(**{BIAS: torch.zeros(6).long()}), "is torch.int64"),
    "NaN": (untrained(**{BIAS: torch.full((6,), torch.nan).half()}), "values that are no numbers"),
    "infinite": (untrained(**{BIAS: torch.full((6,), torch.inf).half()}), "values that are no numbers"),
    "no weights": (safetensors.torch.save({}), "of another network"),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_comes_back_as_it_was_saved(name, tmp_path):
    torch.manual_seed(1)
    net = NETWORKS[name]()
    save_detector(net, 5, tmp_path / "a6.safetensors")
    content = (tmp_path / "a6.safetensors").read_bytes()
    assert len(content) < MAX_BYTES
    again, passes = read_detector(content)
    assert passes == 5
    assert type(again) is type(net)
    for key, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value.half().to(value.dtype)), key
    scenes = render_unseen(3, SCENES)
    assert 0 <= handed_in(scenes, tmp_path / "a6.safetensors").ap50 < 0.3
    assert [path.name for path in tmp_path.iterdir()] == ["a6.safetensors"]


def test_what_could_not_be_handed_in_is_not_saved(tmp_path):
    path = tmp_path / "a6.safetensors"
    with pytest.raises(ValueError, match="another network"):
        save_detector(torch.nn.Linear(2, 2), 1, path)
    with pytest.raises(ValueError, match="passes must be 0 or more"):
        save_detector(NETWORKS["TinyYOLO"](), -1, path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="save_detector"):
        handed_in(render_unseen(3, SCENES), path)


@pytest.mark.parametrize("kind", [kind for kind in BAD if kind != "missing"])
def test_a_file_that_is_none_is_told(kind):
    content, said = BAD[kind]
    with pytest.raises(ValueError, match=said):
        read_detector(content)


@pytest.mark.parametrize("declared", [None, "many", "²", "9" * 20])
def test_a_declaration_that_is_none_is_none(declared):
    tensors = safetensors.torch.load(GOOD)
    metadata = {"passes": declared} if declared else None
    assert read_detector(safetensors.torch.save(tensors, metadata=metadata))[1] is None


def test_unseen_scenes_are_like_those_to_test_on_and_are_kept_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    detectors._render.cache_clear()
    unseen = render_unseen(11, 2)
    assert list(tmp_path.iterdir()) == []
    known = render_scenes(2, 11, "test")
    assert torch.equal(unseen.images, known.images)
    assert torch.equal(unseen.labels, known.labels)
    assert unseen.classes == known.classes


# -------------------------------------------------------------------------------------------- behind the walls


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as found:
        yield found


@pytest.mark.parametrize("kind", BAD)
def test_the_judge_refuses_a_file_that_is_none_and_says_why(nursery, kind):
    content, said = BAD[kind]
    judge = Judge("a6.safetensors", content, nursery, Limits())
    for _ in range(2):
        with pytest.raises(ValueError, match=said):
            judge(render_unseen(3, SCENES))
    assert judge.ap50 is None
    (flag,) = judge.flags
    assert flag.startswith("a6.safetensors: ")
    assert said in flag


@pytest.mark.parametrize("name", NETWORKS)
def test_the_judge_finds_what_the_network_finds(nursery, name):
    content, scenes = untrained(name), render_unseen(3, SCENES)
    judge = Judge("a6.safetensors", content, nursery, Limits())
    scores = judge(scenes)
    assert judge(scenes) is scores
    assert judge.flags == []
    net, _ = read_detector(content)
    here = scores_of(net.predict(scenes.images), scenes)
    assert judge.ap50 == scores.ap50 == pytest.approx(here.ap50, abs=0.02)


def test_a_network_that_reports_no_numbers_is_refused(nursery):
    variance = torch.full((128,), -1.0).half()
    content = untrained(box_branch__0__1__running_var=variance, **{BIAS: torch.full((6,), 9.0).half()})  # fmt: skip
    judge = Judge("a6.safetensors", content, nursery, Limits())
    with pytest.raises(ValueError, match="predictions cannot be used"):
        judge(render_unseen(3, SCENES))


def test_what_takes_too_long_is_not_known_and_no_zero(nursery):
    judge = Judge("a6.safetensors", GOOD, nursery, Limits(artefact=0.0))
    with pytest.raises(NotKnown, match="did not finish"):
        judge(render_unseen(3, SCENES))
    assert judge.flags == ["a6.safetensors: the detector did not finish"]


def test_a_training_beyond_the_budget_is_flagged(nursery):
    for passes, said in ({"passes": "13"}, "declares 13 passes"), (None, "does not declare"):
        content = safetensors.torch.save(safetensors.torch.load(GOOD), metadata=passes)
        judge = Judge("a6.safetensors", content, nursery, Limits())
        judge(render_unseen(3, SCENES))
        assert said in judge.flags[0]


# ------------------------------------------------------------------------------------ from release to report


def test_a_class_with_real_files_from_collecting_to_the_report(tmp_path, monkeypatch, capsys):
    course = course_at(tmp_path / "course")
    (course.root / "source" / "a6" / "a6.safetensors").write_bytes(GOOD)
    release(course, "a6")
    assert [path.name for path in course.released("a6").parent.iterdir()] == ["a6.ipynb"]
    answers = gate.reference(read_notebook(course.source("a6")))
    nb = nbformat.writes(gate.answered(read_notebook(course.released("a6")), answers))
    folder = tmp_path / "in"
    (folder / "bob").mkdir(parents=True)
    (folder / "ada_1_a6.ipynb").write_text(nb)
    (folder / "ada_2_a6.safetensors").write_bytes(GOOD)
    (folder / "bob" / "work.ipynb").write_text(nb)
    (folder / "bob" / "a6 (1).safetensors").write_bytes(BAD["NaN"][0])
    with zipfile.ZipFile(folder / "eve_3.zip", "w") as archive:
        archive.writestr("a6.ipynb", nb)
        archive.writestr("a6.safetensors", GOOD)
    # few scenes: what they are worth is tested above
    monkeypatch.setattr(detectors, "render_unseen", lambda seed, num: render_unseen(seed, SCENES))
    command = ["a6", "--course", str(course.root)]
    assert main(["class", "collect", *command, "--from", str(folder)]) == 0
    records = {record.student: record for record in grade(course, "a6", limits=Limits())}
    assert main(["class", "report", *command]) == 0
    assert "AP50" in capsys.readouterr().out
    rows = {row.student: row for row in table(course, "a6")}
    for student, lost in {"ada": set(a6.LEVELS), "bob": a6.FILE, "eve": set(a6.LEVELS)}.items():
        found = rows[student].points
        assert {name for name, value in found.items() if value == 0} - {"words"} == lost, student
    assert records["bob"].flags == (
        "a6.safetensors: class_branch.1.bias has values that are no numbers (NaN or infinite)",
    )
    with (course.root / "reports" / "a6.csv").open(newline="") as file:
        ap50 = {row["student"]: row["AP50"] for row in csv.DictReader(file)}
    assert ap50 == {"ada": "0.00", "bob": "", "eve": "0.00"}
    similar = (course.root / "reports" / "a6_similar.csv").read_text()
    assert "ada,eve,1.00,yes\n" in similar or "ada,eve,0.00,yes\n" in similar
    assert similar.count("yes") == 1
    page = (course.root / "feedback" / "bob" / "a6" / "a6.html").read_text(encoding="utf-8")
    assert "has values that are no numbers" in page
    # another file is another submission
    course.submitted("a6", "bob").with_name("a6.safetensors").write_bytes(GOOD)
    keys = {record.student: record.key for record in grade(course, "a6", limits=Limits())}
    assert keys["bob"] != records["bob"].key
    assert keys["ada"] == records["ada"].key


def test_training_does_not_run_when_it_is_graded(graded):
    path = graded.course.executed / "reference" / "a6" / "a6.ipynb"
    cells = {grade_id(cell): cell for cell in read_notebook(path).cells}
    assert "fit(" in cells["train"].source
    for name in ("train", "expect"):
        assert cells[name].outputs == []


def test_collecting_takes_the_file_beside_the_notebook_only_where_there_is_to_be_one(tmp_path):
    course = course_at(tmp_path / "course")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ada.ipynb").write_bytes(b"ada's")
    (folder / "ada.safetensors").write_bytes(b"weights")
    with pytest.raises(
        ValueError, match="two files of ada"
    ):  # nothing says that a6 has a second file
        collect_folder(course, "a6", folder)
    release(course, "a6")
    (folder / "bob.safetensors").write_bytes(b"no notebook")
    assert collect_folder(course, "a6", folder) == ["ada", "bob"]
    assert course.handed_in("a6", "ada") == b"weights"
    assert course.submitted("a6", "bob").read_bytes() == b""
    (folder / "ada.safetensors").unlink()
    collect_folder(course, "a6", folder)
    assert course.handed_in("a6", "ada") is None


def test_equal_numbers_are_seen_under_another_heading():
    other = safetensors.torch.save(safetensors.torch.load(GOOD), metadata={"passes": "2"})
    files = {"ada": GOOD, "bob": other, "carl": untrained("TinySSD"), "dora": b"", "eve": b"words"}
    alike = Pair("ada", "bob", 0.9)
    assert with_same_files([alike], files) == [Pair("ada", "bob", 0.9, same_file=True)]
    assert with_same_files([], files) == [Pair("ada", "bob", 0.0, same_file=True)]
