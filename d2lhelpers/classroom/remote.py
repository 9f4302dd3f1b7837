"""Calls from the grader into a student's process, and what comes back.

Tests run in the grader's process, a student's functions in the student's. Tensors travel as safetensors and the
rest as JSON, because unpickling what a student's process sends would run whatever it likes. `answer` runs over
there; a student who tampers with it changes nothing but the answers of their own functions.
"""

import base64
import builtins
import importlib
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import safetensors.torch
import torch

MIME = "application/vnd.d2lhelpers.answer+json"
MAX_BYTES = 16_000_000  # of one answer, packed


class StudentError(Exception):
    """A student's function raised something that Python itself does not define."""


@dataclass(frozen=True)
class Unknown:
    """A result of a type that no exercise asks for; equal to nothing that a test expects."""

    type_name: str


class Remote:
    """A function in a student's process: calling it sends the arguments there and brings the result back.

    Args:
        name: of the function over there.
        send: takes (name, packed arguments) and returns the packed answer; raises when there is none.
    """

    def __init__(self, name: str, send: Callable[[str, str], str]) -> None:
        self.name, self._send = name, send

    def __call__(self, *arguments: Any) -> Any:
        answer = json.loads(self._send(self.name, pack(arguments)))
        if error := answer.get("error"):
            kind = getattr(builtins, str(error["kind"]), None)
            known = isinstance(kind, type) and issubclass(kind, Exception)
            message = str(error["message"])
            try:
                raised = kind(message) if known else StudentError(f"{error['kind']}: {message}")
            except TypeError:  # UnicodeDecodeError wants five arguments
                raised = StudentError(f"{error['kind']}: {message}")
            raise raised
        return unpack(answer["value"])


def answer(name: str, packed: str, namespace: Mapping[str, Any]) -> str:
    """Call a function of a namespace with packed arguments; runs in the student's process.

    Returns:
        JSON with the packed value, or with the kind and the message of what was raised.
    """
    try:
        if name not in namespace:
            raise NameError(f"name {name!r} is not defined")
        value = pack(namespace[name](*unpack(packed, namespace)))
        if len(value) > MAX_BYTES:
            raise ValueError(f"the result is larger than {MAX_BYTES:,} bytes")
        return json.dumps({"value": value})
    except KeyboardInterrupt:  # the grader's own: time is up
        raise
    except BaseException as error:  # sys.exit() too
        message = "".join(traceback.format_exception_only(error)).strip()[:2000]
        message = message.removeprefix(f"{type(error).__name__}:").strip()
        return json.dumps({"error": {"kind": type(error).__name__, "message": message}})


def pack(value: Any) -> str:
    """JSON of tensors, numbers, texts, None, tuples, lists, and functions by their place.

    Anything else is packed as the name of its type.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _tree(value, tensors)
    data = base64.b64encode(safetensors.torch.save(tensors)).decode() if tensors else ""
    return json.dumps({"tree": tree, "tensors": data})


def _tree(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor) and value.layout == torch.strided:
        # a copy: two tensors that share memory are not for safetensors
        tensors[str(len(tensors))] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": str(len(tensors) - 1)}
    if value is None or type(value) in (bool, int, float, str):
        return {"plain": value}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_tree(part, tensors) for part in value]}
    if isinstance(value, Remote):
        return {"name": value.name}
    if callable(value) and hasattr(value, "__qualname__"):
        return {"function": [value.__module__, value.__qualname__]}
    return {"other": type(value).__name__}


def unpack(packed: str, namespace: Mapping[str, Any] | None = None) -> Any:
    """What `pack` packed.

    Args:
        namespace: where functions given by name are looked up. Without one no function is: what comes from a
            student's process may name no code to the grader.
    Raises:
        ValueError: not what `pack` makes.
    """
    try:
        content = json.loads(packed)
        data = base64.b64decode(content["tensors"])
        tensors = safetensors.torch.load(data) if data else {}
        return _value(content["tree"], tensors, namespace)
    except (
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        safetensors.SafetensorError,
    ) as error:
        raise ValueError(f"packed must be what pack() makes, got {packed[:80]!r}") from error


def _value(tree: Any, tensors: Mapping[str, torch.Tensor], namespace: Mapping | None) -> Any:
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "plain":
        return content
    if kind in ("tuple", "list"):
        parts = [_value(part, tensors, namespace) for part in content]
        return tuple(parts) if kind == "tuple" else parts
    if kind == "name" and namespace is not None:
        return namespace[content]
    if kind == "function" and namespace is not None:
        return _anonymous(getattr(importlib.import_module(content[0]), content[1]))
    return Unknown(str(content))


def _anonymous(function: Callable) -> Callable:
    """A function that does not tell its name: a test should look at what it does."""
    return lambda *arguments, **named: function(*arguments, **named)
