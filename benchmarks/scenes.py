"""How fast scenes are drawn, in one run on one thread.

    uv run python benchmarks/scenes.py

Prints one table: scenes a second with 1 to 4 objects, the best of several runs, since the machine may be busy. What is
traced and loaded when first needed (the models, the photographs) is done before and stands in a column of its own.
"""

import platform
import time

import numpy as np
import PIL

from d2lhelpers.scenes import render

SIZES = (32, 64, 128, 256)
SCENES, RUNS = 150, 5
WARM_UP = 600  # scenes, by which nearly every variant of every class has been met


def seconds(size: int, seeds: range) -> float:
    """What it takes to draw scenes of these seeds."""
    start = time.perf_counter()
    for seed in seeds:
        render(seed, size)
    return time.perf_counter() - start


def main() -> None:
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, Pillow {PIL.__version__}")
    print(f"{'pixels':>6} {'scenes/s':>9} {'ms/scene':>9} {'first use, s':>13}")
    for size in SIZES:
        cold = seconds(size, range(WARM_UP))
        best = min(seconds(size, range(SCENES)) for _ in range(RUNS)) / SCENES
        first = max(0.0, cold - WARM_UP * best)
        print(f"{size:6} {1 / best:9.0f} {1e3 * best:9.2f} {first:13.1f}")


if __name__ == "__main__":
    main()
