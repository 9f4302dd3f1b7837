"""Walls around one process: no network, its own view of files and processes, limits on what it may use.

On Linux, namespaces where the kernel and the administrator allow them: network, files (all read-only but one
small folder), processes. Everywhere else that is POSIX, limits alone. A process builds its own walls, once
and for good: it gives up the right to take them down again.
"""

import ctypes
import os
import resource
import signal
import site
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from d2lhelpers.files import ROOT, cache

# of <sched.h>, <sys/mount.h>, <sys/prctl.h> and <linux/capability.h>; Python has none of them before 3.12
NEW_FILES, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
PR_SET_DEATH_SIGNAL, PR_DROP_BOUNDING, PR_NO_NEW_PRIVILEGES = 1, 24, 38
CAPABILITY_VERSION_3 = 0x20080522
NUM_CAPABILITIES = 64

# Folders of people and of other programs, where submissions, keys and the sockets of running services lie.
COVERED = ("/home", "/root", "/run", "/tmp", "/var/tmp", "/srv", "/mnt", "/media")

NAMESPACES = "namespaces: no network, files read-only, processes of its own; and limits"
LIMITS_ALONE = (
    "limits alone: this system gives no namespaces, so a submission could use the network"
)


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        call: seconds for one call of a function by a test.
        cell: seconds for one cell of the student's.
        total: seconds for a whole submission.
        memory: bytes that its process may take beyond what it starts with.
        output: characters that one cell, or one call by a test, may print or show.
        file: bytes of one file; all of its files together may have four times as much.
        restarts: new processes for a submission whose process died or had to be killed.
        artefact: seconds for each step of scoring a file that was handed in with the notebook.
    """

    call: float = 5.0
    cell: float = 20.0
    total: float = 150.0
    memory: int = 2 << 30
    output: int = 2_000_000
    file: int = 64 << 20
    restarts: int = 6
    artefact: float = 60.0


@dataclass(frozen=True)
class Walls:
    """What a jailed process may see and use.

    Attributes:
        home: the one folder that it may write to.
        sockets: the folder for its connection to the grader.
        masked: folders and files that are empty for it: other submissions, the instructor's notebook, grades.
    """

    home: str
    sockets: str
    masked: tuple[str, ...]
    limits: Limits
    namespaces: bool


def namespaces_work() -> bool:
    """Whether this system lets a process build the walls; found out by building them."""
    if sys.platform != "linux":
        return False
    child = os.fork()
    if child == 0:
        try:
            _unshare()
            _call("mount", None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def run_jailed(walls: Walls, report: Callable[[int], None], work: Callable[[], None]) -> None:
    """Build the walls around this process and work behind them; never returns.

    Args:
        report: called once with the number of the process that works.
        work: what to do there.
    """
    os.setsid()
    if not walls.namespaces:
        _end_with_parent()
        report(os.getpid())
        _limit(walls.limits)
        _end_with(work)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process behind the walls
    _unshare()
    _arrange_files(walls)
    _end_with_parent()
    child = os.fork()
    if child == 0:
        _end_with_parent()
        # number 1 of its namespace: when it ends, the system ends all that it started
        _own_proc()
        _limit(walls.limits)
        _give_up_rights()
        _end_with(work)
    report(child)
    os.waitpid(child, 0)
    os._exit(0)


def _end_with(work: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        work()
    finally:
        os._exit(0)


def _end_with_parent() -> None:
    """Nothing of a submission outlives a grader that was killed."""
    if sys.platform == "linux":
        _libc().prctl(PR_SET_DEATH_SIGNAL, signal.SIGKILL)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _unshare() -> None:
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_USER | NEW_NETWORK | NEW_FILES | NEW_PROCESSES)
    # Seen from inside it is the same user; what it may do to files is decided by who it is outside.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    encoded = [value.encode() if value is not None else None for value in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), data.encode() or None)


def _arrange_files(walls: Walls) -> None:
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount(walls.sockets, walls.sockets, None, MS_BIND)
    for mount in _mounts():
        if mount[0] != walls.sockets:
            _make_read_only(mount)
    _cover(walls)
    size = f"size={4 * walls.limits.file},mode=700"
    _mount("tmpfs", walls.home, "tmpfs", MS_NOSUID | MS_NODEV, size)
    for path in walls.masked:
        if os.path.isdir(path):
            _mount("tmpfs", path, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "size=4k")
        elif os.path.exists(path):
            _mount("/dev/null", path, None, MS_BIND)
    os.chdir(walls.home)


def _cover(walls: Walls) -> None:
    """Empty the folders that are nobody's business, but for what Python and the package need of them."""
    covered = {os.path.realpath(path) for path in (*COVERED, os.path.expanduser("~"))}
    covered = sorted(path for path in covered if path != "/" and os.path.isdir(path))
    needed = [
        *(sys.prefix, sys.base_prefix, site.getusersitepackages()),
        *(ROOT / "d2lhelpers", ROOT / "data", cache(), walls.home, walls.sockets),
    ]
    opened = {}
    for path in map(os.path.realpath, needed):
        if os.path.isdir(path) and any(Path(path).is_relative_to(one) for one in covered):
            opened[path] = os.open(path, os.O_PATH)
    for path in covered:
        if os.path.isdir(path):  # not below another that is covered by now
            _mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for path, file in opened.items():
        # what is covered is still there, for those who had opened it before; mounted again it is as it was, read-only
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{file}", path, None, MS_BIND)
        os.close(file)
    for path in covered:
        if os.path.ismount(path):
            _mount(None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _mounts() -> Sequence[tuple[str, int]]:
    """Where something is mounted, and the flags that a process without rights over them has to keep."""
    names = {"nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC, "noatime": 1024, "nodiratime": 2048,
             "relatime": 1 << 21}  # fmt: skip
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        # spaces and the like are written as octal escapes
        path = fields[4].encode().decode("unicode_escape")
        found.append((path, sum(names.get(option, 0) for option in fields[5].split(","))))
    return found


def _make_read_only(mount: tuple[str, int]) -> None:
    path, flags = mount
    try:
        _mount(None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | flags)
    except OSError:
        # hidden below another mount, or the system's own (/proc, /sys): not writable without rights either
        if os.path.realpath(path) == "/" or (os.access(path, os.W_OK) and not _of_the_system(path)):
            raise


def _of_the_system(path: str) -> bool:
    return path.startswith(("/proc", "/sys", "/dev"))


def _own_proc() -> None:
    """A /proc of its own processes only; where a container forbids it, the old one, which is read-only."""
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        return


def _give_up_rights() -> None:
    """No capability left, and none to be had again: the mounts stay as they are."""
    libc = _libc()
    for capability in range(NUM_CAPABILITIES):
        libc.prctl(PR_DROP_BOUNDING, capability, 0, 0, 0)
    libc.prctl(PR_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _limit(limits: Limits) -> None:
    # What it has already is not counted: torch alone maps some 700 MB, most of it shared with the others.
    taken = 0
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        taken = next(
            1024 * int(s.split()[1]) for s in status.splitlines() if s.startswith("VmData")
        )
    wanted = {
        resource.RLIMIT_DATA: taken + limits.memory,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_CPU: int(limits.total) + 1,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 256,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
