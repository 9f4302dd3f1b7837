import pytest
import torch
import torch.nn.functional as F

from d2lhelpers.attention import mass_on_mask
from d2lhelpers.datasets import MarkedPictures
from d2lhelpers.experiments import attention as experiment
from d2lhelpers.experiments.attention import (
    ROWS,
    FeatureMaps,
    feature_maps,
    measure,
    patch_maps,
    train_reader,
)
from d2lhelpers.models import READERS, MapReader, backbone
from d2lhelpers.models.readers import PointwiseBlock

every_reader = pytest.mark.parametrize("how", READERS)
WITH_MAPS = {"spatial gate", "attention pooling", "self-attention"}


def maps(num=24, channels=12, side=5, seed=0):
    """Maps in which one position says the class, on a mask of that position, among noise."""
    generator = torch.Generator().manual_seed(seed)
    features = 0.3 * torch.randn(num, channels, side, side, generator=generator)
    labels = torch.arange(num) % 3
    place = torch.randint(side * side, (num,), generator=generator)
    flat = features.flatten(2)
    flat[torch.arange(num), labels, place] += 4
    masks = F.one_hot(place, side * side).view(num, side, side).bool()
    return FeatureMaps(flat.view_as(features), labels, masks)


@every_reader
def test_logits_for_each_class_on_maps_of_any_size(how):
    reader = MapReader(how, channels=12, num_classes=3, width=8)
    assert reader(torch.randn(2, 12, 5, 7)).shape == (2, 3)


@every_reader
def test_every_part_is_trained(how):
    reader = MapReader(how, channels=12, num_classes=3, width=8)
    # scores begin at 0, where their own gradient is none of the others'
    reader(torch.randn(4, 12, 5, 5)).square().sum().backward()
    assert all(weights.grad is not None for weights in reader.parameters())


@every_reader
def test_maps_where_there_are_some(how):
    reader = MapReader(how, channels=12, num_classes=3, width=8).eval()
    features = torch.randn(2, 12, 5, 7)
    weights = reader.attend(features)
    assert (weights is not None) == (how in WITH_MAPS)
    if weights is not None:
        assert weights.shape == (2, 1, 5, 7)
        assert (weights >= 0).all()
    if how in {"attention pooling", "self-attention"}:
        torch.testing.assert_close(weights.sum(dim=(1, 2, 3)), torch.ones(2))


def test_the_map_of_pooling_is_the_one_that_is_used():
    reader = MapReader("attention pooling", channels=12, num_classes=3, width=8).eval()
    torch.nn.init.normal_(reader.pool.score.weight)
    features = torch.randn(2, 12, 5, 7)
    read = reader.mix(reader.enter(features))
    by_hand = reader.head((read * reader.attend(features)).sum(dim=(2, 3)))
    torch.testing.assert_close(by_hand, reader(features))


def test_the_map_of_self_attention_is_what_a_position_is_heard_by_all():
    reader = MapReader("self-attention", channels=12, num_classes=3, width=8).eval()
    features = torch.randn(1, 12, 3, 4)
    table = reader.mix.attend(reader.enter(features))[1]
    by_hand = table.flatten(2, 3).mean(dim=2).mean(dim=1)
    torch.testing.assert_close(reader.attend(features)[:, 0], by_hand)


def test_untrained_pooling_is_the_average():
    pooled, averaged = (MapReader(how, 12, 3, 8).eval() for how in ("attention pooling", "average"))
    averaged.load_state_dict(pooled.state_dict(), strict=False)
    features = torch.randn(2, 12, 5, 5)
    torch.testing.assert_close(pooled(features), averaged(features))


def test_all_but_the_transformer_have_about_as_many_weights():
    sizes = {
        how: sum(weights.numel() for weights in MapReader(how, 192, 6).parameters())
        for how in READERS
    }
    del sizes["transformer"]
    assert max(sizes.values()) < 1.04 * min(sizes.values())


def test_a_pointwise_block_does_not_look_around():
    block = PointwiseBlock(8)
    features = torch.randn(1, 8, 4, 4)
    changed = features.clone()
    changed[..., 2, 3] += 1
    different = (block(changed) != block(features)).any(dim=1)[0]
    assert different.nonzero().tolist() == [[2, 3]]


def test_an_unknown_reader():
    with pytest.raises(ValueError, match=r"how must be one of average, .*, got 'max'"):
        MapReader("max", 12, 3)


# --- the experiment's parts ---


def marked():
    """Three pictures of noise with a class each, 24 x 40 pixels."""
    images = torch.randint(256, (3, 3, 24, 40), dtype=torch.uint8)
    masks = torch.zeros(3, 24, 40, dtype=torch.bool)
    return MarkedPictures(images, torch.arange(3), ("a", "b", "c"), masks=masks)


def test_feature_maps_are_two_blocks_of_the_backbone():
    pictures = marked()
    made = feature_maps(pictures)
    assert made.maps.shape == (3, 192, 3, 5)
    net = backbone("s32").eval()
    with torch.no_grad():
        fine = net.features[:4](pictures.images)
        torch.testing.assert_close(made.maps[:, 64:], net.features[4:](fine), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(made.maps[:, :64], F.avg_pool2d(fine, 2), rtol=1e-4, atol=1e-4)
    assert made[1][1] == 1


def test_patch_maps_are_the_pixels_themselves():
    pictures = marked()
    made = patch_maps(pictures)
    assert made.maps.shape == (3, 192, 3, 5)
    patch = pictures.images[1, :, 8:16, 24:32] / 255
    torch.testing.assert_close(made.maps[1, :, 1, 3], patch.flatten())
    assert made.labels.tolist() == [0, 1, 2]
    assert made.masks is pictures.masks


def test_a_reader_learns_where_to_look_and_is_measured():
    data = maps(num=96)
    reader = train_reader("attention pooling", data, seed=0, epochs=30)
    row = measure(reader, data)
    assert row["accuracy"] > 0.9
    assert row["mass"] > 0.5
    assert row["hit"] > 0.8
    with torch.inference_mode():
        mass = mass_on_mask(
            reader.attend(data.maps.to(next(reader.parameters()).device)).cpu(), data.masks
        )
    assert row["mass"] == pytest.approx(mass.mean().item(), abs=1e-5)


def test_a_reader_without_a_map_has_no_mass():
    data = maps()
    assert set(measure(train_reader("average", data, seed=0, epochs=1), data)) == {"accuracy"}


def test_the_same_seed_gives_the_same_reader():
    first, again, other = (
        measure(train_reader("attention pooling", maps(), seed, epochs=2), maps())["mass"]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_variant_gives_a_row(monkeypatch):
    read = []

    def remembered(task, part, make):
        read.append((task, part, make))
        return maps(seed=("train", "test").index(part))

    monkeypatch.setattr(experiment, "maps_of", remembered)
    monkeypatch.setattr(
        experiment, "train_reader", lambda how, data, seed: train_reader(how, data, seed, epochs=1)
    )
    variants = experiment.ATTENTION.variants
    row = variants["needle, attention pooling"](0)
    assert set(row) == {"accuracy", "mass", "hit", "training accuracy", "weights"}
    assert read == [("needle", part, feature_maps) for part in ("train", "test")]
    del read[:]
    # nothing but what is read makes it another
    assert variants["crowd, vision transformer"](0) == variants["crowd, transformer"](0)
    assert [make for *_, make in read] == [patch_maps, patch_maps, feature_maps, feature_maps]
    assert len(variants) == len(experiment.TASKS) * len(ROWS)
