import pytest
import torch

from d2lhelpers.datasets import tied
from d2lhelpers.experiments import shortcuts
from d2lhelpers.experiments.shortcuts import REMEDIES, TESTS, TiedPictures, measure
from d2lhelpers.models.lookers import (
    BINS,
    LOOKERS,
    Looker,
    chromaticity,
    colour_histogram,
    paint_cards,
)

PAINTS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.6, 0.1], [0.1, 0.1, 0.8]])

every_looker = pytest.mark.parametrize("how", LOOKERS)


def looker(how):
    torch.manual_seed(0)
    return Looker(how, 3, PAINTS, width=4).eval()


def painted(*colours, height=16, width=24):
    """One picture of each colour."""
    return torch.stack([PAINTS[k] for k in colours])[:, :, None, None].expand(-1, -1, height, width)


@every_looker
def test_logits_and_maps(how):
    images = torch.rand(2, 3, 16, 24)
    logits, weights = looker(how).attend(images)
    assert logits.shape == (2, 3)
    assert (weights is None) == (how == "average")
    if weights is not None:
        assert weights.shape == (2, 1, 4, 6)
        torch.testing.assert_close(weights.sum(dim=(1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(looker(how)(images), logits)


@every_looker
def test_bytes_are_as_good_as_fractions(how):
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(looker(how)(images), looker(how)(images / 255), rtol=1e-4, atol=1e-4)


@every_looker
def test_every_part_is_trained(how):
    net = looker(how).train()
    torch.nn.functional.cross_entropy(net(torch.rand(4, 3, 16, 16)), torch.arange(4) % 3).backward()
    without = [name for name, weights in net.named_parameters() if weights.grad is None]
    assert not without


def test_a_histogram_names_the_colour_without_any_training():
    logits = looker("histogram")(painted(2, 0, 1))
    assert logits.argmax(dim=1).tolist() == [2, 0, 1]
    darker = looker("histogram")(0.7 * painted(2, 0, 1))
    assert darker.argmax(dim=1).tolist() == [2, 0, 1]


def test_a_histogram_sees_nothing_but_colours_where_it_looks():
    net = looker("histogram")
    # even attention, before any training
    images = torch.rand(1, 3, 16, 16)
    turned = images.flip(3)
    torch.testing.assert_close(net(images), net(turned), rtol=1e-4, atol=1e-4)


def test_shine_and_shadow_do_not_change_the_name():
    white = torch.linspace(0, 0.6, 24)
    shining = painted(2, 0, 1) * (1 - white) + white
    assert looker("histogram")(shining).argmax(dim=1).tolist() == [2, 0, 1]
    assert looker("histogram")(0.6 * shining).argmax(dim=1).tolist() == [2, 0, 1]


def test_a_card_is_the_histogram_of_its_paint_under_more_and_more_white():
    parts = [colour_histogram(painted(0, height=2) * (1 - t) + t) for t in (0, 0.2, 0.4, 0.6)]
    torch.testing.assert_close(paint_cards(PAINTS)[:1], torch.stack(parts).mean(dim=0))


def test_a_histogram_has_red_first_and_counts_by_weight():
    red, green = painted(0, 1, height=8, width=8)
    images = torch.cat((red, green), dim=2)[None]  # red on the left, green on the right
    on_the_left = torch.arange(16).lt(8).expand(1, 1, 8, 16)
    counted = colour_histogram(images, on_the_left)
    torch.testing.assert_close(counted, colour_histogram(red[None]))
    assert counted.sum().item() == pytest.approx(1)
    place = divmod(counted.argmax().item(), BINS)
    assert place == (int(0.9 / 1.15 * BINS), int(0.1 / 1.15 * BINS))


def test_shares_of_a_colour():
    images = torch.tensor([0.6, 0.3, 0.1]).view(1, 3, 1, 1)
    assert chromaticity(images).flatten().tolist() == pytest.approx([0.6 / 1.05, 0.3 / 1.05])
    assert (chromaticity(torch.zeros(1, 3, 2, 2)) == 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match="how must be one of average, attention, histogram, got 'sum'"
    ):
        Looker("sum", 3)
    with pytest.raises(ValueError, match=r"paints must be \(3, 3\)"):
        Looker("histogram", 3)
    with pytest.raises(ValueError, match=r"paints must be \(4, 3\)"):
        Looker("histogram", 4, PAINTS)


# --- the experiment's parts ---


@pytest.fixture
def few_scenes(monkeypatch, tmp_path):
    monkeypatch.setenv("D2LHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(tied, "NUM_TRAIN", 70)
    monkeypatch.setattr(tied, "NUM_TEST", 12)


def test_tied_pictures_are_changed_with_their_masks(few_scenes):
    seen = []

    def change(images, masks):
        seen.append((images, masks))
        return 255 - images

    scenes = tied.load_tied("as trained")
    torch.manual_seed(0)
    images, labels = TiedPictures(scenes, "colours", change).__getitems__([3, 1])
    torch.testing.assert_close(labels, scenes.colours[[3, 1]])
    torch.testing.assert_close(seen[0][1], scenes.masks[[3, 1]])
    expected = 255 - scenes.images[[3, 1]]
    for one, other in zip(images, expected, strict=True):
        assert (one == other).all() or (one == other.flip(2)).all()


@pytest.mark.parametrize(
    ("task", "remedy"),
    [
        ("colours", "attention and histogram"),
        ("shapes", "backgrounds, permuted"),
        ("colours", "new head"),
    ],
)
def test_a_variant_gives_a_row(few_scenes, task, remedy):
    row = measure(shortcuts.train_looker(task, remedy, seed=0, epochs=1), task)
    other = "shape" if task == "colours" else "colour"
    assert {*TESTS[task], "follows the scene", f"follows the {other}"} <= set(row)
    assert all(0 <= value <= 1 for value in row.values())
    assert ("mass" in row) == (remedy == "attention and histogram")


def test_a_frozen_body_stays_as_it_was(few_scenes):
    before = {
        name: value.clone()
        for name, value in shortcuts.untrained("new head").features.state_dict().items()
    }
    after = shortcuts.train_looker("colours", "new head", seed=0, epochs=1).features.state_dict()
    for name, value in before.items():
        torch.testing.assert_close(after[name].cpu(), value)


def test_every_task_and_remedy_is_a_variant():
    assert len(shortcuts.SHORTCUTS.variants) == sum(map(len, REMEDIES.values()))
