"""Run one function on all the GPUs of a machine from a notebook cell."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState, notebook_launcher
from accelerate.state import AcceleratorState

__all__ = ["launch"]


def launch(function: Callable[..., Any], *arguments: Any, num_processes: int | None = None) -> Any:
    """Call a function in one process for each GPU; with one GPU or none, simply call it.

    The same cell then runs anywhere: `train`, called inside the function, finds out how many processes there are and
    shares each batch out among them. In a process that `accelerate launch` or `torch.distributed.run` started the
    function is called directly: so a chapter exported as a script runs on several hosts.

    Args:
        function: makes its own network, loaders and optimiser; must not use what has touched a GPU before.
        arguments: handed to the function.
        num_processes: in place of the number of GPUs; 2 or more without a GPU gives processes on the CPU.
    Returns:
        What the function returned in the first process: tensors, numbers, strings, and lists and dicts of them.
    Raises:
        ValueError: a number of processes below 1.
        ChildFailedError: the function raised in one of several processes; its traceback is in the message.
    """
    if num_processes is None:
        # not `torch.cuda.is_available()` or a tensor: the children could no longer use the GPU
        num_processes = max(1, torch.cuda.device_count())
    if num_processes < 1:
        raise ValueError(f"num_processes must be at least 1, not {num_processes}")
    if "LOCAL_RANK" in os.environ or num_processes == 1:
        return function(*arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.pt"
        # a training that this process did before has left its state; each child makes its own
        AcceleratorState._reset_state(reset_partial_state=True)
        notebook_launcher(_call, (function, arguments, path), num_processes=num_processes)
        return torch.load(path, weights_only=True)


def _call(function: Callable[..., Any], arguments: tuple, path: Path) -> None:
    result = function(*arguments)
    if PartialState().is_main_process:
        torch.save(result, path)
