"""Running a learner's function: on clones, within a time limit, whatever it does.

A thread and not a process. It is the learner's own code in the learner's own kernel: it may call functions
and use variables of other cells, which a new process would not have; the answer must come at once, while a
process takes seconds to import torch; and it must work the same on every system. What a thread cannot give is
protection: grading other people's code happens elsewhere, in a process of its own.

A thread can be asked to stop, not made to. Between two bytecodes it notices a pending exception, which takes
care of `while True: pass`. A bare `except:` in the loop would swallow it, so the exception, once it arrives,
makes every further line of the function raise again, and the handler is left as well. What remains out of
reach is a single call that never returns from C, and one bare `except:` loop inside another; the thread is a
daemon, so that even then the kernel goes on and can be closed.
"""

import ctypes
import dis
import inspect
import io
import linecache
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor

MAX_PRINTED = 1000  # characters kept of what one call prints; a loop may print for ever
STOP_PATIENCE = 2.0  # seconds to wait for a function that was told to stop


@dataclass(frozen=True)
class Failure:
    """An exception of the learner's function."""

    kind: type[BaseException]
    message: str  # the last line of its traceback
    line: int | None = None  # in the learner's cell or file
    source: str = ""  # of that line
    on_purpose: bool = False  # by a `raise` of the learner's own


@dataclass(frozen=True)
class Outcome:
    """What one call came to."""

    value: Any = None
    failure: Failure | None = None
    changed: tuple[int, ...] = ()  # positions of the arguments that it modified
    printed: str = ""


@dataclass(frozen=True)
class Run:
    """What all calls came to; fewer outcomes than cases when the time was up."""

    outcomes: tuple[Outcome, ...]
    in_time: bool
    stopped: bool  # whether the function has ended by now


def run(function: Callable, cases: Sequence[tuple], seconds: float) -> Run:
    """Call a function with each tuple of arguments, one after the other, in a thread of its own.

    Args:
        function: anything that can be called.
        cases: positional arguments of each call; the function gets clones.
        seconds: for all calls together.
    Returns:
        What came of it. Nothing is raised for what the function does; the global random state is as before.
    """
    outcomes: list[Outcome] = []
    # A thread starts with gradients on; the learner may have switched them off.
    grad, random_state = torch.is_grad_enabled(), torch.get_rng_state()
    printed = _Recorder()

    def work() -> None:
        try:
            with torch.set_grad_enabled(grad):
                for arguments in cases:
                    outcomes.append(_call(function, arguments, printed))
        except _Stop:
            pass

    thread = threading.Thread(target=work, name="d2lhelpers.check", daemon=True)
    printed.follow(thread)
    with (
        redirect_stdout(printed.beside(sys.stdout)),
        redirect_stderr(printed.beside(sys.stderr)),
    ):
        try:
            thread.start()
            thread.join(seconds)
        finally:  # also when the learner interrupts the kernel; a loop prints until it is stopped
            _stop(thread)
            torch.set_rng_state(random_state)
    return Run(tuple(outcomes), len(outcomes) == len(cases), not thread.is_alive())


def _call(function: Callable, arguments: tuple, printed: "_Recorder") -> Outcome:
    given = snapshot(arguments)
    value, failure = None, None
    printed.clear()
    try:
        value = snapshot(function(*given))
    except _Stop:
        raise
    # sys.exit() in a learner's function must not pass for a stop, or end the thread
    except BaseException as error:
        failure = _describe(error, function)
    finally:
        sys.settrace(None)
    changed = tuple(
        i for i, (a, b) in enumerate(zip(given, arguments, strict=True)) if _differs(a, b)
    )
    return Outcome(value, failure, changed, printed.text())


def snapshot(value: Any) -> Any:
    """The value as it is now: tensors are copied to plain ones on the CPU, also inside tuples and lists."""
    if isinstance(value, Tensor):
        copy = value.detach().to("cpu", copy=True)
        return copy if type(copy) is Tensor else copy.as_subclass(Tensor)
    if type(value) in (tuple, list):
        return type(value)(map(snapshot, value))
    return value


def _differs(now: Any, before: Any) -> bool:
    if not isinstance(before, Tensor):
        return False
    # Compared by shape too: x.t_() and x.resize_() change no value. NaN is no value of any case.
    return (
        now.shape != before.shape
        or now.dtype != before.dtype
        or not torch.equal(now.detach(), before)
    )


def _describe(error: BaseException, function: Callable) -> Failure:
    message = traceback.format_exception_only(type(error), error)[-1].strip()[:500]
    code = code_of(function)
    line, source, on_purpose = None, "", False
    step = error.__traceback__
    while step is not None and code is not None:
        # The deepest line of the learner's own: what torch does further down tells them nothing.
        if step.tb_frame.f_code.co_filename == code.co_filename:
            line, source = (
                step.tb_lineno,
                linecache.getline(code.co_filename, step.tb_lineno).strip(),
            )
            raises = step.tb_frame.f_code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]
            on_purpose = raises and step.tb_next is None
        step = step.tb_next
    return Failure(type(error), message, line, source, on_purpose)


def code_of(function: Callable) -> CodeType | None:
    """The code of a function, method, partial or object with __call__; None where it is not in Python."""
    function = inspect.unwrap(getattr(function, "func", function))
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


class _Recorder:
    """What the learner's thread prints, apart from what all other threads print meanwhile."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.parts: list[str] = []
        self.length = 0
        self.streams: list[io.TextIOBase] = []

    def follow(self, thread: threading.Thread) -> None:
        self.thread = thread

    def clear(self) -> None:
        self.parts, self.length = [], 0

    def add(self, text: str) -> None:
        if self.length < MAX_PRINTED:
            self.parts.append(text[: MAX_PRINTED - self.length])
            self.length += len(self.parts[-1])

    def text(self) -> str:
        return "".join(self.parts) + ("..." if self.length >= MAX_PRINTED else "")

    def beside(self, stream: Any) -> io.TextIOBase:
        recorder = self

        class Stream(io.TextIOBase):
            def write(self, text: str) -> int:
                if threading.current_thread() is recorder.thread:
                    recorder.add(text)
                elif stream is not None:  # there is none under pythonw
                    stream.write(text)
                return len(text)

            def flush(self) -> None:
                if stream is not None and threading.current_thread() is not recorder.thread:
                    stream.flush()

        # Kept as long as the thread: Python 3.11 crashes when the stream that a thread prints to is freed meanwhile,
        # and a thread that could not be stopped may be printing still.
        self.streams.append(Stream())
        return self.streams[-1]


class _Stop(SystemExit):
    """Raised in the learner's thread from outside. Of all exceptions SystemExit alone ends a thread in
    silence."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        # Python makes the exception in the thread that it is raised in: here is the place to act inside it.
        if threading.current_thread().name == "d2lhelpers.check":
            _raise_at_every_line(sys._getframe(1))


def _raise_at_every_line(frame: FrameType | None) -> None:
    def trace(frame: FrameType, event: str, arg: object) -> Callable:
        # not at an exception: from Python 3.12 on, that is still within the `try`
        if event == "line":
            raise _Stop
        return trace

    sys.settrace(trace)
    while frame is not None and frame.f_code is not _call.__code__:
        frame.f_trace = trace
        frame = frame.f_back


def _stop(thread: threading.Thread) -> None:
    """Ask a thread to stop until it does, or until patience ends."""
    end = time.monotonic() + STOP_PATIENCE
    while thread.is_alive() and time.monotonic() < end:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(_Stop)
        )
        thread.join(0.01)
