"""pytest's set-up. It stands at the root so that it also holds for the notebooks, which nbval collects."""

import importlib.util
import os
from pathlib import Path

import hypothesis
import matplotlib
import pytest

from d2lhelpers.notebooks import SOURCE_DATE_EPOCH

GUARD = Path(__file__).resolve().parent / "tests" / "network_guard"

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


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("D2LHELPERS_REQUIRE_GPU") == "1":
        import torch

        if not torch.cuda.is_available():
            raise pytest.UsageError(
                "D2LHELPERS_REQUIRE_GPU=1 asks for a GPU and torch finds none: check the driver and that "
                "torch is a CUDA build, or unset the variable to test on the CPU"
            )
