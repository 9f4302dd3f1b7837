"""The course's commands: `python -m d2lhelpers doctor | fetch | run | train | experiment | class | normalise`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from d2lhelpers import datasets, doctor, freshness
from d2lhelpers.classroom import commands as classroom
from d2lhelpers.datasets.registry import REGISTRY
from d2lhelpers.notebooks import Report, execute, find_chapters, normalise, serialise, write
from d2lhelpers.record import keep_stills, record
from d2lhelpers.uses import Package


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 all well, 1 something is missing, failed or was changed.
    Raises:
        SystemExit: wrong usage (code 2), or help was asked for.
    """
    parser = argparse.ArgumentParser(prog="python -m d2lhelpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser(
        "doctor", help="say what is here, what is missing and what to do about it"
    )
    command.set_defaults(function=lambda _: _doctor())

    command = commands.add_parser(
        "fetch", help="download the full tier: real datasets and torchvision's weights"
    )
    command.add_argument("names", nargs="+", choices=[*REGISTRY, "all"], metavar="NAME|all")
    command.set_defaults(function=lambda given: _fetch(given.names))

    command = commands.add_parser("run", help="run chapters from top to bottom and say how it went")
    command.add_argument(
        "chapters", nargs="*", metavar="CHAPTER", help="number or part of a name; else all"
    )
    command.add_argument(
        "--write", action="store_true", help="keep the outputs of the chapters that succeed"
    )
    command.add_argument(
        "--record", action="store_true", help="keep times, thumbnails and README's table"
    )
    command.set_defaults(function=lambda given: _run(given.paths, given.write, given.record))

    command = commands.add_parser("train", help="train shipped weights again, in data/weights")
    command.add_argument("name", metavar="NAME", help="s32 or vgg")
    command.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="holds train/ and test/ with a folder of pictures for each class; else CIFAR-10, as fetched",
    )
    command.add_argument(
        "--title", help="what to call the data in the file; else the folder's name"
    )
    command.add_argument("--epochs", type=int, help="in place of the recipe's")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(function=_train)

    command = commands.add_parser(
        "experiment", help="measure what takes longer than a chapter; keep it in data/results"
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="else say which there are")
    command.add_argument("--variants", nargs="+", metavar="VARIANT", help="else all")
    command.set_defaults(function=_experiment)

    command = commands.add_parser("class", help="assignments: hand out, collect, grade, report")
    classroom.add_commands(command)

    command = commands.add_parser(
        "normalise", help="rewrite notebooks so that git sees only what matters"
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command.set_defaults(function=lambda given: _normalise(given.files))

    given = parser.parse_args(argv)
    if "chapters" in given:
        try:
            given.paths = find_chapters(given.chapters)
        except (FileNotFoundError, ValueError) as problem:
            parser.error(str(problem))
    return given.function(given)


def _doctor() -> int:
    rows = doctor.examine()
    print(*rows, sep="\n")
    return int(any(row.needed and not row.present for row in rows))


def _fetch(names: Sequence[str]) -> int:
    exit_code = 0
    for name in REGISTRY if "all" in names else names:
        try:
            print(f"{name}: in {datasets.fetch(name)}")
        except datasets.FetchError as problem:
            print(problem, file=sys.stderr)
            exit_code = 1
        except KeyboardInterrupt:
            print(f"{name}: stopped; the same command goes on from here", file=sys.stderr)
            return 130
    return exit_code


def _run(paths: Sequence[Path], keep_outputs: bool, keep_record: bool) -> int:
    if keep_outputs or keep_record:
        # what is kept must come out the same on every machine, whatever has been fetched there
        os.environ["D2LHELPERS_DATA"] = "mini"
    runs: list[tuple[NotebookNode, Report]] = []
    for path in paths:
        with tqdm(desc=path.stem, unit="cell") as bar:

            def on_cell(done: int, total: int, bar: tqdm = bar) -> None:
                bar.total = total
                bar.update(done - bar.n)

            nb, report = execute(path, on_cell=on_cell, stills=keep_outputs)
        if keep_outputs and report.error is None:
            root = path.parents[1]
            keep_stills(nb, path.stem, root)
            nb = normalise(nb)
            nb.metadata[freshness.KEY] = freshness.made_from(nb, Package(root), path.stem)
            write(nb, path)
        runs.append((normalise(nb), report))
    failed = [report for _, report in runs if report.error is not None]
    if keep_record:
        record(run for run in runs if run[1].error is None)
    for report in failed:
        print(f"\n{report.error}\n")
    print(_table([report for _, report in runs]))
    return int(bool(failed))


def _train(given: argparse.Namespace) -> int:
    # not at the top: the other commands have no need of torch
    from d2lhelpers.recipes import read_data, train_weights

    try:
        data = read_data(given.data, given.title)
        path, history = train_weights(given.name, data, given.epochs, given.seed)
    except (FileNotFoundError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{history}\n{path} ({path.stat().st_size / 1000:.0f} kB)")
    return 0


def _experiment(given: argparse.Namespace) -> int:
    from d2lhelpers.experiments import EXPERIMENTS, run

    if given.name not in EXPERIMENTS:
        for name, experiment in EXPERIMENTS.items():
            print(f"{name}: {experiment.question} ({', '.join(experiment.variants)})")
        return int(given.name is not None)
    # what is kept must be of the same data on every machine
    os.environ["D2LHELPERS_DATA"] = "mini"
    try:
        run(EXPERIMENTS[given.name], given.variants)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _table(reports: Sequence[Report]) -> str:
    width = max(map(len, ["chapter", *(report.chapter for report in reports)]))
    lines = [f"{'chapter':{width}}  {'seconds':>7}  {'peak memory':>11}  claims held"]
    for report in reports:
        memory = f"{report.peak_memory / 2**20:.0f} MiB"
        claims = f"{report.claims_held} of {report.claims_made}"
        failed = "" if report.error is None else "  FAILED"
        lines.append(
            f"{report.chapter:{width}}  {report.seconds:7.1f}  {memory:>11}  {claims}{failed}"
        )
    return "\n".join(lines)


def _normalise(paths: Sequence[Path]) -> int:
    exit_code = 0
    for path in paths:
        try:
            nb = normalise(nbformat.read(path, as_version=nbformat.NO_CONVERT))
        except (OSError, ValueError) as problem:
            print(f"{path}: {problem}", file=sys.stderr)
            exit_code = 1
            continue
        if serialise(nb).encode() != path.read_bytes():
            write(nb, path)
            print(f"normalised {path}")
            exit_code = 1
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
