import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from d2lhelpers import recipes
from d2lhelpers.__main__ import main
from d2lhelpers.models import BACKBONES, load_weights
from d2lhelpers.recipes import read_data, train_weights


@pytest.fixture
def folder(tmp_path):
    """Dark and bright pictures, in a folder for each class."""
    rng = np.random.default_rng(0)
    for part, number in (("train", 20), ("test", 5)):
        for name, mean in (("bright", 200), ("dark", 50)):
            place = tmp_path / "photographs" / part / name
            place.mkdir(parents=True)
            for k in range(number):
                pixels = np.clip(rng.normal(mean, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{k}.png")
    return tmp_path / "photographs"


def accuracy(net, pictures):
    right = net.eval()(pictures.images).argmax(dim=1) == pictures.labels
    return right.float().mean().item()


def test_weights_come_with_their_facts_and_nothing_else_stays(folder, tmp_path):
    out = tmp_path / "weights"
    path, _ = train_weights("s32", read_data(folder, "Two shades"), epochs=2, folder=out)
    assert [file.name for file in out.iterdir()] == ["s32.safetensors"]
    net = BACKBONES["s32"](2)
    facts = load_weights(net, path)
    assert facts["test accuracy"] == f"{accuracy(net, read_data(folder).test):.4f}"
    assert facts["data"].startswith(
        "Two shades, full tier: 2 classes (bright, dark), 32 × 32 pixels, 40"
    )
    assert facts["classes"] == "bright, dark"
    assert "2 epochs, seed 0" in facts["recipe"]


def test_an_interrupted_training_goes_on(folder, tmp_path, monkeypatch):
    data, real = read_data(folder), recipes.train

    def interrupted(*arguments, **options):
        real(*arguments[:5], 1, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_weights("s32", data, epochs=2, folder=tmp_path / "a")
    monkeypatch.setattr(recipes, "train", real)
    epochs = []
    monkeypatch.setattr("d2lhelpers.train._Run.train_epoch", _counting(epochs))
    resumed, _ = train_weights("s32", data, epochs=2, folder=tmp_path / "a")
    assert epochs == [1]
    whole, _ = train_weights("s32", data, epochs=2, folder=tmp_path / "b")
    for name, value in load_file(whole).items():
        assert torch.equal(load_file(resumed)[name], value), name


def _counting(epochs):
    from d2lhelpers.train import _Run

    real = _Run.train_epoch

    def train_epoch(self, loader, epoch, progress):
        epochs.append(epoch)
        return real(self, loader, epoch, progress)

    return train_epoch


def test_says_what_data_it_needs(tmp_path):
    with pytest.raises(FileNotFoundError, match="fetch cifar10"):
        read_data(None)
    with pytest.raises(FileNotFoundError, match="has no folder train"):
        read_data(tmp_path)


def test_refuses_a_backbone_without_a_recipe(folder):
    with pytest.raises(ValueError, match="name must be one of s32, vgg, not 'resnet18'"):
        train_weights("resnet18", read_data(folder))


def test_the_command_trains_and_says_what_came_of_it(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "WEIGHTS", tmp_path / "weights")
    assert main(["train", "s32", "--data", str(folder), "--title", "Shades", "--epochs", "1"]) == 0
    assert "on the test set" in capsys.readouterr().out
    facts = load_weights(BACKBONES["s32"](2), tmp_path / "weights" / "s32.safetensors")
    assert facts["data"].startswith("Shades")
    assert main(["train", "s32", "--data", str(tmp_path)]) == 1
    assert "has no folder train" in capsys.readouterr().err


def test_what_is_trained_with_batch_norm_is_shipped_without(folder, tmp_path):
    data = read_data(folder)
    path, _ = train_weights("vgg", data, epochs=1, folder=tmp_path)
    net = BACKBONES["vgg"](2)
    facts = load_weights(net, path)
    assert "function" not in facts["recipe"]
    assert facts["test accuracy"] == f"{accuracy(net, data.test):.4f}"
