"""Processes for students' notebooks, ready in a moment.

Importing torch takes seconds, so one process, the nursery, imports it once and forks. It runs nothing of a
student's: each fork builds its walls (`jail`) and only then becomes a notebook's kernel. The nursery is told
what to do by lines of JSON, and answers with the number of the process.

`python -m d2lhelpers.classroom.nursery` is the nursery itself; `Nursery` is the grader's end of it.
"""

import importlib
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from d2lhelpers.classroom.jail import Limits, Walls, namespaces_work, run_jailed

PRELOADED = (
    "torch",
    "torchvision",
    "ipykernel.kernelapp",
    "d2lhelpers.check",
    "d2lhelpers.classroom.detectors",
)
# The seed is the grader's secret; a student's process has no use for the others.
KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "D2LHELPERS_HOME",
    "SOURCE_DATE_EPOCH",
)


class Nursery:
    """A source of jailed kernels. Use it as a context, so that it ends with the grader."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        kept |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "D2LHELPERS_DATA": "mini"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "d2lhelpers.classroom.nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=kept, start_new_session=True,
        )  # fmt: skip
        ready = self._process.stdout.readline()
        if not ready:
            raise RuntimeError(
                "the process that starts the notebooks' kernels did not start; see its message above"
            )
        self.namespaces = bool(json.loads(ready)["namespaces"])

    def start(self, walls: Walls, connection: dict[str, Any]) -> int:
        """Start a kernel behind walls; returns the number of its process.

        Raises:
            RuntimeError: the nursery is gone.
        """
        with self._lock:
            order = json.dumps({"walls": asdict(walls), "connection": connection})
            try:
                print(order, file=self._process.stdin, flush=True)
                line = self._process.stdout.readline()
            except (OSError, ValueError):  # it has ended, or was closed
                line = ""
        if not line or not int(line):
            raise RuntimeError("no kernel could be started; see the message above")
        return int(line)

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._process.stdout.close()

    def close(self) -> None:
        """End the nursery, and with it all kernels that it started."""
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # the sign to end
        self._process.wait()


def main() -> None:
    """Fork a kernel for each line of JSON on the standard input, until there is none."""
    orders, reports = sys.stdin, os.dup(1)
    # What anything here prints must not get into the answers.
    os.dup2(2, 1)
    for name in PRELOADED:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    _say(reports, json.dumps({"namespaces": namespaces_work()}))
    for line in orders:
        _reap()
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_kernel(order, reports)
    os._exit(0)  # to take torch down in good order takes two seconds, and nothing here needs it


def _say(file: int, text: str) -> None:
    os.write(file, f"{text}\n".encode())


def _reap() -> None:
    """Take note of the kernels that have ended, so that they do not stay as zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _become_kernel(order: dict[str, Any], reports: int) -> None:
    walls = Walls(**{**order["walls"], "limits": Limits(**order["walls"]["limits"])})

    def work() -> None:
        from ipykernel.kernelapp import IPKernelApp

        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.closerange(3, 256)  # the way to the grader above all
        os.chdir(walls.home)
        os.environ.update(
            HOME=walls.home, TMPDIR=walls.home, IPYTHONDIR=walls.home, MPLCONFIGDIR=walls.home
        )
        with open("connection.json", "w") as file:
            json.dump(order["connection"], file)
        IPKernelApp.launch_instance(
            argv=["-f", "connection.json", "--HistoryManager.enabled=False"]
        )

    try:
        run_jailed(walls, lambda process: _say(reports, str(process)), work)
    except BaseException as error:  # a fork must not go on as a second nursery
        print(f"no walls: {error}", file=sys.stderr, flush=True)
        _say(reports, "0")
        os._exit(1)


if __name__ == "__main__":
    main()
