"""Trained weights as safetensors files: 16-bit on disk, 32-bit in the network, with the facts of their training."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from d2lhelpers.files import write_bytes


def save_weights(net: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write a network's parameters and running statistics, floats as 16-bit, in one piece.

    Args:
        facts: what a reader of the file should know: the data, the command, the accuracy, the classes.
    """
    tensors = {
        name: value.detach().to("cpu", torch.float16 if value.is_floating_point() else value.dtype)
        # counts of batches seen, which only a running mean without momentum would need
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    write_bytes(save({k: v.contiguous() for k, v in tensors.items()}, metadata=facts), path)


def load_weights(net: nn.Module, path: Path) -> dict[str, str]:
    """Read what `save_weights` wrote into a network.

    Returns:
        The facts.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or is not of this network.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is not in {path.parent.name}/: `git pull` brings the shipped weights"
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
            facts = file.metadata() or {}
    except SafetensorError as problem:
        raise ValueError(
            f"{path.name} is damaged ({problem}): `git checkout {path.name}` in its folder"
        ) from problem
    own = {k for k in net.state_dict() if not k.endswith("num_batches_tracked")}
    if missing := sorted(own ^ tensors.keys()):
        raise ValueError(
            f"{path.name} is of another network: {missing[0]} is in only one of the two"
        )
    try:
        net.load_state_dict(tensors, strict=False)
    except RuntimeError as problem:
        raise ValueError(f"{path.name} is of another network: {problem}") from problem
    return facts
