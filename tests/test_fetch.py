"""Fetching against a server on this machine that does everything wrong that servers do."""

import dataclasses
import errno
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile

import pytest
from broken_server import serving

from d2lhelpers import datasets
from d2lhelpers.__main__ import main
from d2lhelpers.datasets import download as downloading
from d2lhelpers.datasets import registry, store, tiers
from d2lhelpers.datasets.download import FetchError
from d2lhelpers.datasets.registry import Source
from d2lhelpers.datasets.store import contents, fetch_source

CONTENT = bytes(range(256)) * 4096  # 1 MiB
HALF = len(CONTENT) // 2


def tarred(**files):
    """A tar.gz of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            file.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder for what is fetched, and no waiting between attempts."""
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("D2LHELPERS_DATA")
    monkeypatch.setattr(downloading, "WAITS", (0, 0))
    monkeypatch.setattr(downloading, "READ_TIMEOUT", 0.4)
    return tmp_path / "downloads"


@pytest.fixture
def server():
    with serving() as state:
        state.files["/thing.bin"] = CONTENT
        yield state


@pytest.fixture
def source(server, home):
    """A file of weights, say, that the server has."""
    return Source(
        name="thing",
        title="a thing",
        addresses=(f"{server.address}/thing.bin",),
        algorithm="sha256",
        digest=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        licence="none",
    )


def of(source, content, **changes):
    """The source of another content."""
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(source, digest=digest, size=len(content), **changes)


def part_of(source):
    return store.downloads() / f".thing.{source.digest[:16]}.part"


def remains(home):
    """What lies in the folder, locks apart."""
    return sorted(path.name for path in home.iterdir() if path.suffix != ".lock")


# ----------------------------------------------------------------------------------------- when all is well


def test_a_file_is_fetched_once(server, source, home, capfd):
    assert fetch_source(source) == home / "thing" / "thing.bin"
    assert contents(source).read_bytes() == CONTENT
    assert "thing: 100%" in capfd.readouterr().err
    fetch_source(source)
    assert server.requests == [("/thing.bin", None)]
    assert remains(home) == ["thing"]


def test_no_bar_where_none_is_wanted(source, capfd):
    fetch_source(source, progress=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("pack", [tarred, zipped])
def test_an_archive_is_unpacked_and_not_kept(server, source, home, pack):
    server.files["/thing.bin"] = pack(**{"data/a.txt": "one", "data/deep/b.txt": "two"})
    folder = fetch_source(of(source, server.files["/thing.bin"], contents="data"))
    assert (folder / "a.txt").read_text() == "one"
    assert (folder / "deep" / "b.txt").read_text() == "two"
    assert remains(home) == ["thing"]


def test_sha1_and_an_unknown_size_will_do(source):
    digest = hashlib.sha1(CONTENT).hexdigest()
    weaker = dataclasses.replace(source, algorithm="sha1", digest=digest, size=None)
    assert fetch_source(weaker).read_bytes() == CONTENT


def test_a_file_brought_by_hand_needs_no_server(server, source, home):
    home.mkdir()
    (home / "thing.bin").write_bytes(CONTENT)
    assert fetch_source(source).read_bytes() == CONTENT
    assert server.requests == []
    assert remains(home) == ["thing", "thing.bin"]


def test_a_wrong_file_brought_by_hand_is_named(source, home):
    home.mkdir()
    (home / "thing.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(
        FetchError, match=r"thing\.bin, brought by hand, is another file or damaged"
    ):
        fetch_source(source)


def test_a_folder_of_which_half_was_deleted_is_fetched_again(source, home):
    fetch_source(source).unlink()
    (home / "thing" / "other.txt").touch()
    assert fetch_source(source).read_bytes() == CONTENT


# -------------------------------------------------------------------------------------- when the line breaks


def test_a_broken_download_goes_on_where_it_stopped(server, source):
    server.cuts = [HALF, 1000]
    assert fetch_source(source).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [
        None,
        f"bytes={HALF}-",
        f"bytes={HALF + 1000}-",
    ]
    assert server.sent == len(CONTENT)


def test_so_it_does_with_a_server_that_cannot_resume(server, source):
    server.ranges = False
    server.cuts = [HALF]
    assert fetch_source(source).read_bytes() == CONTENT


def test_what_a_server_that_cannot_resume_sends_again_costs_no_byte_that_was_here(server, source):
    server.ranges = False
    server.cuts = [HALF, 1000, 1000, 1000, 1000]
    with pytest.raises(FetchError):
        fetch_source(source)
    assert part_of(source).read_bytes() == CONTENT[:HALF]


def test_a_stalled_server_is_left_and_asked_again(server, source):
    server.stalls = [HALF]
    begun = time.monotonic()
    assert fetch_source(source).read_bytes() == CONTENT
    assert len(server.requests) == 2
    assert time.monotonic() - begun < 4


def test_an_answer_that_ends_early_without_an_error_is_no_whole_one(server, source, monkeypatch):
    """As with the older urllib3 that requests can be installed with."""
    stream = downloading.urllib3.HTTPResponse.stream

    def first_block(self, *args, **kwargs):
        yield next(stream(self, *args, **kwargs))

    monkeypatch.setattr(downloading.urllib3.HTTPResponse, "stream", first_block)
    assert fetch_source(source).read_bytes() == CONTENT
    assert len(server.requests) == len(CONTENT) // downloading.BLOCK


def test_a_server_that_recovers_is_asked_again(server, source):
    server.statuses = [503, 429]
    assert fetch_source(source).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_attempts_that_bring_nothing_end_and_keep_what_there_is(server, source):
    server.cuts = [HALF]
    server.statuses = [0] + 9 * [500]
    with pytest.raises(FetchError, match=r"thing: 127\.0\.0\.1 answers 500"):
        fetch_source(source)
    assert len(server.requests) == 1 + 3
    assert part_of(source).read_bytes() == CONTENT[:HALF]
    server.statuses = []
    assert fetch_source(source).read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_waits_grow_and_begin_anew_after_progress(server, source, monkeypatch):
    waited = []
    monkeypatch.setattr(downloading, "WAITS", (1, 2, 4, 8))
    monkeypatch.setattr(downloading, "sleep", waited.append)
    server.statuses = [500, 500, 500, 0, 500, 500]
    server.cuts = [HALF]
    fetch_source(source)
    assert waited == [1, 2, 4, 1, 1, 2]


def test_a_missing_file_is_not_asked_for_again(server, source):
    del server.files["/thing.bin"]
    with pytest.raises(FetchError, match="answers 404 Not Found"):
        fetch_source(source)
    assert len(server.requests) == 1


def test_a_mirror_takes_over_and_goes_on(server, source):
    server.files["/mirror.bin"] = CONTENT
    server.cuts = [HALF]
    server.statuses = [0, 404]
    addresses = (*source.addresses, f"{server.address}/mirror.bin")
    assert fetch_source(dataclasses.replace(source, addresses=addresses)).read_bytes() == CONTENT
    assert server.requests[-1] == ("/mirror.bin", f"bytes={HALF}-")


def test_all_problems_are_named_when_no_address_has_it(server, source):
    addresses = (f"{server.address}/no", f"{server.address}/thing.bin")
    server.statuses = [404, 403]
    with pytest.raises(FetchError, match=r"answers 404 Not Found; .* answers 403 Forbidden"):
        fetch_source(dataclasses.replace(source, addresses=addresses))


def test_nobody_there_is_said_at_once_in_one_line(source, home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/thing.bin"
    monkeypatch.setattr(downloading, "sleep", lambda _: pytest.fail("it waits for nobody"))
    with pytest.raises(FetchError) as caught:
        fetch_source(dataclasses.replace(source, addresses=(address,)))
    assert "127.0.0.1 cannot be reached" in str(caught.value)
    assert f"put thing.bin into {home} by hand" in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------- when the bytes are wrong


def test_wrong_bytes_are_removed_and_asked_for_only_once(server, source, home):
    server.files["/thing.bin"] = CONTENT[::-1]
    with pytest.raises(FetchError, match="do not have the sha256 digest expected"):
        fetch_source(source)
    assert len(server.requests) == 1
    assert remains(home) == []


def test_wrong_bytes_of_one_address_do_not_spoil_the_next(server, source):
    server.files["/false.bin"] = CONTENT[::-1]
    addresses = (f"{server.address}/false.bin", *source.addresses)
    assert fetch_source(dataclasses.replace(source, addresses=addresses)).read_bytes() == CONTENT


def test_pieces_of_two_editions_are_thrown_away_and_the_whole_fetched_anew(server, source):
    part_of(source).parent.mkdir()
    part_of(source).write_bytes(CONTENT[::-1][:HALF])
    assert fetch_source(source).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [f"bytes={HALF}-", None]


def test_a_file_that_changes_again_and_again_is_given_up(server, source, home):
    server.files["/thing.bin"] = CONTENT[::-1]
    server.cuts = [HALF, len(CONTENT), HALF, len(CONTENT)]
    with pytest.raises(FetchError, match="digest"):
        fetch_source(source)
    assert len(server.requests) == 4
    assert remains(home) == []


@pytest.mark.parametrize("surplus", [0, 10])
def test_a_complete_part_is_checked_before_it_is_believed(server, source, surplus):
    part_of(source).parent.mkdir()
    part_of(source).write_bytes(CONTENT[::-1] + bytes(surplus))
    assert fetch_source(source).read_bytes() == CONTENT
    assert server.requests[-1] == ("/thing.bin", None)


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_complete_part_that_is_right_is_not_fetched_again(server, source, size):
    part_of(source).parent.mkdir()
    part_of(source).write_bytes(CONTENT)
    fetch_source(dataclasses.replace(source, size=size))
    assert server.sent == 0


def test_a_page_in_place_of_the_file_touches_nothing(server, source):
    part_of(source).parent.mkdir()
    part_of(source).write_bytes(CONTENT[:HALF])
    server.files["/thing.bin"] = b"<html>Welcome to our network. Please log in"
    server.ranges = False
    with pytest.raises(FetchError, match="has 43 bytes where 1,048,576 bytes was expected"):
        fetch_source(source)
    assert part_of(source).read_bytes() == CONTENT[:HALF]


def test_a_server_that_does_not_say_how_much_there_is_is_not_listened_to(server, source):
    server.lengths = False
    with pytest.raises(FetchError, match="has no bytes where"):
        fetch_source(source)
    assert not part_of(source).exists()


# ------------------------------------------------------------------------------------------------- redirects


def test_a_redirect_on_this_machine_is_followed(server, source):
    server.redirects["/old.bin"] = "/thing.bin"
    addresses = (f"{server.address}/old.bin",)
    assert fetch_source(dataclasses.replace(source, addresses=addresses)).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "target", ["http://192.0.2.1/x", "ftp://192.0.2.1/x", "file:///etc/passwd"]
)
def test_a_redirect_to_what_is_not_https_is_refused(server, source, target):
    server.redirects["/thing.bin"] = target
    with pytest.raises(FetchError, match=f"redirects to {target}, which is not https"):
        fetch_source(source)


def test_redirects_in_a_circle_end(server, source):
    server.redirects["/thing.bin"] = "/thing.bin"
    with pytest.raises(FetchError, match="redirects more than"):
        fetch_source(source)
    assert len(server.requests) == 5


# ----------------------------------------------------------------------------------------- killed, disk full

FETCH = textwrap.dedent("""\
    from d2lhelpers.datasets.registry import Source
    from d2lhelpers.datasets.store import fetch_source
    fetch_source({source})
    """)


def killed_when(source, condition):
    """Run a fetch in a process of its own and kill it as soon as the condition holds."""
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH.format(source=source)], stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 30
    while not condition():
        assert process.poll() is None, "the process ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_two_processes_fetch_it_once(server, source, home):
    server.seconds = 0.02
    command = [sys.executable, "-c", FETCH.format(source=source)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=30) and process.returncode for process in processes] == [
        0,
        0,
    ]
    assert contents(source).read_bytes() == CONTENT
    assert server.requests == [("/thing.bin", None)]
    assert remains(home) == ["thing"]


def test_a_killed_download_loses_nothing(server, source, home):
    server.seconds = 0.01
    part = part_of(source)
    killed_when(source, lambda: part.exists() and part.stat().st_size > HALF)
    kept = part.read_bytes()
    assert CONTENT.startswith(kept)
    assert not contents(source).exists()
    server.seconds = 0
    assert fetch_source(source).read_bytes() == CONTENT
    assert server.requests == [("/thing.bin", None), ("/thing.bin", f"bytes={len(kept)}-")]
    assert remains(home) == ["thing"]


def test_a_killed_unpacking_loses_nothing_and_leaves_nothing(server, source, home):
    archive = zipped(**{f"data/{k}.txt": f"{k}" for k in range(4000)})
    server.files["/thing.bin"] = archive
    source = of(source, archive, contents="data")

    def half_unpacked():
        return any(len(os.listdir(p)) > 20 for p in home.glob(".thing.*/data"))

    killed_when(source, half_unpacked)
    assert not contents(source).exists()
    assert len(server.requests) == 1
    assert len(list(fetch_source(source, progress=False).iterdir())) == 4000
    assert len(server.requests) == 1
    assert remains(home) == ["thing"]


def test_a_full_disk_is_said_and_what_came_is_kept(server, source, monkeypatch):
    stream = downloading.urllib3.HTTPResponse.stream

    def until_full(self, *args, **kwargs):
        yield next(stream(self, *args, **kwargs))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(downloading.urllib3.HTTPResponse, "stream", until_full)
        with pytest.raises(
            FetchError, match=r"thing: the disk is full .*make room and fetch again"
        ):
            fetch_source(source)
    assert len(server.requests) == 1
    kept = part_of(source).stat().st_size
    assert kept == downloading.BLOCK
    fetch_source(source)
    assert server.requests[-1] == ("/thing.bin", f"bytes={kept}-")


def test_room_is_looked_for_before_anything_is_asked(server, source):
    huge = dataclasses.replace(source, size=10**18)
    with pytest.raises(FetchError, match=r"the disk is full \(1,000,000,000,000 MB needed, "):
        fetch_source(huge)
    assert server.requests == []


def test_a_folder_that_cannot_be_written_is_said(source, home):
    home.write_text("a file in its place")
    with pytest.raises(FetchError, match=r"thing: .*D2LHELPERS_HOME"):
        fetch_source(source)


# ------------------------------------------------------------------------------------ archives that want more


def test_a_malicious_archive_writes_nothing_and_is_removed(server, source, home):
    archive = tarred(**{"data/a.txt": "one", "../../evil.txt": "two"})
    server.files["/thing.bin"] = archive
    with pytest.raises(
        FetchError, match=r"refused to unpack it: '\.\./\.\./evil\.txt' would leave"
    ):
        fetch_source(of(source, archive, contents="data"))
    assert remains(home) == []
    assert [path.name for path in home.parent.iterdir()] == ["downloads"]


def test_a_bomb_is_not_unpacked(server, source, home):
    archive = zipped(**{"data/zeros": "0" * 10_000_000})
    assert len(archive) < 20_000
    server.files["/thing.bin"] = archive
    with pytest.raises(FetchError, match="it unpacks to more than"):
        fetch_source(of(source, archive, contents="data"))
    assert remains(home) == []


def test_an_archive_without_the_folder_is_not_installed(server, source, home):
    archive = tarred(**{"else/a.txt": "one"})
    server.files["/thing.bin"] = archive
    with pytest.raises(FetchError, match="there is no data in it"):
        fetch_source(of(source, archive, contents="data"))
    assert not (home / "thing").exists()


# ------------------------------------------------------------------------------------------- sources, command


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"addresses": ("http://example.com/x",)}, "must begin with https://"),
        ({"addresses": ("http://localhost/x",)}, "must begin with https://"),
        ({"addresses": ("ftp://127.0.0.1.example.com/x",)}, "must begin with https://"),
        ({"digest": "f37072fd"}, "is no sha256 digest"),
        ({"algorithm": "sha1"}, "is no sha1 digest"),
    ],
)
def test_a_source_must_be_safe_and_have_a_whole_digest(source, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(source, **change)


@pytest.fixture
def offered(monkeypatch, server, source):
    """A registry of two, one of which the server does not have."""
    gone = dataclasses.replace(source, name="gone", addresses=(f"{server.address}/gone.bin",))
    names = {"gone": gone, "thing": source}
    monkeypatch.setattr(registry, "REGISTRY", names)
    monkeypatch.setattr("d2lhelpers.__main__.REGISTRY", names)
    return names


def test_the_command_fetches_all_it_can_and_has_a_line_for_each(offered, home, capsys):
    assert main(["fetch", "all"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"thing: in {home / 'thing' / 'thing.bin'}\n"
    (problem,) = (x for x in captured.err.splitlines() if x and not x.startswith("thing: "))
    assert problem.startswith("gone: 127.0.0.1 answers 404")
    assert main(["fetch", "thing"]) == 0


def test_the_command_refuses_an_unknown_name(offered, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["fetch", "unicorns"])
    assert stopped.value.code == 2
    assert "gone" in capsys.readouterr().err


def test_a_stopped_command_says_how_to_go_on(offered, monkeypatch, capsys):
    def stop(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "fetch", stop)
    assert main(["fetch", "all"]) == 130
    assert capsys.readouterr().err == "gone: stopped; the same command goes on from here\n"


def test_what_is_fetched_is_known_by_name(offered):
    assert not tiers.is_fetched("thing")
    tiers.fetch("thing", progress=False)
    assert tiers.is_fetched("thing")
    with pytest.raises(ValueError, match="'unicorns' cannot be fetched: the names are gone, thing"):
        tiers.fetch("unicorns")
