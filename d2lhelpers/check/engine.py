"""Exercises that answer at once whether a function is right, and if not, which mistake it looks like.

A known mistake is itself a program. The learner's function and the mistakes run on the same cases; the
mistake whose results are the learner's on every case is the diagnosis. So a mistake is told from its effect,
however it is written. Cases stand in order from the simplest, so that the first that fails is also the
smallest.
"""

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

from d2lhelpers import plot
from d2lhelpers.check.attempt import refuses, unfinished
from d2lhelpers.check.cases import Case, Mistake
from d2lhelpers.check.compare import MAX_SHOWN, Difference, difference, literal
from d2lhelpers.check.running import Failure, Outcome, Run, run, snapshot
from d2lhelpers.check.verdict import Page, Verdict

STILL_RUNS = " It could not be stopped and still runs: restart the kernel before you go on."


@dataclass(frozen=True)
class Exercise:
    """One exercise: call it with the learner's function.

    Attributes:
        name: as in `check.<name>`.
        title, statement: the task; the statement is Markdown.
        reference: the function that is right.
        solution_function: one in the learner's words; its source is shown, its arguments are the signature.
        cases_function: makes the cases, simplest first; called once.
        mistakes: the known ones; where two agree with an answer, the first is named.
        hints: three: a question, a pointer, nearly the code.
        draw: (arguments, expected, value, index of the first wrong element) -> figure and its words, or None
            where there is nothing to draw. Where the index is None the value may be of any type and shape.
        needs: the imports of the solution's source.
        tolerance: of the comparison, relative and absolute.
    """

    name: str
    title: str
    statement: str
    reference: Callable
    solution_function: Callable
    cases_function: Callable[[], Sequence[Case]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]
    needs: str = "import torch"
    draw: Callable[[tuple, Any, Any, tuple | None], tuple[Figure, str] | None] | None = None
    tolerance: tuple[float, float] = (1e-4, 1e-5)

    def __post_init__(self) -> None:
        # `check.box_iou?` in a notebook shows the task.
        object.__setattr__(self, "__doc__", f"{self.title}: {self.signature}\n\n{self.statement}")

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.solution_function).parameters)

    @property
    def signature(self) -> str:
        return f"my_{self.name}({', '.join(self.parameters)})"

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        with torch.device("cpu"):  # a learner may have made the GPU the default
            return tuple(self.cases_function())

    @cached_property
    def expected(self) -> tuple[Any, ...]:
        return tuple(snapshot(self.reference(*snapshot(case.arguments))) for case in self.cases)

    @cached_property
    def _mistaken(self) -> tuple[tuple[Mistake, tuple[Outcome, ...]], ...]:
        return tuple(
            (mistake, tuple(_outcome(mistake, case) for case in self.cases))
            for mistake in self.mistakes
        )

    def __repr__(self) -> str:
        return f"{self.title}: check.{self.name}({self.signature.split('(')[0]})\n{self.statement}"

    def _repr_markdown_(self) -> str:
        return f"**{self.title}.** Write `{self.signature}`.\n\n{self.statement}"

    def hint(self, level: int = 1) -> Page:
        """A hint of level 1 (a question), 2 (a pointer) or 3 (nearly the code).

        Raises:
            ValueError: another level.
        """
        if level not in (1, 2, 3):
            raise ValueError(f"level must be 1, 2 or 3, got {level!r}")
        more = f" More: `check.{self.name}.hint({level + 1})`" if level < 3 else ""
        return Page(f"**Hint {level} of 3.** {self.hints[level - 1]}{more}")

    @property
    def solution_code(self) -> str:
        """The source of a right answer, with its imports."""
        return f"{self.needs}\n\n\n{textwrap.dedent(inspect.getsource(self.solution_function))}"

    def solution(self) -> Page:
        """A right answer, as code."""
        return Page(f"```python\n{self.solution_code}```")

    def __call__(self, function: Callable, seconds: float = 5.0) -> Verdict:
        """Check a learner's function.

        Args:
            function: the function itself, not its result. It gets clones of the inputs.
            seconds: that all cases together may take.
        Returns:
            The verdict, whatever the function does.
        Raises:
            TypeError: not a function.
        """
        if not callable(function) or isinstance(function, type):
            given = (
                "a class"
                if isinstance(function, type)
                else f"a value of type {type(function).__name__}"
            )
            raise TypeError(
                f"check.{self.name} needs the function itself, as in check.{self.name}(my_{self.name}), got {given}"
            )
        if theirs := refuses(function, self.parameters):
            return self._verdict(
                "error", f"It is called as `{self.signature}`, but yours takes `{theirs}`."
            )
        cases, expected = self.cases, self.expected
        result = run(function, [case.arguments for case in cases], seconds)
        outcomes = result.outcomes
        differences = [
            difference(right, outcome.value, self.tolerance) if outcome.failure is None else None
            for right, outcome in zip(expected, outcomes, strict=False)
        ]
        wrong = [
            i
            for i, outcome in enumerate(outcomes)
            if outcome.failure or differences[i] or outcome.changed
        ]
        if not wrong and result.in_time:
            return self._verdict("right", summary=f"all {len(cases)} cases")
        if not wrong:
            return self._late(result, seconds)
        first = wrong[0]
        outcome = outcomes[first]
        if blank := unfinished(function, outcome):
            return self._verdict("blank", blank)
        summary = f"{len(wrong)} of {len(outcomes)} cases fail"
        if not result.in_time:
            summary += (
                f", not finished within {seconds:g} s{'' if result.stopped else ';' + STILL_RUNS}"
            )
        if outcome.failure:
            place = f" in line {outcome.failure.line}" if outcome.failure.line else ""
            source = f": `{outcome.failure.source}`" if outcome.failure.source else ""
            message = f"Your function raises an exception{place}{source}"
            return self._failing("error", message, first, outcome, None, summary)
        if found := differences[first]:
            mistake = self._diagnose(outcomes, differences)
            message = mistake.message if mistake else f"Look at the result: {found.text}."
            return self._failing(
                "wrong", message, first, outcome, found, summary, mistake and mistake.name
            )
        names = " and ".join(f"`{self.parameters[i]}`" for i in outcome.changed)
        message = (
            f"The results are right, but your function changes its argument {names}: the caller's own "
            "tensor. Operations that end in `_`, `+=` and assignments to `x[...]` work in place; use their "
            "ordinary forms, or work on a `.clone()`."
        )
        if any(differences[i] or outcomes[i].failure for i in wrong):
            message = message.replace(
                "The results are right, but", "On this case the result is right, but", 1
            )
        return self._failing("wrong", message, first, outcome, None, summary, "changes_input")

    def _diagnose(
        self, outcomes: Sequence[Outcome], differences: Sequence[Difference | None]
    ) -> Mistake | None:
        """The known mistake whose results are the learner's: on all cases, else on all but the edge cases.

        Cases where the learner's function raises are left out: a mistake often comes with a crash on empty
        input.
        """
        for edges in (True, False):
            tried = [
                i
                for i, o in enumerate(outcomes)
                if o.failure is None and (edges or not self.cases[i].edge)
            ]
            if any(differences[i] for i in tried):
                for mistake, theirs in self._mistaken:
                    if all(self._alike(theirs[i], outcomes[i]) for i in tried):
                        return mistake
        return None

    def _alike(self, mistaken: Outcome, answer: Outcome) -> bool:
        return (
            mistaken.failure is None
            and difference(mistaken.value, answer.value, self.tolerance) is None
        )

    def _late(self, result: Run, seconds: float) -> Verdict:
        case = self.cases[len(result.outcomes)]
        message = (
            f"Your function did not finish within {seconds:g} s: is there a loop that never ends? "
            f"It got through {len(result.outcomes)} of {len(self.cases)} cases and was then at this one."
        )
        message += "" if result.stopped else STILL_RUNS
        rows = tuple(self._inputs(case))
        return self._verdict(
            "timeout", message, note=case.note, rows=rows, arguments=case.arguments
        )

    def _inputs(self, case: Case) -> list[tuple[str, str]]:
        return [
            (name, literal(value))
            for name, value in zip(self.parameters, case.arguments, strict=True)
        ]

    def _failing(
        self, status: str, message: str, index: int, outcome: Outcome, found: Difference | None, summary: str,
        mistake: str | None = None,
    ) -> Verdict:  # fmt: skip
        case, expected = self.cases[index], self.expected[index]
        rows = [*self._inputs(case), ("expected", literal(expected))]
        failure = outcome.failure
        rows.append(
            ("yours raises", failure.message) if failure else ("yours", literal(outcome.value))
        )
        large = isinstance(expected, torch.Tensor) and expected.numel() > MAX_SHOWN
        if found and (large or found.index is None) and not message.endswith(f"{found.text}."):
            rows.append(("that is", found.text))
        if outcome.printed.strip():
            rows.append(("it printed", outcome.printed.strip()))
        picture = None
        if self.draw and status == "wrong" and found:
            with mpl.style.context("default"):  # the learner's style may be white on black
                drawn = self.draw(case.arguments, expected, outcome.value, found.index)
                picture = drawn and (plot.to_png(drawn[0]), drawn[1])
        png, alt = picture or (None, "")
        return self._verdict(
            status, message, summary=summary, mistake=mistake, note=case.note, rows=tuple(rows),
            arguments=snapshot(case.arguments), expected=snapshot(expected), value=outcome.value,
            png=png, alt=alt,
        )  # fmt: skip

    def _verdict(self, status: str, message: str = "", **details: Any) -> Verdict:
        ways = {
            "right": f"Another way to write it: `check.{self.name}.solution()`",
            "blank": f"Where to begin: `check.{self.name}.hint()`",
        }
        again = f"To run this case yourself: `my_{self.name}(*_.arguments)` in the next cell. "
        way = ways.get(
            status, f"{again if details.get('arguments') else ''}Stuck? `check.{self.name}.hint()`"
        )
        return Verdict(self.name, status, message, footer=way, **details)


def _outcome(mistake: Mistake, case: Case) -> Outcome:
    try:
        return Outcome(snapshot(mistake.function(*snapshot(case.arguments))))
    except Exception as error:  # a mistake may well crash on some cases; there it is like no answer
        return Outcome(failure=Failure(type(error), str(error)))
