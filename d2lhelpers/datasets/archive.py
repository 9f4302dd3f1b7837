"""Unpacking an archive that somebody else made, without letting it write where it likes or as much as it likes."""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

COPY_BYTES = 2**20
MAX_MEMBERS = 200_000  # VOC 2012 has some 40,000


class ArchiveError(ValueError):
    """An archive that asks for what no dataset needs."""


class _Member(NamedTuple):
    name: str
    is_folder: bool
    size: int  # bytes, of a file
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def unpack(
    archive: Path, folder: Path, limit: int, on_bytes: Callable[[int], object] = lambda _: None
) -> None:
    """Unpack a zip or a tar, compressed or not, into a new folder.

    Only files and folders come out. Neither reader writes more of a file than the size announced for it, which is
    added up before anything of it is written.

    Args:
        archive: its first bytes say what it is, not its name.
        folder: is made here.
        limit: the most bytes that all files may have together.
        on_bytes: told now and then how many bytes have been written.
    Raises:
        ArchiveError: a path that leaves the folder, a link, a device, one path twice, more than `limit` bytes, more
            than 200,000 members, or sizes that do not fit what is there. What had been unpacked by then is the
            caller's to remove.
    """
    try:
        _unpack(archive, folder, limit, on_bytes)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error) as problem:
        raise ArchiveError(f"it is damaged: {problem}") from problem


def _unpack(archive: Path, folder: Path, limit: int, on_bytes: Callable[[int], object]) -> None:
    with archive.open("rb") as file:
        members = _zip_members if file.read(4) == b"PK\x03\x04" else _tar_members
    folder.mkdir()
    left, written = limit, 0
    for count, member in enumerate(members(archive, folder)):
        path = folder / _safe(member.name)
        left -= member.size
        if left < 0 or count >= MAX_MEMBERS:
            raise ArchiveError(
                f"it unpacks to more than {limit:,} bytes or {MAX_MEMBERS:,} members"
            )
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # x: never through what is there already, be it a file of the same name or of the same name in capitals
            with member.open() as source, path.open("xb") as target:
                while block := source.read(COPY_BYTES):
                    target.write(block)
                    written += len(block)
                    on_bytes(written)
        except FileExistsError as problem:
            raise ArchiveError(f"{member.name!r} is in it twice") from problem


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    # a backslash and a colon mean folders and drives to Windows
    if path.is_absolute() or ".." in path.parts or set(name) & {"\\", ":", "\0"}:
        raise ArchiveError(f"{name!r} would leave the folder")
    return path


def _zip_members(archive: Path, _: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(f"{info.filename!r} is a link or a device")
            yield _Member(
                info.filename, info.is_dir(), info.file_size, lambda info=info: file.open(info)
            )


def _tar_members(archive: Path, folder: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as file:
        for info in file:
            if not (info.isreg() or info.isdir()):
                raise ArchiveError(f"{info.name!r} is a link or a device")
            _safe(info.name)
            if hasattr(tarfile, "data_filter"):  # not in Python 3.11.0 to 3.11.3; a second opinion
                try:
                    tarfile.data_filter(info, str(folder))
                except tarfile.FilterError as problem:
                    raise ArchiveError(str(problem)) from problem
            yield _Member(
                info.name,
                info.isdir(),
                info.size if info.isreg() else 0,
                lambda info=info: file.extractfile(info),
            )
