import pytest
import torch
from torch import nn

from d2lhelpers.experiments import style
from d2lhelpers.models import vgg_features
from d2lhelpers.models.vgg import VGG19, vgg_layers
from d2lhelpers.style import as_picture, painting, photograph


@pytest.fixture
def small(monkeypatch):
    for name, value in {
        "SIZE": (32, 48), "SMALL": (48, 64), "STYLE_SIZE": (48, 64), "EVALUATIONS": (1, 20), "STEPS": 1,
    }.items():  # fmt: skip
        monkeypatch.setattr(style, name, value)


@pytest.fixture
def slim_vgg19(tmp_path, monkeypatch):
    """A file of weights laid out as torchvision's VGG-19, with few channels."""
    torch.manual_seed(0)
    blocks = tuple((4,) * len(widths) for widths in VGG19)
    chain = vgg_layers(blocks, (0.0,) * 3, (1.0,) * 3)
    theirs = nn.Sequential(*list(chain)[1:])  # theirs does not standardise
    state = {f"features.{key}": value for key, value in theirs.state_dict().items()}
    torch.save(state, tmp_path / "vgg19.pth")
    monkeypatch.setattr("d2lhelpers.models.vgg.VGG19", blocks)
    monkeypatch.setattr("d2lhelpers.datasets.weights", lambda name: tmp_path / f"{name}.pth")


def test_losses_are_the_smallest_so_far():
    losses = [9.0, 5.0, 7.0, 6.0, 4.0, 8.0]
    found = style.losses_at(losses)
    assert list(found) == [str(number) for number in style.EVALUATIONS]
    assert found["5"] == found["160"] == 4
    assert style.losses_at([9.0, 5.0, 7.0, 6.0, 8.0, 4.0])["5"] == 5


def test_untrained_networks_differ_and_look_like_the_trained_one():
    one, again, other = (style.untrained_network(seed) for seed in (0, 0, 1))
    for name, part in vgg_features().named_children():
        assert type(getattr(one, name)) is (nn.AvgPool2d if "pool" in name else type(part))
    assert torch.equal(one.conv4_3.weight, again.conv4_3.weight)
    assert not torch.equal(one.conv4_3.weight, other.conv4_3.weight)
    # from layer to layer the signal neither dies nor explodes
    values = one(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert 0.05 < values.mean() < 20


def test_judges_find_nothing_amiss_in_the_painting_itself_and_much_in_noise():
    night = as_picture(painting("night", (64, 96)))
    own = style.judge(night, night)
    assert own["texture"] < 1e-9
    assert own["colour"] < 1e-9
    noise = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    strange = style.judge(noise, night)
    assert strange["texture"] > 0.1
    assert strange["colour"] > 1e-3
    assert strange["coherence"] < own["coherence"] - 0.2


def test_an_optimiser_is_measured(small):
    rows = {name: variant(1) for name, variant in style.OPTIMISERS.variants.items()}
    assert list(rows) == ["L-BFGS", "Adam, rate 0.02", "Adam, rate 0.07"]
    for row in rows.values():
        assert set(row) == {"1", "20", "ms"}
        assert row["20"] < row["1"]
        assert row["ms"] > 0
    assert len({row["1"] for row in rows.values()}) == 1  # all begin with the photograph
    assert len({row["20"] for row in rows.values()}) == 3


def test_networks_are_judged(small):
    rows = {name: variant(2) for name, variant in style.STYLE_NETWORKS.variants.items()}
    assert rows["painting"]["texture"] < 1e-9
    assert rows["photograph"]["texture"] > rows["trained"]["texture"] > 0
    assert rows["photograph"]["colour"] > rows["untrained"]["colour"]
    assert rows["trained"] != rows["untrained"]
    assert style.STYLE_NETWORKS.variants["untrained"](1) != rows["untrained"]


def test_the_notes_experiment_runs_with_a_network_laid_out_as_theirs(slim_vgg19):
    content = as_picture(photograph("cat", (32, 48)))
    # the style's size is its own
    made = style.as_in_the_notes(content, as_picture(painting("night", (48, 40))), steps=30)
    assert len(made.loss) == 30
    assert made.loss[-1] < 0.5 * made.loss[0]
    assert made.terms["content"][0] == 0
    # Adam's first step moves each pixel by the learning rate, and content has a say from the second on
    one = style.as_in_the_notes(content, as_picture(painting("night", (48, 40))), steps=1)
    moved = (one.image - content).abs()
    assert moved.max() <= 0.0701
    assert moved.median() == pytest.approx(0.07, abs=1e-3)
    assert made.terms["content"][1] > 0


def test_the_notes_experiment_has_their_layers_and_maxima(slim_vgg19, monkeypatch):
    class Noted(style.StyleTransfer):
        def __init__(self, net, *arguments, **layers):
            super().__init__(net, *arguments, **layers)
            assert any(isinstance(part, nn.MaxPool2d) for part in net)
            noted.append((self.content_layers, self.style_layers))

    noted = []
    monkeypatch.setattr(style, "StyleTransfer", Noted)
    content = as_picture(photograph("cat", (32, 48)))
    style.as_in_the_notes(content, content, steps=1)
    # by their numbers in torchvision's chain: 25, and 0, 5, 10, 19, 28
    assert noted == [(("conv4_4",), ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"))]


def test_the_notes_experiment_asks_for_the_weights():
    content = torch.zeros(1, 3, 32, 48)
    with pytest.raises(FileNotFoundError, match="fetch vgg19"):
        style.as_in_the_notes(content, content)
