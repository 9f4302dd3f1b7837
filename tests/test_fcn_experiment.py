import numpy as np
import pytest
import torch
from torch import nn

from d2lhelpers.datasets import MaskedPictures, MaskedSplit
from d2lhelpers.datasets.mini_voc import write_voc
from d2lhelpers.experiments import fcn
from d2lhelpers.scenes import CLASSES, Thing, render
from d2lhelpers.segmentation import loading
from d2lhelpers.train import train

NAMES = ("background", "car")


def pictures(num=12, side=16):
    """A bright square in the middle, its outline void."""
    labels = torch.zeros(num, side, side, dtype=torch.uint8)
    labels[:, 4:12, 4:12] = 255
    labels[:, 5:11, 5:11] = 1
    images = torch.where(labels == 1, 220, 30).byte()[:, None].repeat(1, 3, 1, 1)
    return MaskedPictures(images, labels, NAMES)


class Bright(nn.Module):
    """Learns how bright a car is, and gets all wrong that is nearer than 5 pixels to the picture's left edge."""

    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Conv2d(1, num_classes, 1)

    def forward(self, images):
        logits = self.layer(images[:, :1].float() / 255)
        return torch.cat((logits[..., :5].flip(1), logits[..., 5:]), dim=-1)


def test_near_and_far_share_the_pixels_out():
    net = Bright(2)
    some = pictures()
    near, far = fcn.near_and_far(net, some)
    assert near.confusion.sum() + far.confusion.sum() == (some.labels != 255).sum()
    # the band: the void ring and REACH pixels on either side of it
    assert near.confusion.sum(1).tolist() == [12 * (12**2 - 8**2), 12 * (6**2 - 2**2)]


def test_void_as_background_changes_void_alone():
    torch.manual_seed(0)
    some = pictures()
    images, labels = fcn.void_as_background(some.images, some.labels)
    assert images.shape == some.images.shape
    assert not (labels == 255).any()
    assert torch.equal(labels == 1, some.labels == 1)


def test_train_and_score_trains_and_scores(monkeypatch):
    split = MaskedSplit("scenes", "mini", pictures(32), pictures(4), pictures(6))
    monkeypatch.setattr(fcn, "load_masks", lambda name: split)
    row = fcn.train_and_score(Bright, lambda *batch: batch, 40, seed=0)
    assert row.keys() == {"familiar", "test", "near", "far", "accuracy"}
    assert row["familiar"] == row["test"]
    assert 0.3 < row["test"] < 1
    assert row["far"] != row["near"]


@pytest.mark.parametrize("experiment", [fcn.FCNS, fcn.FCN_LONG])
def test_every_variant_differs_in_what_it_says(experiment):
    of_variants = [(run.args[0], run.args[1], run.args[2]) for run in experiment.variants.values()]
    nets = [make(3) for make, _, _ in of_variants]
    strides = [net.enlarge.stride[0] for net in nets]
    if experiment is fcn.FCNS:
        assert strides == [32, 16, 8, 8, 8, 8]
        assert of_variants[-1][1] is fcn.void_as_background
    assert {epochs for _, _, epochs in of_variants} == {experiment.settings["epochs"]}
    by_name = dict(zip(experiment.variants, nets, strict=True))
    pretrained = by_name["stride 8"].stages[0][0][0].weight
    if experiment is fcn.FCNS:
        assert not torch.equal(by_name["from scratch"].stages[0][0][0].weight, pretrained)
        assert by_name["random upsampling"].enlarge.weight[0, 1].any()


def test_the_notes_experiment_runs_on_vocs_files(tmp_path, monkeypatch):
    def scenes(first, number):
        for seed in range(first, first + number):
            side = 64 + 8 * (seed % 2)  # of various sizes
            yield render(seed, 80, (Thing("car"),)), (0, 0, side, 64)

    place = tmp_path / "VOC2012"
    write_voc(place, {"train": scenes(0, 5), "val": scenes(9, 3)}, CLASSES)
    monkeypatch.setattr(loading, "folder", lambda name: place)
    optimizers = []

    def recorded(net, batches, tests, loss, optimizer, *rest, **named):
        optimizers.append(optimizer)
        return train(net, batches, tests, loss, optimizer, *rest, **named)

    monkeypatch.setattr(fcn, "train", recorded)
    net, history, scores = fcn.train_on_voc(
        body="s32", pretrained=False, epochs=2, batch_size=2, crop_size=(48, 64)
    )
    assert history.examples == [5, 5]
    assert np.isfinite(history.train_loss).all()
    assert scores.classes == ("background", *CLASSES)
    assert scores.confusion.sum() > 0
    assert net.enlarge.stride == (32, 32)
    # one step of d2l's, on the sum over the batch: the rate times (two gradients and the decay)
    (group,) = optimizers[0].param_groups
    assert (group["lr"], group["weight_decay"]) == (0.002, 0.0005)
