"""Archives that want more than to be unpacked."""

import contextlib
import io
import stat
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d2lhelpers.datasets import archive as archives
from d2lhelpers.datasets.archive import ArchiveError, unpack

LIMIT = 10_000


@pytest.fixture
def unpacked(tmp_path):
    """Unpack into a new folder; the folder around it must not change."""

    def run(archive, limit=LIMIT):
        path = tmp_path / "archive"
        path.write_bytes(archive)
        (tmp_path / "inside").mkdir()
        try:
            unpack(path, tmp_path / "inside" / "folder", limit)
        finally:
            assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "inside"]
            assert [p.name for p in (tmp_path / "inside").iterdir()] == ["folder"]
        return tmp_path / "inside" / "folder"

    return run


def member(name, kind=tarfile.REGTYPE, target="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def tarred(*members, compression=""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as file:
        for info in members:
            info.size = 3 if info.type == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(b"abc") if info.size else None)
    return buffer.getvalue()


def zipped(*names, mode=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode or stat.S_IFREG | 0o644) << 16
            file.writestr(info, b"" if name.endswith("/") else b"abc")
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_tars_of_any_compression(unpacked, compression):
    folder = unpacked(
        tarred(member("a", tarfile.DIRTYPE), member("a/b"), member("./c"), compression=compression)
    )
    assert sorted(p.name for p in folder.rglob("*")) == ["a", "b", "c"]
    assert (folder / "a" / "b").read_bytes() == b"abc"


def test_zips(unpacked):
    folder = unpacked(zipped("a/", "a/b", "c/d/e"))
    assert sorted(p.name for p in folder.rglob("*")) == ["a", "b", "c", "d", "e"]


def test_no_file_comes_out_with_special_rights(unpacked):
    folder = unpacked(tarred(member("tool", mode=0o6777)))
    assert not (folder / "tool").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


OUTSIDE = ["../evil", "a/../../evil", "/evil", "..", "C:evil", "a\\..\\..\\evil", "\\evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [zipped, lambda name: tarred(member(name))])
def test_a_path_that_leaves_the_folder_is_refused(unpacked, pack, name):
    with pytest.raises(ArchiveError, match="would leave the folder"):
        unpacked(pack(name))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["../..", "/etc/passwd", "a"])
def test_links_are_refused(unpacked, kind, target):
    with pytest.raises(ArchiveError, match="'link' is a link or a device"):
        unpacked(tarred(member("a"), member("link", kind, target), member("link/evil")))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(unpacked, kind):
    with pytest.raises(ArchiveError, match="'null' is a link or a device"):
        unpacked(tarred(member("null", kind)))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_zips_are_refused(unpacked, kind):
    with pytest.raises(ArchiveError, match="'x' is a link or a device"):
        unpacked(zipped("x", mode=kind | 0o777))


def test_python_is_asked_too(unpacked, monkeypatch):
    def never(info, folder):
        raise tarfile.FilterError("no")

    monkeypatch.setattr(tarfile, "data_filter", never, raising=False)
    with pytest.raises(ArchiveError, match="no"):
        unpacked(tarred(member("a")))


def test_an_older_python_has_no_opinion(unpacked, monkeypatch):
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    assert (unpacked(tarred(member("a"))) / "a").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [zipped, lambda *names: tarred(*map(member, names))])
def test_one_path_twice_is_refused(unpacked, pack):
    with pytest.raises(ArchiveError, match="'a/b' is in it twice"):
        unpacked(pack("a/b", "a/c", "a/b"))


def test_a_file_where_a_folder_is_does_not_come_out(unpacked):
    with pytest.raises((ArchiveError, OSError)):
        unpacked(tarred(member("a/b"), member("a")))


@pytest.mark.parametrize("pack", [zipped, lambda *names: tarred(*map(member, names))])
def test_the_limit_is_of_all_files_together(unpacked, pack):
    with pytest.raises(ArchiveError, match="more than 8 bytes"):
        unpacked(pack("a", "b", "c"), limit=8)


def test_as_much_as_the_limit_may_come_out(unpacked):
    assert (unpacked(zipped("a", "b", "c"), limit=9) / "c").exists()


def test_nothing_of_a_file_beyond_the_limit_is_written(unpacked, tmp_path):
    with pytest.raises(ArchiveError):
        unpacked(zipped("a", "b"), limit=5)
    assert (tmp_path / "inside" / "folder" / "a").exists()
    assert not (tmp_path / "inside" / "folder" / "b").exists()


def test_a_zip_that_announces_too_little_does_not_write_more(unpacked):
    archive = zipped("a").replace((3).to_bytes(4, "little") * 2, (1).to_bytes(4, "little") * 2)
    with pytest.raises(ArchiveError, match="it is damaged"):
        unpacked(archive)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_half_an_archive_is_refused(unpacked, compression):
    archive = tarred(*(member(f"{k}") for k in range(300)), compression=compression)
    with pytest.raises(ArchiveError, match="it is damaged"):
        unpacked(archive[: len(archive) // 2 + 100])


def test_members_are_counted(unpacked, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ArchiveError, match="2 members"):
        unpacked(zipped("a/", "b/", "c/"))


def test_progress_is_told(tmp_path):
    (tmp_path / "archive").write_bytes(zipped("a", "b"))
    told = []
    unpack(tmp_path / "archive", tmp_path / "folder", LIMIT, told.append)
    assert told == [3, 6]


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "c:", "\\"]), min_size=1, max_size=6))
def test_no_path_built_of_these_leaves_the_folder(tmp_path_factory, parts):
    name = "/".join(parts)
    base = tmp_path_factory.mktemp("base")
    (base / "archive").write_bytes(tarred(member(name or ".")))
    (base / "inside").mkdir()
    with contextlib.suppress(ArchiveError, OSError):
        unpack(base / "archive", base / "inside" / "folder", LIMIT)
    assert sorted(p.name for p in base.iterdir()) == ["archive", "inside"]
    assert [p.name for p in (base / "inside").iterdir()] == ["folder"]
