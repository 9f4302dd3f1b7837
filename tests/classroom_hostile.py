"""Submissions of a2 that try a grader's patience: what each must lose, and what must be said of it."""

import copy
import inspect
import json

import classroom_gate as gate
import nbformat
from classroom_a2 import DECODE, IOU, NMS
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from d2lhelpers.classroom.cells import grade_id


class Hostile:
    """Each method changes a right submission, and says what it must lose.

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

    def script_for_the_teacher(self, nb):
        insert(
            nb,
            "from IPython.display import HTML, Markdown, display\n"
            "display(HTML('<script>evil()</script>'), Markdown('<img src=x onerror=evil()>'))",
        )
        nb.cells.insert(4, new_markdown_cell("<script>evil()</script> <img src=x onerror=evil()>"))
        return set(), None

    def forged_message(self, nb):
        insert(
            nb,
            "kernel = get_ipython().kernel\n"
            "for kind, content in (('stream', {'name': 'stdout', 'text': [1]}), ('display_data', {'data': 1}),\n"
            "                      ('error', {'traceback': 1})):\n"
            "    kernel.send_response(kernel.iopub_socket, kind, content)",
        )
        return set(), None

    def no_text(self, nb):
        insert(nb, "# \udc80 \x1b[2J\nimport os\nos._exit(0)")
        return set(), "ended its process"

    def looks_about(self, nb):
        source = find(nb, "iou").source.replace("    left =", "    assert not found\n    left =", 1)
        about = (
            "import os, pwd\n\nhome = pwd.getpwuid(os.getuid()).pw_dir\n"
            "found = [path for path in (COURSE, '/run/user', home + '/.bashrc') if os.path.exists(path)]\n\n\n"
        )
        replace(nb, "iou", about + source)
        return set(), None

    def moved_setup(self, nb):
        cell = find(nb, "setup")
        nb.cells.remove(cell)
        nb.cells.append(cell)
        return set(), "stood after an answer"

    def copied_setup(self, nb):
        nb.cells.append(copy.deepcopy(find(nb, "setup")))
        return set(), "setup is there 2 times"

    def merged_answers(self, nb):
        iou, encode = find(nb, "iou"), find(nb, "encode")
        iou.source += "\n\n\n" + encode.source
        nb.cells.remove(encode)
        return set(), "its function is in another cell"

    def shows_what_tests_give(self, nb):
        source = find(nb, "iou").source.replace(
            "    left =", "    given.append(boxes1)\n    left =", 1
        )
        replace(nb, "iou", "given = []\n\n\n" + source)
        nb.cells.append(new_code_cell("print('LEAK', len(given))"))
        return set(), None

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


def change(
    released: NotebookNode, answers: dict[str, str], name: str, course: str
) -> tuple[NotebookNode, set[str], str | None]:
    """The hostile submission of that name, the tests that it must fail, and a word of its flag."""
    nb = gate.answered(released, answers)
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
