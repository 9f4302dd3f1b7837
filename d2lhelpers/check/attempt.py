"""Whether there is a function to check: one that has been written, and that takes the arguments."""

import dis
import inspect
from collections.abc import Callable

from d2lhelpers.check.running import Outcome, code_of

# A body of nothing but these computes nothing: `pass`, a docstring, `result = None` and `return result`.
IDLE = (
    "RESUME", "NOP", "CACHE", "NOT_TAKEN", "LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON", "LOAD_FAST", "STORE_FAST",
    "POP_TOP", "COPY", "SWAP", "RETURN",
)  # fmt: skip


def unfinished(function: Callable, outcome: Outcome) -> str | None:
    """What to say of a function that has not been written yet; None when there is something in it."""
    if outcome.failure:
        # torch raises NotImplementedError too, of its own.
        if issubclass(outcome.failure.kind, NotImplementedError) and outcome.failure.on_purpose:
            return "The body still raises NotImplementedError: write yours in its place."
        if "ellipsis" in outcome.failure.message:
            where = f" in line {outcome.failure.line}" if outcome.failure.line else ""
            return f"There is still a `...` to fill in; it was used{where}."
        return None
    values = outcome.value if isinstance(outcome.value, (tuple, list)) else (outcome.value,)
    if any(value is Ellipsis or value is NotImplemented for value in values):
        return "The body still holds `...`: write yours in its place."
    code = code_of(function)
    if outcome.value is None and (
        code is None or all(i.opname.startswith(IDLE) for i in dis.get_instructions(code))
    ):
        return "The body is still empty: write yours in its place."
    return None


def refuses(function: Callable, arguments: tuple) -> str | None:
    """The signature of a function that cannot be called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C, where nobody knows
        return None
    try:
        signature.bind(*arguments)
    except TypeError:
        return str(signature)
    return None
