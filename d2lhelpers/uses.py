"""Which definitions of the package a piece of code uses, by reading it: nothing is imported or run.

A definition is a function, a class or an assignment at the top of a module. What is said of a name is said too
broadly rather than too narrowly: a module that is handed on as a whole counts with all that is in it.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

PACKAGE = "d2lhelpers"

# "" as the name of a definition: what a module does when it is imported, other than to define something
Definition = tuple[str, str]


@dataclass
class Module:
    """One file of the package, read.

    Attributes:
        name: "d2lhelpers.boxes".
        source: its text.
        definitions: the statements that make each name; "" has those that make none.
        imports: what a name imported from the package stands for: a module, or a name in a module.
        lazy: whether these are the names that it gives away, by `lazy_loader`.
    """

    name: str
    source: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lazy: bool = False

    def __post_init__(self) -> None:
        tree = ast.parse(self.source)
        self.imports = imports(tree)
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue  # the module's docstring
            if attached := _lazily_attached(statement):
                self.lazy = True
                self.imports |= {name: (f"{self.name}.{part}", name) for part, name in attached}
                continue
            for name in _bound(statement) or [""]:
                self.definitions.setdefault(name, []).append(statement)
        self.definitions.pop("__all__", None)

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines(keepends=True)


class Package:
    """The package in a clone, its files read when they are first asked for.

    Args:
        root: of the clone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._modules: dict[str, Module | None] = {}
        self._known: dict[Definition, set[Definition]] = {}

    def path(self, module: str) -> Path | None:
        """The file of a module, None when there is no such module."""
        base = self.root.joinpath(*module.split("."))
        return next(filter(Path.is_file, (base.with_suffix(".py"), base / "__init__.py")), None)

    def module(self, name: str) -> Module | None:
        """None when there is no such module."""
        if name not in self._modules:
            path = self.path(name)
            self._modules[name] = path and Module(name, path.read_text(encoding="utf-8"))
        return self._modules[name]

    def used_by(
        self, tree: ast.AST, names: dict[str, tuple[str, ...]], own: str = ""
    ) -> set[Definition]:
        """The definitions that a piece of code names.

        Args:
            tree: the code.
            names: what the names that it imported stand for, see `imports`.
            own: the module that it is part of, whose definitions it names without an import.
        """
        found = set()
        module = self.module(own) if own else None
        for chain in _chains(tree):
            if chain[0] in names:
                found |= self.resolve((*names[chain[0]], *chain[1:]))
            elif module and chain[0] in module.definitions:
                found.add((own, chain[0]))
        return found

    def resolve(self, target: tuple[str, ...]) -> set[Definition]:
        """Follow (module, name, name, ...) to where the thing is defined.

        All of a module where no name is given, or one that stands in it and is not understood.
        """
        name, *rest = target
        module = self.module(name)
        if module is None:
            return set()
        everything = {(name, definition) for definition in module.definitions} | {(name, "")}
        if not rest:
            return everything
        if rest[0] in module.definitions:
            return {(name, rest[0])}
        if rest[0] in module.imports:
            further = (*module.imports[rest[0]], *rest[1:])
            # a package's __init__ may import from a module of the same name as the function
            return self.resolve(further) if further[:2] != (name, rest[0]) else set()
        return self.resolve((f"{name}.{rest[0]}", *rest[1:])) or everything

    def reached(self, start: Iterable[Definition]) -> set[Definition]:
        """`start` and all that it uses, directly or through others."""
        found: set[Definition] = set()
        waiting = set(start)
        while waiting:
            name, definition = waiting.pop()
            found.add((name, definition))
            waiting |= self._uses(name, definition) - found
        return found

    def is_code(self, definition: Definition) -> bool:
        """Whether it is a function or a class."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        statements = self.module(definition[0]).definitions[definition[1]]
        return isinstance(statements[0], kinds)

    def shown(self, definition: Definition) -> str:
        """The text of a definition, as `as_shown` gives it."""
        module = self.module(definition[0])
        parts = []
        for statement in module.definitions.get(definition[1], ()):
            decorators = getattr(statement, "decorator_list", [])
            first = min(node.lineno for node in (statement, *decorators))
            parts.append(as_shown("".join(module.lines[first - 1 : statement.end_lineno])))
        return "".join(parts)

    def _uses(self, name: str, definition: str) -> set[Definition]:
        """What one definition uses. What its module does on import belongs to it."""
        if (name, definition) not in self._known:
            module = self.module(name)
            found = {(name, "")} if "" in module.definitions else set()
            for statement in module.definitions.get(definition, ()):
                found |= self.used_by(statement, module.imports, name)
            self._known[name, definition] = found
        return self._known[name, definition]


def as_shown(code: str) -> str:
    """The source of one definition as a chapter shows it: all but what follows the first line of its docstring."""
    (top, *_) = ast.parse(textwrap.dedent(code)).body
    documented = isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if not documented or ast.get_docstring(top) is None:
        return code
    docstring = top.body[0]
    if docstring.end_lineno == docstring.lineno:
        return code
    lines = code.splitlines(keepends=True)
    lines[docstring.lineno - 1] = lines[docstring.lineno - 1].rstrip() + '"""\n'
    return "".join(lines[: docstring.lineno] + lines[docstring.end_lineno :])


def imports(tree: ast.AST) -> dict[str, tuple[str, ...]]:
    """What each name that a piece of code imports from the package stands for: (module,) or (module, name)."""
    found: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    found[alias.asname or PACKAGE] = (alias.name if alias.asname else PACKAGE,)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return found


def _lazily_attached(statement: ast.stmt) -> list[tuple[str, str]]:
    """(submodule, name) of each name that `lazy_loader.attach` makes a package's own; nothing for other code."""
    call = getattr(statement, "value", None)
    if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "lazy_loader.attach"):
        return []
    names = {word.arg: word.value for word in call.keywords}["submod_attrs"]
    return [(part, name) for part, several in ast.literal_eval(names).items() for name in several]


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module makes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    # the names of a comprehension on the right are its own
    sides = getattr(statement, "targets", None) or [getattr(statement, "target", statement)]
    return [
        node.id
        for side in sides
        for node in ast.walk(side)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _chains(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Each name that is read, with the attributes after it: `plot.show(x)` gives ("plot", "show") and ("x",)."""
    attributes: list[str] = []
    node = tree
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        yield (node.id, *attributes)
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)
