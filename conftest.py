"""pytest's set-up. It stands at the root so that it also holds for the notebooks, which nbval collects."""

import importlib.util
import os
from pathlib import Path

import hypothesis
import matplotlib
import pytest

from d2lhelpers.notebooks import SOURCE_DATE_EPOCH

GUARD = Path(__file__).resolve().parent / "tests" / "network_guard"

# A test file or a chapter belongs to one worker. Workers that share the cores take one thread each: two threads that
# wait for each other while another process has their core make torch several times slower.
_workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
if _workers:
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // int(_workers)))

# Kernels and other subprocesses inherit these, whichever test starts them.
os.environ["D2LHELPERS_DATA"] = "mini"
os.environ["SOURCE_DATE_EPOCH"] = SOURCE_DATE_EPOCH
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(GUARD), os.environ.get("PYTHONPATH")]))
_spec = importlib.util.spec_from_file_location("network_guard", GUARD / "sitecustomize.py")
_spec.loader.exec_module(importlib.util.module_from_spec(_spec))

# Here and not by MPLBACKEND, which notebook kernels would inherit: their figures belong in the page.
matplotlib.use("Agg")

# No deadline: the first call of a torch function can take seconds. In CI the same examples each time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    """Each test draws what it would draw alone, whichever tests its worker ran before."""
    import torch

    torch.manual_seed(0)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many workers as cores, up to four for the memory of as many chapters; none for a single file."""
    single = len(config.args) == 1 and Path(config.args[0].split("::")[0]).is_file()
    return 0 if single else min(4, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Chapters first: they take longest, and the many short files fill up what is left of the time."""
    items.sort(key=lambda item: item.path.suffix != ".ipynb")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("D2LHELPERS_REQUIRE_GPU") == "1":
        import torch

        if not torch.cuda.is_available():
            raise pytest.UsageError(
                "D2LHELPERS_REQUIRE_GPU=1 asks for a GPU and torch finds none: check the driver and that "
                "torch is a CUDA build, or unset the variable to test on the CPU"
            )
