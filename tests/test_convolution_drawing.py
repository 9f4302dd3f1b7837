import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import ConnectionPatch

from d2lhelpers import plot, trans_conv
from d2lhelpers.convolution.drawing import (
    PIXEL_COLOURS,
    arrow_between,
    pale,
    show_cells,
    stroke_colours,
)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def cells_of(axes, filled):
    return [patch for patch in axes.patches if patch.get_fill() == filled]


def test_each_number_stands_in_its_cell_and_nan_stands_for_none(axes):
    show_cells(axes, torch.tensor([[1.5, 0, torch.nan], [4, 5, 6]]), "title")
    written = {text.get_text(): text.get_position() for text in axes.texts}
    assert written["1.5"] == (0.5, 0.5)
    assert written["6"] == (2.5, 1.5)
    assert set(written) == {"1.5", "0", "4", "5", "6"}
    assert axes.get_title() == "title"
    assert len(cells_of(axes, filled=False)) == 6
    (top, bottom) = axes.get_ylim()[::-1]
    assert top < 0 < 2 < bottom  # row 0 on top


def test_without_numbers_there_are_only_cells(axes):
    show_cells(axes, np.ones((2, 2)), numbers=False)
    assert not axes.texts


def test_stripes_share_a_cell(axes):
    show_cells(axes, np.zeros((2, 2)), fills={(1, 0): [plot.BLUE, plot.RED]})
    left, right = cells_of(axes, filled=True)
    assert (left.get_x(), left.get_y(), left.get_width()) == (0, 1, 0.5)
    assert (right.get_x(), right.get_width()) == (0.5, 0.5)
    assert left.get_facecolor()[:3] == pytest.approx(plt.matplotlib.colors.to_rgb(pale(plot.BLUE)))


def test_a_zero_that_nothing_reached_is_grey(axes):
    show_cells(axes, np.zeros((1, 2)), fills={(0, 0): [plot.BLUE]})
    assert [text.get_color() for text in axes.texts] == ["black", "#999999"]


def test_frames_and_border(axes):
    show_cells(axes, np.ones((4, 5)), frames=[((1, 2), (2, 3), plot.BLACK)], border=1)
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert len(hatched) == 4 * 5 - 2 * 3
    frame = axes.patches[-1]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (2, 1, 3, 2)


def test_another_shape_is_an_error(axes):
    with pytest.raises(ValueError, match=r"\(3,\)"):
        show_cells(axes, np.zeros(3))


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [((2, 2), (2, 2), (1, 1)), ((2, 3), (3, 2), (2, 1)), ((3, 1), (1, 1), (4, 2))]
)  # fmt: skip
def test_as_many_colours_as_strokes_reach_a_pixel(size, kernel, stride):
    counts = trans_conv(torch.ones(size), torch.ones(kernel), stride=stride)
    reached = stroke_colours(size, kernel, stride)
    assert {place: len(colours) for place, colours in reached.items()} == {
        place: count for place, count in np.ndenumerate(counts.int().numpy()) if count
    }


def test_strokes_come_in_reading_order():
    first = stroke_colours((2, 2), (2, 2), strokes=2)
    assert first[0, 1] == list(PIXEL_COLOURS[:2])
    assert (2, 0) not in first
    assert stroke_colours((2, 2), (2, 2))[1, 1] == list(PIXEL_COLOURS[:4])


def test_an_arrow_leads_from_table_to_table():
    figure, (left, right) = plt.subplots(1, 2)
    arrow_between(figure, (left, 0.5, 0.25), (right, 0.1, 0.2), plot.RED)
    (arrow,) = (artist for artist in figure.get_children() if isinstance(artist, ConnectionPatch))
    assert (arrow.xy1, arrow.xy2) == ([0.5, 0.25], [0.1, 0.2])
    assert (arrow.axesA, arrow.axesB) == (left, right)
    plt.close(figure)
