"""A student's kernel as the grader sees it: cells go in, outputs come out, within limits."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any
from uuid import uuid4

import psutil
import zmq
from jupyter_client import BlockingKernelClient
from nbformat import NotebookNode
from nbformat.v4 import new_output

from d2lhelpers.classroom.jail import Limits, Walls
from d2lhelpers.classroom.nursery import Nursery
from d2lhelpers.classroom.remote import MAX_BYTES, MIME

START_SECONDS = 60.0
PATIENCE = 2.0  # seconds for a cell that was interrupted to end
MAX_MESSAGE = 2 * MAX_BYTES
KEPT_CHARACTERS = 20_000  # of what one cell prints
# what an output may be: nothing that a browser would run
KEPT_TYPES = ("text/plain", "image/png", "image/jpeg")

BASE_MEMORY = 1 << 30  # bytes that a kernel with torch may take before any work
MAX_PROCESSES = 50  # that a cell may start
LOOK_SECONDS = 0.5  # between two looks at what the processes take

TIMEOUT, DIED, TALKATIVE = "did not finish", "ended its process", "printed too much"
GREEDY = "took too much memory or too many processes"


@dataclass
class Result:
    """What one cell came to.

    Attributes:
        outputs: as in a notebook.
        trouble: TIMEOUT, DIED, TALKATIVE or GREEDY, else empty.
        lost: whether the kernel is gone, and with it all that earlier cells defined.
        answer: what a call by a test brought, packed.
    """

    outputs: list[NotebookNode] = field(default_factory=list)
    trouble: str = ""
    lost: bool = False
    answer: str | None = None


class StudentKernel:
    """One jailed kernel.

    Args:
        nursery: where it comes from.
        masked: what it must not see.
    """

    def __init__(self, nursery: Nursery, limits: Limits, masked: tuple[str, ...] = ()) -> None:
        self.limits, self._printed = limits, 0
        self._folder = Path(
            tempfile.mkdtemp(prefix="d2l-")
        )  # short: a socket's path has at most 107 characters
        home, sockets = self._folder / "home", self._folder / "s"
        home.mkdir()
        sockets.mkdir()
        connection: dict[str, Any] = {"transport": "ipc", "ip": str(sockets / "k"), "key": uuid4().hex,
                                      "signature_scheme": "hmac-sha256", "kernel_name": "python3"}  # fmt: skip
        ports = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        connection |= {name: number for number, name in enumerate(ports, 1)}
        walls = Walls(str(home), str(sockets), masked, limits, nursery.namespaces)
        self._context = zmq.Context()
        # A message of a gigabyte would be the grader's memory, not the student's.
        self._context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self._client = BlockingKernelClient(context=self._context)
        try:
            self.process = nursery.start(walls, connection)
            self._client.load_connection_info({**connection, "key": connection["key"].encode()})
            self._client.start_channels()
            self._client.wait_for_ready(timeout=START_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        return True

    def run(self, source: str, seconds: float) -> Result:
        """Run code as a cell; whatever it does, the result is there soon after its time is up."""
        result, self._printed = Result(), 0
        request = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        end, interrupted = time.monotonic() + seconds, False
        look = time.monotonic() + LOOK_SECONDS
        for message in self._messages(request):
            if message is not None and self._take(message, result):
                return result
            if not self.alive:
                result.trouble, result.lost = result.trouble or DIED, True
                return result
            if self._printed > self.limits.output and not result.trouble:
                result.trouble, end = TALKATIVE, 0.0
            if time.monotonic() > look:
                look = time.monotonic() + LOOK_SECONDS
                if self._greedy():
                    self.kill()
                    result.trouble, result.lost = GREEDY, True
                    return result
            if time.monotonic() < end:
                continue
            result.trouble = result.trouble or TIMEOUT
            if not interrupted:
                interrupted, end = True, time.monotonic() + PATIENCE
                os.kill(self.process, signal.SIGINT)
            else:
                self.kill()
                result.lost = True
                return result
        raise AssertionError("unreachable: messages never end")

    def _messages(self, request: str) -> Iterator[dict | None]:
        """Messages about a request as they come, and None from time to time."""
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=0.1)
            except Empty:
                yield None
                continue
            except ValueError:  # a signature that is not the kernel's
                continue
            yield message if message["parent_header"].get("msg_id") == request else None

    def _take(self, message: dict, result: Result) -> bool:
        """Take note of a message; True when the cell has ended."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            return content.get("execution_state") == "idle"
        data = content.get("data")
        if kind == "display_data" and isinstance(data, dict) and MIME in data:
            result.answer = data[MIME]
        elif kind in ("stream", "display_data", "execute_result", "error"):
            size = len(str(content))
            self._printed += size
            shown = sum(len(str(output)) for output in result.outputs)
            if kind == "stream":
                _add_text(result.outputs, content, KEPT_CHARACTERS - shown)
            elif shown + size < 50 * KEPT_CHARACTERS:
                result.outputs.append(_output(kind, content))
        return False

    def _greedy(self) -> bool:
        """Whether its processes together take too much; the system's own limit is for each of them alone."""
        memory, processes = 0, 0
        with suppress(psutil.Error):
            kernel = psutil.Process(self.process)
            for process in [kernel, *kernel.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    memory += process.memory_info().rss - process.memory_info().shared
                    processes += 1
        return memory > self.limits.memory + BASE_MEMORY or processes > MAX_PROCESSES

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            # without namespaces, what it started is in its process group; with them, it dies with it
            if os.getpgid(self.process) == self.process:
                os.killpg(self.process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        end = time.monotonic() + PATIENCE
        while self.alive and time.monotonic() < end:
            time.sleep(0.01)

    def close(self) -> None:
        if hasattr(self, "process"):
            self.kill()
        self._client.stop_channels()
        self._context.destroy(linger=0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "StudentKernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _output(kind: str, content: dict) -> NotebookNode:
    """An output made of a message, which a submission can forge: only what it should hold, of the right type."""
    if kind == "error":
        lines = content.get("traceback")
        return new_output(
            kind,
            ename=str(content.get("ename")),
            evalue=str(content.get("evalue")),
            traceback=[str(line) for line in lines] if isinstance(lines, list) else [],
        )
    data = content.get("data")
    kept = {
        name: value
        for name, value in (data.items() if isinstance(data, dict) else ())
        if name in KEPT_TYPES and isinstance(value, str)
    }
    return new_output("display_data", kept)


def _add_text(outputs: list[NotebookNode], content: dict, room: int) -> None:
    if not isinstance(content.get("text"), str) or content.get("name") not in ("stdout", "stderr"):
        return
    text = content["text"] if len(content["text"]) <= room else content["text"][: max(room, 0)]
    last = outputs[-1] if outputs else None
    if last is not None and last.output_type == "stream" and last.name == content["name"]:
        last.text += text
    elif text:
        outputs.append(NotebookNode(output_type="stream", name=content["name"], text=text))
