"""Many scenes at once, kept on disk."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy import ndarray

from d2lhelpers import files
from d2lhelpers.scenes.layout import Things, requested
from d2lhelpers.scenes.render import USUAL, Scene, render, require_drawable
from d2lhelpers.scenes.settings import CLASSES, Setting, Thing

CHUNK_BYTES = 8 * 2**20  # a run that is stopped loses at most this much


@dataclass(frozen=True)
class SceneSet:
    """Scenes as arrays; M is the most objects that a scene of the set can have, missing ones are -1.

    Attributes:
        images: (num, 3, size, size) uint8, RGB.
        classes, colours: (num, M) int64, into CLASSES and the keys of COLOURS.
        boxes: (num, M, 4) float32, (x1, y1, x2, y2) around the visible part in pixels.
        instances: (num, size, size) uint8, 0 background, k the k-th object.
    """

    images: ndarray
    classes: ndarray
    colours: ndarray
    boxes: ndarray
    instances: ndarray

    @property
    def semantic(self) -> ndarray:
        """(num, size, size) uint8, 0 background, else class + 1; computed anew each time."""
        lookup = np.pad(self.classes + 1, ((0, 0), (1, 0))).astype(np.uint8)
        return lookup[np.arange(len(lookup))[:, None, None], self.instances]

    def __len__(self) -> int:
        return len(self.images)


_NAMES = tuple(field.name for field in fields(SceneSet))


def scene_seed(seed: int, index: int) -> int:
    """The seed of one scene of a set; no two sets of different seeds share one."""
    return (seed << 32) + index


def scene_set(
    num: int,
    size: int,
    seed: int,
    things: Things | Sequence[Things] = (1, 4),
    setting: Setting | Sequence[Setting] = USUAL,
    classes: Sequence[str] = CLASSES,
) -> SceneSet:
    """`num` scenes; scene i is `render(scene_seed(seed, i), size, things, setting, classes=classes)`.

    A longer set begins with the shorter one. What was drawn once is read from `files.cache()` the next time.
    Several processes may ask at once, and a run that was stopped goes on where it was.

    Args:
        num: how many.
        size: of the pictures in pixels.
        seed: another one gives other scenes.
        things: as for `render`, one for all scenes; or a list with one for each.
        setting: as for `render`, one for all scenes; or a list with one for each.
        classes: what to choose from.
    Raises:
        ValueError: what `render` refuses, a negative num, or a list that is not num long.
    """
    if num < 0:
        raise ValueError(f"num must be 0 or more, got {num}")
    plan = _Plan(
        size, seed, _each("things", things, num), _each("setting", setting, num), tuple(classes)
    )
    folder = files.cache() / "scenes" / _key(size, seed, things, setting, plan.classes)
    chunk = max(1, CHUNK_BYTES // (4 * size * size))
    out = _empty(num, size, plan.most)
    for start in range(0, num, chunk):
        stop = min(start + chunk, num)
        part = _chunk(folder, start, stop, plan)
        for name in _NAMES:
            getattr(out, name)[start:stop] = getattr(part, name)
    return out


@dataclass(frozen=True)
class _Plan:
    """What is asked of each scene of a set."""

    size: int
    seed: int
    things: Sequence[Things]
    settings: Sequence[Setting]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for things in self.things or ((),):
            require_drawable(self.seed, self.size, things, self.classes)

    @property
    def most(self) -> int:
        """The most objects that a scene can have."""
        asked = [requested(things) for things in self.things]
        return max((len(one) if _are_things(one) else one[1] for one in asked), default=0)

    def scene(self, index: int) -> Scene:
        seed = scene_seed(self.seed, index)
        setting = self.settings[index]
        return render(seed, self.size, self.things[index], setting, classes=self.classes)


def _are_things(items: Sequence) -> bool:
    return all(isinstance(one, Thing) for one in items)


def _each(name: str, value: object, num: int) -> Sequence:
    """One for each scene, of what may be one for all."""
    if name == "setting":
        common = isinstance(value, Setting)
    else:
        # a list of lists or of ranges is one for each scene; numbers and Things are not sequences themselves
        common = not isinstance(value, Sequence) or not any(
            isinstance(one, Sequence) for one in value
        )
    if common:
        return [value] * num
    if len(value) != num:
        raise ValueError(f"{name} must be one for all or a list of {num}, got {len(value)}")
    return value


def _key(*arguments: object) -> str:
    # the number of scenes is left out: a longer set goes on from a shorter one
    return hashlib.sha256(f"{renderer_version()} {arguments!r}".encode()).hexdigest()[:20]


@lru_cache(maxsize=1)
def renderer_version() -> str:
    """A hash of the generator's own source: whatever changes pixels changes it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _empty(num: int, size: int, most: int) -> SceneSet:
    return SceneSet(
        images=np.zeros((num, 3, size, size), np.uint8),
        classes=np.full((num, most), -1, np.int64),
        colours=np.full((num, most), -1, np.int64),
        boxes=np.full((num, most, 4), -1, np.float32),
        instances=np.zeros((num, size, size), np.uint8),
    )


def _chunk(folder: Path, start: int, stop: int, plan: _Plan) -> SceneSet:
    """Scenes start to stop - 1, from the disk if they are there and whole, else drawn and put there."""
    path = folder / f"{start:07}-{stop:07}.npz"
    with files.locked(path):
        part = _empty(stop - start, plan.size, plan.most)
        found = _load(path, part)
        if found is not None:
            return found
        for index in range(start, stop):
            _fill_in(part, index - start, plan.scene(index))
        with files.in_one_piece(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{name: getattr(part, name) for name in _NAMES})
        return part


def _load(path: Path, like: SceneSet) -> SceneSet | None:
    """The scenes in a file; None where it is absent, damaged or holds something else."""
    try:
        # opened here: NumPy leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = SceneSet(**{name: arrays[name] for name in _NAMES})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    pairs = [(getattr(found, name), getattr(like, name)) for name in _NAMES]
    same = all(one.shape == other.shape and one.dtype == other.dtype for one, other in pairs)
    return found if same else None


def _fill_in(arrays: SceneSet, row: int, scene: Scene) -> None:
    count = len(scene.classes)
    arrays.images[row] = scene.image.transpose(2, 0, 1)
    arrays.classes[row, :count] = scene.classes
    arrays.colours[row, :count] = scene.colours
    arrays.boxes[row, :count] = scene.boxes
    arrays.instances[row] = scene.instances
