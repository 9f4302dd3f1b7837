import hashlib
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from d2lhelpers import files
from d2lhelpers.scenes import Setting, Thing, render, scene_seed, scene_set, sets

NAMES = ("images", "classes", "colours", "boxes", "instances")
SIZE, CHUNK = 24, 8
CLASSES = ("ball", "star")  # quick to trace
PLAIN = Setting(background="plain")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of one's own, with small chunks."""
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(sets, "CHUNK_BYTES", CHUNK * 4 * SIZE * SIZE)
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """The seeds of the scenes that were drawn, not read."""
    seeds = []

    def counted(seed, *args, **kwargs):
        seeds.append(seed)
        return render(seed, *args, **kwargs)

    monkeypatch.setattr(sets, "render", counted)
    return seeds


def make(num=20, seed=3, things=(0, 3), setting=PLAIN):
    return scene_set(num, SIZE, seed, things, setting, CLASSES)


def chunks():
    return sorted((files.cache() / "scenes").rglob("[0-9]*.npz"))


def digest(scenes):
    content = b"".join(np.ascontiguousarray(getattr(scenes, name)).tobytes() for name in NAMES)
    return hashlib.sha256(content).hexdigest()


class TestWhatIsInIt:
    def test_each_scene_is_that_of_its_seed(self):
        found = make()
        assert found.images.shape == (20, 3, SIZE, SIZE)
        assert found.classes.shape == found.colours.shape == (20, 3)
        assert found.boxes.shape == (20, 3, 4)
        assert len(found) == 20
        semantic = found.semantic
        counts = set()
        for i in range(20):
            scene = render(scene_seed(3, i), SIZE, (0, 3), PLAIN, classes=CLASSES)
            n = len(scene.classes)
            counts.add(n)
            np.testing.assert_array_equal(found.images[i].transpose(1, 2, 0), scene.image)
            np.testing.assert_array_equal(found.instances[i], scene.instances)
            np.testing.assert_array_equal(semantic[i], scene.semantic)
            for name in ("classes", "colours", "boxes"):
                padded = getattr(found, name)[i]
                np.testing.assert_array_equal(padded[:n], getattr(scene, name))
                assert (padded[n:] == -1).all()
        assert counts == {0, 1, 2, 3}

    def test_dtypes(self):
        found = make(2)
        dtypes = [getattr(found, name).dtype for name in NAMES]
        assert dtypes == [np.uint8, np.int64, np.int64, np.float32, np.uint8]

    def test_seeds_never_meet(self):
        assert len({scene_seed(s, i) for s in range(20) for i in range(20)}) == 400
        assert digest(make(4, seed=0)) != digest(make(4, seed=1))

    def test_none_at_all(self):
        assert make(0).images.shape == (0, 3, SIZE, SIZE)
        assert make(3, things=0).boxes.shape == (3, 0, 4)

    def test_things_and_settings_of_each_scene(self):
        things = [[Thing("ball", "red")], [], [Thing("star"), Thing("ball", "blue")]]
        settings = [Setting(background=which) for which in ("plain", "train", "test")]
        found = make(3, things=things, setting=settings)
        assert found.classes.shape == (3, 2)
        for i in range(3):
            scene = render(scene_seed(3, i), SIZE, things[i], settings[i], classes=CLASSES)
            np.testing.assert_array_equal(found.images[i].transpose(1, 2, 0), scene.image)
        ranges = make(3, things=[(0, 1), (2, 2), (1, 3)])
        assert ranges.classes.shape == (3, 3)
        assert ((ranges.classes >= 0).sum(axis=1) >= [0, 2, 1]).all()


class TestCache:
    def test_a_second_time_nothing_is_drawn(self, drawn):
        first = make()
        assert len(drawn) == 20
        assert digest(make()) == digest(first)
        assert len(drawn) == 20

    def test_a_longer_set_goes_on_from_a_shorter(self, drawn):
        short = make(16)
        longer = make(30)
        assert len(drawn) == 30
        for name in NAMES:
            np.testing.assert_array_equal(getattr(longer, name)[:16], getattr(short, name))

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 4},
            {"things": (1, 3)},
            {"things": [Thing("ball")]},
            {"setting": Setting(background="plain", blur=(0.0, 0.0))},
        ],
    )
    def test_whatever_changes_pixels_is_in_the_key(self, drawn, change):
        make(2)
        make(2, **change)
        assert len(drawn) == 4

    def test_so_are_size_classes_and_the_renderer(self, drawn, monkeypatch):
        make(2)
        scene_set(2, SIZE + 1, 3, (0, 3), PLAIN, CLASSES)
        scene_set(2, SIZE, 3, (0, 3), PLAIN, CLASSES[::-1])
        monkeypatch.setattr(sets, "renderer_version", lambda: "another")
        make(2)
        assert len(drawn) == 8

    @pytest.mark.parametrize(
        "damage", ["truncated", "flipped", "empty", "lacking", "other", "pickled"]
    )
    def test_a_damaged_chunk_is_drawn_anew(self, drawn, damage):
        whole = digest(make())
        path = chunks()[1]
        content = path.read_bytes()
        if damage == "other":
            np.savez(path, **{name: np.zeros(3) for name in NAMES})
        elif damage == "lacking":
            np.savez(path, images=np.zeros((CHUNK, 3, SIZE, SIZE), np.uint8))
        elif damage == "pickled":
            np.savez(path, **{name: np.array([{}], dtype=object) for name in NAMES})
        else:
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
            path.write_bytes(
                {"truncated": content[:middle], "flipped": flipped, "empty": b""}[damage]
            )
        assert digest(make()) == whole
        assert len(drawn) == 20 + CHUNK
        make()
        assert len(drawn) == 20 + CHUNK

    def test_it_keeps_silent(self, capfd):
        make()
        assert capfd.readouterr() == ("", "")


SCRIPT = f"""
import hashlib, time
import numpy as np
from d2lhelpers.scenes import Setting, render, scene_set, sets
sets.CHUNK_BYTES = {CHUNK * 4 * SIZE * SIZE}
def slow(*args, **kwargs):
    time.sleep(DELAY)
    return render(*args, **kwargs)
sets.render = slow
found = scene_set(40, {SIZE}, 3, (0, 3), Setting(background="plain"), {CLASSES!r})
names = {NAMES!r}
content = b"".join(np.ascontiguousarray(getattr(found, name)).tobytes() for name in names)
print(hashlib.sha256(content).hexdigest())
"""


def start(delay=0.0):
    script = textwrap.dedent(SCRIPT).replace("DELAY", str(delay))
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


class TestOtherProcesses:
    def test_a_killed_run_goes_on_where_it_was(self, drawn, monkeypatch, tmp_path):
        process = start(delay=0.02)
        try:
            deadline = time.monotonic() + 60
            while len(chunks()) < 2 and time.monotonic() < deadline:
                time.sleep(0.005)
        finally:
            process.kill()
            process.communicate()
        kept = len(chunks())
        assert 2 <= kept < 5
        resumed = make(40)
        assert len(drawn) == 40 - CHUNK * kept
        monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path / "afresh"))
        assert digest(make(40)) == digest(resumed)

    def test_what_a_killed_run_left_is_cleared_away(self):
        make(CHUNK)
        (path,) = chunks()
        left = path.with_name(f".{path.name}.0123abcd")
        left.write_bytes(b"half")
        path.unlink()
        make(CHUNK)
        assert not left.exists()

    def test_two_at_once(self):
        processes = [start(), start()]
        printed = [process.communicate(timeout=60)[0].strip() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        assert printed == [digest(make(40))] * 2
        assert len(chunks()) == 5


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            ({"num": -1}, "num"),
            ({"seed": -1}, "seed"),
            ({"things": (3, 1)}, "things"),
            ({"num": 3, "things": [[Thing("ball")]] * 2}, "things"),
            ({"num": 3, "setting": [PLAIN] * 2}, "setting"),
            ({"num": 2, "things": [[Thing("ball")], ["ball"]]}, "things"),
        ],
    )
    def test_before_anything_is_drawn(self, drawn, arguments, word):
        with pytest.raises(ValueError, match=word):
            make(**arguments)
        assert drawn == []

    def test_size_and_classes(self):
        with pytest.raises(ValueError, match="size"):
            scene_set(2, 8, 0)
        with pytest.raises(ValueError, match="whale"):
            scene_set(2, 32, 0, classes=["whale"])
