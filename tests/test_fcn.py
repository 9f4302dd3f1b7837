import pytest
import torch
from torch import nn

from d2lhelpers.models import FCN, backbone
from d2lhelpers.models.fcn import stages_of


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return FCN(5, stride=8).eval()


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [(64, 96), (70, 51), (17, 11), (1, 1), (128, 33)])
def test_logits_of_every_pixel_of_pictures_of_any_size(stride, size):
    out = FCN(4, stride=stride, pretrained=False).eval()(torch.rand(2, 3, *size))
    assert out.shape == (2, 4, *size)


@pytest.mark.parametrize(("body", "channels"), [("s32", [128] * 3), ("resnet18", [128, 256, 512])])
def test_maps_have_the_strides_that_they_should(body, channels):
    maps = FCN(3, pretrained=False, body=body).eval().maps(torch.rand(1, 3, 96, 70))
    assert [tuple(one.shape) for one in maps] == [
        (1, c, k * 3, k * 3) for c, k in zip(channels[::-1], (1, 2, 4), strict=True)
    ]


@pytest.mark.parametrize("body", ["s32", "resnet18"])
def test_the_stages_one_after_another_are_the_backbone(body):
    torch.manual_seed(1)
    whole = backbone(body, pretrained=False).eval()
    standardise, stages, _ = stages_of(whole)
    stages.eval()
    images = torch.rand(2, 3, 64, 64)
    x = standardise(images)
    for stage in stages[: 1 if body == "s32" else 3]:
        x = stage(x)
    torch.testing.assert_close(x, whole.features(images))


def test_trained_weights_are_those_of_the_backbone(net):
    whole = backbone("s32").eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(net.maps(images)[-1], whole.features(images))
    other = FCN(5, pretrained=False).eval()
    assert not torch.allclose(other.maps(images)[-1], whole.features(images))


def test_skips_by_hand(net):
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        coarse, middle, fine = net.maps(images)
        two = net.doublings[0](net.heads[0](coarse)) + net.heads[1](middle)
        three = net.doublings[1](two) + net.heads[2](fine)
        torch.testing.assert_close(net.scores(images), three)
        torch.testing.assert_close(net(images), net.enlarge(three))


def test_bytes_and_fractions_are_the_same(net):
    images = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8)
    torch.testing.assert_close(net(images), net(images / 255), rtol=1e-4, atol=1e-4)


def test_a_picture_shifted_by_the_coarsest_stride_has_its_map_shifted(net):
    torch.manual_seed(2)
    large = torch.rand(1, 3, 320, 352)
    with torch.no_grad():
        here, there = net(large[..., :320]), net(large[..., 32:])
    torch.testing.assert_close(
        here[..., 144:176, 160:192], there[..., 144:176, 128:160], rtol=1e-3, atol=1e-3
    )


def test_all_that_is_used_learns_and_nothing_else_is_there():
    net = FCN(3, stride=16, pretrained=False)
    net(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters() if p.ndim == 4)
    assert len(net.heads) == 2
    assert len(net.doublings) == 1
    assert isinstance(net.enlarge, nn.ConvTranspose2d)
    assert net.enlarge.stride == (16, 16)
    assert len(FCN(3, stride=32, pretrained=False).doublings) == 0


def test_how_the_upsampling_begins():
    bilinear, random = FCN(3, pretrained=False), FCN(3, pretrained=False, upsampling="random")
    pairs = zip(bilinear.doublings, random.doublings, strict=True)
    for one, other in ((bilinear.enlarge, random.enlarge), *pairs):
        assert not one.weight[0, 1].any()
        assert other.weight[0, 1].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 4}, "stride must be one of 32, 16, 8, not 4"),
        ({"upsampling": "nearest"}, "bilinear or random, not 'nearest'"),
        ({"body": "vgg"}, "not 'vgg'"),
        ({"num_classes": 0}, "num_classes must be at least 1, not 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        FCN(**{"num_classes": 3, "pretrained": False, **options})
