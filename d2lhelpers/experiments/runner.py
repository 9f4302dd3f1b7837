"""Running an experiment, seed by seed and variant by variant, and keeping every result as soon as it is there."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from d2lhelpers.files import ROOT, write_bytes

__all__ = ["Experiment", "Row", "mean", "read", "run"]

SEEDS = (0, 1, 2)

Row = dict[str, float]


@dataclass(frozen=True)
class Experiment:
    """Several ways to do a thing, measured alike.

    Attributes:
        name: its file is `data/results/NAME.json`.
        question: that it answers, for people.
        settings: all that decides the result, for the file. Results of other settings are not mixed with these.
        variants: the ways, by the names they have in tables; each takes a seed and returns what was measured.
    """

    name: str
    question: str
    settings: Mapping[str, object]
    variants: Mapping[str, Callable[[int], Row]]

    @property
    def fingerprint(self) -> str:
        """Changes with the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]


def run(
    experiment: Experiment,
    variants: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    root: Path = ROOT,
    report: Callable[[str], None] = print,
) -> None:
    """Measure what has not been measured yet, and keep each result at once: a run that is stopped goes on from there.

    Args:
        experiment: one of EXPERIMENTS.
        variants: some of its; None for all.
        seeds: of each variant.
        root: of the course.
        report: is told of each result.
    Raises:
        ValueError: an unknown variant.
    """
    variants = list(experiment.variants) if variants is None else variants
    if unknown := [name for name in variants if name not in experiment.variants]:
        raise ValueError(
            f"variant must be one of {', '.join(experiment.variants)}, not {unknown[0]!r}"
        )
    path = _path(experiment.name, root)
    for seed in seeds:
        for variant in variants:
            kept = _load(path)
            rows = kept.get("rows", {}) if kept.get("fingerprint") == experiment.fingerprint else {}
            if str(seed) in rows.get(variant, {}):
                continue
            start = time.perf_counter()
            row = experiment.variants[variant](seed)
            took = time.perf_counter() - start
            rows.setdefault(variant, {})[str(seed)] = {k: round(v, 4) for k, v in row.items()}
            order = [name for name in experiment.variants if name in rows]
            content = {
                "question": experiment.question,
                "settings": dict(experiment.settings),
                "fingerprint": experiment.fingerprint,
                "machine": _machine(),
                "rows": {name: dict(sorted(rows[name].items())) for name in order},
            }
            write_bytes((json.dumps(content, indent=1) + "\n").encode(), path)
            figures = ", ".join(f"{name} {value:.4g}" for name, value in row.items())
            report(f"{variant}, seed {seed}: {figures} ({took:.0f} s)")


def read(name: str, root: Path = ROOT) -> dict[str, list[Row]]:
    """What an experiment came to: for each variant one row a seed, in the order of the seeds.

    Raises:
        FileNotFoundError: it has not been run.
    """
    kept = _load(_path(name, root))
    if not kept:
        raise FileNotFoundError(f"no results of {name}: `python -m d2lhelpers experiment {name}`")
    return {variant: list(rows.values()) for variant, rows in kept["rows"].items()}


def mean(rows: Sequence[Row], column: str) -> float:
    """Of a column over the seeds."""
    return sum(row[column] for row in rows) / len(rows)


def _path(name: str, root: Path) -> Path:
    return root / "data" / "results" / f"{name}.json"


def _load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _machine() -> dict[str, object]:
    versions = {name: version(name) for name in ("torch", "torchvision", "torchmetrics")}
    return {
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **versions,
    }
