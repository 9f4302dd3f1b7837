"""Every notebook is clean (`notebook_hygiene`), and `d2lhelpers.notebooks` and `d2lhelpers.record` work."""

import base64
import copy
import io
import json
import os
import platform
import stat

import nbformat
import notebook_hygiene as hygiene
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from d2lhelpers import CLAIM_MIME
from d2lhelpers.files import ROOT
from d2lhelpers.notebooks import (
    WIDGET_MIME,
    Report,
    execute,
    find_chapters,
    normalise,
    serialise,
    write,
)
from d2lhelpers.record import (
    TABLE_BEGIN,
    TABLE_END,
    THUMBNAIL_WIDTH,
    chapter_table,
    record,
    thumbnail,
)

CHAPTERS = find_chapters()


def png(width=4, height=2):
    Image.new("RGB", (width, height)).save(buffer := io.BytesIO(), "png")
    return base64.b64encode(buffer.getvalue()).decode()


def figure(alt="two squares", width=4, height=2):
    return new_output(
        "display_data", {"image/png": png(width, height)}, metadata={"image/png": {"alt": alt}}
    )


def clean_notebook():
    """A small notebook that keeps all rules."""
    nb = new_notebook(
        cells=[
            new_markdown_cell("# Title\n\n**Data:** none | some"),
            new_code_cell(
                "draw()", execution_count=1, outputs=[figure()], metadata={"tags": ["thumbnail"]}
            ),
            new_markdown_cell("## Part\n\n```\n# no heading\n```"),
            new_code_cell("1 + 1", execution_count=2, outputs=[]),
            new_markdown_cell("### Detail"),
        ]
    )
    return normalise(nb)


# ------------------------------------------------------------------------------------------- the chapters


def test_there_is_a_chapter():
    assert CHAPTERS


@pytest.mark.parametrize("rule", hygiene.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_clean(path, rule):
    assert rule(nbformat.read(path, as_version=nbformat.NO_CONVERT)) == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_valid_and_written_as_we_write(path):
    nb = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(nb)
    assert path.read_bytes() == serialise(nb).encode(), "run `python -m d2lhelpers normalise` on it"


# ------------------------------------------------------------------------------- each rule can be broken


def text_output(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def without_title(nb):
    nb.cells[0].source = "Title"


def second_title(nb):
    nb.cells[2].source = "# Another"


def title_below(nb):
    nb.cells[0].source, nb.cells[2].source = "## Part", "# Title"


def skipped_level(nb):
    nb.cells[2].source = "text"


def run_out_of_order(nb):
    nb.cells[1].execution_count, nb.cells[3].execution_count = 2, 1


def not_run(nb):
    nb.cells[3].execution_count = None


def warned(nb):
    nb.cells[3].outputs = [text_output("UserWarning", "stderr")]


def failed(nb):
    nb.cells[3].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def path_in_source(nb):
    nb.cells[3].source = "open('/tmp/x.png')"


def path_in_stream(nb):
    nb.cells[3].outputs = [text_output("saved to /Users/ada/x.png")]


def path_in_html(nb):
    nb.cells[3].outputs = [new_output("display_data", {"text/html": r"<b>C:\Users</b>"})]


def path_in_json(nb):
    nb.cells[3].outputs = [new_output("display_data", {CLAIM_MIME: {"evidence": "/tmp/x"}})]


def widget_state(nb):
    nb.metadata["widgets"] = {}


def live_widget(nb):
    nb.cells[1].outputs[0].data[WIDGET_MIME] = {"model_id": "0"}


def foreign_metadata(nb):
    nb.cells[3].metadata["execution"] = {"iopub.busy": "now"}


def long_cell(nb):
    nb.cells[3].source = "a = 1\n" * (hygiene.MAX_LINES + 1)


def long_cells(nb):
    for cell in (nb.cells[1], nb.cells[3]):
        cell.source = "a = 1\n" * (hygiene.MAX_MEDIAN_LINES + 1)


def little_prose(nb):
    del nb.cells[4]


def much_prose(nb):
    nb.cells.append(new_markdown_cell("more"))


def large(nb):
    nb.cells[3].outputs = [text_output("x" * 1000 * hygiene.MAX_KB)]


def no_picture(nb):
    nb.cells[1].outputs = []


def no_alt(nb):
    nb.cells[1].outputs = [figure(alt=" ")]


def no_alt_in_prose(nb):
    nb.cells[4].source = "![](x.png)"


def no_thumbnail(nb):
    del nb.cells[1].metadata["tags"]


def thumbnail_without_picture(nb):
    nb.cells[1].outputs = [text_output("x")]


def no_data_line(nb):
    nb.cells[0].source = "# Title"


BREAKS = {
    hygiene.one_title: [without_title, second_title, title_below],
    hygiene.nested_headings: [skipped_level],
    hygiene.clean_run: [run_out_of_order, not_run],
    hygiene.no_stderr: [warned],
    hygiene.no_errors: [failed],
    hygiene.no_absolute_paths: [path_in_source, path_in_stream, path_in_html, path_in_json],
    hygiene.no_widget_state: [widget_state, live_widget],
    hygiene.is_normalised: [foreign_metadata, live_widget],
    hygiene.short_cells: [long_cell, long_cells],
    hygiene.enough_prose: [little_prose, much_prose],
    hygiene.not_too_large: [large],
    hygiene.has_figure: [no_picture],
    hygiene.alt_texts: [no_alt, no_alt_in_prose],
    hygiene.known_to_the_table: [no_thumbnail, thumbnail_without_picture, no_data_line],
}


@pytest.mark.parametrize("rule", hygiene.RULES, ids=lambda rule: rule.__name__)
def test_rule_passes_a_clean_notebook_and_finds_each_fault(rule):
    assert rule(clean_notebook()) == []
    for spoil in BREAKS[rule]:
        nb = clean_notebook()
        spoil(nb)
        assert rule(nb), f"{rule.__name__} overlooks {spoil.__name__}"


def test_the_prose_about_paths_and_addresses_is_no_absolute_path():
    nb = clean_notebook()
    nb.cells[4].source = "see https://example.org/home/x, data/work/x.png and ratio a/b"
    assert hygiene.no_absolute_paths(nb) == []


# ------------------------------------------------------------------------------------------ find_chapters


@pytest.fixture
def root(tmp_path):
    """A repository with two chapters and a README."""
    for name in ("12_colour.ipynb", "04_anchor_boxes.ipynb"):
        write(clean_notebook(), tmp_path / "notebooks" / name)
    (tmp_path / "README.md").write_text(f"# Course\n\n{TABLE_BEGIN}\nold\n{TABLE_END}\n\nEnd.\n")
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_chapters_come_in_reading_order(root):
    assert names(find_chapters(root=root)) == ["04_anchor_boxes.ipynb", "12_colour.ipynb"]


@pytest.mark.parametrize(
    "name", ["04", "4", "anchor", "04_anchor_boxes.ipynb", "notebooks/04_anchor_boxes.ipynb"]
)
def test_a_chapter_is_found_by(root, name):
    assert names(find_chapters([name], root)) == ["04_anchor_boxes.ipynb"]


def test_several_names_give_each_chapter_once_in_order(root):
    assert names(find_chapters(["colour", "4", "12"], root)) == [
        "04_anchor_boxes.ipynb",
        "12_colour.ipynb",
    ]


@pytest.mark.parametrize("name", ["5", "0", "40", "birds", ""])
def test_an_unknown_name_is_refused_with_the_list(root, name):
    with pytest.raises(ValueError, match="04_anchor_boxes, 12_colour"):
        find_chapters(["4", name], root)


def test_without_notebooks_it_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="clone"):
        find_chapters(root=tmp_path)


# ---------------------------------------------------------------------------------------------- normalise


def messy_notebook():
    widget = {WIDGET_MIME: {"model_id": "random"}, "text/plain": "IntSlider()"}
    streams = [
        {"output_type": "stream", "name": n, "text": t}
        for n, t in zip("aabba", "12345", strict=True)
    ]
    shown = [widget | {"image/png": png()}, widget, {WIDGET_MIME: {}}]
    result = {
        "output_type": "execute_result",
        "execution_count": 7,
        "data": {"text/plain": "2"},
        "metadata": {},
    }
    outputs = [
        *streams,
        *({"output_type": "display_data", "data": d, "metadata": {}} for d in shown),
        result,
    ]
    metadata = {
        "tags": ["thumbnail"],
        "execution": {},
        "nbgrader": {"grade": True},
        "trusted": True,
    }
    code, other = {"cell_type": "code", "metadata": {}}, {"collapsed": True, "tags": []}
    return nbformat.from_dict(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {
                "kernelspec": {"name": "mine"},
                "language_info": {"version": "3.9"},
                "widgets": {},
            },
            "cells": [
                code
                | {
                    "id": "kept",
                    "execution_count": 1,
                    "source": "é",
                    "outputs": outputs,
                    "metadata": metadata,
                },
                code | {"id": "x", "execution_count": None, "source": " ", "outputs": []},
                {"cell_type": "markdown", "id": "y", "source": "# T", "metadata": other},
            ],
        }
    )


def test_normalise_keeps_the_whitelist_only():
    before = messy_notebook()
    untouched = copy.deepcopy(before)
    nb = normalise(before)
    assert before == untouched
    assert set(nb.metadata) == {"kernelspec", "language_info"}
    assert nb.metadata.kernelspec.name == "python3"
    assert nb.metadata.language_info == {"name": "python"}
    assert nb.cells[0].metadata == {"tags": ["thumbnail"], "nbgrader": {"grade": True}}
    assert nb.cells[2].metadata == {}
    assert [cell.id for cell in nb.cells] == ["kept", "x", "y"]


def test_normalise_joins_neighbouring_streams_and_leaves_stills():
    outputs = normalise(messy_notebook()).cells[0].outputs
    assert [(o.name, o.text) for o in outputs[:3]] == [("a", "12"), ("b", "34"), ("a", "5")]
    assert [set(o.data) for o in outputs[3:]] == [
        {"image/png", "text/plain"},
        {"text/plain"},
        {"text/plain"},
    ]
    assert outputs[-1].execution_count == 1


def test_normalise_keeps_counts_of_a_clean_run_only():
    nb = messy_notebook()
    assert [cell.execution_count for cell in normalise(nb).cells[:2]] == [
        1,
        None,
    ]  # an empty cell is never run
    nb.cells[0].execution_count = 2
    assert normalise(nb).cells[0].execution_count is None
    assert normalise(nb).cells[0].outputs[-1].execution_count is None


def test_normalise_twice_is_normalise_once_and_valid():
    once = normalise(messy_notebook())
    assert serialise(normalise(once)) == serialise(once)
    del once.cells[0].outputs[:3]  # the streams of the test have names that are not in the format
    nbformat.validate(once)


def test_normalise_gives_old_notebooks_ids_that_stay():
    nb = messy_notebook()
    nb.nbformat_minor = 2
    for cell in nb.cells:
        del cell["id"]
    ids = [cell.id for cell in normalise(nb).cells]
    assert ids == [cell.id for cell in normalise(nb).cells]
    assert len(set(ids)) == 3


def test_normalise_refuses_other_formats():
    nb = messy_notebook()
    nb.nbformat = 3
    with pytest.raises(ValueError, match="JupyterLab"):
        normalise(nb)


def test_write_is_stable_readable_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "x.ipynb"
    write(normalise(messy_notebook()), path)
    first = path.read_bytes()
    assert first.startswith(b'{\n "cells"')
    assert first.endswith(b"}\n")
    assert not first.endswith(b"\n\n")
    assert "é".encode() in first
    write(nbformat.read(path, as_version=4), path)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["x.ipynb"]
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.ipynb"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(clean_notebook(), path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.ipynb"]


# ------------------------------------------------------------------------------------------------ execute


def save(folder, *sources):
    path = folder / "01_tiny.ipynb"
    write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


def claim(holds):
    return f"display({{{CLAIM_MIME!r}: {{'holds': {holds}}}, 'text/plain': ''}}, raw=True)\nassert {holds}"


def test_execute_reports_claims_time_memory_and_folder(tmp_path):
    path = save(
        tmp_path,
        "import os, time\nprint(os.getcwd(), os.environ['SOURCE_DATE_EPOCH'], os.environ.get('MPLBACKEND'))",
        claim(True),
        "x = bytes(range(256)) * (300 * 2**12)\ntime.sleep(0.3)",  # 300 MiB
        claim(True),
    )
    before, seen = path.read_bytes(), []
    nb, report = execute(path, on_cell=lambda done, total: seen.append((done, total)))
    assert report.error is None
    assert (report.chapter, report.claims_held, report.claims_made) == ("01_tiny", 2, 2)
    assert 0.3 < report.seconds < 60
    assert 330 * 2**20 < report.peak_memory < 800 * 2**20
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert nb.cells[0].outputs[0].text.split()[:2] == [str(tmp_path), "1700000000"]
    assert "inline" in nb.cells[0].outputs[0].text
    assert hygiene.clean_run(nb) == []
    assert path.read_bytes() == before


def test_execute_twice_gives_the_same_bytes(tmp_path):
    path = save(
        tmp_path,
        "import sys\nfor i in range(50):\n    print(i)\n    sys.stdout.flush()",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "import ipywidgets\nipywidgets.IntSlider()",
    )
    first, second = (serialise(normalise(execute(path)[0])) for _ in range(2))
    assert first == second
    assert "image/png" in first


def test_an_error_is_reported_with_its_traceback(tmp_path):
    path = save(
        tmp_path, claim(True), "def inner():\n    raise KeyError('lost')\ninner()", claim(True)
    )
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].outputs = [
        new_output("display_data", {CLAIM_MIME: {"holds": True}})
    ]  # of an earlier run
    write(nb, path)
    _, report = execute(path)
    assert (report.claims_held, report.claims_made) == (1, 1)
    for part in (
        "01_tiny.ipynb, cell 2 of 3 (CellExecutionError)",
        "raise KeyError('lost')",
        "in inner()",
    ):
        assert part in report.error
    assert "\x1b" not in report.error


def test_a_claim_that_fails_is_made_and_not_held(tmp_path):
    _, report = execute(save(tmp_path, claim(True), claim(False)))
    assert (report.claims_held, report.claims_made) == (1, 2)
    assert "AssertionError" in report.error


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("import time; time.sleep(60)", "CellTimeoutError"),
        ("import os; os._exit(3)", "DeadKernelError"),
    ],
)
def test_a_cell_that_never_ends_and_a_kernel_that_dies_are_reported(tmp_path, line, error):
    _, report = execute(save(tmp_path, "1", line), timeout=2)
    assert f"cell 2 of 2 ({error})" in report.error


# ------------------------------------------------------------------------------------------------- record


def report(chapter="04_anchor_boxes", seconds=61.27):
    return Report(chapter, seconds, peak_memory=1234 * 2**20, claims_held=5, claims_made=5)


def test_record_keeps_figures_thumbnail_and_table(root):
    nb = clean_notebook()
    nb.cells[1].outputs = [figure(width=1000, height=500)]
    record([(nb, report())], root)
    kept = json.loads((root / "data/results/chapters.json").read_text())["04_anchor_boxes"]
    assert set(kept) == {
        "seconds",
        "peak_mib",
        "claims_held",
        "claims_made",
        "cpu_count",
        "versions",
    }
    assert (kept["seconds"], kept["peak_mib"], kept["claims_held"]) == (61.3, 1234, 5)
    assert set(kept["versions"]) == {"python", "torch", "torchvision"}
    with Image.open(root / "data/thumbnails/04_anchor_boxes.jpg") as small:
        assert small.size == (THUMBNAIL_WIDTH, 160)
    readme = (root / "README.md").read_text()
    assert readme == f"# Course\n\n{TABLE_BEGIN}\n{chapter_table(root)}\n{TABLE_END}\n\nEnd.\n"
    assert readme.splitlines()[5:7] == [
        "| 04 | [Title](notebooks/04_anchor_boxes.ipynb) | "
        f"![two squares](data/thumbnails/04_anchor_boxes.jpg) | 61 s, {os.cpu_count()} cores | none \\| some |",
        "| 12 | [Title](notebooks/12_colour.ipynb) |  |  | none \\| some |",
    ]


def test_a_photograph_shown_as_jpeg_becomes_a_thumbnail_too():
    nb = clean_notebook()
    (output,) = nb.cells[1].outputs = [figure()]
    Image.new("RGB", (640, 320)).save(jpeg := io.BytesIO(), "jpeg")
    output.data = {"image/jpeg": base64.b64encode(jpeg.getvalue()).decode()}
    output.metadata = {"image/jpeg": {"alt": "a photograph"}}
    small, alt = thumbnail(nb)
    assert alt == "a photograph"
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.size == (THUMBNAIL_WIDTH, 160)
    nb.cells[1].outputs = []
    assert thumbnail(nb) is None


def test_record_leaves_other_chapters_and_is_stable(root):
    record([(clean_notebook(), report("12_colour"))], root)
    record([(clean_notebook(), report())], root)
    text = (root / "data/results/chapters.json").read_text()
    assert set(json.loads(text)) == {"04_anchor_boxes", "12_colour"}
    record([(clean_notebook(), report())], root)
    assert (root / "data/results/chapters.json").read_text() == text


def test_record_names_no_machine_and_no_path(root):
    record([(clean_notebook(), report())], root)
    text = (root / "data/results/chapters.json").read_text()
    assert platform.node() not in text
    assert not hygiene.ABSOLUTE_PATH.search(text)


def test_record_wants_the_markers(root):
    (root / "README.md").write_text(f"{TABLE_END}{TABLE_BEGIN}")
    with pytest.raises(ValueError, match="chapters:begin"):
        record([(clean_notebook(), report())], root)
    assert not (root / "data").exists()


def test_readme_holds_the_table_of_today():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition(TABLE_BEGIN)[2].partition(TABLE_END)[0].strip()
    assert table == chapter_table(), "run `python -m d2lhelpers run --record`"
