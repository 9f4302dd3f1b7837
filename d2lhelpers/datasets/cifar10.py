"""CIFAR-10's binary files, which hold numbers and nothing that could run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from d2lhelpers.files import write_bytes

SIDE = 32
RECORD = (
    1 + 3 * SIDE * SIDE
)  # bytes: a label, then the picture's red, green and blue planes, row by row


def read_classes(folder: Path) -> tuple[str, ...]:
    """The classes' names, in the order of their labels."""
    return tuple((folder / "batches.meta.txt").read_text(encoding="utf-8").split())


def read_batches(folder: Path, pattern: str) -> tuple[Tensor, Tensor]:
    """All pictures of the files whose names match.

    Args:
        folder: with the binary version's files.
        pattern: "data_batch_*.bin" for training, "test_batch.bin" for testing.
    Returns:
        (N, 3, 32, 32) uint8 and (N,) int64, file after file.
    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file that is not made of whole records.
    Source: Krizhevsky 2009; the layout is on CIFAR-10's page, under "Binary version".
    """
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"no {pattern} in {folder}: remove that folder and fetch it again")
    for path in paths:
        if path.stat().st_size % RECORD:
            raise ValueError(
                f"{path} is damaged, {path.stat().st_size} bytes are no multiple of {RECORD}: "
                "remove its folder and fetch it again"
            )
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, RECORD) for path in paths])
    images = torch.from_numpy(records[:, 1:].reshape(-1, 3, SIDE, SIDE).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def write_classes(classes: tuple[str, ...], folder: Path) -> None:
    """Write names as `read_classes` reads them."""
    write_bytes("".join(f"{name}\n" for name in classes).encode(), folder / "batches.meta.txt")


def write_batch(images: np.ndarray, labels: np.ndarray, path: Path) -> None:
    """Write pictures, (N, 3, 32, 32) uint8, and labels, (N,), as `read_batches` reads them."""
    records = np.concatenate(
        [labels.astype(np.uint8)[:, None], images.reshape(len(images), -1)], axis=1
    )
    write_bytes(records.tobytes(), path)
