"""A class of thirty submissions of a2, as a teacher gets them: `python tests/class_of_30.py FOLDER`.

Makes a course in FOLDER/course and the submissions in FOLDER/in, and runs the teacher's commands on them with the
limits that a teacher has. The README's times are this script's.
"""

import argparse
import shutil
import time
from pathlib import Path

import classroom_a2 as a2
import classroom_gate as gate
import classroom_hostile as hostile
import nbformat

from d2lhelpers.__main__ import main
from d2lhelpers.classroom.course import Course, read_notebook
from d2lhelpers.classroom.release import release
from d2lhelpers.files import ROOT


def make(folder: Path) -> Course:
    """A course with a2 handed out, and thirty submissions beside it: half of them hostile."""
    shutil.copytree(ROOT / "assignments" / "source", folder / "course" / "source")
    shutil.copy(ROOT / "assignments" / "nbgrader_config.py", folder / "course")
    course = Course((folder / "course").resolve())
    release(course, "a2")
    answers = gate.reference(read_notebook(course.source("a2")))
    released = read_notebook(course.released("a2"))
    submissions = {f"right{n}": gate.answered(released, answers) for n in range(3)} | {
        "blank": released
    }
    for n in range(gate.num_mistakes(a2)):
        mistaken, _ = gate.mistaken_answers(a2, answers, n)
        submissions[f"mistake{n}"] = gate.answered(released, mistaken)
    submissions |= {
        name.replace("_", "-"): hostile.change(released, answers, name, str(course.root))[0]
        for name in hostile.names()
        if name not in LEFT_OUT
    }
    (folder / "in").mkdir()
    for name, nb in submissions.items():
        (folder / "in" / f"{name}_a2.ipynb").write_text(nbformat.writes(nb), encoding="utf-8")
    for name in ("empty", "words"):
        (folder / "in" / f"{name}_a2.ipynb").write_bytes(hostile.UNREADABLE[name][0])
    return course


# to come to thirty
LEFT_OUT = (
    "answers_that_equal_everything", "broken_kernel", "copied_setup", "endless_on_empty_input", "forged_message",
    "looks_about", "merged_answers", "moved_setup", "moved_tests", "no_text", "polite_exit", "reads_the_solutions",
    "script_for_the_teacher", "shows_what_tests_give",
)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    course = ["--course", str(make(folder).root)]
    main(["class", "collect", "a2", "--from", str(folder / "in"), *course])
    for command in ("grade", "report"):
        begin = time.perf_counter()
        main(["class", command, "a2", *course])
        print(f"{command}: {time.perf_counter() - begin:.0f} s")
