"""The stills of `lesson.play`: which values are drawn, what it costs the notebook, and where they are kept."""

import base64
import io
import json

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from d2lhelpers import STILLS_MIME, STILLS_WANTED, lesson
from d2lhelpers.notebooks import execute, normalise, write
from d2lhelpers.record import keep_stills, read_stills
from d2lhelpers.stills import MAX_WIDTH, contact_sheet, positions


def values(control, count=5):
    return [value for value, _ in positions(control, count)]


def test_values_go_from_end_to_end_and_the_first_is_among_them():
    slider = ipywidgets.FloatSlider(0.25, min=0, max=1, step=0.05)
    assert values(slider) == [0, 0.25, 0.5, 0.75, 1]
    assert [text for _, text in positions(slider, 5)] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    slider.value = 0.35
    assert values(slider) == [0, 0.35, 0.5, 0.75, 1] or values(slider) == [0, 0.25, 0.35, 0.75, 1]
    whole = ipywidgets.IntSlider(7, min=1, max=20)
    assert len(values(whole)) == 5
    assert {1, 7, 20} <= set(values(whole))
    assert all(isinstance(value, int) for value in values(whole))


def test_few_values_are_all_drawn():
    assert values(ipywidgets.IntSlider(2, min=1, max=3)) == [1, 2, 3]
    assert values(ipywidgets.IntSlider(4, min=4, max=4)) == [4]
    assert positions(ipywidgets.Checkbox(True), 5) == [(False, "no"), (True, "yes")]
    menu = ipywidgets.Dropdown(options=[("one", 1), ("two", 2)], value=2)
    assert positions(menu, 5) == [(1, "one"), (2, "two")]


def test_controls_without_an_order_have_one_still():
    assert values(ipywidgets.IntRangeSlider(value=(2, 5), min=0, max=9)) == [(2, 5)]
    assert values(ipywidgets.Text(value="a")) == ["a"]


class Drawing:
    """Notes what it was asked for, and uses up random numbers."""

    def __init__(self, width=2):
        self.asked, self.width = [], width

    def __call__(self, height, repeat):
        self.asked.append((height, repeat))
        torch.rand(3), np.random.rand(3)  # noqa: NPY002
        figure, axes = plt.subplots(figsize=(self.width, 1 + repeat / 10))
        axes.bar(range(repeat), height)
        return figure


def knobs():
    return {
        "height": ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.1, description="how high"),
        "repeat": ipywidgets.IntSlider(3, min=1, max=3),
    }


def test_one_row_a_control_the_others_at_their_first_values():
    draw = Drawing()
    found = contact_sheet(draw, knobs())
    assert draw.asked[-3:] == [(0.5, 1), (0.5, 2), (0.5, 3)]
    assert all(repeat == 3 for _, repeat in draw.asked[:-3])
    labels = [(c["label"], len(c["values"]), c["values"][c["start"]]) for c in found["controls"]]
    assert labels == [("how high", 6, "0.50"), ("repeat", 3, "3")]
    with Image.open(io.BytesIO(base64.b64decode(found["sheet"]))) as sheet:
        assert sheet.size == (6 * found["width"], 2 * found["height"])
    assert found["width"] == 192  # two inches
    assert plt.get_fignums() == []


def test_a_wide_figure_is_made_smaller():
    assert contact_sheet(Drawing(width=12), knobs())["width"] == MAX_WIDTH


def test_random_numbers_go_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(0), np.random.seed(0)  # noqa: NPY002
    expected = torch.rand(1), np.random.rand(1)  # noqa: NPY002
    torch.manual_seed(0), np.random.seed(0)  # noqa: NPY002
    contact_sheet(Drawing(), knobs())
    assert (torch.rand(1), np.random.rand(1)) == expected  # noqa: NPY002


@pytest.mark.parametrize("wanted", [False, True])
def test_play_draws_them_only_when_they_are_wanted(monkeypatch, wanted):
    shown = []
    monkeypatch.setattr(lesson, "display", lambda data, **_: shown.append(data))
    monkeypatch.delenv(STILLS_WANTED, raising=False)
    if wanted:
        monkeypatch.setenv(STILLS_WANTED, "1")
    draw = Drawing()
    lesson.play(draw, "bars", **knobs())
    assert (STILLS_MIME in shown[0]) == wanted
    assert (len(draw.asked) > 1) == wanted


def still(seconds=0.5, content=b"picture"):
    data = {
        "controls": [{"label": "k", "values": ["1"], "start": 0}], "height": 1, "width": 2,
        "seconds": seconds, "sheet": base64.b64encode(content).decode(),
    }  # fmt: skip
    return new_output("display_data", {STILLS_MIME: data, "text/plain": "x"})


def test_they_are_kept_beside_the_notebook_and_replace_older_ones(tmp_path):
    nb = new_notebook(cells=[new_code_cell("", outputs=[still(), still(content=b"second")])])
    keep_stills(nb, "04_x", tmp_path)
    found = read_stills("04_x", tmp_path)
    assert [one["sheet"] for one in found] == ["04_x-1.webp", "04_x-2.webp"]
    assert set(found[0]) == {"controls", "height", "width", "sheet"}
    assert (tmp_path / "data/stills/04_x-2.webp").read_bytes() == b"second"
    keep_stills(new_notebook(), "04_x", tmp_path)
    assert read_stills("04_x", tmp_path) == []
    assert list((tmp_path / "data" / "stills").iterdir()) == []


def test_a_notebook_is_saved_without_them_and_their_time_does_not_count(tmp_path):
    outputs = normalise(new_notebook(cells=[new_code_cell("", outputs=[still()])])).cells[0].outputs
    assert outputs[0].data == {"text/plain": "x"}
    path = tmp_path / "01_x.ipynb"
    code = (
        "import os, time\n"
        f"wanted = os.environ.get({STILLS_WANTED!r})\n"
        f"data = {json.loads(json.dumps(still(seconds=1000).data))!r}\n"
        "display(data if wanted else {'text/plain': 'none'}, raw=True)"
    )
    write(new_notebook(cells=[new_code_cell(code)]), path)
    nb, report = execute(path, stills=True)
    assert STILLS_MIME in nb.cells[0].outputs[0].data
    assert report.seconds < 0
    assert STILLS_MIME not in execute(path)[0].cells[0].outputs[0].data
