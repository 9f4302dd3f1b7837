"""A course on disk, as nbgrader lays it out, and the way to nbgrader's own commands."""

import os
import secrets
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_core.paths import jupyter_config_path
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config, PyFileConfigLoader

from d2lhelpers.classroom.cells import grade_id, role
from d2lhelpers.classroom.repair import MAX_BYTES
from d2lhelpers.classroom.variants import SEED_VARIABLE, variant_of
from d2lhelpers.files import ROOT, write_bytes

CONFIG = "nbgrader_config.py"


@dataclass(frozen=True)
class Course:
    """A course folder.

    Attributes:
        root: the folder with `nbgrader_config.py` and `source`.
    """

    root: Path

    def __post_init__(self) -> None:
        if not (self.root / CONFIG).is_file():
            raise FileNotFoundError(
                f"root must be a course folder, with {CONFIG} in it, got {self.root}: "
                "go to `assignments`, or name it with --course"
            )
        # nbgrader calls `alembic` by its name, which is there only in an environment that is activated
        scripts = sysconfig.get_path("scripts")
        if scripts not in os.environ.get("PATH", "").split(os.pathsep):
            os.environ["PATH"] = os.pathsep.join(filter(None, [scripts, os.environ.get("PATH")]))

    @property
    def seed(self) -> str:
        """The course's secret, made at the first use. Whoever has the file can make the same variants again."""
        path = self.root / "course_seed"
        if not path.exists():
            write_bytes(secrets.token_hex(16).encode(), path)
            path.chmod(0o600)
        return path.read_text(encoding="utf-8").strip()

    def config(self, assignment: str) -> Config:
        """nbgrader's configuration: the machine's and the user's files, the course's, and what none of them knows."""
        config = Config()
        for folder in [*reversed(jupyter_config_path()), str(self.root)]:
            if Path(folder, CONFIG).is_file():
                config.merge(PyFileConfigLoader(CONFIG, path=folder).load_config())
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.assignment_id = assignment
        config.FillVariant.variant = variant_of(self.seed, assignment)
        config.UseExecution.folder = str(self.executed)
        return config

    def api(self, assignment: str, submitted: str = "submitted") -> NbGraderAPI:
        """nbgrader's commands.

        Args:
            submitted: the folder that it takes submissions from.
        """
        config = self.config(assignment)
        config.CourseDirectory.submitted_directory = submitted
        return NbGraderAPI(CourseDirectory(config=config), config=config)

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        directory = CourseDirectory(config=self.config(""))
        with Gradebook(directory.db_url, directory.course_id) as gradebook:
            yield gradebook

    @contextmanager
    def hidden_cases(self) -> Iterator[None]:
        """With the seed of the hidden cases at hand, for the grader's own process."""
        before = os.environ.get(SEED_VARIABLE)
        os.environ[SEED_VARIABLE] = self.seed
        try:
            yield
        finally:
            if before is None:
                del os.environ[SEED_VARIABLE]
            else:
                os.environ[SEED_VARIABLE] = before

    # -------------------------------------------------------------------------------------------------- files

    @property
    def executed(self) -> Path:
        """The folder of notebooks as the sandbox ran them."""
        return self.root / "executed"

    def source(self, assignment: str) -> Path:
        return self._notebook(self.root / "source" / assignment, assignment)

    def released(self, assignment: str, student: str = "") -> Path:
        """The notebook that was handed out, to all or to one student."""
        own = self.root / "release_each" / student / assignment / f"{assignment}.ipynb"
        if student and own.is_file():
            return own
        return self._notebook(self.root / "release" / assignment, assignment)

    def submitted(self, assignment: str, student: str) -> Path:
        return self.root / "submitted" / student / assignment / f"{assignment}.ipynb"

    def artefact(self, assignment: str) -> str:
        """The name of the file that is handed in beside the notebook; empty where there is none."""
        path = self.root / "release" / assignment / f"{assignment}.ipynb"
        if not path.is_file():
            return ""
        return read_notebook(path).metadata.get("d2lhelpers", {}).get("artefact", "")

    def handed_in(self, assignment: str, student: str) -> bytes | None:
        """The content of the file beside a student's notebook; None where there is none.

        Of one that is larger than any submission may be, no more than it takes to tell.
        """
        name = self.artefact(assignment)
        path = self.submitted(assignment, student).with_name(name) if name else None
        if path is None or not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)

    def submissions(self, assignment: str) -> list[str]:
        """The students of whom there is something, by name."""
        return sorted(
            path.parent.name
            for path in self.root.glob(f"submitted/*/{assignment}")
            if path.is_dir()
        )

    def secrets(self) -> tuple[str, ...]:
        """What no submission may see."""
        kept = ("source", "submitted", "autograded", "feedback", "executed", "release_each", "reports",
                "gradebook.db", "course_seed")  # fmt: skip
        # and the course's own instructor's notebooks, where this course is a copy, also as git keeps them
        own = (str(ROOT / "assignments" / "source"), str(ROOT / ".git"))
        return (*(str(self.root / name) for name in kept), *own)

    def locked_cells(self, assignment: str) -> dict[str, str]:
        """The text of each locked cell, hidden tests and all, as the gradebook keeps it since the release."""
        with self.gradebook() as gradebook:
            notebook = gradebook.find_notebook(assignment, assignment)
            return {cell.name: cell.source for cell in notebook.source_cells if cell.locked}

    def points(self, assignment: str) -> dict[str, float]:
        """The points of each graded cell, by its name, in the notebook's order."""
        cells = read_notebook(self.released(assignment)).cells
        return {
            grade_id(cell): float(role(cell)["points"]) for cell in cells if role(cell).get("grade")
        }

    def _notebook(self, folder: Path, assignment: str) -> Path:
        path = folder / f"{assignment}.ipynb"
        if not path.is_file():
            there = sorted(p.name for p in folder.parent.glob("*") if p.is_dir())
            raise FileNotFoundError(f"there is no {path}; there are: {', '.join(there) or 'none'}")
        return path


def read_notebook(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)
