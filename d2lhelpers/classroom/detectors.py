"""Detectors as students hand them in: one file of weights, for one of two networks, and nothing that could run.

A file says what the numbers are, this module says what they are the numbers of. So it is data all the way: whoever
reads it checks its size, keys, shapes and numbers, and what runs is the course's own code.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from d2lhelpers.datasets.boxed import (
    NUM_OBJECTS,
    SCENES_CLASSES,
    SCENES_SIDE,
    BoxedPictures,
    from_scenes,
)
from d2lhelpers.detection import Detection, Detector, Scores, score, truths_of
from d2lhelpers.files import write_bytes
from d2lhelpers.models import TinySSD, TinyYOLO
from d2lhelpers.models.ssd import SCENES_SIZES
from d2lhelpers.models.weights import save_weights
from d2lhelpers.scenes import SceneSet, Setting, render, scene_seed

FILE = Path("a6.safetensors")
MAX_BYTES = 4_000_000  # of a file; the larger network has 2.7 million
MAX_PASSES = 12  # over the 3,000 scenes to train on: the budget
NUM_PICTURES = 50  # that the network sees at a time

NETWORKS: dict[str, Callable[[], Detector]] = {
    "TinyYOLO": lambda: TinyYOLO(len(SCENES_CLASSES), pretrained=False),
    "TinySSD": lambda: TinySSD(len(SCENES_CLASSES), SCENES_SIZES, pretrained=False),
}

# As `datasets.load_boxes("scenes")` has it; a test holds the two together.
SETTING = Setting(sizes=(0.08, 0.35), places=(0.0, 0.9), background="test")

_rendering, _scoring = Lock(), Lock()


def save_detector(net: Detector, passes: int, path: Path = FILE) -> None:
    """Write a detector's weights, as 16-bit numbers, with the training that its author declares.

    Args:
        net: `TinyYOLO(6)` or `TinySSD(6, SCENES_SIZES)`, trained.
        passes: over the 3,000 scenes to train on, or as much work as that.
    Raises:
        ValueError: another network, weights that are no numbers, or passes below 0. Nothing is written.
    """
    if passes < 0:
        raise ValueError(f"passes must be 0 or more, got {passes}")
    trial = path.with_name(f".{path.name}.trial")
    try:
        save_weights(net, trial, {"passes": str(passes)})
        content = trial.read_bytes()
    finally:
        trial.unlink(missing_ok=True)
    read_detector(content)
    write_bytes(content, path)


def read_detector(content: bytes) -> tuple[Detector, int | None]:
    """The network of a file's content, ready to predict, and the passes that the file declares, if it does.

    Raises:
        ValueError: empty, too large, no safetensors, or other keys, shapes, types or values than a network has.
    """
    if not content:
        raise ValueError("the file is empty")
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES:,} bytes")
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as problem:
        raise ValueError(f"the file is no safetensors file ({type(problem).__name__})") from problem
    net = _network_of(tensors)
    for name, value in tensors.items():
        if value.dtype not in (torch.float16, torch.float32):
            raise ValueError(f"{name} is {value.dtype}: save 16-bit floats with `save_detector`")
        if not value.isfinite().all():
            raise ValueError(f"{name} has values that are no numbers (NaN or infinite)")
    net.load_state_dict(tensors, strict=False)
    return net.eval(), _passes(content)


def _network_of(tensors: dict[str, Tensor]) -> Detector:
    """The network, with its own weights yet, whose keys and shapes these are."""
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    differences = {}
    for name, make in NETWORKS.items():
        net = make()
        own = {
            key: tuple(value.shape)
            for key, value in net.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        if own == shapes:
            return net
        different = sorted(key for key in own.keys() | shapes.keys() if own.get(key) != shapes.get(key))  # fmt: skip
        differences[name] = different
    nearest = min(differences, key=lambda name: len(differences[name]))
    first = differences[nearest][0][:80]
    raise ValueError(
        f"the file is of another network: {first} is not as in {nearest} "
        f"({len(differences[nearest])} such differences)"
    )


def _passes(content: bytes) -> int | None:
    # safetensors has been through it: eight bytes of length, then so many of JSON
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    declared = header.get("__metadata__", {}).get("passes", "")
    return int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 9 else None  # fmt: skip


def detect(content: Tensor, images: Tensor) -> list:
    """What the detector of a file finds; the grader calls this in a process behind walls.

    Args:
        content: (N,) uint8, the file's bytes.
        images: (B, 3, height, width) uint8.
    Returns:
        the passes declared, and for each picture (boxes, labels, scores) as in `Detection`.
    Raises:
        ValueError: as `read_detector`, or a network that reports what is no number.
    """
    net, passes = read_detector(content.numpy().tobytes())
    found = [(one["boxes"], one["labels"], one["scores"]) for one in _predict(net, images)]
    return [passes, found]


def _predict(net: Detector, images: Tensor) -> list[Detection]:
    try:
        found = net.predict(images)
    except (ValueError, RuntimeError) as problem:  # boxes that are no boxes
        raise ValueError(f"the network's predictions cannot be used: {problem}") from problem
    if not all(value.isfinite().all() for one in found for value in one.values()):
        raise ValueError("the network's predictions cannot be used: some are no numbers")
    return found


def handed_in(pictures: BoxedPictures, path: Path = FILE) -> Scores:
    """Score the file beside this notebook, as the grader will on scenes of its own.

    Args:
        pictures: with the truth about them.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is none that the grader takes; the message says why.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: `save_detector` writes it beside the notebook"
        )
    net, _ = read_detector(path.read_bytes())
    parts = pictures.images.split(NUM_PICTURES)
    return scores_of([one for part in parts for one in _predict(net, part)], pictures)


def scores_of(detections: list[Detection], pictures: BoxedPictures) -> Scores:
    """The package's own evaluation of detections, one for each picture."""
    height, width = pictures.images.shape[-2:]
    truths = truths_of(pictures.labels, height, width)
    with _scoring:  # torchmetrics redirects what the whole process prints
        return score(detections, truths, pictures.classes, max(height, width))


def render_unseen(seed: int, num: int) -> BoxedPictures:
    """Scenes like those of "scenes" to test on, that no file holds: hidden ones must not lie in a cache.

    Args:
        seed: another one gives other scenes; 0 or more.
    """
    with _rendering:  # submissions that are graded at the same time wait for one rendering
        return _render(seed, num)


@lru_cache(maxsize=8)
def _render(seed: int, num: int) -> BoxedPictures:
    scenes = [
        render(scene_seed(seed, i), SCENES_SIDE, NUM_OBJECTS, SETTING, classes=SCENES_CLASSES)
        for i in range(num)
    ]
    most = NUM_OBJECTS[1]

    def rows(name: str, like: tuple[int, ...], kind: type) -> np.ndarray:
        out = np.full((num, most, *like), -1, kind)
        for i, scene in enumerate(scenes):
            out[i, : len(scene.classes)] = getattr(scene, name)
        return out

    found = SceneSet(
        images=np.stack([scene.image.transpose(2, 0, 1) for scene in scenes]),
        classes=rows("classes", (), np.int64),
        colours=rows("colours", (), np.int64),
        boxes=rows("boxes", (4,), np.float32),
        instances=np.stack([scene.instances for scene in scenes]),
    )
    return from_scenes(found, SCENES_CLASSES).without_instances()
