"""The ways to set the course up (pyproject.toml, requirements.txt, environment.yml, .ci/run) agree."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib.metadata import requires

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from d2lhelpers.notebooks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
BUILD = "uv run --group docs sphinx-build -W -j auto docs site"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def parse(lines):
    """name -> requirement; a package that is pinned for several Pythons keeps those for the running one."""
    found = map(Requirement, lines)
    return {canonicalize_name(r.name): r for r in found if r.marker is None or r.marker.evaluate()}


RUNTIME = parse(PROJECT["project"]["dependencies"])
DEVELOPMENT = parse(PROJECT["dependency-groups"]["dev"])
DOCS = parse(PROJECT["dependency-groups"]["docs"])
DIRECT = RUNTIME | DEVELOPMENT | DOCS
CONSTRAINTS = parse(PROJECT["tool"]["uv"]["constraint-dependencies"])
PIP_LINES = next(entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))
PIP = parse(line for line in PIP_LINES if line != "-e .")
REQUIREMENTS_LINES = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
REQUIREMENTS = parse(
    line for line in REQUIREMENTS_LINES if line and not line.lstrip().startswith("#")
)


def lowest(requirement):
    """The lowest version that a requirement admits, None without a lower bound."""
    bounds = [
        Version(s.version.removesuffix(".*"))
        for s in requirement.specifier
        if s.operator in (">=", "==")
    ]
    return max(bounds, default=None)


def pinned(requirement):
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return Version(specifier.version)


# ---------------------------------------------------------------------------------------- pyproject.toml


@pytest.mark.parametrize("requirement", DIRECT.values(), ids=lambda r: r.name)
def test_every_direct_dependency_has_a_lower_bound(requirement):
    assert lowest(requirement) is not None


def test_the_known_good_set_pins_every_direct_dependency_within_its_bounds():
    assert CONSTRAINTS.keys() == DIRECT.keys()
    for name, requirement in DIRECT.items():
        assert requirement.specifier.contains(pinned(CONSTRAINTS[name])), name


def test_each_pin_of_d2l_is_lifted_for_uv():
    lifted = {
        canonicalize_name(Requirement(line).name)
        for line in PROJECT["tool"]["uv"]["override-dependencies"]
    }
    assert lifted == parse(requires("d2l")).keys()


# -------------------------------------------------------------------------------------- requirements.txt


def test_requirements_txt_is_what_uv_exports_and_names_no_place():
    assert REQUIREMENTS_LINES[1] == "#    uv export --no-hashes --no-emit-project"
    text = "\n".join(REQUIREMENTS_LINES)
    for word in ("://", "--hash", "--index", "--find-links", "file:", " @ ", "-e "):
        assert word not in text


def test_requirements_txt_holds_the_known_good_set_and_nothing_loose():
    for name, requirement in REQUIREMENTS.items():
        pinned(requirement)
        if name in CONSTRAINTS:
            assert requirement.specifier == CONSTRAINTS[name].specifier
    assert CONSTRAINTS.keys() <= REQUIREMENTS.keys()


# --------------------------------------------------------------------------------------- environment.yml


def test_environment_yml_is_complete_and_conda_can_read_it():
    assert CONDA.keys() == {"name", "channels", "dependencies"}
    specs = [rattler.MatchSpec(entry) for entry in CONDA["dependencies"] if isinstance(entry, str)]
    assert [spec.name.normalized for spec in specs] == ["python", "pip"]
    assert str(specs[0].version) == "3.11.*"
    assert PIP_LINES[-1] == "-e .", (
        "the package itself, and with it all dependencies that are not named"
    )
    assert DEVELOPMENT.keys() | DOCS.keys() <= PIP.keys()


def test_environment_yml_honours_the_pins_of_d2l():
    for name, requirement in parse(requires("d2l")).items():
        assert PIP[name].specifier == requirement.specifier, name


def test_environment_yml_stays_within_pyproject():
    extra = PIP.keys() - DIRECT.keys() - parse(requires("d2l")).keys()
    assert not extra, f"in environment.yml only: {extra}"
    for name in PIP.keys() & DIRECT.keys():
        bound = lowest(PIP[name])
        # the oldest version that environment.yml admits; one that says 0.24.* starts at 0.24
        assert bound >= lowest(DIRECT[name]), name
    for name in ("torch", "torchvision", "d2l"):
        assert PIP[name].specifier == CONSTRAINTS[name].specifier


# ------------------------------------------------------------------------------------- commands and CI


def code_lines(readme):
    """The lines of README's fenced code."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]


def test_readme_shows_both_commands_and_ci_runs_the_test_command():
    shown = code_lines((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"uv run jupyter lab notebooks", "uv run pytest", BUILD} <= set(shown)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").rstrip().splitlines()
    assert script[-1] == "uv run pytest"


def test_ci_run_is_an_executable_script_that_bash_can_read():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights_and_pinned_actions(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_workflows_cover_both_pythons_the_pins_a_required_gpu_and_the_web_page():
    ci, docs, gpu = (yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"] for path in WORKFLOWS)
    oldest, newest = re.fullmatch(
        r">=(3\.\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]
    ).groups()
    assert ci["test"]["strategy"]["matrix"]["python"] == [oldest, f"3.{int(newest) - 1}"]
    assert ci["pins"]["steps"][1]["with"]["environment-file"] == "environment.yml"
    assert gpu["test"]["env"]["D2LHELPERS_REQUIRE_GPU"] == "1"
    assert gpu["test"]["steps"][-1]["run"] == "uv run pytest"
    assert BUILD in [step.get("run") for step in docs["build"]["steps"]]
    assert docs["publish"]["needs"] == "build"
    assert set(docs["publish"]["permissions"]) == {"pages", "id-token"}


def test_pre_commit_fetches_nothing():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith("uv run ")


def test_pytest_takes_the_notebooks_by_nbval_with_a_time_limit():
    options = PROJECT["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests", "notebooks"]
    assert {"--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"} <= set(
        options["addopts"]
    )


def test_a_gpu_that_is_asked_for_and_missing_stops_pytest(tmp_path):
    shutil.copytree(ROOT / "tests" / "network_guard", tmp_path / "tests" / "network_guard")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    env = {**os.environ, "D2LHELPERS_REQUIRE_GPU": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        capture_output=True, text=True, timeout=120, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: D2LHELPERS_REQUIRE_GPU=1 asks for a GPU" in done.stderr
