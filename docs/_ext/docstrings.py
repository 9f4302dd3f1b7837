"""The package's docstrings as Sphinx reads them: code spans, sources, and the chapters that teach a thing.

They are written for people, in Markdown's `code` rather than reStructuredText. A span that names something of the
package becomes a link to it.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from _ext.course import Course
from d2lhelpers.uses import PACKAGE, Definition

NUMBER = re.compile(r"\d\d")


def in_markdown(text: str) -> str:
    """A module's docstring for a page in Markdown: only characters that Markdown would take for its own are escaped."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<\[|])", r"\\\1", part) for part in parts
    )


def process(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Rewrite one docstring in place, before napoleon reads its sections."""
    course: Course = app.course
    text, source, taught = _split("\n".join(lines))
    lines[:] = _in_rst(text, name, course).splitlines()
    if what == "data":
        lines[:] = []  # those of its type
    definition = tuple(name.rsplit(".", 1))
    fields = []
    if definition in course.shortest:
        fields.append(":Import: ``from {} import {}``".format(*course.shortest[definition]))
    if source:
        fields.append(f":Source: {_in_rst(source, name, course)}")
    if taught:
        fields.append(f":Taught in: {_chapters(taught, course)}")
    users = [c.number for c in course.used_in.get(definition, ()) if c.number not in taught]
    if users:
        fields.append(f":{'Also used' if taught else 'Used'} in: {_chapters(users, course)}")
    elif not taught and (behind := course.behind(definition)):
        fields.append(f":Works behind: {_chapters(behind, course)}")
    if fields:
        lines += ["", *fields, ""]


def _split(text: str) -> tuple[str, str, list[str]]:
    """The docstring, its source, and the numbers of the chapters that teach it."""
    text = text.rstrip()
    taught: list[str] = []
    if found := re.search(r"\s*Taught in\s+chapters? ([\d, and]+)\.?$", text):
        taught, text = NUMBER.findall(found[1]), text[: found.start()]
    source = ""
    if found := re.search(r"^Source: (.*)\Z", text, re.M | re.S):
        source, text = " ".join(found[1].split()), text[: found.start()]
    return text, source, taught


def _chapters(numbers: list[str], course: Course) -> str:
    """Links to chapters.

    Raises:
        ExtensionError: there is no such chapter.
    """
    found = [course.chapter(number) for number in numbers]
    if None in found:
        raise ExtensionError(f"a docstring names chapters {numbers}, and they are not all there")
    return ", ".join(
        f":doc:`{chapter.number} {chapter.title} <{chapter.page}>`" for chapter in found
    )


def _in_rst(text: str, name: str, course: Course) -> str:
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(
        _span(part, name, course) if part.startswith("`") else _escaped(part) for part in parts
    )


def _escaped(text: str) -> str:
    """Text in which reStructuredText finds nothing to emphasise or to refer to. Napoleon minds *args itself."""
    return re.sub(r"(?<=\w)_(?!\w)|\*(?!\w+:)|\|", lambda found: "\\" + found[0], text)


def _span(span: str, name: str, course: Course) -> str:
    code = span.strip("`")
    target = code.removesuffix("()")
    if re.fullmatch(r"[\w.]+", target):
        for place in (name.rsplit(".", 1)[0], name.rsplit(".", 2)[0], PACKAGE):
            for definition in _named(course, (place, *target.split("."))):
                full = course.public_names.get(definition)
                if full and full != name:
                    return f":py:obj:`{target} <{full}>`"
    return f"``{code}``"


def _named(course: Course, target: tuple[str, ...]) -> set[Definition]:
    """The one definition that a name in a module stands for; empty for a whole module."""
    found = course.package.resolve(target)
    return found if len(found) == 1 else set()


def name_only(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, words: nodes.Element
) -> nodes.Element | None:
    """An annotation may name what is in the package and described nowhere: it is no link, and no fault."""
    *module, name = node.get("reftarget", "").split(".")
    return words if app.course.package.resolve((".".join(module), name)) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("missing-reference", name_only)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
