"""What chapter 12 measures by: maps of a class, their mass, how alike they are, and enlarged pictures."""

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import nn

from d2lhelpers.datasets.marked import CLASSES, MarkedPictures
from d2lhelpers.experiments import enlarging, seeing
from d2lhelpers.models import backbone


def pictures(num=2, side=48, seed=0):
    return torch.rand(num, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def net():
    return backbone("vgg").eval().requires_grad_(False)


class TestHeatMaps:
    def test_one_for_each_method_in_pixels(self, net):
        images = pictures()
        maps = seeing.heat_maps(net, images, torch.tensor([3, 5]))
        assert tuple(maps) == seeing.MAPS
        for values in maps.values():
            assert values.shape == (2, 48, 48)
            assert (values >= 0).all()
            assert values.any()

    def test_the_gradient_s_map_is_by_autograd(self, net):
        images = pictures().requires_grad_()
        (expected,) = torch.autograd.grad(net(images)[:, 7].sum(), images)
        found = seeing.heat_maps(net, images.detach(), torch.tensor([7, 7]), ("gradient",))
        torch.testing.assert_close(found["gradient"], expected.abs().sum(dim=1))

    def test_masses(self):
        maps = {"even": torch.ones(2, 4, 4), "left": torch.eye(4)[0].expand(2, 4, 4).clone()}
        left = torch.zeros(2, 4, 4, dtype=torch.bool)
        left[..., 0] = True
        row = seeing.masses(maps, left, left.flip(2))
        assert row == {"even": 0.25, "even other": 0.25, "left": 1, "left other": 0}


class TestRandomised:
    def test_from_the_head_down_and_no_farther(self, net):
        before = {name: value.clone() for name, value in net.state_dict().items()}
        copied = seeing.randomised(net, "conv4", seed=1).state_dict()
        for name, value in net.state_dict().items():
            assert torch.equal(value, before[name])
            new = name.startswith(("head", "features.conv4"))
            assert torch.equal(copied[name], value) != new, name

    def test_by_seed(self, net):
        heads = [seeing.randomised(net, "head", seed).head.weight for seed in (0, 0, 1)]
        assert torch.equal(heads[0], heads[1])
        assert not torch.equal(heads[0], heads[2])

    def test_all_of_it(self, net):
        copied = seeing.randomised(net, seeing.BLOCKS[-1], seed=0)
        for one, two in zip(net.modules(), copied.modules(), strict=True):
            if isinstance(one, nn.Conv2d | nn.Linear):
                assert not torch.equal(one.weight, two.weight)


class TestLikeness:
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_scipy(self, seed):
        one, two = pictures(3, 9, seed)[:, 0], pictures(3, 9, seed + 5)[:, 0]
        expected = (
            sum(
                spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(one, two, strict=True)
            )
            / 3
        )
        assert seeing.likeness(one, two) == pytest.approx(expected, abs=1e-6)

    def test_only_the_order_counts(self):
        one = pictures(2, 9)[:, 0]
        assert seeing.likeness(one, one.exp()) == pytest.approx(1)
        assert seeing.likeness(one, -one) == pytest.approx(-1)


def test_the_lower_half_stays_and_the_upper_learns(net):
    images = (255 * pictures(12, 32)).byte()
    labels = torch.arange(12) % len(CLASSES)
    toys = MarkedPictures(images, labels, CLASSES, masks=torch.ones(12, 32, 32, dtype=torch.bool))
    trained = seeing.train_classifier(0, toys, epochs=2).cpu()
    assert trained(images).shape == (12, len(CLASSES))
    assert not trained.training
    for name, value in net.features.state_dict().items():
        kept = name.startswith(("conv1", "conv2"))
        assert torch.equal(trained.features.state_dict()[name], value) == kept, name


class TestEnlarging:
    def test_an_untrained_one_interpolates(self):
        net, images = enlarging.Enlarger(), pictures(2, 12)
        torch.testing.assert_close(net(images).detach(), enlarging.enlarge(images, "bilinear"))
        assert enlarging.reduced(pictures(1, 48)).shape == (1, 3, 12, 12)

    def test_what_is_perfect_scores_so(self):
        true = pictures(3, 48)

        def perfect(small):
            return true + 1e-4

        row = enlarging.measure(perfect, true)
        assert row["psnr"] > 70
        assert row["judge"] < 1e-4
        assert row["detail"] == pytest.approx(1, abs=1e-2)

    def test_a_blur_has_less_detail_and_a_larger_distance(self):
        true = pictures(3, 48)
        row = enlarging.measure(lambda small: enlarging.enlarge(small, "bicubic"), true)
        assert row["detail"] < 0.2
        assert row["judge"] > 0.1
        mean = (
            (enlarging.enlarge(enlarging.reduced(true), "bicubic").clamp(0, 1) - true)
            .square()
            .mean(dim=(1, 2, 3))
        )
        assert row["psnr"] == pytest.approx((-10 * mean.log10()).mean().item(), abs=1e-4)

    def test_fine_detail_is_what_an_average_takes_away(self):
        assert enlarging.fine_detail(torch.full((1, 3, 8, 8), 0.3)).item() < 1e-12
        stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 3, 8, 8)
        # their averages are all one half
        torch.testing.assert_close(enlarging.fine_detail(stripes), torch.tensor([0.25]))

    @pytest.mark.parametrize("loss", enlarging.LOSSES)
    def test_a_few_steps_lower_the_loss(self, loss):
        smooth = F.interpolate(pictures(4, 16), size=(48, 48), mode="bicubic").clamp(0, 1)
        distance = enlarging.LOSSES[loss](torch.device("cpu"))
        net = enlarging.train_enlarger(loss, 0, smooth, steps=6).cpu()
        before = distance(enlarging.enlarge(enlarging.reduced(smooth), "bilinear"), smooth)
        assert distance(net(enlarging.reduced(smooth)), smooth) < before
        assert not any(weights.requires_grad for weights in net.parameters())
