"""Submissions of assignment a2: what each known mistake loses, and what a hostile one is worth."""

import copy
import inspect
import json

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from d2lhelpers.classroom.cells import SOLUTION_BEGIN, SOLUTION_END, grade_id, is_answer

IOU = {"iou_overlap", "iou_table", "iou_apart", "iou_edges"}
DECODE = {"decode_centre", "decode_size", "decode_outside"}
NMS = {"nms_order", "nms_doubles", "nms_chain", "nms_edges"}

# Of each task: the exercise whose known mistakes these are, the function's name, and the tests that each must fail.
LOST = {
    "iou": ("box_iou", "my_box_iou", {
        "union_is_sum": {"iou_overlap", "iou_table"},
        "no_clamp": {"iou_apart"},
        "clamp_product": {"iou_apart"},
        "plus_one": {"iou_overlap", "iou_table", "iou_edges"},
        "no_guard": {"iou_edges"},
        "transposed": {"iou_table", "iou_edges"},
        "elementwise": IOU,
    }),
    "encode": ("offset_boxes", "my_offset_boxes", {
        "precedence": {"encode_centre"},
        "no_scales": {"encode_centre", "encode_size"},
        "no_log": {"encode_size"},
        "inverted_log": {"encode_size"},
        "reversed": {"encode_centre"},
        "box_size": {"encode_centre"},
        "top_left": {"encode_centre"},
    }),
    "decode": ("offset_inverse", "my_offset_inverse", {
        "no_exp": {"decode_size", "decode_outside"},
        "swapped_scales": DECODE,
        "clamped": {"decode_outside"},
        "centre_format": DECODE,
        "whole_size": {"decode_size", "decode_outside"},
        "from_centre": {"decode_centre", "decode_outside"},
        "not_times_size": {"decode_centre", "decode_outside"},
    }),
    "nms": ("nms", "my_nms", {
        "not_sorted": {"nms_order", "nms_doubles"},
        "suppressed_suppress": {"nms_chain"},
        "threshold_inclusive": {"nms_edges"},
        "score_threshold": {"nms_order", "nms_doubles", "nms_chain"},
        "empty_float": {"nms_edges"},
        "sorted_positions": {"nms_order", "nms_doubles"},
        "best_only": NMS,
    }),
}  # fmt: skip

# Tests for the bug hunt that do not tell the bug from what is right.
PAIR = "torch.tensor([[0.0, 0.0, 4.0, 4.0], [1.0, 0.0, 5.0, 4.0]]), torch.tensor([0.9, 0.7]), 0.5"
CHAIN = (
    "torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [4.0, 0.0, 8.0, 4.0]]), "
    "torch.tensor([0.9, 0.8, 0.7]), 0.2"
)
WEAK_TESTS = {
    "asserts nothing": f"nms({CHAIN})",
    "asserts what is never true": "assert False",
    "has no chain": f"assert nms({PAIR}).tolist() == [0]",
    "holds the bug for right": f"assert nms({CHAIN}).tolist() == [0]",
    "crashes on all": f"assert nms({CHAIN}).tolis() == [0, 2]",
    "fails on the bug by a crash": f"nms({CHAIN}).tolist()[1]",
    "takes any two rows": f"assert len(nms({CHAIN})) <= 2",
}


def reference(source: NotebookNode) -> dict[str, str]:
    """The instructor's own answers, by the name of their cells."""
    return {
        grade_id(cell): "\n".join(
            line
            for line in cell.source.split("\n")
            if SOLUTION_BEGIN not in line and SOLUTION_END not in line
        )
        for cell in source.cells
        if is_answer(cell)
    }


def answered(released: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """What was handed out, with answers in place of what was to be written."""
    nb = copy.deepcopy(released)
    for cell in nb.cells:
        cell.source = answers.get(grade_id(cell), cell.source) if is_answer(cell) else cell.source
    return nb


def mistaken_answers(answers: dict[str, str], number: int) -> tuple[dict[str, str], set[str]]:
    """Answers with the mistake of that number in every task, and the tests that they must fail."""
    answers, lost = dict(answers), {"hunt_exposes"}
    for task, (exercise, function, known) in LOST.items():
        name = list(known)[number]
        answers[task] = (
            f"from d2lhelpers import check\n\n"
            f"{function} = {{m.name: m.function for m in check.{exercise}.mistakes}}[{name!r}]"
        )
        lost |= known[name]
    body = list(WEAK_TESTS.values())[number]
    answers["hunt"] = f"def test_nms(nms):\n    {body}"
    return answers, lost


def mistaken(
    released: NotebookNode, answers: dict[str, str], number: int
) -> tuple[NotebookNode, set[str]]:
    """A submission with these mistakes, and the tests that it must fail."""
    answers, lost = mistaken_answers(answers, number)
    return answered(released, answers), lost


# ------------------------------------------------------------------------------------------------ hostile ones


class Hostile:
    """Submissions that try a grader's patience: each method changes a right one, and says what it must lose.

    A method takes the notebook and returns the tests that it must fail and a word of the flag that it must get,
    or None where no flag is due.
    """

    def endless_loop_in_a_cell(self, nb):
        insert(nb, "while True:\n    pass")
        return set(), "did not finish"

    def swallowed_interrupts(self, nb):
        insert(
            nb,
            "import time\nwhile True:\n    try:\n        time.sleep(0.01)\n    except BaseException:\n        pass",
        )
        return set(), "did not finish"

    def endless_function(self, nb):
        replace(
            nb, "nms", "def my_nms(boxes, scores, iou_threshold):\n    while True:\n        pass"
        )
        return NMS, "a call of my_nms did not finish"

    def endless_on_empty_input(self, nb):
        replace(
            nb,
            "nms",
            find(nb, "nms").source.replace(
                "order = scores", "while len(scores) == 0:\n        pass\n    order = scores", 1
            ),
        )
        return {"nms_edges"}, "a call of my_nms did not finish"

    def exit_in_a_cell(self, nb):
        insert(nb, "import os\nos._exit(0)")
        return set(), "ended its process"

    def exit_in_a_function(self, nb):
        replace(nb, "iou", "import os\n\n\ndef my_box_iou(boxes1, boxes2):\n    os._exit(0)")
        return IOU, "a call of my_box_iou ended its process"

    def polite_exit(self, nb):
        insert(nb, "import sys\nsys.exit()")
        replace(nb, "iou", "import sys\n\n\ndef my_box_iou(boxes1, boxes2):\n    sys.exit()")
        return IOU, None

    def syntax_error(self, nb):
        replace(nb, "iou", "def my_box_iou(boxes1, boxes2)\n    return 0")
        return IOU, None

    def deleted_cells(self, nb):
        nb.cells = [
            cell for cell in nb.cells if grade_id(cell) not in ("decode", "iou_edges", "setup")
        ]
        return DECODE, "decode was missing"

    def duplicated_cells(self, nb):
        at = nb.cells.index(find(nb, "iou"))
        blank = copy.deepcopy(nb.cells[at])
        blank.source = "def my_box_iou(boxes1, boxes2):\n    raise NotImplementedError()"
        nb.cells.insert(at, blank)
        nb.cells.insert(at, copy.deepcopy(find(nb, "iou_apart")))
        return set(), "iou is there 2 times"

    def no_metadata(self, nb):
        for cell in nb.cells:
            cell.metadata = NotebookNode()
        nb.metadata = NotebookNode()
        return set(), "lost their metadata"

    def moved_tests(self, nb):
        cell = find(nb, "nms_order")
        nb.cells.remove(cell)
        nb.cells.insert(2, cell)
        return set(), "stood before the answer"

    def edited_tests(self, nb):
        for cell in nb.cells:
            if grade_id(cell).startswith("iou_"):
                cell.source, cell.metadata.nbgrader["points"] = "assert True", 1000
        replace(nb, "iou", "def my_box_iou(boxes1, boxes2):\n    return 0")
        return IOU, None

    def overwritten_checker(self, nb):
        insert(
            nb,
            "import d2lhelpers\nimport d2lhelpers.boxes\nimport d2lhelpers.classroom\nimport torch.testing\n"
            "torch.testing.assert_close = assert_close = exposes = lambda *a, **k: None\n"
            "d2lhelpers.classroom.exposes = lambda *a, **k: None\n"
            "d2lhelpers.box_iou = d2lhelpers.boxes.box_iou = lambda one, two: 0\n"
            "__builtins__.AssertionError = Exception",
        )
        replace(nb, "iou", "def my_box_iou(boxes1, boxes2):\n    return 0")
        return IOU | NMS, None  # their own nms calls the box_iou that they replaced

    def broken_kernel(self, nb):
        insert(nb, "get_ipython().run_cell = lambda *a, **k: None")
        return IOU | DECODE | NMS | {
            "encode_centre",
            "encode_size",
            "hunt_exposes",
        }, "brought no answer"

    def overwritten_files(self, nb):
        insert(
            nb,
            "import pathlib, d2lhelpers\nfor path in pathlib.Path(d2lhelpers.__file__).parent.glob('**/hunts.py'):\n"
            "    with path.open('a') as file:\n        file.write('raise SystemExit\\n')",
        )
        return set(), None

    def answers_that_equal_everything(self, nb):
        source = (
            "class Yes(torch.Tensor):\n    def __eq__(self, other):\n        return True\n"
            "    @classmethod\n    def __torch_function__(cls, *a, **k):\n        return True\n\n\n"
            "def my_box_iou(boxes1, boxes2):\n    return Yes(1)"
        )
        replace(nb, "iou", source)
        return IOU, None

    def gigabyte_in_a_cell(self, nb):
        insert(nb, "for _ in range(10**6):\n    print('x' * 1000)")
        return set(), "a cell "

    def gigabyte_at_once(self, nb):
        insert(nb, "print('x' * 10**9)")
        return set(), None  # a MemoryError, or out of time

    def gigabyte_in_a_function(self, nb):
        replace(
            nb, "iou", "def my_box_iou(boxes1, boxes2):\n    while True:\n        print('x' * 1000)"
        )
        return IOU, "a call of my_box_iou "

    def too_much_memory(self, nb):
        insert(nb, "hoard = [torch.zeros(10**8) + 1 for _ in range(100)]")
        return set(), None

    def network(self, nb):
        replace(
            nb,
            "iou",
            "import socket\n\n\ndef my_box_iou(boxes1, boxes2):\n    socket.create_connection(('192.0.2.1', 80), 1)",
        )
        return IOU, None

    def reads_the_solutions(self, nb):
        source = (
            "import glob\n\nfound = glob.glob(COURSE + '/source/**/a2.ipynb', recursive=True)\n"
            "found += glob.glob(COURSE + '/submitted/*') + open(COURSE + '/course_seed').readlines()\n"
            "found += open(COURSE + '/gradebook.db', 'rb').readlines()\n\n\n"
            "def my_box_iou(boxes1, boxes2):\n    assert found\n    import d2lhelpers\n\n"
            "    return d2lhelpers.box_iou(boxes1, boxes2)"
        )
        replace(nb, "iou", source)
        return IOU, "uses box_iou"


UNREADABLE = {
    "empty": (b"", "the file is empty"),
    "words": (b"Dear Professor, my dog ate the notebook.", "no notebook"),
    "number": (b"7", "no notebook"),
    "cut_off": (b'{"cells": [', "no notebook"),
    "no_cells": (json.dumps(nbformat.v4.new_notebook()).encode(), "no cells"),
    "binary": (bytes(range(256)) * 50, "no notebook"),
    "deep": (b"[" * 100_000, "no notebook"),
}


def hostile(
    released: NotebookNode, answers: dict[str, str], name: str, course: str
) -> tuple[NotebookNode, set[str], str | None]:
    """The hostile submission of that name, the tests that it must fail, and a word of its flag."""
    nb = answered(released, answers)
    insert(nb, f"COURSE = {course!r}")
    lost, flag = getattr(Hostile(), name)(nb)
    return nb, lost, flag


def names() -> list[str]:
    return [name for name, _ in inspect.getmembers(Hostile, inspect.isfunction)]


def find(nb: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in nb.cells if grade_id(cell) == name)


def replace(nb: NotebookNode, name: str, source: str) -> None:
    find(nb, name).source = source


def insert(nb: NotebookNode, source: str) -> None:
    """A cell of the student's own, after the set-up."""
    nb.cells.insert(4, new_code_cell(source))
