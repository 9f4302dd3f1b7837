"""How the benchmarks measure: the fastest of several calls, which other work on the machine disturbs least."""

import time
from collections.abc import Callable

__all__ = ["best"]


def best(function: Callable[[], object], runs: int = 3) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
