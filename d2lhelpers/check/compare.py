"""Whether a learner's result is the right one, and if not, what is off, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MAX_SHOWN = 32  # numbers of a tensor that are written out; of a larger one, its shape


@dataclass(frozen=True)
class Difference:
    """What is off about a result."""

    text: str  # a sentence
    # of the first wrong element, where type and shape are right
    index: tuple[int, ...] | None = None


def difference(expected: Any, value: Any, tolerance: tuple[float, float]) -> Difference | None:
    """Hold a result against the expected one.

    The type of the numbers does not matter (float32 for float64, int32 for int64, a whole number for a
    float), except that where whole numbers are expected, such as indices, floats and bools are wrong. NaN is
    wrong unless expected.

    Args:
        expected: a tensor, a number, or a tuple of them.
        value: anything.
        tolerance: (relative, absolute) for floats.
    Returns:
        None where they agree, else the first thing that is off.
    """
    if isinstance(expected, tuple):
        return _tuple_difference(expected, value, tolerance)
    if isinstance(expected, Tensor):
        if value is None:
            return Difference("it returns None: is the `return` missing?")
        if not isinstance(value, Tensor):
            return Difference(f"it returns {_a(value)}, and should return a tensor")
        return _tensor_difference(expected, value, tolerance)
    try:
        given = torch.as_tensor(value)
    except Exception:  # whatever a learner's object does when asked for a number
        return Difference(f"it returns {_a(value)}, and should return a number")
    return _tensor_difference(torch.as_tensor(expected), given, tolerance)


def _tuple_difference(
    expected: tuple, value: Any, tolerance: tuple[float, float]
) -> Difference | None:
    if value is None:
        return Difference("it returns None: is the `return` missing?")
    if isinstance(value, Tensor) and value.ndim > 0:
        value = value.unbind()
    if not isinstance(value, (tuple, list)):
        return Difference(
            f"it returns {_a(value)}, and should return {len(expected)} results: `return a, b`"
        )
    if len(value) != len(expected):
        return Difference(f"it returns {len(value)} results, and should return {len(expected)}")
    parts = []
    for i, part in enumerate(value):
        try:
            parts.append(torch.as_tensor(part))
        except Exception:  # whatever a learner's object does when asked for a number
            return Difference(
                f"its result number {i + 1} is {_a(part)}, and should be a tensor or a number"
            )
    found = [
        _tensor_difference(torch.as_tensor(e), p, tolerance)
        for e, p in zip(expected, parts, strict=True)
    ]
    # What is off about a type or a shape goes first: an index promises that all parts can be read as numbers.
    for i, one in sorted(
        enumerate(found), key=lambda pair: pair[1] is None or pair[1].index is not None
    ):
        if one:
            index = None if one.index is None else (i, *one.index)
            return Difference(f"of its {len(expected)} results, number {i + 1}: {one.text}", index)
    return None


def _tensor_difference(
    expected: Tensor, value: Tensor, tolerance: tuple[float, float]
) -> Difference | None:
    if value.layout != torch.strided or value.is_quantized:
        return Difference(
            "it returns a sparse or quantised tensor, and should return an ordinary one"
        )
    if value.shape != expected.shape:
        return Difference(f"it has shape {shape(value)}, and should have {shape(expected)}")
    wanted, given = _kind(expected), _kind(value)
    whole = wanted != "real"
    if given != wanted and (wanted, given) != ("real", "whole"):
        wanted = {
            "whole": "whole numbers (int64)",
            "real": "real numbers",
            "bool": "True and False",
        }[wanted]
        return Difference(
            f"it holds {str(value.dtype).removeprefix('torch.')}, and should hold {wanted}"
        )
    if whole:
        wrong = expected.long() != value.long()
    else:
        relative, absolute = tolerance
        # float16 and bfloat16 carry three digits or two: a learner who works in them is not wrong for that.
        if value.is_floating_point():
            relative = max(relative, 4 * torch.finfo(value.dtype).eps)
        wrong = ~torch.isclose(
            value.double(), expected.double(), relative, absolute, equal_nan=True
        )
    if not wrong.any():
        return None
    index = tuple(wrong.nonzero()[0].tolist())
    place = f" at [{', '.join(map(str, index))}]" if index else ""
    one, other = (
        number(value[index].item(), expected[index].item()),
        number(expected[index].item(), value[index].item()),
    )
    count = f" ({int(wrong.sum())} of {wrong.numel()} numbers are off)" if wrong.numel() > 1 else ""
    return Difference(f"it is {one}{place}, and should be {other}{count}", index)


def _kind(tensor: Tensor) -> str:
    if tensor.dtype == torch.bool:
        return "bool"
    return "complex" if tensor.is_complex() else "real" if tensor.is_floating_point() else "whole"


def _a(value: Any) -> str:
    return f"a value of type {type(value).__name__}"


def shape(tensor: Tensor) -> str:
    """(2, 3), or (no dimensions) for a single number."""
    return str(tuple(tensor.shape)) if tensor.ndim else "() (a single number)"


def number(value: float, other: float | None = None) -> str:
    """A number with as many digits as it takes to read it and to tell it from another."""
    if isinstance(value, float):
        value += 0.0  # -0.0 is 0
        short = f"{value:.4g}"
        return short if other is None or short != f"{other:.4g}" else f"{value:.9g}"
    return str(value)


def corners(box: Sequence[float] | Tensor) -> str:
    """A box in words: (0, 0, 2, 2)."""
    return f"({', '.join(number(float(value)) for value in box)})"


def literal(value: Any) -> str:
    """A value as a learner can paste it: `torch.tensor([[0., 0., 2., 2.]])`. A large tensor by its shape."""
    if isinstance(value, Tensor):
        dtype = (
            ""
            if value.dtype in (torch.float32, torch.int64, torch.bool)
            else f", dtype={value.dtype}"
        )
        if value.numel() == 0:
            sizes = ", ".join(map(str, value.shape))
            kind = f", dtype={value.dtype}" if value.dtype != torch.float32 else ""
            return f"torch.zeros({sizes}{kind})"
        if value.numel() > MAX_SHOWN or value.layout != torch.strided:
            return (
                f"<tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}>"
            )
        return f"torch.tensor({_nested(value.tolist(), 1)}{dtype})"
    if type(value) in (tuple, list):
        inner = ", ".join(map(literal, value))
        return (
            f"[{inner}]"
            if isinstance(value, list)
            else f"({inner}{',' if len(value) == 1 else ''})"
        )
    if isinstance(value, float):
        return number(value)
    try:
        text = repr(value)
    except Exception:  # the learner may have written the class, and its __repr__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 300 else text[:300] + "..."


def _nested(values: Any, depth: int) -> str:
    if isinstance(values, list):
        # One row a line: boxes are read as a table.
        separator = (
            ",\n" + " " * (len("torch.tensor(") + depth)
            if values and isinstance(values[0], list)
            else ", "
        )
        return "[" + separator.join(_nested(value, depth + 1) for value in values) + "]"
    if isinstance(values, float) and values.is_integer() and abs(values) < 1e6:
        return f"{values + 0.0:.0f}."
    return f"{values:.6g}" if isinstance(values, float) else str(values)
