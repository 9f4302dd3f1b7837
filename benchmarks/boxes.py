"""Boxes, anchors and suppression against d2l and torchvision, in one run on one thread.

    uv run python benchmarks/boxes.py

Prints one table; ratios are what counts, since milliseconds differ from machine to machine. Each figure is the best
of several runs, ours and theirs in turn, so that a busy moment of the machine hits both. Results are compared too.
"""

import multiprocessing
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

import d2l.torch as d2l
import torch
import torchvision

import d2lhelpers

SIZES, RATIOS = [0.75, 0.5, 0.25], [1, 2, 0.5]
SSD_GRIDS = (
    (32, [0.2, 0.272]),
    (16, [0.37, 0.447]),
    (8, [0.54, 0.619]),
    (4, [0.71, 0.79]),
    (1, [0.88, 0.961]),
)
BATCH = 32


def best_times(*functions: Callable, runs: int) -> list[float]:
    """Milliseconds of the fastest of `runs` calls of each function, called in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(runs):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], 1e3 * (time.perf_counter() - start))
    return best


def random_boxes(*shape: int) -> torch.Tensor:
    corner, side = torch.rand(*shape, 2) * 0.7, torch.rand(*shape, 2) * 0.25 + 0.05
    return torch.cat((corner, corner + side), dim=-1)


def ssd_anchors() -> torch.Tensor:
    """The 5,444 anchors of d2l's TinySSD at 256 pixels."""
    return torch.cat(
        [d2lhelpers.multibox_prior(torch.zeros(k, k), s, [1, 2, 0.5]) for k, s in SSD_GRIDS], dim=1
    )


def peak_memory() -> float:
    """MiB resident at most since the peak was last reset."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def extra_memory(module_name: str) -> float:
    """MiB that `multibox_prior` needs at its peak; to be called in a fresh process, on Linux."""
    torch.set_num_threads(1)
    module = {"d2l": d2l, "d2lhelpers": d2lhelpers}[module_name]
    module.multibox_prior(torch.zeros(8, 8), SIZES, RATIOS)
    data = torch.zeros(561, 728)
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # the kernel's way to set the peak back to what is held now
    before = peak_memory()
    module.multibox_prior(data, SIZES, RATIOS)
    return peak_memory() - before


def report(
    name: str, ours: float, theirs: float, whose: str, same: bool | str, unit: str = "ms"
) -> None:
    same = {True: "identical", False: "DIFFERENT"}.get(same, same)
    print(
        f"{name:<52}{ours:>9.2f} {unit:<4}{theirs:>9.2f} {unit:<4}{whose:<12}{theirs / ours:>6.1f}x  {same}"
    )


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}, one thread\n"
    )
    print(f"{'':<52}{'ours':>9}     {'theirs':>9}")

    data, anchors = torch.zeros(1, 3, 561, 728), ssd_anchors()
    calls = [lambda m=m: m.multibox_prior(data, SIZES, RATIOS) for m in (d2lhelpers, d2l)]
    report(
        "multibox_prior, 561 x 728, 5 a pixel",
        *best_times(*calls, runs=7),
        "d2l",
        torch.equal(*[f() for f in calls]),
    )
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        report(
            "  extra memory",
            *pool.map(extra_memory, ["d2lhelpers", "d2l"], chunksize=1),
            "d2l",
            "",
            unit="MiB",
        )

    for count in (1, 8, 40):
        labels = torch.cat(
            (torch.randint(0, 3, (BATCH, count, 1)), random_boxes(BATCH, count)), dim=-1
        )
        calls = [lambda m=m, x=labels: m.multibox_target(anchors, x) for m in (d2lhelpers, d2l)]
        same = all(torch.equal(a, b) for a, b in zip(*[f() for f in calls], strict=True))
        report(
            f"multibox_target, batch 32, 5444 anchors, {count} boxes",
            *best_times(*calls, runs=5),
            "d2l",
            same,
        )

    offsets, noise = (
        torch.randn(BATCH, 4 * anchors.shape[1]),
        torch.randn(BATCH, 4, anchors.shape[1]),
    )
    likely_background = torch.softmax(noise + torch.tensor([5.0, 0, 0, 0])[:, None], dim=1)
    calls = [
        lambda m=m: m.multibox_detection(likely_background, offsets, anchors)
        for m in (d2lhelpers, d2l)
    ]
    report(
        "multibox_detection, background likeliest",
        *best_times(*calls, runs=2),
        "d2l",
        "differ by design",
    )
    probabilities = torch.softmax(noise, dim=1)
    calls = [
        lambda: d2lhelpers.multibox_detection(
            probabilities, offsets, anchors, per_class=False, background_wins=False
        ),
        lambda: d2l.multibox_detection(probabilities, offsets, anchors),
    ]
    report(
        "multibox_detection, d2l's own mode",
        *best_times(*calls, runs=2),
        "d2l",
        torch.equal(*[f() for f in calls]),
    )

    for count in (1_000, 5_000, 20_000):
        # Distinct scores: d2l sorts equal ones in any order.
        boxes, scores = random_boxes(count), torch.randperm(count) / count
        calls = [
            lambda f=f, b=boxes, s=scores: f(b, s, 0.5)
            for f in (d2lhelpers.nms, torchvision.ops.nms, d2l.nms)
        ]
        ours, vision, book = best_times(*calls, runs=3)
        results = [f() for f in calls]
        report(
            f"nms, {count} boxes", ours, vision, "torchvision", torch.equal(results[0], results[1])
        )
        report("", ours, book, "d2l", torch.equal(results[0], results[2]))


if __name__ == "__main__":
    main()
