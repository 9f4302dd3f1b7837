"""Bringing one file over, whatever the line does: resumed, retried, timed out, and believed only by its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from time import sleep
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from d2lhelpers.datasets.registry import Source, is_loopback, is_safe

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds without an answer, and without a byte
# seconds before the second, third, ... attempt in a row that brings nothing new
WAITS = (1, 2, 4, 8)
MAX_REDIRECTS = 5
BLOCK = 2**16  # bytes; what a killed process has not written yet is lost

# Errors that may have gone a second later. Those of urllib3 come from reading the body past requests.
_PASSING = (
    requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError,
)  # fmt: skip


class FetchError(OSError):
    """Why something could not be fetched, in one line."""


class _InterruptedError(Exception):
    """Worth another attempt, if the server was met at all."""

    def __init__(self, text: str, met: bool) -> None:
        super().__init__(text)
        self.met = met


def download(
    source: Source,
    part: Path,
    on_total: Callable[[int, int], object] = lambda have, total: None,
) -> None:
    """Complete `part`, from whatever an earlier run left of it, until it has the source's digest.

    Args:
        part: bytes are appended, so that a killed process loses next to none. It must be this source's alone.
        on_total: told after each block how many bytes are there and how many there will be.
    Raises:
        FetchError: no address has it. What came is kept, unless it is wrong.
        OSError: the disk refuses, for want of room or of rights. What came is kept.
    """
    problems = []
    for address in source.addresses:
        try:
            for _ in range(2):
                in_one_go = _complete(source, address, part, on_total)
                if has_digest(part, source):
                    return
                part.unlink()
                problem = f"{_host(address)} sent bytes that do not have the {source.algorithm} digest expected"
                # pieces of different ages give a wrong whole, so these get a second chance from the first byte on
                if in_one_go:
                    break
            problems.append(problem)
        except FetchError as error:
            problems.append(str(error))
    raise FetchError("; ".join(problems))


def has_digest(path: Path, source: Source) -> bool:
    """Whether a file is the one that the source means."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, source.algorithm).hexdigest() == source.digest


def _complete(source: Source, address: str, part: Path, on_total: Callable) -> bool:
    """Append until the server's last byte.

    Returns:
        Whether all came in one answer.
    """
    in_one_go, met, failures = not _size(part), False, 0
    while True:
        have = _size(part)
        if have == source.size:
            return in_one_go
        try:
            _append(source, address, part, have, on_total)
            return in_one_go
        except _InterruptedError as problem:
            met = met or problem.met
            failures = 0 if _size(part) > have else failures + 1
            # a server that was never met is not waited for: most often there is no network at all
            if not met or failures > len(WAITS):
                raise FetchError(str(problem)) from problem
            in_one_go = in_one_go and not _size(part)
            sleep(WAITS[max(failures - 1, 0)])


def _append(source: Source, address: str, part: Path, have: int, on_total: Callable) -> None:
    host, met = _host(address), False
    try:
        with requests.Session() as session, _get(session, address, have) as answer:
            met = True
            if answer.status_code in (408, 429) or answer.status_code >= 500:
                raise _InterruptedError(f"{host} answers {answer.status_code}", met)
            if answer.status_code == 416:  # it has no more bytes than these; the digest will tell
                return
            if answer.status_code not in (200, 206):
                raise FetchError(f"{host} answers {answer.status_code} {answer.reason}")
            start, total = _extent(answer)
            if total is None or total != (source.size or total):
                expected = "a file of known length" if total is None else f"{source.size:,} bytes"
                raise FetchError(f"{host} has {total or 'no'} bytes where {expected} was expected")
            if start > have:
                raise FetchError(f"{host} answers from byte {start:,} on, asked for {have:,}")
            on_total(have, total)
            with part.open("ab") as file:
                skip = have - start  # of a server that cannot resume and sends all again
                for block in answer.raw.stream(BLOCK, decode_content=False):
                    fresh, skip = block[skip:], max(skip - len(block), 0)
                    file.write(fresh)
                    file.flush()
                    on_total(file.tell(), total)
                    if file.tell() >= total:
                        break
    except requests.exceptions.SSLError as problem:
        raise FetchError(f"{host} does not prove who it is ({problem})") from problem
    except _PASSING as problem:
        never_met = not met and _never_met(problem)
        reason = "cannot be reached" if never_met else "broke off or fell silent"
        raise _InterruptedError(f"{host} {reason}", not never_met) from problem
    if _size(part) < total:
        raise _InterruptedError(f"{host} broke off early", met)


def _get(session: requests.Session, address: str, have: int) -> requests.Response:
    # identity, so that no byte is packed on the way: what is counted and hashed is what the publisher put there
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    local = is_loopback(address)
    for _ in range(MAX_REDIRECTS):
        answer = session.get(
            address,
            headers=headers,
            stream=True,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            allow_redirects=False,
        )
        if not answer.is_redirect:
            return answer
        answer.close()
        target = urljoin(address, answer.headers["location"])
        if not is_safe(target) and not (local and is_loopback(target)):
            raise FetchError(f"{_host(address)} redirects to {target}, which is not https")
        address = target
    raise FetchError(f"{_host(address)} redirects more than {MAX_REDIRECTS} times")


def _extent(answer: requests.Response) -> tuple[int, int | None]:
    """The first byte that the answer holds, and how many the whole file has, as far as the server says."""
    if answer.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("content-range", ""))
        return (int(found[1]), int(found[2])) if found else (0, None)
    length = answer.headers.get("content-length", "")
    return 0, int(length) if length.isdecimal() else None


def _never_met(problem: Exception) -> bool:
    reason = getattr(problem.args[0] if problem.args else None, "reason", None)
    return isinstance(problem, requests.ConnectTimeout) or isinstance(
        reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ProxyError
    )


def _host(address: str) -> str:
    return urlsplit(address).hostname or address


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
