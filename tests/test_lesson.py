import base64

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from d2lhelpers import CLAIM_MIME, devices, lesson, plot


def plain():
    return 1


def described():
    """One."""
    return 1


@pytest.fixture
def displayed(monkeypatch):
    """What was put on the page: a list of (data, metadata)."""
    outputs = []
    monkeypatch.setattr(
        lesson, "display", lambda data, metadata=None, raw=False: outputs.append((data, metadata))
    )
    return outputs


class TestClaim:
    def test_a_true_claim_is_marked_and_counted(self, displayed):
        lesson.claim("1 < 2", torch.tensor(True), "measured: 1 & 2")
        ((data, _),) = displayed
        assert data[CLAIM_MIME] == {
            "holds": True,
            "text": "1 < 2",
            "evidence": "measured: 1 & 2",
        }
        assert "1 &lt; 2" in data["text/html"]
        assert "1 &amp; 2" in data["text/html"]
        assert data["text/plain"].startswith("✓ 1 < 2")

    def test_a_false_claim_is_drawn_and_then_raises(self, displayed):
        with pytest.raises(AssertionError, match=r"does not hold: 2 < 1 \(measured\)"):
            lesson.claim("2 < 1", False, "measured")
        ((data, _),) = displayed
        assert data["text/plain"].startswith("✗")
        assert data[CLAIM_MIME]["holds"] is False

    def test_a_claim_about_many_at_once_must_say_all_or_any(self):
        with pytest.raises((RuntimeError, ValueError)):
            lesson.claim("all?", torch.tensor([True, False]), "")


class TestDevice:
    def test_sizes_follow_the_device(self, monkeypatch):
        monkeypatch.delenv("D2LHELPERS_REQUIRE_GPU", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert devices.best_device() == torch.device("cpu")
        assert lesson.budget(cpu=3, gpu=30) == 3
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        assert devices.best_device() == torch.device("cuda")
        assert lesson.budget(cpu=3, gpu=30) == 30

    def test_a_missing_gpu_is_an_error_where_one_is_required(self, monkeypatch):
        monkeypatch.setenv("D2LHELPERS_REQUIRE_GPU", "1")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(RuntimeError, match="D2LHELPERS_REQUIRE_GPU"):
            lesson.budget(cpu=3, gpu=30)


class TestShowSource:
    def test_shows_the_code_and_where_it_is_from(self, displayed):
        lesson.show_source(lesson.budget)
        ((data, _),) = displayed
        assert data["text/plain"].startswith("def budget(")
        assert "`d2lhelpers.lesson.budget`" in data["text/markdown"]
        assert "```python\ndef budget(" in data["text/markdown"]
        assert "Choose the size of a run" in data["text/plain"]
        assert "Returns:" not in data["text/plain"]
        compile(data["text/plain"], "shown", "exec")

    def test_a_short_docstring_or_none_is_left_alone(self, displayed):
        lesson.show_source(plain)
        lesson.show_source(described)
        assert [data["text/plain"] for data, _ in displayed] == [
            "def plain():\n    return 1\n",
            'def described():\n    """One."""\n    return 1\n',
        ]

    def test_a_function_written_in_c_has_no_source(self):
        with pytest.raises(TypeError):
            lesson.show_source(len)


class TestPlay:
    @pytest.fixture
    def drawn(self):
        values = []

        def draw(height, repeat):
            values.append((height, repeat))
            figure, axes = plt.subplots(figsize=(2, 1))
            axes.bar(range(repeat), height)
            return figure

        return draw, values

    def test_a_still_figure_stands_beside_the_widget(self, drawn, displayed):
        draw, values = drawn
        lesson.play(
            draw, "bars", height=ipywidgets.FloatSlider(0.5), repeat=ipywidgets.IntSlider(3)
        )
        ((data, metadata),) = displayed
        assert values == [(0.5, 3)]
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert data["text/plain"] == metadata["image/png"]["alt"] == "bars"
        assert "application/vnd.jupyter.widget-view+json" in data

    def test_a_figure_without_words_is_refused(self, drawn, displayed):
        draw, _ = drawn
        with pytest.raises(ValueError, match="alt"):
            lesson.play(
                draw, " ", height=ipywidgets.FloatSlider(0.5), repeat=ipywidgets.IntSlider(3)
            )
        assert displayed == []
        plt.close("all")

    def test_a_photograph_stays_jpeg_when_redrawn(self, monkeypatch, displayed):
        images = []
        make = ipywidgets.Image
        monkeypatch.setattr(
            ipywidgets, "Image", lambda **kwargs: images.append(make(**kwargs)) or images[-1]
        )

        def noise(seed):
            figure, axes = plt.subplots(figsize=(3, 2))
            plot.show_image(axes, np.random.default_rng(seed).random((300, 400, 3)))
            return figure

        slider = ipywidgets.IntSlider(1)
        lesson.play(noise, "noise", seed=slider)
        slider.value = 2
        assert images[0].format == "jpeg"
        assert bytes(images[0].value).startswith(b"\xff\xd8")

    def test_moving_a_slider_redraws(self, drawn, monkeypatch, displayed):
        images = []
        make = ipywidgets.Image
        monkeypatch.setattr(
            ipywidgets, "Image", lambda **kwargs: images.append(make(**kwargs)) or images[-1]
        )
        draw, values = drawn
        slider = ipywidgets.IntSlider(3)
        lesson.play(draw, "bars", height=ipywidgets.FloatSlider(0.5), repeat=slider)
        before = images[0].value
        slider.value = 5
        assert values == [(0.5, 3), (0.5, 5)]
        assert images[0].value != before
        assert plt.get_fignums() == []
