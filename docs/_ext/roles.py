"""The roles of the hand-written pages: `guard` names a test, which must exist; `chapter` links to a chapter."""

from __future__ import annotations

import ast
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxRole


def exists(root: Path, test: str) -> bool:
    """Whether `tests/test_x.py::TestY::test_z` (or without a class) is in the repository."""
    file, *names = test.split("::")
    path = root / file
    if not path.is_file() or not names:
        return False
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for name in names:
        found = [node for node in body if getattr(node, "name", None) == name]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return names[-1].startswith("test_")


class Guard(SphinxRole):
    """Shows the test's words and its file."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if not exists(Path(self.config.course_root), self.text):
            raise ExtensionError(f"{self.env.docname} names a test that is not there: {self.text}")
        file, *names = self.text.split("::")
        words = nodes.inline("", names[-1].removeprefix("test_").replace("_", " ") + " ")
        where = nodes.literal("", file.removeprefix("tests/"), classes=["guard"])
        return [nodes.inline(self.rawtext, "", words, where)], []


class ChapterLink(SphinxRole):
    """A chapter by its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        chapter = self.env.app.course.chapter(self.text)
        if chapter is None:
            raise ExtensionError(
                f"{self.env.docname} names chapter {self.text}, which is not there"
            )
        words = nodes.inline(self.rawtext, f"chapter {self.text}")
        link = addnodes.pending_xref(
            "", words, refdomain="std", reftype="doc", reftarget=chapter.page, refexplicit=True,
            refwarn=True, refdoc=self.env.docname,
        )  # fmt: skip
        return [link], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("guard", Guard())
    app.add_role("chapter", ChapterLink())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
