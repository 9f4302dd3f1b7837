import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from d2lhelpers import bbox_to_rect, plot, show_bboxes


@pytest.fixture
def axes():
    figure, axes = plt.subplots(figsize=(2, 1.5))
    yield axes
    plt.close(figure)


def contrast(first, second):
    def luminance(colour):
        channels = plt.matplotlib.colors.to_rgb(colour)
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_rectangle_has_the_corners_and_size_of_the_box():
    rectangle = bbox_to_rect(torch.tensor([1.0, 2, 5, 9]), "red")
    assert rectangle.get_xy() == (1, 2)
    assert (rectangle.get_width(), rectangle.get_height()) == (4, 7)
    assert not rectangle.get_fill()


def test_boxes_take_their_colours_in_turn_and_their_labels_in_order(axes):
    show_bboxes(axes, torch.rand(3, 4), ["first", "second"], ["red", "blue"])
    edges = [plt.matplotlib.colors.to_hex(patch.get_edgecolor()) for patch in axes.patches]
    assert edges == ["#ff0000", "#0000ff", "#ff0000"]
    assert [text.get_text() for text in axes.texts] == ["first", "second"]


def test_one_label_and_one_colour_need_no_list_and_no_boxes_draw_nothing(axes):
    show_bboxes(axes, torch.rand(1, 4), "dog", "red")
    show_bboxes(axes, torch.rand(1, 4), 0)
    show_bboxes(axes, torch.zeros(0, 4))
    assert [text.get_text() for text in axes.texts] == ["dog", "0"]
    assert len(axes.patches) == 2


def test_an_empty_label_draws_none(axes):
    show_bboxes(axes, torch.rand(2, 4), ["", "cat"])
    assert [text.get_text() for text in axes.texts] == ["cat"]


@pytest.mark.parametrize("colour", [*plot.COLOURS, "white", "black", "gray"])
def test_labels_can_be_read_on_every_colour(colour):
    assert contrast(colour, plot.text_colour(colour)) >= 4.5  # WCAG 2.1, level AA


@pytest.mark.parametrize(
    "image",
    [torch.rand(3, 7, 5), torch.rand(7, 5), np.zeros((7, 5, 3), np.uint8), np.zeros((7, 5, 3))],
)
def test_picture_spans_its_size_in_pixels(axes, image):
    plot.show_image(axes, image)
    assert axes.get_xlim() == (0, 5)
    assert axes.get_ylim() == (7, 0)


def test_fading_goes_to_white_and_bytes_and_floats_look_the_same(axes):
    byte = np.full((2, 2, 3), 51, np.uint8)
    plot.show_image(axes, byte, fade=0.5)
    plot.show_image(axes, byte / 255, fade=0.5)
    first, second = (drawn.get_array() for drawn in axes.images)
    np.testing.assert_allclose(first, 0.6)
    np.testing.assert_allclose(second, first)


@pytest.mark.parametrize("shape", [(2, 3, 4), (5,), (1, 3, 4, 4)])
def test_other_shapes_are_no_picture(axes, shape):
    with pytest.raises(ValueError, match="image must be"):
        plot.show_image(axes, np.zeros(shape))


def test_heatmap_writes_its_numbers_and_leaves_nan_empty(axes):
    plot.heatmap(
        axes, torch.tensor([[0.25, float("nan")], [1, 0]]), ["a", "b"], ["c", "d"], frames=[(1, 0)]
    )
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "0.00"]
    assert axes.patches[0].get_xy() == (-0.5, 0.5)
    with pytest.raises(ValueError, match="2 rows and 1 columns"):
        plot.heatmap(axes, torch.zeros(2, 2), ["a", "b"], ["c"])


def drawing():
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([0, 1], color=plot.BLUE)
    return figure


def photograph():
    figure, axes = plt.subplots(figsize=(3, 2))
    plot.show_image(axes, np.random.default_rng(0).random((300, 400, 3)))
    return figure


@pytest.mark.parametrize(("make", "mime"), [(drawing, "image/png"), (photograph, "image/jpeg")])
def test_a_figure_is_shown_in_the_smaller_format_with_its_words_and_width(make, mime):
    data, metadata = plot.bundle(make(), "a figure")
    assert set(data) == {mime, "text/plain"}
    assert data["text/plain"] == metadata[mime]["alt"] == "a figure"
    with Image.open(io.BytesIO(base64.b64decode(data[mime]))) as picture:
        assert picture.format == mime.removeprefix("image/").upper()
        assert picture.width == 3 * plot.DPI
    assert metadata[mime]["width"] == 3 * 96


def test_the_same_figure_gives_the_same_bytes_and_is_closed():
    before = plt.get_fignums()
    assert plot.to_png(drawing()) == plot.to_png(drawing())
    assert plt.get_fignums() == before


def test_a_figure_without_words_is_refused():
    with pytest.raises(ValueError, match="alt"):
        plot.show(plt.figure(), "  ")
    plt.close("all")


def test_show_displays_one_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(
        plot, "display", lambda data, metadata, raw: shown.append((data, metadata, raw))
    )
    plot.show(drawing(), "a line")
    ((data, metadata, raw),) = shown
    assert raw
    assert "image/png" in data
    assert metadata["image/png"]["alt"] == "a line"


def test_course_style_is_colour_blind_safe():
    with plt.rc_context():
        plot.course_style()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(plot.COLOURS[:5])
