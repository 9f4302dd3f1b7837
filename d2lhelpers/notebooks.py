"""Finding, normalising and running the chapters under `notebooks/`."""

from __future__ import annotations

import copy
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from d2lhelpers import CLAIM_MIME, STILLS_MIME, STILLS_WANTED
from d2lhelpers.files import ROOT, write_bytes
from d2lhelpers.freshness import KEY

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
SOURCE_DATE_EPOCH = "1700000000"
CELL_TIMEOUT = 300
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("nbgrader", "tags")
SAMPLING_INTERVAL = 0.05  # seconds between two looks at the kernel's memory


@dataclass(frozen=True)
class Report:
    """What one run of one chapter came to."""

    chapter: str  # the file name without its ending
    seconds: float  # wall clock, the kernel's start included
    peak_memory: int  # bytes resident, kernel and its children together
    claims_held: int
    claims_made: int
    error: str | None = None  # the failing cell with its traceback


def find_chapters(names: Iterable[str] = (), root: Path = ROOT) -> list[Path]:
    """The chapters' notebooks in reading order, all of them or those that `names` select.

    Args:
        names: numbers ("4" or "04"), parts of a name ("anchor"), file names or paths.
        root: the repository.
    Raises:
        FileNotFoundError: `root` holds no folder of notebooks.
        ValueError: a name selects nothing; the message lists what there is.
    """
    folder = root / "notebooks"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder.name}/ is not beside the package: clone the repository and run this from the clone"
        )
    chapters = sorted(folder.glob("*.ipynb"))
    selected = set()
    for name in names:
        found = [
            path for path in chapters if _selects(Path(name).name.removesuffix(".ipynb"), path.stem)
        ]
        if not found:
            existing = ", ".join(path.stem for path in chapters) or "none yet"
            raise ValueError(f"no chapter is called {name!r}; there are: {existing}")
        selected.update(found)
    return sorted(selected) if selected else chapters


def _selects(name: str, stem: str) -> bool:
    if name.isdecimal():
        return stem.split("_")[0].lstrip("0") == name.lstrip("0")
    return name != "" and name in stem


def normalise(nb: NotebookNode) -> NotebookNode:
    """A copy of `nb` that holds nothing which a second run on the same machine would change.

    Metadata is cut down to a whitelist, execution counts stay only when they are those of one clean run
    (1 to n), neighbouring pieces of one stream become one, and live widgets, whose identities are random and
    which are dead on a saved page, leave the still picture or the text beside them; further stills have a file of
    their own. Applying it twice changes nothing more.

    Raises:
        ValueError: not a notebook of format 4.
    """
    if nb.nbformat != 4:
        raise ValueError(
            f"the notebook has format {nb.nbformat}, not 4: open and save it in JupyterLab"
        )
    nb = copy.deepcopy(nb)
    nb.nbformat_minor = 5
    noted = {KEY: nb.metadata[KEY]} if KEY in nb.metadata else {}
    nb.metadata = nbformat.from_dict(NOTEBOOK_METADATA | noted)
    run = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    clean = [cell.execution_count for cell in run] == list(range(1, len(run) + 1))
    for index, cell in enumerate(nb.cells):
        kept = {key: cell.metadata[key] for key in CELL_METADATA if cell.metadata.get(key)}
        cell.metadata = NotebookNode(kept)
        # notebooks older than format 4.5 have no ids; a random one would change with each run
        cell.setdefault("id", hashlib.sha256(f"{index} {cell.source}".encode()).hexdigest()[:8])
        if cell.cell_type == "code":
            cell.execution_count = cell.execution_count if clean and cell.source.strip() else None
            cell.outputs = _normalise_outputs(cell.outputs, cell.execution_count)
    return nb


def _normalise_outputs(outputs: list[NotebookNode], count: int | None) -> list[NotebookNode]:
    result: list[NotebookNode] = []
    for output in outputs:
        previous = result[-1] if result else None
        if output.output_type == "execute_result":
            output.execution_count = count
        if (
            output.output_type == "stream"
            and previous is not None
            and previous.output_type == "stream"
            and previous.name == output.name
        ):
            previous.text += output.text
            continue
        if "data" in output:
            for mime in (WIDGET_MIME, STILLS_MIME):
                output.data.pop(mime, None)
                output.metadata.pop(mime, None)
            if not output.data:
                continue
        result.append(output)
    return result


def serialise(nb: NotebookNode) -> str:
    """The text of a notebook file: one-space indent, sorted keys, readable Unicode, a newline at the end."""
    return nbformat.writes(nb).rstrip("\n") + "\n"


def write(nb: NotebookNode, path: Path) -> None:
    """Write `nb` to `path` in one piece: a reader sees the old file or the new one, never half of it."""
    write_bytes(serialise(nb).encode(), path)


class _MemoryMonitor(threading.Thread):
    """Follow the resident memory (bytes) of a process and its children until stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process, self.peak, self.done = psutil.Process(pid), 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.done.wait(SAMPLING_INTERVAL):
            total = 0
            try:
                for process in (self.process, *self.process.children(recursive=True)):
                    total += process.memory_info().rss
            # one ended while we were looking: what was seen still counts
            except psutil.NoSuchProcess:
                pass
            self.peak = max(self.peak, total)

    def stop(self) -> int:
        self.done.set()
        self.join()
        return self.peak


def execute(
    path: Path,
    timeout: int = CELL_TIMEOUT,
    on_cell: Callable[[int, int], None] | None = None,
    stills: bool = False,
) -> tuple[NotebookNode, Report]:
    """Run a notebook from top to bottom in a fresh kernel, in the notebook's own folder.

    Args:
        path: the notebook; the file itself is not touched.
        timeout: seconds that one cell may take.
        on_cell: called after each code cell with how many are done and how many there are.
        stills: whether widgets draw stills for the web page too; the report does not count their time.
    Returns:
        The executed notebook (not normalised) and its report. An error in a cell, a cell that takes too long
        and a kernel that dies end the run and stand in the report; nothing is raised for them.
    """
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    for cell in code:  # what an earlier run left must not be counted as this one's
        cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        nb, timeout=timeout, kernel_name="python3", record_timing=False, coalesce_streams=True,
        # ipykernel 7 warns on every start that it talks over TCP, which on loopback is as it should be
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    monitors: list[_MemoryMonitor] = []
    position = 0

    def started(**_: object) -> None:
        monitors.append(_MemoryMonitor(client.km.provisioner.pid))

    def cell_started(cell_index: int, **_: object) -> None:
        nonlocal position
        position = cell_index

    def cell_completed(cell: NotebookNode, **_: object) -> None:
        if on_cell:
            on_cell(next(i for i, other in enumerate(code, 1) if other is cell), len(code))

    client.on_notebook_start = started
    client.on_cell_start = cell_started
    client.on_cell_complete = cell_completed
    error = None
    begin = time.perf_counter()
    try:
        wanted = {STILLS_WANTED: "1"} if stills else {}
        client.execute(env={**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH, **wanted})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(problem)).strip()
        error = f"{path.name}, cell {position + 1} of {len(nb.cells)} ({type(problem).__name__}):\n{plain}"
    finally:
        peak = max((monitor.stop() for monitor in monitors), default=0)
    seconds = time.perf_counter() - begin
    shown = [output.get("data", {}) for cell in code for output in cell.outputs]
    claims = [data[CLAIM_MIME]["holds"] for data in shown if CLAIM_MIME in data]
    seconds -= sum(data[STILLS_MIME]["seconds"] for data in shown if STILLS_MIME in data)
    return nb, Report(path.stem, seconds, peak, sum(claims), len(claims), error)
