"""Whether a chapter's outputs are as new as what they were made from.

`python -m d2lhelpers run --write` notes in the notebook a hash of its code, of the definitions of the package that
this code uses, of the results and weights that either names, and of the outputs and the stills that came of it. A
change anywhere else leaves the chapter fresh.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from d2lhelpers.uses import Definition, Package, imports

KEY = "d2lhelpers"  # in the notebook's metadata
CELLS, OUTPUTS, STILLS = "its own code", "its outputs", "its stills"
DATA = ("data/results", "data/weights")


def code(nb: NotebookNode) -> str:
    """All code of a notebook, in order."""
    return "\n".join(cell.source for cell in nb.cells if cell.cell_type == "code")


def made_from(nb: NotebookNode, package: Package, chapter: str) -> dict[str, str]:
    """A short hash of everything that the outputs of a notebook depend on, by where it is, and of the outputs.

    Args:
        nb: normalised; its prose does not count.
        package: of the same clone, where the chapter's stills are already.
        chapter: the notebook's file name without its ending.
    Returns:
        For the cells, their outputs and the stills, for each module or subpackage at the top of the package as far as
        it is used, and for each file of results or weights that is named in either.
    """
    text = code(nb)
    tree = ast.parse(text)
    reached = package.reached(package.used_by(tree, imports(tree)))
    parts: dict[str, list[str]] = defaultdict(list)
    for definition in sorted(reached):
        module = ".".join(definition[0].split(".")[:2])
        parts[module].append(f"{'.'.join(definition)}\n{package.shown(definition)}")
    hashes = {name: _short("\n".join(texts).encode()) for name, texts in parts.items()}
    strings = _strings(tree, package, reached)
    hashes |= {
        name: _short(path.read_bytes())
        for name, path in _data_files(package.root).items()
        if path.stem in strings
    }
    outputs = [cell.get("outputs", []) for cell in nb.cells]
    stills = sorted((package.root / "data" / "stills").glob(f"{chapter}*"))
    return {
        CELLS: _short(text.encode()),
        OUTPUTS: _short(json.dumps(outputs, sort_keys=True).encode()),
        STILLS: _short(b"".join(path.read_bytes() for path in stills)),
        **dict(sorted(hashes.items())),
    }


def changes(nb: NotebookNode, package: Package, chapter: str) -> list[str]:
    """What is no longer as it was when the notebook's outputs were made; empty for a fresh one."""
    noted = nb.metadata.get(KEY)
    if not noted:
        return ["no note of what its outputs were made from"]
    now = made_from(nb, package, chapter)
    return sorted(name for name in noted | now if noted.get(name) != now.get(name))


def _data_files(root: Path) -> dict[str, Path]:
    paths = (path for folder in DATA for path in sorted((root / folder).glob("[!.]*")))
    # what the runs of the chapters came to goes into none of them
    return {path.relative_to(root).as_posix(): path for path in paths if path.stem != "chapters"}


def _strings(tree: ast.AST, package: Package, reached: Iterable[Definition]) -> set[str]:
    """All text constants of the code and of what it uses: names of files are among them."""
    return {
        node.value
        for part in _statements(tree, package, reached)
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _statements(
    tree: ast.AST, package: Package, reached: Iterable[Definition]
) -> Iterator[ast.AST]:
    yield tree
    for module, name in reached:
        yield from package.module(module).definitions.get(name, ())


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
