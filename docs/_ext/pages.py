"""All pages that are not written by hand, made before Sphinx looks for pages."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx

from _ext import chapters, gallery
from _ext.course import Course
from _ext.staging import Stage
from d2lhelpers import notebooks, record

THUMBNAIL_WIDTH = 640
TEACHERS = Path("assignments") / "README.md"


def make(app: Sphinx) -> None:
    """Write the generated pages into the source folder, and leave the course in `app`.

    Raises:
        ExtensionError: a chapter that cannot be shown, see `chapters`.
    """
    course = Course(Path(app.config.course_root))
    chapters.refuse_stale(course)
    # not at the top: a stale chapter is named before torch is loaded, which takes most of the time till then
    from _ext import reference, tables
    from _ext.exercises import Checks

    checks = Checks()
    stage = Stage(Path(app.srcdir))
    for chapter in course.chapters:
        nb = chapters.page(chapter, course, checks)
        stage.write(f"chapters/{chapter.path.name}", notebooks.serialise(nb))
        stage.write(f"generated/notebooks/{chapter.path.name}", chapter.path.read_bytes())
        picture, _ = record.thumbnail(chapter.nb, THUMBNAIL_WIDTH)
        stage.write(f"generated/thumbnails/{chapter.stem}.jpg", picture)
    stage.write("generated/contents.md", gallery.contents(course))
    stage.write("generated/gallery.md", gallery.gallery(course))
    banner = course.root / "data" / "banner.jpg"
    stage.write("generated/banner.jpg", banner.read_bytes())
    stage.write("generated/results.md", tables.results(course))
    for name, text in reference.pages(course, checks):
        stage.write(f"api/{name}.md", text)
    guide = course.root / TEACHERS
    stage.write("teachers/index.md", gallery.teachers(guide))
    stage.prune("chapters", "generated", "api", "teachers")
    app.course = course  # for `docstrings`; not in `env`, which Sphinx writes to disk


def copy_stills(app: Sphinx, exception: Exception | None) -> None:
    """Put the stills where the chapters' HTML asks for them, which Sphinx does not read."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "chapters" / "stills"
        target.mkdir(parents=True, exist_ok=True)
        for path in (Path(app.config.course_root) / "data" / "stills").glob("*.webp"):
            shutil.copy(path, target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("course_root", "", "env")
    app.connect("builder-inited", make)
    app.connect("build-finished", copy_stills, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
