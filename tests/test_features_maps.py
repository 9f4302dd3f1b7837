"""Grad-CAM and occlusion: against scalar loops, and against what theory says they must be.

Held once against captum 0.9.0's LayerGradCam and Occlusion, on the shipped VGG and s32: equal to rounding.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lhelpers.features import class_signal, climb, descend, grad_cam, occlusion_map, scaled_to_one
from d2lhelpers.models import backbone

SEEDS = pytest.mark.parametrize("seed", range(3))


def network(seed=0, dtype=torch.float64):
    """Two convolutions with an in-place ReLU, and a head that sees the places, so that no gradient is even."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6 * 4 * 3, 4),
    )  # fmt: skip
    return net.to(dtype).eval()


def pictures(seed=0, num=3, height=8, width=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, 3, height, width, generator=generator, dtype=dtype)


CLASSES = torch.tensor([2, 0, 3])


class TestGradCam:
    @SEEDS
    # not behind ReLU and before max-pooling, where zeros share a maximum and a nudge of any of them counts
    @pytest.mark.parametrize("layer", ["0", "2", "3", "4"])
    def test_agrees_with_finite_differences_and_a_loop(self, seed, layer):
        net, images = network(seed), pictures(seed)
        found = grad_cam(net, images, layer, CLASSES)
        below, above = net[: int(layer) + 1], net[int(layer) + 1 :]
        with torch.no_grad():
            for image, label, one in zip(images, CLASSES, found, strict=True):
                # cloned, because `above` may begin with an in-place layer
                activations = below(image[None])[0].clone()
                nudges = 1e-6 * torch.eye(activations.numel(), dtype=torch.float64)
                up, down = (
                    above(activations + sign * nudges.view(-1, *activations.shape))[:, label]
                    for sign in (1, -1)
                )
                slopes = ((up - down) / 2e-6).view_as(activations)
                expected = torch.zeros_like(one)
                for channel, slope in zip(activations, slopes, strict=True):
                    expected += slope.sum() / slope.numel() * channel
                torch.testing.assert_close(one, expected.relu(), rtol=1e-5, atol=1e-8)

    @pytest.mark.parametrize(("name", "layer"), [("vgg", "features.pool4"), ("s32", "features.4")])
    def test_before_an_average_and_a_linear_head_it_is_the_class_activation_map(self, name, layer):
        net = backbone(name).eval()
        images, classes = pictures(1, 2, 64, 48, torch.float32), torch.tensor([3, 9])
        features = net.features(images).detach()
        weights = net.head.weight.detach()[classes]
        expected = torch.einsum("bk,bkhw->bhw", weights, features).relu() / features[0, 0].numel()
        torch.testing.assert_close(grad_cam(net, images, layer, classes), expected)

    def test_a_picture_is_not_influenced_by_the_others(self):
        net, images = network(), pictures()
        together = grad_cam(net, images, "3", CLASSES)
        for i in range(3):
            torch.testing.assert_close(
                grad_cam(net, images[i : i + 1], "3", CLASSES[i : i + 1])[0], together[i]
            )

    @SEEDS
    def test_class_signal_goes_down_as_the_logit_s_gradient(self, seed):
        net, images = backbone("vgg").double().eval(), pictures(seed, 2, 48, 32).requires_grad_()
        classes = torch.tensor([1, 8])
        (expected,) = torch.autograd.grad(net(images)[torch.arange(2), classes].sum(), images)
        steps, top = climb(net.features, images.detach(), "pool4")
        found = descend(steps, class_signal(net.head, top, classes), "gradient")
        torch.testing.assert_close(found, expected)

    def test_leaves_the_network_and_the_pictures_as_they_were(self):
        net, images = network(), pictures()
        before = images.clone()
        with torch.no_grad():
            free = grad_cam(net, images, "1", CLASSES)
        assert torch.equal(images, before)
        assert all(weights.grad is None for weights in net.parameters())
        assert not any(part._forward_hooks for part in net.modules())
        frozen = grad_cam(net.requires_grad_(False), images, "1", CLASSES)
        assert torch.equal(free, frozen)
        assert not frozen.requires_grad
        assert frozen.any()

    def test_the_hook_goes_even_where_the_network_fails(self):
        net = network()
        with pytest.raises(RuntimeError):
            grad_cam(net, pictures(height=17, width=9), "1", CLASSES)
        assert not any(part._forward_hooks for part in net.modules())

    def test_bad_input_is_named(self):
        net, images = network(), pictures()
        with pytest.raises(ValueError, match="no 'conv9' in this network, but"):
            grad_cam(net, images, "conv9", CLASSES)
        with pytest.raises(ValueError, match=r"classes must be \(B,\) int64"):
            grad_cam(net, images, "1", CLASSES[:2])
        with pytest.raises(ValueError, match=r"classes must be \(B,\) int64"):
            grad_cam(net, images, "1", CLASSES.float())
        with pytest.raises(ValueError, match=r"0\.\.3, got \[0, 4, 1\]"):
            grad_cam(net, images, "1", torch.tensor([0, 4, 1]))
        with pytest.raises(ValueError, match="evaluation mode"):
            grad_cam(network().train(), images, "1", CLASSES)


def occlusion_by_loop(net, image, label, size, stride, fill):
    """Square by square and pixel by pixel."""
    height, width = image.shape[1:]
    falls, times = torch.zeros(height, width).double(), torch.zeros(height, width).double()
    top = 0
    while True:
        left = 0
        while True:
            covered = image.clone()
            covered[:, top : top + size, left : left + size] = fill
            fall = (net(image[None]) - net(covered[None]))[0, label].item()
            falls[top : top + size, left : left + size] += fall
            times[top : top + size, left : left + size] += 1
            if left + size >= width:
                break
            left += stride
        if top + size >= height:
            break
        top += stride
    return falls / times


class TestOcclusion:
    @SEEDS
    @pytest.mark.parametrize(
        ("size", "stride", "fill"), [(2, 1, 0.5), (3, 2, 0.0), (4, 4, 1.0), (6, 5, 0.3), (1, 1, 0)]
    )
    def test_agrees_with_a_loop(self, seed, size, stride, fill):
        net, images = network(seed), pictures(seed)
        found = occlusion_map(net, images, CLASSES, size, stride, fill)
        with torch.no_grad():
            for image, label, one in zip(images, CLASSES.tolist(), found, strict=True):
                expected = occlusion_by_loop(net, image, label, size, stride, fill)
                torch.testing.assert_close(one, expected)

    @given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
    @settings(max_examples=25, deadline=None)
    def test_of_a_linear_network_it_is_exact(self, size, stride, seed):
        # a logit that is a weighted sum falls by what is covered
        if stride > size:
            size, stride = stride, size
        images, generator = pictures(seed), torch.Generator().manual_seed(seed)
        weights = torch.rand(4, 3, 8, 6, generator=generator, dtype=torch.float64)
        net = nn.Sequential(nn.Flatten(), nn.Linear(144, 4, bias=False)).double().eval()
        net[1].weight.data = weights.flatten(1)
        found = occlusion_map(net, images, CLASSES, size, stride, fill=0.0)
        assert (found > 0).all()
        if size == 1:
            torch.testing.assert_close(found, (weights[CLASSES] * images).sum(dim=1))

    def test_of_nothing_it_is_nothing(self):
        # a class that does not depend on the picture, and a picture that is the square's grey already
        net, images = network(), pictures()
        net[-1].weight.data[1] = 0
        assert not occlusion_map(net, images, torch.tensor([1, 1, 1]), 3, 2).any()
        grey = torch.full_like(images, 0.5)
        assert occlusion_map(net, grey, CLASSES, 3, 2).abs().max() < 1e-12

    def test_only_what_is_seen_counts(self):
        class Corner(nn.Module):
            def forward(self, images):
                return images[:, :, :3, :3].mean(dim=(2, 3))

        found = occlusion_map(Corner().eval(), torch.ones(1, 3, 12, 9), torch.tensor([0]), 3, 3)
        assert (found[0, :3, :3] > 0.4).all()
        found[0, :3, :3] = 0
        assert not found.any()

    def test_more_squares_than_go_into_one_pass(self):
        net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        found = occlusion_map(net, torch.ones(2, 3, 30, 40), torch.tensor([0, 2]), 1, 1, 0.0)
        torch.testing.assert_close(found, torch.full((2, 30, 40), 1 / 1200))

    def test_bad_input_is_named(self):
        net, images = network(), pictures()
        with pytest.raises(ValueError, match=r"float in \[0, 1\], got torch.uint8"):
            occlusion_map(net, images.byte(), CLASSES, 2, 1)
        for size, stride in [(7, 1), (2, 3), (2, 0)]:
            with pytest.raises(ValueError, match="1 <= stride <= size <= 6"):
                occlusion_map(net, images, CLASSES, size, stride)
        with pytest.raises(ValueError, match="evaluation mode"):
            occlusion_map(network().train(), images, CLASSES, 2, 1)


def test_at_one_pixel_occlusion_is_the_gradient_where_the_network_is_straight():
    """To black, pixel by pixel, through a network without a kink: the gradient times the picture."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double().eval()
    images, classes = pictures(num=1), torch.tensor([1])
    steps, top = climb(net[:1].eval(), images, "0")
    signal = torch.zeros_like(top)
    signal[:, 1] = 1 / top[0, 0].numel()
    expected = (descend(steps, signal, "gradient") * images).sum(dim=1)
    torch.testing.assert_close(occlusion_map(net, images, classes, 1, 1, 0.0), expected)


def test_scaled_to_one():
    maps = torch.tensor([[[1.0, -3.0], [4.0, 0.0]], [[-1.0, 0.0], [-2.0, -1.0]]])
    assert scaled_to_one(maps).tolist() == [[[0.25, 0], [1, 0]], [[0, 0], [0, 0]]]
    assert F.relu(scaled_to_one(maps)).max() == 1
