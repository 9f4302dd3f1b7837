"""The reference: a page for each topic of the package, its objects described by their docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from _ext.course import Course, Described
from _ext.docstrings import in_markdown
from _ext.exercises import Checks
from d2lhelpers.uses import PACKAGE, Definition, Package

INDEX = """# Reference

What the chapters share: small modules, one topic each, tested against torchvision, PyTorch or a plain loop. Each
function says which chapter teaches it and links to its source. Functions that *Dive into Deep Learning* has keep its
name, arguments and result; [what d2l gets wrong](/faults.md) is right here.

| module | holds |
|---|---|
{rows}

```{{toctree}}
:hidden:
{names}
```
"""
PAGE = """# {title}

```{{eval-rst}}
.. py:module:: {name}
```

{about}

{body}
"""


def pages(course: Course, checks: Checks) -> Iterator[tuple[str, str]]:
    """The name and the Markdown of each page, the index first."""
    rows = "\n".join(
        f"| [{page.name.split('.')[1]}]({page.name.split('.')[1]}.md) "
        f"| {in_markdown(page.about.split(chr(10))[0])} |"
        for page in course.described
    )
    names = "\n".join(page.name.split(".")[1] for page in course.described)
    yield "index", INDEX.format(rows=rows, names=names)
    for page in course.described:
        title = page.name.split(".")[1]
        body = _body(page, course.package)
        if page.name == f"{PACKAGE}.check":
            body = f"{checks.table(_set_in(course))}\n\n{body}"
        about = in_markdown(page.about)
        yield title, PAGE.format(title=title, name=page.name, about=about, body=body)


def _body(page: Described, package: Package) -> str:
    """The directives that describe the objects, a section for each module that they come from."""
    groups: dict[str, list[tuple[str, Definition]]] = defaultdict(list)
    for public, definition in page.objects.items():
        groups[public.rsplit(".", 1)[0]].append((public, definition))
    parts = []
    for module, objects in groups.items():
        if module != page.name:
            title = module.removeprefix(f"{page.name}.")
            parts.append(f"## {title}\n\n```{{eval-rst}}\n.. py:module:: {module}\n```\n")
        parts += [_directive(public, definition, package) for public, definition in objects]
    return "\n".join(parts)


def _directive(public: str, definition: Definition, package: Package) -> str:
    statement = package.module(definition[0]).definitions[definition[1]][0]
    options = ""
    if isinstance(statement, ast.ClassDef):
        kind, options = "autoclass", "\n   :members:\n   :show-inheritance:"
    elif package.is_code(definition):
        kind = "autofunction"
    else:
        kind, options = "autodata", "\n   :no-value:"
    return f"```{{eval-rst}}\n.. {kind}:: {public}{options}\n```\n"


def _set_in(course: Course) -> dict[str, list[str]]:
    """Links to the chapters that set an exercise, by its name."""
    found = defaultdict(list)
    for definition, chapters in course.used_in.items():
        if definition[0].startswith(f"{PACKAGE}.check."):
            found[definition[1]] = [f"[{c.number}]({c.page}.ipynb)" for c in chapters]
    return found
