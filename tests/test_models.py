import re
from pathlib import Path

import pytest
import skimage
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.v2.functional import pil_to_tensor, resized_crop

from d2lhelpers import models
from d2lhelpers.files import WEIGHTS
from d2lhelpers.models import (
    ResidualBlock,
    Standardise,
    backbone,
    load_weights,
    save_weights,
)

SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))


class TestStandardise:
    def test_bytes_and_fractions_give_the_same(self):
        layer = Standardise((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
        images = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
        torch.testing.assert_close(layer(images), layer(images / 255), rtol=1e-5, atol=1e-6)

    def test_is_torchvisions_normalize(self):
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        images = torch.rand(2, 3, 5, 7)
        expected = torchvision.transforms.v2.functional.normalize(images, mean, std)
        torch.testing.assert_close(Standardise(mean, std)(images), expected, rtol=1e-5, atol=1e-6)

    def test_forgetting_to_divide_by_255_is_impossible_and_not_saved(self):
        layer = Standardise((0.5,) * 3, (0.25,) * 3)
        white = torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)
        torch.testing.assert_close(layer(white), torch.full((1, 3, 1, 1), 2.0))
        assert layer.state_dict() == {}


class TestResidualBlock:
    @pytest.mark.parametrize(
        ("channels", "stride", "shape"), [(8, 1, (17, 11)), (16, 2, (9, 6)), (16, 1, (17, 11))]
    )
    def test_shapes(self, channels, stride, shape):
        assert ResidualBlock(8, channels, stride)(torch.randn(2, 8, 17, 11)).shape == (
            2,
            channels,
            *shape,
        )

    def test_a_residual_of_nothing_leaves_the_input(self):
        block = ResidualBlock(4, 4, 1).eval()
        torch.nn.init.zeros_(block.residual[-1].weight)
        x = torch.rand(1, 4, 5, 5)
        torch.testing.assert_close(block(x), x)


class TestBackbone:
    @pytest.mark.parametrize("size", [(32, 32), (64, 64), (40, 72)])
    def test_takes_pictures_of_any_size(self, size):
        net = backbone("s32").eval()
        images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
        assert net(images).shape == (2, 10)
        assert net.features(images).shape == (2, 128, size[0] // net.stride, size[1] // net.stride)

    def test_the_shipped_weights_are_loaded_unless_not_wanted(self):
        first, second = backbone("s32"), backbone("s32")
        torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
        drawn = backbone("s32", pretrained=False)
        assert not torch.equal(drawn.head.weight, first.head.weight)

    def test_a_new_head_leaves_the_features(self):
        net = backbone("s32", num_classes=2)
        assert net.head.out_features == 2
        torch.testing.assert_close(
            net.features.state_dict(), backbone("s32").features.state_dict(), rtol=0, atol=0
        )

    def test_resnet18_computes_what_torchvisions_does(self, tmp_path, monkeypatch):
        torch.manual_seed(0)
        theirs = torchvision.models.resnet18().eval()
        torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
        monkeypatch.setattr(
            "d2lhelpers.datasets.weights", lambda name: tmp_path / f"{name}.pth", raising=False
        )
        ours = backbone("resnet18").eval()
        images = torch.rand(2, 3, 64, 64)
        expected = theirs(ours.features[0](images))
        torch.testing.assert_close(ours(images), expected, rtol=1e-4, atol=1e-5)
        assert ours.features(images).shape == (2, 512, 64 // ours.stride, 64 // ours.stride)

    def test_resnet18_says_how_to_get_its_weights(self):
        with pytest.raises(FileNotFoundError, match="fetch resnet18"):
            backbone("resnet18")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("s33",), "name must be one of s32, vgg, resnet18, not 's33'"),
            (("s32", 0), "num_classes must be at least 1"),
        ],
    )
    def test_refuses_what_is_not_there(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            backbone(*arguments)


class TestWeights:
    def test_come_back_rounded_to_16_bit_with_their_facts(self, tmp_path):
        net, again = models.BACKBONES["s32"](), models.BACKBONES["s32"]()
        save_weights(net, tmp_path / "x.safetensors", {"data": "nothing"})
        assert load_weights(again, tmp_path / "x.safetensors") == {"data": "nothing"}
        for name, value in again.state_dict().items():
            assert torch.equal(value, net.state_dict()[name].to(torch.float16).to(value.dtype)), (
                name
            )

    def test_a_missing_file_is_said(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"none\.safetensors is not in"):
            load_weights(backbone("s32"), tmp_path / "none.safetensors")

    def test_a_damaged_file_is_said_and_changes_nothing(self, tmp_path):
        net = backbone("s32")
        save_weights(net, tmp_path / "x.safetensors", {})
        content = (tmp_path / "x.safetensors").read_bytes()
        (tmp_path / "x.safetensors").write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match="is damaged"):
            load_weights(net, tmp_path / "x.safetensors")
        torch.testing.assert_close(net.state_dict(), backbone("s32").state_dict(), rtol=0, atol=0)

    @pytest.mark.parametrize("tensors", [{"a": torch.zeros(2)}, None])
    def test_weights_of_another_network_are_refused(self, tmp_path, tensors):
        if tensors is None:
            save_weights(backbone("s32", num_classes=3), tmp_path / "x.safetensors", {})
        else:
            save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(ValueError, match="of another network"):
            load_weights(backbone("s32"), tmp_path / "x.safetensors")


class TestShipped:
    def test_fit_into_the_repository(self):
        assert sum(path.stat().st_size for path in SHIPPED) <= 2.5 * 2**20

    @pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
    def test_state_where_they_are_from_and_how_good_they_are(self, path):
        facts = load_weights(backbone(path.stem, pretrained=False), path)
        assert "CIFAR-10 (JPEG)" in facts["data"]
        assert float(facts["test accuracy"]) >= {"s32": 0.84, "vgg": 0.83}[path.stem]
        assert not re.search(r"[/\\]", facts["data"])

    @pytest.mark.parametrize(
        ("name", "top", "left", "side", "expected"),
        [("chelsea.png", 0, 75, 300, "cat"), ("horse.png", 0, 36, 328, "horse")],
    )
    def test_s32_recognises_what_it_never_saw(self, name, top, left, side, expected):
        photograph = pil_to_tensor(
            Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
        )
        picture = resized_crop(photograph, top, left, side, side, [32, 32], antialias=True)
        likeliest = backbone("s32").eval()(picture[None]).argmax()
        assert models.CIFAR10_CLASSES[likeliest] == expected
