"""Hints and solutions of the exercises, folded away below the cell that asks for an answer."""

from __future__ import annotations

from d2lhelpers import check
from d2lhelpers.check import Exercise

HINT = """::::{{admonition}} Hint {level}
:class: hint
:collapsible: closed

{text}
::::
"""
SOLUTION = """::::{{admonition}} Solution
:class: solution
:collapsible: closed

```python
{code}
```
::::
"""


class Checks:
    """The exercises by name, as the package has them."""

    def __init__(self) -> None:
        found = ((name, getattr(check, name)) for name in check.__all__)
        self.exercises = {name: item for name, item in found if isinstance(item, Exercise)}

    def folded(self, name: str) -> str:
        """Markdown with the three hints and the solution of an exercise, each closed."""
        exercise = self.exercises[name]
        hints = [HINT.format(level=i, text=text) for i, text in enumerate(exercise.hints, 1)]
        return "\n".join([*hints, SOLUTION.format(code=exercise.solution_code.strip())])

    def table(self, chapters: dict[str, list[str]]) -> str:
        """Markdown: every exercise with its task, how much it recognises, and the chapters (as links) that set it."""
        # how many mistakes, not which: their names would give the bug hunts away
        rows = [
            "| exercise | what it asks | mistakes told by name | chapter |",
            "|---|---|---:|---|",
        ]
        for name, exercise in sorted(self.exercises.items()):
            where = ", ".join(chapters.get(name, [])) or "–"
            mistakes = len(exercise.mistakes)
            rows.append(f"| `check.{name}` | {exercise.title} | {mistakes} | {where} |")
        return "\n".join(rows)
