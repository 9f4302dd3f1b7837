"""What the pages are made from: the chapters, what they use of the package, and where that is described."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from d2lhelpers import freshness, record
from d2lhelpers.notebooks import find_chapters
from d2lhelpers.uses import PACKAGE, Definition, Package, imports

NOT_DESCRIBED = ("__main__", "uses")


@dataclass
class Chapter:
    """One notebook.

    Attributes:
        path: of the file.
        nb: its content.
        tree: its code, parsed.
        uses: the definitions of the package that its own code names.
        run: what `record` kept of it, empty when it was never recorded.
    """

    path: Path
    nb: NotebookNode
    tree: ast.Module
    uses: set[Definition]
    run: dict

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def number(self) -> str:
        return self.stem.split("_")[0]

    @property
    def title(self) -> str:
        return record.title(self.nb)

    @property
    def page(self) -> str:
        return f"/chapters/{self.stem}"


@dataclass
class Described:
    """One page of the reference: a module at the top of the package, or a subpackage with what lies in it.

    Attributes:
        name: "d2lhelpers.boxes".
        about: the module's docstring.
        objects: their full names in the order of `__all__`, each with its definition.
    """

    name: str
    about: str
    objects: dict[str, Definition] = field(default_factory=dict)


class Course:
    """A clone of the course, read once for a build."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = Package(root)
        # of each definition that is described, the module and the name to import it by
        self.shortest: dict[Definition, tuple[str, str]] = {}
        for public in exported(self.package, PACKAGE):
            for definition in self.package.resolve((PACKAGE, public)):
                self.shortest[definition] = (PACKAGE, public)

    @cached_property
    def chapters(self) -> list[Chapter]:
        kept = record.results(self.root)
        chapters = []
        for path in find_chapters(root=self.root):
            nb = nbformat.read(path, as_version=4)
            tree = ast.parse(freshness.code(nb))
            uses = self.package.used_by(tree, imports(tree))
            chapters.append(Chapter(path, nb, tree, uses, kept.get(path.stem, {})))
        return chapters

    @cached_property
    def described(self) -> list[Described]:
        """The pages of the reference, by name."""
        pages = []
        for path in sorted((self.root / PACKAGE).iterdir()):
            name = path.stem
            if name.startswith("_") or name in NOT_DESCRIBED:
                continue
            if path.suffix == ".py" or (path / "__init__.py").exists():
                pages.append(self._page(f"{PACKAGE}.{name}", path))
        return [page for page in pages if page.objects]

    def _page(self, name: str, path: Path) -> Described:
        module = self.package.module(name)
        page = Described(name, ast.get_docstring(ast.parse(module.source)) or "")
        below = sorted(path.glob("[!_]*.py")) if path.is_dir() else []
        names = [name, *(f"{name}.{file.stem}" for file in below)]
        for one in names:
            for public in exported(self.package, one, inner=one != name):
                for definition in self.package.resolve((one, public)):
                    # the exercises have a table of their own
                    if name == f"{PACKAGE}.check" and not self.package.is_code(definition):
                        continue
                    page.objects[".".join(definition)] = definition
                    self.shortest.setdefault(definition, (one, public))
        return page

    @cached_property
    def public_names(self) -> dict[Definition, str]:
        """The full name of each definition that is described."""
        return {one: name for page in self.described for name, one in page.objects.items()}

    @cached_property
    def used_in(self) -> dict[Definition, list[Chapter]]:
        """The chapters whose code names a definition, in order."""
        found = defaultdict(list)
        for chapter in self.chapters:
            for definition in chapter.uses:
                found[definition].append(chapter)
        return found

    @cached_property
    def _reached(self) -> dict[str, set[Definition]]:
        return {chapter.number: self.package.reached(chapter.uses) for chapter in self.chapters}

    def behind(self, definition: Definition) -> list[str]:
        """The numbers of the chapters that use a definition through others only."""
        return [number for number, reached in self._reached.items() if definition in reached]

    def chapter(self, number: str) -> Chapter | None:
        return next((chapter for chapter in self.chapters if chapter.number == number), None)


def exported(package: Package, name: str, inner: bool = False) -> list[str]:
    """The public names of a module: its `__all__`, else the functions and classes without a leading underscore.

    An inner module of a subpackage that has no `__all__` is nobody's but the subpackage's.
    """
    module = package.module(name)
    for statement in ast.parse(module.source).body:
        targets = getattr(statement, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return ast.literal_eval(statement.value)
    if module.lazy:
        return sorted(module.imports)
    return [
        public
        for public in module.definitions
        if not inner and not public.startswith("_") and package.is_code((name, public))
    ]
