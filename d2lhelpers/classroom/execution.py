"""A restored submission, run from top to bottom: the student's cells over there, the tests here.

A cell of the student's runs in the student's kernel. A test runs in the grader's own process, where a name that
it does not know is a function of the student's, called across. So a test sees results and nothing else of the
student's, and what a student does to torch, to the package or to the kernel is done to their own answers.

When a kernel dies or has to be killed, a new one runs the earlier cells again, all but the one that did it, and
the notebook goes on: one endless loop costs the points of what it breaks and no others.
"""

import builtins
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from d2lhelpers.classroom.cells import HIDDEN_BEGIN, grade_id, is_setup, is_test
from d2lhelpers.classroom.jail import Limits
from d2lhelpers.classroom.kernel import StudentKernel
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.remote import MIME, Remote, StudentError

CALL = (
    "__import__('IPython').display.display({{{mime!r}: __import__('d2lhelpers.classroom.remote', "
    "fromlist=['answer']).answer({name!r}, {packed!r}, globals())}}, raw=True)"
)


class CallTrouble(StudentError):
    """A call that brought no answer: out of time, or the process is gone."""


class NotKnown(Exception):
    """What a test is worth could not be told, and nobody knows whether that is the submission's fault."""


@dataclass
class Execution:
    """What came of a submission.

    Attributes:
        nb: the notebook with its outputs.
        flags: what a person should know, in words.
        ungraded: the tests that never ran because a limit was reached: nobody knows what they are worth.
        seconds: that it took.
    """

    nb: NotebookNode
    flags: list[str] = field(default_factory=list)
    ungraded: list[str] = field(default_factory=list)
    seconds: float = 0.0


def execute(
    nb: NotebookNode,
    nursery: Nursery,
    limits: Limits,
    masked: tuple[str, ...] = (),
    given: Mapping[str, Any] | None = None,
) -> Execution:
    """Run a submission whose locked cells are the instructor's again.

    Args:
        nb: changed in place: it gets the outputs.
        masked: files and folders that the submission must not see.
        given: what the grader puts in the place of names that the first cell imports.
    Raises:
        RuntimeError: no kernel can be started, which is not the submission's fault.
    """
    return _Runner(nb, nursery, limits, masked, given or {}).run()


class _Runner:
    def __init__(
        self,
        nb: NotebookNode,
        nursery: Nursery,
        limits: Limits,
        masked: tuple[str, ...],
        given: Mapping[str, Any],
    ) -> None:
        self.nb, self.nursery, self.limits, self.masked = nb, nursery, limits, masked
        self.given = given
        # cells for the student alone: training, and looking at what came of it
        self.skipped = set(nb.metadata.get("d2lhelpers", {}).get("skipped", ()))
        self.begin = time.monotonic()
        self.done = Execution(nb)
        self.restarts = -1
        self.kernel: StudentKernel | None = None
        self.replayable: list[str] = []  # the cells that a new kernel has to run again
        self.names: dict[str, Any] = {"__name__": "tests"}

    def run(self) -> Execution:
        try:
            for cell in self.nb.cells:
                # the instructor's own text, which tests rely on, wherever a student has put it
                if is_setup(cell) and grade_id(cell) not in self.skipped:
                    exec(compile(cell.source, "<setup>", "exec"), self.names)
            self._restart()
            # tests last: no cell can show what hidden tests have given to a function
            for tests in (False, True):
                for number, cell in enumerate(self.nb.cells, 1):
                    wanted = cell.cell_type == "code" and is_test(cell) == tests
                    if wanted and grade_id(cell) not in self.skipped:
                        cell.outputs, cell.execution_count = [], number
                        self._run_cell(cell)
        finally:
            self._close()
        self.done.seconds = time.monotonic() - self.begin
        return self.done

    @property
    def _left(self) -> float:
        return self.limits.total - (time.monotonic() - self.begin)

    def _run_cell(self, cell: NotebookNode) -> None:
        if self.kernel is None or self._left <= 0:
            self._flag("a limit on time or restarts was reached: cells after it did not run")
            if is_test(cell):
                self.done.ungraded.append(grade_id(cell))
                cell.outputs = [_error("NotGraded", "This test did not run.")]
            return
        if is_test(cell):
            self._test(cell)
            return
        result = self.kernel.run(cell.source, min(self.limits.cell, self._left))
        cell.outputs = result.outputs
        if result.trouble:
            cell.outputs.append(_error("Stopped", f"This cell {result.trouble}."))
            self._flag(f"a cell {result.trouble}: {_first_line(cell)}")
        else:
            self.replayable.append(cell.source)
        if result.lost:
            self._restart()

    # ------------------------------------------------------------------------------------------------- tests

    def _test(self, cell: NotebookNode) -> None:
        place = f"<{grade_id(cell)}>"
        try:
            code = compile(cell.source, place, "exec")
            # a scope of its own for each test: none depends on another
            remote = {name: Remote(name, self._send) for name in _names(code)}
            exec(code, {**remote, **self.names, **self.given})
        except NotKnown as problem:
            cell.outputs = [_error("NotGraded", str(problem))]
            self.done.ungraded.append(grade_id(cell))
        except Exception as error:
            cell.outputs = [_error(type(error).__name__, str(error))]
            hidden = cell.source.split(HIDDEN_BEGIN)[0].count("\n") + 1
            cell.metadata["d2lhelpers"] = {"hidden": _line(error, place) > hidden}

    def _send(self, name: str, packed: str) -> str:
        if self.kernel is None or self._left <= 0:
            raise self._trouble(
                "a limit on time or restarts was reached: later tests had no answer"
            )
        code = CALL.format(mime=MIME, name=name, packed=packed)
        result = self.kernel.run(code, min(self.limits.call, self._left))
        if result.lost:
            self._restart()
        if result.trouble:
            raise self._trouble(f"a call of {name} {result.trouble}")
        if not isinstance(result.answer, str):
            raise self._trouble(f"a call of {name} brought no answer")
        return result.answer

    def _trouble(self, text: str) -> CallTrouble:
        self._flag(text)
        return CallTrouble(text)

    # ----------------------------------------------------------------------------------------------- kernels

    def _restart(self) -> None:
        """A new kernel that has run what ran before; none when there have been too many."""
        self._close()
        while self.restarts < self.limits.restarts and self._left > 0:
            self.restarts += 1
            self.kernel = StudentKernel(self.nursery, self.limits, self.masked)
            if self._replay():
                return
            self._close()

    def _replay(self) -> bool:
        for source in list(self.replayable):
            result = self.kernel.run(source, min(self.limits.cell, max(self._left, 0)))
            if result.trouble:
                self.replayable.remove(source)
            if result.lost:
                return False
        return True

    def _close(self) -> None:
        if self.kernel is not None:
            self.kernel.close()
            self.kernel = None

    def _flag(self, text: str) -> None:
        if text not in self.done.flags:
            self.done.flags.append(text)


def _names(code: CodeType) -> set[str]:
    """Names that code may look up and Python does not define, also in functions inside it."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    names = {name for name in code.co_names if not hasattr(builtins, name)}
    return names.union(*map(_names, inner))


def _line(error: BaseException, place: str) -> int:
    """The line of the test that an exception came from."""
    lines = [
        step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == place
    ]
    return lines[-1] if lines else 0


def _error(name: str, text: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


def _first_line(cell: NotebookNode) -> str:
    first = (cell.source.strip().splitlines() or [""])[0][:60]
    # it goes to terminals and into files: nothing that either could choke on
    return "".join(c if c.isprintable() else "?" for c in first)
