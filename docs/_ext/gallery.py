"""The chapters as pictures for the landing page and as a list for the side bar; the guide for teachers."""

from __future__ import annotations

import re
from pathlib import Path

from _ext.course import Chapter, Course
from d2lhelpers import record

CONTENTS = """```{{toctree}}
:caption: Chapters
:hidden:

{entries}
```
"""
CARD = """::::{{container}} card
[![{alt}](/generated/thumbnails/{chapter.stem}.jpg)]({chapter.page}.ipynb)

[{chapter.number}]{{.number}} [{chapter.title}]({chapter.page}.ipynb)

[{about}]{{.fact}}
::::
"""


def gallery(course: Course) -> str:
    """Markdown: a card a chapter, with the figure of the cell that is tagged `thumbnail`."""
    cards = [_card(chapter) for chapter in course.chapters]
    return ":::::{container} gallery\n" + "\n".join(cards) + "\n:::::\n"


def _card(chapter: Chapter) -> str:
    _, alt = record.thumbnail(chapter.nb)
    run = chapter.run
    about = f"{run['seconds']:.0f} s · {run['peak_mib'] / 1024:.1f} GiB" if run else ""
    return CARD.format(alt=alt.replace("]", r"\]"), chapter=chapter, about=about)


def contents(course: Course) -> str:
    """Markdown: the chapters in order, for the side bar."""
    entries = "\n".join(f"{c.number} {c.title} <{c.page}>" for c in course.chapters)
    return CONTENTS.format(entries=entries)


def teachers(guide: Path) -> str:
    """Markdown: the guide for teachers, its links to files of the repository as plain text."""
    text = guide.read_text(encoding="utf-8")
    # what is no page of the site cannot be a link on it
    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)[^)]+\)", r"\1", text)
