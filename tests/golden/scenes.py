"""Makes scenes.npz, which test_scenes.py compares with: `uv run python tests/golden/scenes.py`.

Run it after a change that is meant to change pictures, and look at what it makes.
"""

from pathlib import Path

import numpy as np

from d2lhelpers.scenes import CLASSES, COLOURS, Setting, Thing, render

PATH = Path(__file__).with_suffix(".npz")
SIZE = 56
# all classes, on each kind of background, some upside down, one hidden in part by the next
REQUESTS = tuple(
    (
        seed,
        [
            Thing(CLASSES[4 * seed + k], list(COLOURS)[(seed + 2 * k) % len(COLOURS)])
            for k in range(4)
        ],
        Setting(background=background, sizes=(0.4, 0.55), angles=angles),
    )
    for seed, (background, angles) in enumerate(
        (("train", (-30.0, 30.0)), ("test", (0.0, 360.0)), ("plain", (180.0, 180.0)))
    )
)
ARRAYS = ("image", "classes", "colours", "boxes", "instances", "semantic")


def scenes() -> dict[str, np.ndarray]:
    """Each array of each scene, stacked."""
    drawn = [render(seed, SIZE, things, setting) for seed, things, setting in REQUESTS]
    return {name: np.stack([getattr(scene, name) for scene in drawn]) for name in ARRAYS}


if __name__ == "__main__":
    np.savez_compressed(PATH, **scenes())
    print(PATH.name, PATH.stat().st_size, "bytes")
