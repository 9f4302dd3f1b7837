"""The parts of the classroom, each on its own: packing, repairing, collecting, likeness."""

import copy
import json
import zipfile

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from d2lhelpers import check
from d2lhelpers.boxes import box_iou
from d2lhelpers.classroom import exposes
from d2lhelpers.classroom.cells import grade_id, region
from d2lhelpers.classroom.collect import collect_folder
from d2lhelpers.classroom.course import Course
from d2lhelpers.classroom.grade import forbidden
from d2lhelpers.classroom.hunts import (
    cell_trans_conv,
    hasty_batchnorm,
    hasty_grad_cam,
    hasty_nms,
    hasty_resize,
    hasty_trans_conv,
    index_resize,
    patient_batchnorm,
    patient_grad_cam,
    patient_nms,
    patient_resize,
    patient_trans_conv,
)
from d2lhelpers.classroom.preprocessors import fill_variant
from d2lhelpers.classroom.remote import Remote, StudentError, Unknown, answer, pack, unpack
from d2lhelpers.classroom.repair import UnreadableError, read_submission, repair
from d2lhelpers.classroom.similarity import normalised, similar
from d2lhelpers.detection import nms

# ------------------------------------------------------------------------------------------- calls across

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    PLAIN, lambda parts: st.lists(parts) | st.lists(parts).map(tuple), max_leaves=8
)


@given(VALUES)
def test_plain_values_come_back_as_they_were(value):
    again = unpack(pack(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16]
)
@pytest.mark.parametrize("shape", [(), (0, 4), (3, 4)], ids=str)
def test_tensors_come_back_as_they_were(shape, dtype):
    tensor = torch.ones(shape).to(dtype)
    one, (two, three) = unpack(
        pack((tensor, [tensor.detach(), tensor.mT if tensor.ndim else tensor]))
    )
    for again in (one, two):
        assert torch.equal(again, tensor)
        assert again.dtype == dtype
    assert torch.equal(three, tensor.mT if tensor.ndim else tensor)


def test_nothing_that_comes_back_names_code():
    for value in (print, object(), {"a": 1}, pytest, Remote("f", None)):
        assert isinstance(unpack(pack(value)), Unknown)
    for packed in (
        "",
        "{}",
        "[]",
        '{"tree": {}, "tensors": ""}',
        '{"tree": {"tensor": "0"}, "tensors": "AAAA"}',
    ):
        with pytest.raises(
            ValueError, match=r"packed must be what pack\(\) makes|Expecting|unpack"
        ):
            unpack(packed)


def call(function, *arguments):
    namespace = {"f": function}
    return Remote("f", lambda name, packed: answer(name, packed, namespace))(*arguments)


def test_a_remote_function_returns_or_raises_what_the_function_does():
    one = torch.rand(3, 4) + torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert torch.equal(call(lambda boxes: boxes + 1, one), one + 1)
    assert call(lambda f: f(one, one).shape, box_iou) == Unknown("Size")
    assert torch.equal(call(lambda f: f(one, one), box_iou), box_iou(one, one))
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        call(lambda: 1 / 0)
    with pytest.raises(NotImplementedError):
        call(lambda: (_ for _ in ()).throw(NotImplementedError()))

    class OwnError(Exception):
        pass

    def raises():
        raise OwnError("dear me")

    with pytest.raises(StudentError, match="OwnError: dear me"):
        call(raises)
    with pytest.raises(StudentError, match="SystemExit"):
        call(exit, 3)
    with pytest.raises(NameError, match="'g' is not defined"):
        Remote("g", lambda name, packed: answer(name, packed, {}))()


def test_a_student_cannot_ask_what_the_function_is_called():
    assert call(lambda f: f.__name__, hasty_nms) == "<lambda>"


# ---------------------------------------------------------------------------------------------- bug hunts


def chain(function):
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [4.0, 0.0, 8.0, 4.0]])
    assert function(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.2).tolist() == [0, 2]


def test_a_test_must_fail_on_the_bug_and_pass_on_what_is_right():
    exposes(chain, hasty_nms, [nms, patient_nms])
    with pytest.raises(AssertionError, match="passes on the faulty"):
        exposes(lambda f: None, hasty_nms, [nms])
    with pytest.raises(AssertionError, match="fails on a function that is right"):
        exposes(chain, nms, [hasty_nms])

    def crashes(function):
        chain(patient_nms)
        if function is hasty_nms:
            raise KeyError

    with pytest.raises(AssertionError, match="stops with KeyError on the faulty"):
        exposes(crashes, hasty_nms, [nms])


@pytest.mark.parametrize("seed", range(3))
def test_patient_nms_is_right_and_hasty_nms_is_not(seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(60, 2, generator=generator, dtype=torch.float32)
    boxes = torch.cat((corner, corner + 0.1 + torch.rand(60, 2, generator=generator)), dim=1)
    scores = torch.rand(60, generator=generator, dtype=torch.float32)
    assert torch.equal(patient_nms(boxes, scores, 0.3), nms(boxes, scores, 0.3))
    assert len(hasty_nms(boxes, scores, 0.3)) < len(nms(boxes, scores, 0.3))
    assert patient_nms(boxes[:0], scores[:0], 0.3).dtype == torch.int64


@pytest.mark.parametrize("seed", range(3))
def test_patient_batchnorm_is_right_and_hasty_batchnorm_is_not(seed):
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(4, 5, 6, 7, generator=generator, dtype=torch.float32) + 1
    layer = 0.5 + torch.rand(4, 5, generator=generator, dtype=torch.float32)
    right = check.frozen_batchnorm.reference(x, *layer)
    torch.testing.assert_close(patient_batchnorm(x, *layer), right, rtol=1e-4, atol=1e-4)
    before = layer.clone()
    assert (hasty_batchnorm(x, *layer) - right).abs().mean() > 0.1
    assert torch.equal(layer, before)


@pytest.mark.parametrize("seed", range(3))
def test_patient_grad_cam_is_right_and_hasty_grad_cam_is_not(seed):
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, 3, 8, 4, 5, generator=generator, dtype=torch.float32)
    right = check.grad_cam.reference(*pair)
    torch.testing.assert_close(patient_grad_cam(*pair), right, rtol=1e-4, atol=1e-5)
    assert (hasty_grad_cam(*pair) - right).max() > 0.1
    # without anything that speaks against the class, nobody can tell
    torch.testing.assert_close(hasty_grad_cam(*pair.abs()), check.grad_cam.reference(*pair.abs()))


@pytest.mark.parametrize("seed", range(3))
def test_hasty_trans_conv_is_wrong_just_where_strokes_meet(seed):
    generator = torch.Generator().manual_seed(seed)
    for shape, stride in (((2, 3), 3), ((3, 2), 2), ((3, 3), 1)):
        X, K = (
            1 + torch.rand(*s, generator=generator, dtype=torch.float32) for s in ((3, 4), shape)
        )
        right = patient_trans_conv(X, K, stride)
        torch.testing.assert_close(cell_trans_conv(X, K, stride), right)
        meet = patient_trans_conv(torch.ones_like(X), torch.ones_like(K), stride) > 1
        assert torch.equal(~torch.isclose(hasty_trans_conv(X, K, stride), right), meet)
        assert meet.any() == (stride < max(shape))


@given(labels=st.integers(1, 12), new=st.integers(1, 12))
def test_hasty_resize_is_right_for_whole_factors_and_the_others_always(labels, new):
    row = torch.arange(labels)[None]
    right = patient_resize(row, 1, new)
    assert torch.equal(index_resize(row, 1, new), right)
    assert torch.equal(index_resize(row.T, new, 1), patient_resize(row.T, new, 1))
    hasty = hasty_resize(row, 1, new)
    if new % labels == 0:
        assert torch.equal(hasty, right)
    elif (
        labels % new == 0
    ):  # smaller by a whole factor: its first pixel is not the one in the middle
        assert not torch.equal(hasty, right)


# ------------------------------------------------------------------------------------------------- repair


def named(source, name, kind="code", **role):
    make = new_code_cell if kind == "code" else new_markdown_cell
    role = {
        "grade": False,
        "solution": False,
        "locked": False,
        "grade_id": name,
        "schema_version": 3,
    } | role
    return make(source, metadata={"nbgrader": role})


def handed_out():
    return new_notebook(
        cells=[
            new_markdown_cell("# Title"),
            named("import torch", "setup", locked=True),
            named(
                "def one(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
                "one",
                solution=True,
            ),
            named("assert one(1) == 1", "test_one", grade=True, locked=True, points=2),
            named(
                "**Your answer:**\n\nYOUR ANSWER HERE",
                "words",
                "markdown",
                grade=True,
                solution=True,
                points=3,
            ),
        ]
    )


LOCKED = {"setup": "import torch", "test_one": "assert one(1) == 1\nassert one(2) == 2"}


def filled():
    nb = handed_out()
    nb.cells[2].source = "def one(x):\n    return x"
    nb.cells[4].source = "**Your answer:**\n\nForty-two."
    return nb


def sources(nb):
    return {grade_id(cell): cell.source for cell in nb.cells if grade_id(cell)}


def test_a_whole_submission_gets_its_tests_back_and_no_flag():
    submitted = filled()
    submitted.cells[3].source = "pass"
    before = copy.deepcopy(submitted)
    nb, flags = repair(submitted, handed_out(), LOCKED)
    assert flags == []
    assert submitted == before
    assert sources(nb) == {**sources(filled()), **LOCKED}
    nbformat.validate(nb)


def test_a_submission_without_metadata_is_recognised():
    submitted = filled()
    for cell in submitted.cells:
        cell.metadata = nbformat.NotebookNode()
    submitted.cells[3].source = "assert  one(1) == 1"
    nb, flags = repair(submitted, handed_out(), LOCKED)
    assert sources(nb) == {**sources(filled()), **LOCKED}
    assert flags == ["cells had lost their metadata and were recognised by their text"]


@pytest.mark.parametrize("missing", range(1, 5))
def test_a_deleted_cell_is_put_back_after_the_one_before_it(missing):
    submitted = filled()
    name = grade_id(submitted.cells.pop(missing))
    nb, flags = repair(submitted, handed_out(), LOCKED)
    found = [grade_id(cell) for cell in nb.cells]
    assert [one for one in found if one] == ["setup", "one", "test_one", "words"]
    assert found.index("") == (1 if name == "setup" else 0)  # the first of all has none before it
    assert flags == (
        [] if name == "setup" else [f"{name} was missing and was put back as handed out"]
    )


def test_of_copies_the_last_counts_and_the_others_run():
    submitted = filled()
    first = copy.deepcopy(submitted.cells[2])
    first.source = "def one(x):\n    return 0"
    submitted.cells.insert(2, first)
    nb, flags = repair(submitted, handed_out(), LOCKED)
    assert [cell.source.split("\n")[-1] for cell in nb.cells[2:4]] == [
        "    return 0",
        "    return x",
    ]
    assert [grade_id(cell) for cell in nb.cells[2:4]] == ["", "one"]
    assert flags == ["one is there 2 times: all run in their order, the last one counts"]


def test_a_second_definition_elsewhere_is_flagged():
    submitted = filled()
    submitted.cells.append(new_code_cell("def one(x):\n    return 1"))
    assert repair(submitted, handed_out(), LOCKED)[1] == [
        "the function of one is defined 2 times: the last that ran counts"
    ]


def test_a_test_goes_after_its_answer():
    submitted = filled()
    submitted.cells.insert(0, submitted.cells.pop(3))
    nb, flags = repair(submitted, handed_out(), LOCKED)
    order = [grade_id(cell) for cell in nb.cells]
    assert order.index("test_one") == order.index("one") + 1
    assert flags == ["test_one stood before the answer that it tests and was moved"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"), (b"x", "no notebook"), (b"3", "no notebook"), (b"{}", "no notebook"),
        (b"\xff\xfe\x00", "no notebook"), (b'{"cells": 3, "nbformat": 4}', "no notebook"),
        (json.dumps(new_notebook()).encode(), "no cells"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_told(tmp_path, content, said):
    (tmp_path / "a2.ipynb").write_bytes(content)
    with pytest.raises(UnreadableError, match=said):
        read_submission(tmp_path / "a2.ipynb")
    with pytest.raises(UnreadableError, match=r"there is no a9\.ipynb"):
        read_submission(tmp_path / "a9.ipynb")


# -------------------------------------------------------------------------------------- collecting, the rest


@pytest.fixture
def course(tmp_path):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "nbgrader_config.py").write_text("c = get_config()\n")
    return Course(tmp_path / "course")


def test_a_folder_of_files_zips_and_folders_is_taken_in(course, tmp_path):
    folder = tmp_path / "in"
    (folder / "carl" / "deep").mkdir(parents=True)
    (folder / "carl" / "deep" / "work.ipynb").write_bytes(b"carl's")
    (folder / "ada_77_a2.ipynb").write_bytes(b"ada's")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "dora.pdf").write_bytes(b"dora's")
    (folder / "eve.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(folder / "bob_88.zip", "w") as archive:
        archive.writestr("__MACOSX/a2.ipynb", "apple's")
        archive.writestr("other.ipynb", "another")
        archive.writestr("../a2.ipynb", "bob's")
    assert collect_folder(course, "a2", folder) == ["ada", "bob", "carl", "dora", "eve"]
    for student, content in {
        "ada": "ada's",
        "carl": "carl's",
        "dora": "dora's",
        "eve": "not a readable zip",
    }.items():
        assert course.submitted("a2", student).read_text() == content
    assert course.submitted("a2", "bob").read_text() == "another"
    assert course.submissions("a2") == ["ada", "bob", "carl", "dora", "eve"]
    (folder / "ada.ipynb").write_bytes(b"again")
    with pytest.raises(ValueError, match="two files of ada"):
        collect_folder(course, "a2", folder)
    with pytest.raises(FileNotFoundError, match="folder must exist"):
        collect_folder(course, "a2", tmp_path / "nowhere")


def test_regions_are_cut_out():
    text = "a\n# BEGIN X\nb\nc\n# END X\nd\n# BEGIN X\ne\n# END X"
    assert region(text, "BEGIN X", "END X") == ("a\nd", ["b\nc\n", "e\n"])
    with pytest.raises(ValueError, match="without 'END X'"):
        region("# BEGIN X\na", "BEGIN X", "END X")


def test_the_variant_needs_its_place():
    with pytest.raises(ValueError, match="variant=0"):
        fill_variant(new_notebook(cells=[new_code_cell("a = 1")]), 3)


def test_likeness_sees_through_names_and_numbers_and_not_what_was_given():
    body = (
        "def f(boxes):\n    total = 0\n    for box in boxes:\n"
        "        total += box[2] * box[3] - {}\n    return total / len(boxes)\n"
    )
    copied = body.replace("total", "t").replace("boxes", "bs").replace("box", "b")
    other = "def f(x):\n    return x.prod(dim=1).mean() if len(x) else torch.zeros(()) + sum([1, 2, 3], start=4) ** 2\n"
    assert normalised("x = 1  # so\n") == normalised("y = 2\n") == ["n", "=", "0"]
    assert normalised("def (") == ["def", "("]
    books = {name: new_notebook(cells=[new_code_cell(text)]) for name, text in
             {"ada": body.format(1), "bob": copied.format(22), "carl": other}.items()}  # fmt: skip
    (pair,) = similar(books, new_notebook())
    assert (pair.one, pair.two, pair.likeness) == ("ada", "bob", 1)
    assert similar(books, books["ada"]) == []


def test_what_was_to_be_written_by_hand_is_flagged():
    given = handed_out()
    given.metadata["d2lhelpers"] = {"forbidden": {"one": ["box_iou"]}}
    nb = filled()
    assert forbidden(nb, given) == []
    nb.cells[2].source = "def one(x):\n    return box_iou(x)  # box_iou"
    nb.cells.append(new_code_cell("from d2lhelpers import box_iou as mine"))
    nb.cells.append(new_code_cell("'box_iou' # box_iou"))
    assert [flag.split(" uses box_iou")[0] for flag in forbidden(nb, given)] == [
        "one",
        "a cell of the student's own",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "from d2lhelpers.check.boxes import my_box_iou as mine",
        "import d2lhelpers.classroom.hunts as h",
        "assert f.__closure__",
    ],
)
def test_to_look_at_the_courses_own_answers_is_flagged(source):
    nb = filled()
    nb.cells.append(new_code_cell(source))
    (flag,) = forbidden(nb, handed_out())
    assert "the course's own" in flag


def test_a_test_that_counts_its_calls_exposes_nothing():
    def count(function):
        calls.append(function)
        assert len(calls) % 3 == 0

    outcomes = []
    for _ in range(40):
        calls = []
        try:
            exposes(count, broken=hasty_nms, right=[patient_nms, nms])
            outcomes.append(True)
        except AssertionError:
            outcomes.append(False)
    assert outcomes.count(True) < 20  # by chance 3 of 40


def test_a_damaged_zip_does_not_stop_the_others(course, tmp_path):
    path = tmp_path / "in" / "ada_1.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a2.ipynb", json.dumps(list(range(5000))))
    damaged = bytearray(path.read_bytes())
    damaged[200:215] = bytes(15)
    path.write_bytes(damaged)
    (path.parent / "bob_2.ipynb").write_text("{}")
    assert collect_folder(course, "a2", path.parent) == ["ada", "bob"]


@pytest.mark.parametrize(
    ("source", "flagged"),
    [
        ("check.box_iou(mine)", False),
        ("check.box_iou.reference(x, y)", True),
        ("mine = check.box_iou\nmine(x, y)", True),
        ("other.box_iou(x, y)", True),
        ("check(x.box_iou(y))", True),
    ],
)
def test_to_ask_the_checker_is_fair_and_to_take_its_answer_is_not(source, flagged):
    given = handed_out()
    given.metadata["d2lhelpers"] = {"forbidden": {"one": ["box_iou"]}}
    nb = filled()
    nb.cells.append(new_code_cell(source))
    assert bool(forbidden(nb, given)) == flagged
