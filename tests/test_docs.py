"""The modules in `docs/_ext` that make the web page, each by itself; `test_site.py` builds it and opens it."""

import ast
import shutil
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sphinx.errors import ExtensionError

from d2lhelpers import CLAIM_MIME, freshness
from d2lhelpers.files import ROOT
from d2lhelpers.notebooks import find_chapters
from d2lhelpers.uses import Package

sys.path.insert(0, str(ROOT / "docs"))
from _ext import (
    chapters,
    docstrings,
    gallery,
    mathjax,
    players,
    roles,
    site_checks,
    staging,
    tables,
)
from _ext.course import Chapter, Course


@pytest.fixture(scope="module")
def course():
    return Course(ROOT)


# ----------------------------------------------------------------------------------------------- the course


def test_each_chapter_is_there_in_order(course):
    assert [chapter.path for chapter in course.chapters] == find_chapters()
    assert course.chapter("04").title == "Anchor boxes"
    assert course.chapter("99") is None


def test_every_function_that_a_chapter_uses_is_described(course):
    for chapter in course.chapters:
        text = chapters.functions(chapter, course)
        assert "`claim <d2lhelpers.lesson.claim>`" in text
        assert "{doc}`plot </api/plot>`" in text


def test_a_function_is_found_where_it_is_defined_and_imported_by_its_shortest_name(course):
    definition = ("d2lhelpers.detection.suppression", "nms")
    assert course.public_names[definition] == "d2lhelpers.detection.suppression.nms"
    assert course.shortest[definition] == ("d2lhelpers", "nms")
    assert "04" in [chapter.number for chapter in course.used_in[definition]]


# ---------------------------------------------------------------------------------------------- stale or not


@pytest.fixture
def copy(tmp_path):
    """A clone with two chapters, noted as fresh."""
    shutil.copytree(ROOT / "d2lhelpers", tmp_path / "d2lhelpers")
    package = Package(tmp_path)
    for path in find_chapters(["04", "09"]):
        nb = nbformat.read(path, as_version=4)
        nb.metadata[freshness.KEY] = freshness.made_from(nb, package, path.stem)
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(nb, tmp_path / "notebooks" / path.name)
    chapters.refuse_stale(Course(tmp_path))
    return tmp_path


def test_an_edit_of_one_function_is_refused_and_names_the_chapter(copy):
    path = copy / "d2lhelpers" / "anchors.py"
    text = path.read_text()
    path.write_text(text.replace("def offset_boxes(", "def offset_boxes(  # edited\n    ", 1))
    with pytest.raises(
        ExtensionError, match=r"04_anchor_boxes is older than: d2lhelpers.anchors"
    ) as told:
        chapters.refuse_stale(Course(copy))
    assert "09" not in str(told.value)
    assert "python -m d2lhelpers run --write" in str(told.value)


def test_an_error_among_the_outputs_is_refused(copy):
    (path,) = find_chapters(["09"], copy)
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]
    nbformat.write(nb, path)
    with pytest.raises(
        ExtensionError, match="09_transposed_convolution shows an error, ValueError"
    ):
        chapters.refuse_stale(Course(copy))


# ------------------------------------------------------------------------------------------ a chapter's page


class Checks:
    """In place of the exercises, whose package loads torch."""

    def folded(self, name):
        return f"hints of {name}"


def notebook(*cells):
    return new_notebook(cells=[new_markdown_cell("# Title\n\nText."), *cells])


def chapter_of(nb, folder, run=None):
    return Chapter(folder / "04_x.ipynb", nb, ast.parse(freshness.code(nb)), set(), run or {})


def shown(nb, tmp_path, course):
    chapter = chapter_of(nb, tmp_path)
    small = SimpleNamespace(root=tmp_path, package=course.package, public_names={})
    return [cell.source for cell in chapters.page(chapter, small, Checks()).cells]


def test_hints_follow_an_exercise_that_is_open_and_its_verdict_goes(tmp_path, course):
    blank = new_output("execute_result", {"text/plain": "○ nms: Not attempted yet"})
    wrong = new_output("execute_result", {"text/plain": "✗ nms: Not right yet"})
    nb = notebook(
        new_code_cell("from d2lhelpers import check"),
        new_code_cell("check.nms(careless)", outputs=[wrong]),
        new_code_cell("check.nms(my_nms)", outputs=[blank]),
    )
    sources = shown(nb, tmp_path, course)
    assert sources[2:5] == ["check.nms(careless)", "check.nms(my_nms)", "hints of nms"]
    assert nb.cells[3].outputs == [blank]  # the notebook itself is left alone


def test_a_widget_without_stills_is_refused(tmp_path, course):
    nb = notebook(new_code_cell("from d2lhelpers.lesson import play\nplay(draw, alt='x')"))
    with pytest.raises(ExtensionError, match=r"run 04 --write"):
        shown(nb, tmp_path, course)


def test_what_a_chapter_cost_stands_below_its_title(course):
    run = {"seconds": 12.6, "cpu_count": 2, "peak_mib": 1536}
    held = new_output("display_data", {CLAIM_MIME: {"holds": True}})
    words = new_output("stream", text="3")
    chapter = chapter_of(notebook(new_code_cell("claim()", outputs=[held, words, held])), ROOT, run)
    line = chapters.facts(chapter)
    for part in ("Chapter 04", "13 s on 2 cores", "1.5 GiB of memory", "2 of 2 claims hold"):
        assert f"[{part}]{{.fact}}" in line
    assert chapters.costs(chapter_of(notebook(), ROOT)) == []


def test_a_player_has_a_slider_for_each_control_and_words():
    still = {
        "controls": [
            {"label": "a<b", "values": ["1", "2"], "start": 1},
            {"label": "c", "values": ["x", "y", "z"], "start": 0},
        ],
        "height": 100,
        "width": 200,
    }
    html = players.player("04_x-1", still, 'A "figure".')
    assert html.count('type="range"') == 2
    assert 'src="stills/04_x-1.webp"' in html
    assert "width=600 height=200" in html
    assert "A &quot;figure&quot;. Stills for a&lt;b 1, 2; c x, y, z." in html
    assert "a<b" not in html
    assert "\n" not in html  # an empty line would end the block of HTML


# --------------------------------------------------------------------------------------------------- the rest


def test_results_are_mean_and_half_the_range():
    assert tables._column([[0.5, 0.6, 0.7], [1.0], []]) == ["0.600 ± 0.100", "1.000 ± 0.000", "–"]
    assert tables._column([[47.05, 63.0], [1.25]]) == ["55.0 ± 8.0", "1.2 ± 0.0"]
    assert tables._column([[835403.0]]) == ["835,403"]


def test_each_experiment_has_a_table_and_its_command(course):
    text = tables.results(course)
    assert text.index("## Detectors") < text.index("## Bananas")
    for name in tables.EXPERIMENTS:
        assert f"d2lhelpers experiment {name}\n" in text
    assert "| Faster R-CNN | 0.89" in text
    bananas = text.partition("## Bananas")[2].partition("## ")[0]
    assert "[06 Single-shot detection](/chapters/06_ssd.ipynb)" in bananas
    assert "02 Fine" not in bananas  # it names a class so, and reads no results


def test_a_table_lies_down_where_it_is_narrower_so():
    few = {"a": {"0": {"ap": 1.0, "ms": 2.0}}, "b": {"0": {"ap": 3.0}}}
    assert tables._table("x", few).splitlines() == [
        "| | AP | ms a picture |",
        "|---|---:|---:|",
        "| a | 1.0 ± 0.0 | 2.0 ± 0.0 |",
        "| b | 3.0 ± 0.0 | – |",
    ]
    many = {"a": {"0": {f"map {k} other": float(k) for k in range(7)}}}
    lines = tables._table("seeing", many).splitlines()
    assert lines[0] == "| | a |"
    assert lines[-1] == "| map 6: share on the other toy | 6.0 ± 0.0 |"


def test_the_gallery_has_a_card_for_each_chapter(course):
    text = gallery.gallery(course)
    for chapter in course.chapters:
        assert f"](/generated/thumbnails/{chapter.stem}.jpg)" in text
        assert f"[{chapter.title}]({chapter.page}.ipynb)" in text


def test_the_guide_for_teachers_has_no_links_to_what_is_no_page(tmp_path):
    guide = tmp_path / "README.md"
    guide.write_text("# Guide\n\n[file](a1/x.ipynb), [site](https://example.org), [below](#b)\n")
    text = gallery.teachers(guide)
    assert text == "# Guide\n\nfile, [site](https://example.org), [below](#b)\n"


def process(course, name, text, what="function"):
    lines = text.splitlines()
    docstrings.process(SimpleNamespace(course=course), what, name, None, None, lines)
    return "\n".join(lines)


def test_docstrings_get_their_source_chapters_and_links(course):
    text = process(
        course,
        "d2lhelpers.boxes.box_center_to_corner",
        "Inverse of `box_corner_to_center`, not of `x2 - x1`, 2**24 times.\n\n"
        "Args:\n    boxes: (N, 4)\nSource: d2l,\n    section 14.3. Taught in chapters 03 and 04.",
    )
    assert ":py:obj:`box_corner_to_center <d2lhelpers.boxes.box_corner_to_center>`" in text
    assert "``x2 - x1``" in text
    assert r"2\*\*24" in text
    assert ":Source: d2l, section 14.3." in text
    assert ":Taught in: :doc:`03 Bounding boxes" in text
    assert ", :doc:`04 Anchor boxes" in text
    assert ":Import: ``from d2lhelpers import box_center_to_corner``" in text


def test_a_function_that_no_chapter_teaches_says_where_it_is_used(course):
    text = process(course, "d2lhelpers.lesson.claim", "State.")
    assert ":Used in: :doc:`01 Image augmentation" in text
    behind = process(course, "d2lhelpers.detection.suppression.nms_in_groups", "Suppress.")
    assert ":Works behind: :doc:`03 " in behind


def test_a_docstring_that_names_a_chapter_that_is_not_there_is_refused(course):
    with pytest.raises(ExtensionError, match=r"'99'"):
        process(course, "d2lhelpers.boxes.box_iou", "State. Taught in chapters 03 and 99.")


def test_data_does_not_show_what_its_type_is_for(course):
    assert "mapping" not in process(course, "d2lhelpers.plot.COLOURS", "a mapping", "data")


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/test_docs.py::test_a_test_that_guards_must_exist", True),
        ("tests/test_boxes.py::test_no_such_thing", False),
        ("tests/test_nothing.py::test_x", False),
        ("tests/test_anchors.py::TestOffsets::test_decoding_undoes_encoding", True),
        ("tests/test_anchors.py::TestOffsets", False),
        ("tests/test_anchors.py::TestMultiboxPrior::test_decoding_undoes_encoding", False),
    ],
)
def test_a_test_that_guards_must_exist(test, there):
    assert roles.exists(ROOT, test) == there


def test_mathjax_is_the_one_that_was_pinned(tmp_path, monkeypatch):
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=tmp_path)
    mathjax.copy(app, None)
    assert (tmp_path / "_static" / "mathjax" / "startup.js").stat().st_size > 10_000
    assert list((tmp_path / "_static" / "mathjax" / mathjax.FONTS).glob("*.woff"))
    monkeypatch.setitem(mathjax.SHA256, "core.js", "0")
    with pytest.raises(ExtensionError, match=r"core.js"):
        mathjax.copy(app, None)


def test_unchanged_pages_keep_their_time_and_old_ones_go(tmp_path):
    stage = staging.Stage(tmp_path)
    stage.write("a/x.md", "one")
    before = (tmp_path / "a" / "x.md").stat().st_mtime_ns
    (tmp_path / "a" / "old.md").write_text("old")
    (tmp_path / "mine.md").write_text("by hand")
    stage = staging.Stage(tmp_path)
    stage.write("a/x.md", "one")
    stage.prune("a")
    assert (tmp_path / "a" / "x.md").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.rglob("*.md")) == ["mine.md", "x.md"]


# -------------------------------------------------------------------------------------- a site with a problem

WORDS = " word" * site_checks.FEWEST_WORDS
SIDE_BAR = f"<div>{WORDS}</div>"


def site(folder, **pages):
    for name, body in pages.items():
        text = f"<html><body>{SIDE_BAR}<article>{body}</article></body></html>"
        (folder / f"{name}.html").write_text(text)
    return site_checks.problems(folder.resolve())


def test_a_site_in_order(tmp_path):
    (tmp_path / "x.png").write_bytes(b"1")
    assert site(
        tmp_path,
        a=f'<h1 id="top">A</h1>{WORDS}<a href="b.html#there">b</a> <img src="x.png" alt="x">'
        '<a href="https://example.org">out</a> <a href="#top">up</a>',
        b=f'<p id="there">{WORDS}</p><a href="a.html?q=1">a</a>',
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("two words", "a.html is empty"),
        (f"<script>{WORDS}</script>", "a.html is empty"),
        (f'{WORDS}<a href="no.html">x</a>', "links to no.html, which is not there"),
        (f'{WORDS}<a href="a.html#no">x</a>', "links to a.html#no, and there is no such place"),
        (f'{WORDS}<img src="no.png" alt="x">', "loads no.png, which is not there"),
        (f'{WORDS}<img src="https://example.org/x.png" alt="x">', "from another host"),
        (f'{WORDS}<script src="//example.org/x.js"></script>', "from another host"),
        (f'{WORDS}<link rel="stylesheet" href="http://example.org/x.css">', "from another host"),
        (f'{WORDS}<img src="data:image/png;base64,AA==">', "without words"),
        (
            f'{WORDS}<img src="data:image/png;base64,AA==" alt="data:image/png;base64,AA==">',
            "without words",
        ),
        (WORDS + "x" * site_checks.MAX_BYTES, "MB with all that it loads"),
    ],
)
def test_what_is_wrong_with_a_site_is_found(tmp_path, body, problem):
    (found,) = site(tmp_path, a=body)
    assert problem in found


def test_what_a_page_loads_counts_to_its_size(tmp_path):
    (tmp_path / "x.png").write_bytes(b"1" * site_checks.MAX_BYTES)
    (found,) = site(tmp_path, a=f'{WORDS}<img src="x.png" alt="x">')
    assert "2.00 MB" in found
