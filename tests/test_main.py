"""The commands `doctor`, `run` and `normalise`; `fetch` has tests of its own."""

import os
import subprocess
import sys
from importlib.metadata import version

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import d2lhelpers.__main__ as command_line
from d2lhelpers import CLAIM_MIME, doctor, freshness
from d2lhelpers.__main__ import main
from d2lhelpers.datasets.registry import REGISTRY
from d2lhelpers.notebooks import Report, find_chapters, normalise, write
from d2lhelpers.record import TABLE_BEGIN, TABLE_END, record
from d2lhelpers.uses import Package


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A repository of two chapters, one of which fails, that the commands take for the course."""
    good = f"display({{{CLAIM_MIME!r}: {{'holds': True}}, 'text/plain': ''}}, raw=True)"
    for name, code in (("01_good", good), ("02_bad", "1 / 0")):
        nb = new_notebook(cells=[new_markdown_cell(f"# {name}"), new_code_cell(code)])
        write(normalise(nb), tmp_path / "notebooks" / f"{name}.ipynb")
    (tmp_path / "README.md").write_text(f"{TABLE_BEGIN}\n{TABLE_END}\n")
    monkeypatch.setattr(command_line, "find_chapters", lambda names: find_chapters(names, tmp_path))
    monkeypatch.setattr(command_line, "record", lambda runs: record(runs, tmp_path))
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------------- doctor


def test_doctor_says_what_is_here(capsys):
    code = main(["doctor"])
    rows = {line[9:].split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(rows) == [
        "Python", "torch", "torchvision", "torchmetrics", "d2l", "jupyterlab", "ipywidgets", "widgets", "device",
        "threads", "memory", "photographs", "weights", *REGISTRY, "Chromium",
    ]  # fmt: skip
    assert version("torch") in rows["torch"]
    assert rows["photographs"].startswith("ok")
    assert code == any(row.startswith("missing") for row in rows.values())


def test_doctor_runs_as_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "d2lhelpers", "doctor"], capture_output=True, text=True, timeout=120
    )
    assert "ok       Python" in done.stdout
    assert done.stderr == ""


def test_doctor_can_say_that_torch_is_broken(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is gone')")
    path = os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"]))
    done = subprocess.run(
        [sys.executable, "-m", "d2lhelpers", "doctor"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 1
    assert "missing  torch             ImportError: libtorch is gone -> `uv sync`" in done.stdout
    assert done.stderr == ""


def broken(monkeypatch, tmp_path):
    """Each thing that can be missing, made missing."""
    monkeypatch.setattr(doctor, "PYTHON_VERSIONS", ((4, 0), (4, 1)))
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it raises ImportError
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    monkeypatch.setattr(doctor, "MEMORY_NEEDED", 1e6)
    monkeypatch.setattr(doctor, "PHOTOGRAPHS", ("astronaut.png", "unicorn.png"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("D2LHELPERS_REQUIRE_GPU", "1")
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setattr(doctor, "find_chromium", lambda: None)


def test_doctor_finds_what_is_missing_and_says_what_to_do(monkeypatch, tmp_path, capsys):
    broken(monkeypatch, tmp_path)
    assert main(["doctor"]) == 1
    rows = {line[9:].split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    for name, mark, advice in [
        ("Python", "missing", "uv run"),
        ("torchvision", "missing", "uv sync"),
        ("widgets", "missing", "pip install ipywidgets"),
        ("device", "missing", "D2LHELPERS_REQUIRE_GPU"),
        ("memory", "missing", "close other programs"),
        ("photographs", "missing", "unicorn.png"),
        ("weights", "absent", "git pull"),
        ("Chromium", "absent", "apt-get install chromium"),
    ]:
        assert rows[name].startswith(mark)
        assert advice in rows[name].partition("->")[2]
    assert "astronaut" not in rows["photographs"]
    assert rows["torch"].startswith("ok")


def test_what_only_developers_need_does_not_make_doctor_fail(monkeypatch, tmp_path):
    row = doctor.Row("x", present=False, found="none", advice="get it", needed=False)
    monkeypatch.setattr(doctor, "examine", lambda: [row])
    assert main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "examine", lambda: [doctor.Row("x", False, "none", "get it")])
    assert main(["doctor"]) == 1


def test_doctor_lists_weights(tmp_path):
    (tmp_path / "s32.safetensors").write_bytes(bytes(2**20))
    row = doctor._weights(tmp_path)
    assert row.present
    assert row.found == "s32.safetensors (1.0 MiB)"


def test_doctor_says_what_is_fetched_and_how_to_fetch(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    (tmp_path / "downloads/voc2012/VOCdevkit/VOC2012").mkdir(parents=True)
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert "ok       voc2012           fetched (2,000 MB)" in lines
    (row,) = (line for line in lines if line.startswith("absent   vgg19 "))
    assert "not fetched (575 MB) -> " in row
    assert "`python -m d2lhelpers fetch vgg19`" in row


def test_chromium_is_found_on_the_path_or_with_playwright(monkeypatch, tmp_path):
    chromium = tmp_path / "chromium-browser"
    chromium.write_text("#!/bin/sh\n")
    chromium.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.find_chromium() == str(chromium)
    chromium.unlink()
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert doctor.find_chromium() is None


# ---------------------------------------------------------------------------------------------------- run


def test_run_shows_the_traceback_and_ends_with_the_table(course, capsys):
    before = contents(course)
    assert main(["run"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ZeroDivisionError: division by zero" in lines
    header, good, bad = (line.split() for line in lines[-3:])
    assert header == ["chapter", "seconds", "peak", "memory", "claims", "held"]
    assert (good[0], good[3:]) == ("01_good", ["MiB", "1", "of", "1"])
    assert 0 < float(good[1]) < 60
    assert 30 < int(good[2]) < 2000
    assert (bad[0], bad[3:]) == ("02_bad", ["MiB", "0", "of", "0", "FAILED"])
    assert contents(course) == before


def test_run_writes_what_succeeded_and_only_that(course, capsys):
    bad = (course / "notebooks" / "02_bad.ipynb").read_bytes()
    assert main(["run", "--write", "--record"]) == 1
    good = course / "notebooks" / "01_good.ipynb"
    nb = nbformat.read(good, as_version=4)
    assert [cell.execution_count for cell in nb.cells[1:]] == [1]
    assert CLAIM_MIME in nb.cells[1].outputs[0].data
    assert freshness.changes(nb, Package(course), "01_good") == []
    assert (course / "notebooks" / "02_bad.ipynb").read_bytes() == bad
    assert "01_good" in (course / "data/results/chapters.json").read_text()
    assert "02_bad" not in (course / "data/results/chapters.json").read_text()
    assert "[01_good](notebooks/01_good.ipynb)" in (course / "README.md").read_text()
    first = good.read_bytes()
    assert main(["run", "1", "--write"]) == 0
    assert good.read_bytes() == first


@pytest.mark.parametrize(
    ("options", "expected"), [([], "full"), (["--write"], "mini"), (["--record"], "mini")]
)
def test_what_is_kept_is_of_the_mini_tier(course, monkeypatch, options, expected):
    monkeypatch.setenv("D2LHELPERS_DATA", "full")
    seen = []

    def execute(path, on_cell, stills):
        assert stills == ("--write" in options)
        seen.append(os.environ["D2LHELPERS_DATA"])
        return nbformat.read(path, as_version=4), Report(path.stem, 1.0, 0, 0, 0)

    monkeypatch.setattr(command_line, "execute", execute)
    assert main(["run", "1", *options]) == 0
    assert seen == [expected]


def test_run_refuses_an_unknown_chapter(course, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "99"])
    assert stopped.value.code == 2
    assert "01_good, 02_bad" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- normalise


def test_normalise_rewrites_once(tmp_path, capsys):
    path = tmp_path / "x.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", metadata={"collapsed": True})]), path)
    assert main(["normalise", str(path)]) == 1
    assert capsys.readouterr().out == f"normalised {path}\n"
    assert main(["normalise", str(path)]) == 0
    assert capsys.readouterr().out == ""
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["normalise", str(path)]) == 1
    assert b"\r" not in path.read_bytes()


def test_normalise_goes_on_after_a_file_that_is_no_notebook(tmp_path, capsys):
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    nbformat.write(new_notebook(metadata={"x": 1}), good)
    bad.write_text("no notebook")
    assert main(["normalise", str(bad), str(tmp_path / "none.ipynb"), str(good)]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"normalised {good}\n"
    assert "bad.ipynb" in captured.err
    assert "none.ipynb" in captured.err


# --------------------------------------------------------------------------------------------- experiment


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """The only experiment that the command knows, kept in a folder of its own."""
    from d2lhelpers import experiments

    one = experiments.Experiment(
        "coin", "Which side?", {}, {"heads": lambda seed: {"ap": seed / 2}}
    )
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"coin": one})
    monkeypatch.setattr(
        experiments, "run", lambda *given: experiments.runner.run(*given, root=tmp_path)
    )
    monkeypatch.setenv("D2LHELPERS_DATA", "full")
    return tmp_path


def test_experiment_runs_all_seeds_on_the_mini_tier_and_keeps_them(experiment, capsys):
    assert main(["experiment", "coin"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("heads, seed 1: ap 0.5 (")
    assert os.environ["D2LHELPERS_DATA"] == "mini"
    assert [path.name for path in contents(experiment)] == ["coin.json"]


def test_experiment_says_which_there_are(experiment, capsys):
    assert main(["experiment"]) == 0
    assert capsys.readouterr().out == "coin: Which side? (heads)\n"
    assert main(["experiment", "dice"]) == 1
    assert main(["experiment", "coin", "--variants", "edge"]) == 1
    assert "must be one of heads, not 'edge'" in capsys.readouterr().err
    assert not contents(experiment)
