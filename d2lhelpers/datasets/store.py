"""The folder of what was fetched: `downloads/NAME/`, which appears whole or not at all."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from tqdm import tqdm

from d2lhelpers.datasets.archive import ArchiveError, unpack
from d2lhelpers.datasets.download import FetchError, download, has_digest
from d2lhelpers.datasets.registry import Source
from d2lhelpers.files import downloads, in_one_piece, locked

# An archive of pictures, which are compressed already, unpacks to about its own size.
MAX_UNPACKED = 10  # times the archive's size


def contents(source: Source) -> Path:
    """Where the course finds it: the archive's folder, or the file. There only when it is complete."""
    return downloads() / source.name / (source.contents or source.filename)


def fetch_source(source: Source, progress: bool = True) -> Path:
    """Download, check and unpack one source, unless that was done before.

    A second process waits for the first. A run that is killed leaves what it had to the next.

    Args:
        progress: bars on stderr.
    Returns:
        `contents(source)`.
    Raises:
        FetchError: it could not be had; the text is one line that says what to do.
    """
    goal = contents(source)
    if goal.exists():
        return goal
    folder = downloads() / source.name
    try:
        with locked(folder):
            if not goal.exists():
                _fetch(source, folder, progress)
    except FetchError as problem:
        raise FetchError(
            f"{source.name}: {problem}. The mini tier serves without it. To have it, run this again with internet, or "
            f"put {source.filename} into {downloads()} by hand first"
        ) from problem
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = (
            f"the disk is full ({problem.strerror}): make room" if full else f"{problem}: mend that"
        )
        raise FetchError(
            f"{source.name}: {reason} and fetch again, which goes on where this stopped; "
            "or let D2LHELPERS_HOME name a folder elsewhere"
        ) from problem
    return goal


def _fetch(source: Source, folder: Path, progress: bool) -> None:
    # in a clone that is shared, what somebody deleted the half of counts as not fetched
    if folder.is_dir():
        shutil.rmtree(folder)
    brought = folder.parent / source.filename
    if brought.exists():
        if not has_digest(brought, source):
            raise FetchError(
                f"{brought.name}, brought by hand, is another file or damaged; remove it"
            )
        _install(source, brought, folder, progress, keep=True)
        return
    # the digest in the name: a new edition does not continue an old one
    part = folder.parent / f".{source.name}.{source.digest[:16]}.part"
    _check_room(source, part)
    with _Bar(source.name, progress) as bar:
        download(source, part, bar.show)
    _install(source, part, folder, progress, keep=False)


def _install(source: Source, file: Path, folder: Path, progress: bool, keep: bool) -> None:
    """Unpack or place a checked file to where the course finds it."""
    if source.contents:
        size = file.stat().st_size
        with in_one_piece(folder) as temporary, _Bar(f"{source.name}, unpacked", progress) as bar:
            try:
                unpack(file, temporary, MAX_UNPACKED * size + 2**20, bar.show)
            except ArchiveError as problem:
                if not keep:
                    file.unlink()
                raise FetchError(f"refused to unpack it: {problem}") from problem
            if not (temporary / source.contents).is_dir():
                raise FetchError(f"there is no {source.contents} in it")
        if not keep:
            file.unlink()
    elif keep:
        with in_one_piece(contents(source)) as temporary:
            shutil.copyfile(file, temporary)
    else:
        folder.mkdir()
        file.replace(contents(source))


def _check_room(source: Source, part: Path) -> None:
    if source.size is None:
        return
    # an archive and, beside it for a while, about the same again unpacked
    needed = source.size * (2 if source.contents else 1)
    needed -= part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"{needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} free")


class _Bar:
    """A progress bar on stderr that appears with the first byte, so that none stands beside a failure."""

    def __init__(self, name: str, progress: bool) -> None:
        self._name, self._progress, self._bar = name, progress, None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, have: int, total: int | None = None) -> None:
        """Say how many bytes there are of how many."""
        if self._bar is None:
            self._bar = tqdm(
                desc=self._name,
                initial=have,
                total=total,
                unit="B",
                unit_scale=True,
                disable=not self._progress,
            )
        self._bar.update(have - self._bar.n)
