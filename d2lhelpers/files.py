"""Where files go, and how they get there in one piece."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "data" / "weights"  # shipped with the course


def downloads() -> Path:
    """The folder for what is fetched: `data/downloads`, or `downloads` in the folder that D2LHELPERS_HOME names."""
    return _home() / "downloads"


def cache() -> Path:
    """The folder for what can be computed again: `data/cache`, or `cache` in the folder that D2LHELPERS_HOME names."""
    return _home() / "cache"


def _home() -> Path:
    # a classroom can share one folder, and a clone that nobody may write to still works
    return Path(os.environ.get("D2LHELPERS_HOME") or ROOT / "data")


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file, and the folders it stands in, in one piece."""
    with in_one_piece(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def in_one_piece(path: Path) -> Iterator[Path]:
    """A temporary name to write a file or a folder under; it takes its final name when the block ends well.

    An interruption, an error or a full disk leaves nothing under the final name, and nothing under the other. An
    existing file is replaced; where there is a folder already, the first one stays.

    Args:
        path: the final name. The folders it stands in are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # in the same folder, so that the last step is a renaming within one file system, and hidden
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        yield temporary
        if not (temporary.is_dir() and path.is_dir()):
            os.replace(temporary, path)
    finally:
        _remove(temporary)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes of this machine out of `path` for the block; they wait. The lock of a dead one is free.

    What a killed run was writing by `in_one_piece` is removed, so whoever writes `path` must hold its lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        for left in path.parent.glob(f".{path.name}.????????"):  # nobody else is at work here
            _remove(left)
        yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
