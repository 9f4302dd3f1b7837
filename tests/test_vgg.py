import re

import pytest
import torch
import torchvision
from torch import nn

from d2lhelpers.features import PerceptualDistance, deconvolve, layer_reader
from d2lhelpers.files import WEIGHTS
from d2lhelpers.models import average_pooling, backbone, vgg_features
from d2lhelpers.models.vgg import (
    VGG19,
    finish_vgg,
    fold_batch_norm,
    rescale_activations,
    vgg,
    vgg_layers,
    vgg_with_norm,
)


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (4, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.fixture
def with_norm(images):
    """A network whose batch norms have statistics, factors and constants like none other."""
    torch.manual_seed(0)
    net = vgg_with_norm(5)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    for _ in range(3):
        net(images)
    return net.eval()


class TestLayers:
    def test_names_are_those_of_the_field(self):
        names = [name for name, _ in vgg().features.named_children()]
        assert names[:6] == ["standardise", "conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
        assert names[-4:] == ["relu4_2", "conv4_3", "relu4_3", "pool4"]
        assert len([name for name in names if name.startswith("conv")]) == 10

    def test_with_norm_differs_only_by_the_norms(self):
        names = [name for name, _ in vgg_with_norm().features.named_children()]
        assert names[1:4] == ["conv1_1", "norm1_1", "relu1_1"]
        assert [name for name in names if not name.startswith("norm")] == [
            name for name, _ in vgg().features.named_children()
        ]

    def test_vgg19_is_torchvisions(self):
        with torch.device("meta"):  # without values, of which there would be half a gigabyte
            theirs = torchvision.models.vgg19().features
            ours = vgg_layers(VGG19, (0.0,) * 3, (1.0,) * 3)
        kinds = [type(part).__name__ for part in theirs]
        assert [type(part).__name__ for part in ours][1:] == kinds
        for a, b in zip(list(ours)[1:], theirs, strict=True):
            if isinstance(b, nn.Conv2d):
                assert a.weight.shape == b.weight.shape
        # the layers of Gatys et al. 2016 by name, and by the numbers that d2l gives them
        numbers = [list(dict(ours.named_children())).index(name) - 1 for name in
                   ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "conv4_4")]  # fmt: skip
        assert numbers == [0, 5, 10, 19, 28, 25]

    def test_the_signal_neither_dies_nor_explodes(self):
        torch.manual_seed(0)
        x = vgg().features(torch.rand(8, 3, 32, 32))
        assert 0.1 < x.std() < 10


class TestFolding:
    def test_computes_the_same_without_batch_norm(self, with_norm, images):
        folded = fold_batch_norm(with_norm.features)
        assert not any(isinstance(part, nn.BatchNorm2d) for part in folded)
        torch.testing.assert_close(folded(images), with_norm.features(images), rtol=1e-4, atol=1e-4)

    def test_leaves_the_original_alone(self, with_norm, images):
        before = with_norm.features(images)
        folded = fold_batch_norm(with_norm.features)
        folded.conv1_1.weight.data.zero_()
        torch.testing.assert_close(with_norm.features(images), before, rtol=0, atol=0)

    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("affine", [True, False])
    def test_any_convolution_and_any_norm(self, bias, affine):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(2, 6, 3, stride=2, groups=2, bias=bias), nn.BatchNorm2d(6, affine=affine)
        ).double()
        x = torch.randn(5, 2, 9, 7, dtype=torch.double)
        net(x)
        torch.testing.assert_close(fold_batch_norm(net.eval())(x), net(x))

    @pytest.mark.parametrize(
        "layers",
        [
            [nn.BatchNorm2d(3)],
            [nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)],
            [nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)],
            [nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)],
        ],
    )
    def test_refuses_what_cannot_be_folded(self, layers):
        with pytest.raises(ValueError, match="must come right after a convolution"):
            fold_batch_norm(nn.Sequential(*layers))


class TestRescaling:
    def test_every_layers_mean_is_one_and_its_pattern_the_same(self, with_norm, images):
        features = fold_batch_norm(with_norm.features)
        before, divisor = features(images), rescale_activations(features, images)
        x = images
        for part in features:
            x = part(x)
            if isinstance(part, nn.ReLU):
                assert x.mean().item() == pytest.approx(1, rel=1e-4)
        torch.testing.assert_close(features(images) * divisor, before, rtol=1e-3, atol=1e-3)

    def test_a_silent_layer_is_said(self, images):
        features = vgg().features
        features.conv2_1.bias.data.fill_(-1e9)
        with pytest.raises(ValueError, match="conv2_1 lets nothing through"):
            rescale_activations(features, images)

    def test_finished_it_classifies_just_the_same(self, with_norm, images):
        finished = finish_vgg(with_norm, images)
        torch.testing.assert_close(finished(images), with_norm(images), rtol=1e-3, atol=1e-3)
        assert finished.features(images).shape == (4, 128, 2, 3)
        finished.load_state_dict(vgg(5).state_dict())  # fits into what is shipped


class TestFeatures:
    def test_the_shipped_ones_are_frozen_and_those_of_the_backbone(self, images):
        features, net = vgg_features("vgg"), backbone("vgg").eval()
        assert not features.training
        assert not any(weights.requires_grad for weights in features.parameters())
        torch.testing.assert_close(features(images), net.features(images), rtol=0, atol=0)

    def test_their_activations_are_about_one_on_other_pictures(self):
        from skimage.data import astronaut

        picture = torch.from_numpy(astronaut()).permute(2, 0, 1)[None, :, ::8, ::8]
        x = picture
        for part in vgg_features():
            x = part(x)
            if isinstance(part, nn.ReLU):
                assert 0.4 < x.mean() < 2.5

    def test_each_layer_is_read_by_its_own_name(self, images):
        features = vgg_features()
        names = [name for name, _ in features.named_children()]
        read = layer_reader(features, names)(images)
        x = images
        for name, part in features.named_children():
            x = part(x)
            torch.testing.assert_close(read[name], x, rtol=1e-4, atol=1e-4)

    def test_serve_reader_deconvolution_and_distance(self, images):
        features = vgg_features()
        read = layer_reader(features, ["relu1_2", "conv4_1"])(images)
        assert read["relu1_2"].shape == (4, 16, 32, 48)
        assert read["conv4_1"].shape == (4, 128, 4, 6)
        assert deconvolve(features, images, "relu3_1", channel=3).shape == images.shape
        distance = PerceptualDistance(features, ["relu2_2", "relu3_3"])
        assert distance(images, images).eq(0).all()
        assert distance(images, images.flip(0)).gt(0).all()

    def test_the_file_says_what_the_test_set_said(self):
        # `tests/test_models.py` reads the facts of all shipped files
        assert (WEIGHTS / "vgg.safetensors").stat().st_size < 1.1e6

    def test_vgg19_computes_what_torchvisions_does(self, tmp_path, monkeypatch):
        torch.manual_seed(0)
        monkeypatch.setattr("d2lhelpers.models.vgg.VGG19", ((4, 6), (8,)))
        theirs = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        whole = nn.ModuleDict({"features": theirs, "classifier": nn.Linear(2, 2)})
        torch.save(whole.state_dict(), tmp_path / "vgg19.pth")
        monkeypatch.setattr("d2lhelpers.datasets.weights", lambda name: tmp_path / f"{name}.pth")
        ours = vgg_features("vgg19")
        images = torch.rand(2, 3, 16, 24)
        normalised = torchvision.transforms.v2.functional.normalize(
            images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        )
        torch.testing.assert_close(ours(images), theirs(normalised), rtol=1e-4, atol=1e-5)
        assert not any(weights.requires_grad for weights in ours.parameters())

    def test_vgg19_says_how_to_get_its_weights(self):
        with pytest.raises(FileNotFoundError, match="fetch vgg19"):
            vgg_features("vgg19")

    def test_refuses_another_name(self):
        with pytest.raises(ValueError, match=re.escape("name must be vgg or vgg19, not 'vgg16'")):
            vgg_features("vgg16")


class TestAveragePooling:
    def test_averages_in_place_of_maxima_and_shares_the_rest(self, images):
        features = vgg_features()
        averaged = average_pooling(features)
        assert [n for n, _ in averaged.named_children()] == [
            n for n, _ in features.named_children()
        ]
        assert averaged.conv3_2 is features.conv3_2
        read = layer_reader(averaged, ["relu1_2", "pool1"])(images)
        torch.testing.assert_close(
            read["pool1"], nn.functional.avg_pool2d(read["relu1_2"], 2), rtol=1e-5, atol=1e-6
        )
        assert not any(isinstance(part, nn.MaxPool2d) for part in averaged)
        assert any(isinstance(part, nn.MaxPool2d) for part in features)

    def test_keeps_size_step_and_padding(self):
        net = average_pooling(nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True)))
        x = torch.rand(1, 2, 8, 9)
        expected = nn.functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
        torch.testing.assert_close(net(x), expected)
