import numpy as np
import pytest
import torch
from torch import nn

from d2lhelpers.colour import colour_statistics_loss
from d2lhelpers.features import layer_reader
from d2lhelpers.models import vgg_features
from d2lhelpers.models.vgg import vgg
from d2lhelpers.style import (
    StyleTransfer,
    SynthesizedImage,
    Weights,
    adam,
    as_picture,
    gram,
    lbfgs,
    smoothness_loss,
    synthesise,
)

LAYERS = {"content_layers": ["relu2_2"], "style_layers": ["relu1_1", "relu2_1"]}


def noise(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def net():
    return vgg_features()


@pytest.fixture
def transfer(net):
    return StyleTransfer(net, noise(24, 36), noise(30, 20, 1), **LAYERS)


class TestLosses:
    def test_are_what_they_say(self, net, transfer):
        image = noise(24, 36, 2)
        losses = transfer.losses(image)
        a, c, s = (
            layer_reader(net, ["relu1_1", "relu2_1", "relu2_2"])(picture)
            for picture in (image, noise(24, 36), noise(30, 20, 1))
        )
        close = {"rtol": 1e-4, "atol": 1e-6}
        content = (a["relu2_2"] - c["relu2_2"]).square().sum() / c["relu2_2"].square().sum()
        torch.testing.assert_close(losses["content"], content, **close)
        style = [
            (gram(a[name]) - gram(s[name])).square().sum() / gram(s[name]).square().sum()
            for name in ("relu1_1", "relu2_1")
        ]
        torch.testing.assert_close(losses["style"], sum(style) / 2, **close)
        torch.testing.assert_close(losses["smoothness"], smoothness_loss(image))
        torch.testing.assert_close(
            losses["colour"], colour_statistics_loss(image, noise(30, 20, 1))[0]
        )

    def test_vanish_at_their_targets(self, transfer):
        assert transfer.losses(noise(24, 36))["content"] < 1e-10
        own = StyleTransfer(vgg_features(), noise(30, 20, 1), noise(30, 20, 1), **LAYERS)
        losses = own.losses(noise(30, 20, 1))
        assert max(losses["style"], losses["colour"], losses["content"]) < 1e-10
        assert transfer.losses(noise(24, 36))["style"] > 1e-4

    def test_do_not_depend_on_the_networks_scale(self, net):
        image = noise(24, 36, 2)
        loud_net, quiet_net = (nn.Sequential(*net[:3], _Times(factor)) for factor in (7.0, 1.0))
        loud, quiet = (
            StyleTransfer(
                network, noise(24, 36), noise(30, 20, 1), content_layers=["3"], style_layers=["3"]
            ).losses(image)
            for network in (loud_net, quiet_net)
        )
        torch.testing.assert_close(loud, quiet, rtol=1e-4, atol=1e-6)

    def test_weights_and_their_sum(self, net):
        weights = Weights(content=2, style=3, colour=0, smoothness=5)
        transfer = StyleTransfer(net, noise(24, 36), noise(30, 20, 1), weights=weights, **LAYERS)
        image = noise(24, 36, 2)
        losses, (total, terms) = transfer.losses(image), transfer.compute_loss(image)
        torch.testing.assert_close(terms["style"], 3 * losses["style"])
        torch.testing.assert_close(terms["smoothness"], 5 * losses["smoothness"])
        assert terms["colour"] == 0
        torch.testing.assert_close(total, sum(terms.values()))

    def test_all_relus_are_style_unless_told(self, net):
        transfer = StyleTransfer(net, noise(32, 32), noise(32, 32, 1))
        assert len(transfer.style_layers) == 10
        assert transfer.content_layers == ("relu4_1",)

    def test_one_layer_may_be_both(self, net):
        transfer = StyleTransfer(
            net,
            noise(24, 36),
            noise(30, 20, 1),
            content_layers=["relu2_2"],
            style_layers=["relu2_2"],
        )
        assert transfer.losses(noise(24, 36))["content"] < 1e-10

    def test_the_network_is_left_alone_and_no_target_remembers_its_making(self):
        net = vgg().features.train()
        style = noise(30, 20, 1).requires_grad_()
        transfer = StyleTransfer(net, noise(24, 36), style, **LAYERS)
        image = noise(24, 36, 2).requires_grad_()
        transfer.compute_loss(image)[0].backward()
        assert image.grad.abs().max() > 0
        assert style.grad is None
        assert net.training
        assert all(weights.grad is None and weights.requires_grad for weights in net.parameters())

    @pytest.mark.parametrize(
        ("content", "style", "message"),
        [
            (torch.zeros(3, 24, 36), noise(30, 20), "content must be"),
            (noise(24, 36), torch.zeros(1, 1, 24, 36), "style must be"),
            (
                noise(24, 36),
                torch.zeros(1, 3, 24, 36, dtype=torch.uint8),
                "`as_picture` makes it so",
            ),
            (noise(24, 36), noise(1, 20), r"style of 1 × 20 pixels is too small"),
        ],
    )
    def test_refuses_with_words(self, net, content, style, message):
        with pytest.raises(ValueError, match=message):
            StyleTransfer(net, content, style, **LAYERS)

    def test_refuses_an_image_in_another_size(self, transfer):
        with pytest.raises(ValueError, match="must have one size"):
            transfer.losses(noise(24, 40))


class _Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


class TestSynthesis:
    def test_the_picture_is_the_only_parameter_and_a_copy(self):
        start = noise(4, 5).contiguous(memory_format=torch.channels_last)
        image = SynthesizedImage(start)
        assert [name for name, _ in image.named_parameters()] == ["weight"]
        assert image.weight.is_contiguous()
        image.weight.data.zero_()
        assert start.max() > 0

    @pytest.mark.parametrize(("optimise", "steps"), [(adam, 30), (lbfgs, 3)])
    def test_the_loss_falls_and_is_kept(self, transfer, optimise, steps):
        start = noise(24, 36)
        seen = []
        made = synthesise(
            transfer, start, steps, optimise, lambda step, picture: seen.append((step, picture))
        )
        assert made.loss[-1] < 0.7 * made.loss[0]
        assert len(made.loss) == len(made.seconds) >= steps
        assert made.seconds == sorted(made.seconds)
        assert list(made.terms) == ["content", "style", "colour", "smoothness"]
        assert [step for step, _ in seen] == list(range(1, steps + 1))
        torch.testing.assert_close(seen[-1][1], made.image)
        assert not torch.equal(seen[0][1], seen[-1][1])
        assert made.image.min() >= 0
        assert made.image.max() <= 1
        assert not made.image.requires_grad
        torch.testing.assert_close(start, noise(24, 36), rtol=0, atol=0)

    def test_lbfgs_gets_further_in_as_many_evaluations(self, transfer):
        quick = synthesise(transfer, noise(24, 36), 3)
        slow = synthesise(transfer, noise(24, 36), len(quick.loss), adam)
        assert min(quick.loss) < min(slow.loss)

    def test_adams_learning_rate_falls_in_steps(self):
        optimizer, scheduler = adam(SynthesizedImage(noise(4, 4)), 0.1, decay_every=2, gamma=0.5)
        rates = []
        for _ in range(5):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])

    def test_content_alone_gives_the_content_back(self, net):
        transfer = StyleTransfer(
            net, noise(16, 24), noise(30, 20, 1), ["relu1_1"], ["relu1_1"],
            Weights(content=1, style=0, colour=0, smoothness=0),
        )  # fmt: skip
        made = synthesise(transfer, torch.full((1, 3, 16, 24), 0.5), 12)
        before = (noise(16, 24) - 0.5).square().mean()
        assert (made.image - noise(16, 24)).square().mean() < 0.05 * before

    def test_the_same_start_gives_the_same_picture(self, transfer):
        one, two = (synthesise(transfer, noise(24, 36, 5), 1) for _ in range(2))
        torch.testing.assert_close(one.image, two.image, rtol=0, atol=0)

    @pytest.mark.parametrize(
        ("style", "size"),
        [
            (np.random.default_rng(0).integers(0, 256, (9, 50), np.uint8), None),
            (np.random.default_rng(0).integers(0, 256, (40, 20, 4), np.uint8), None),
            (np.uint8([[[200, 30, 60]]]), 20),
        ],
    )
    def test_any_style_picture(self, net, style, size):
        transfer = StyleTransfer(net, noise(24, 36), as_picture(style, size), **LAYERS)
        made = synthesise(transfer, noise(24, 36), 1)
        assert made.loss[-1] < made.loss[0]

    def test_refuses_no_steps_and_another_size(self, transfer):
        with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
            synthesise(transfer, noise(24, 36), 0)
        with pytest.raises(ValueError, match="must have one size"):
            synthesise(transfer, noise(20, 36), 1)

    def test_says_when_the_loss_is_no_number(self, transfer):
        start = noise(24, 36)
        start[0, 0, 3, 4] = torch.nan
        with pytest.raises(FloatingPointError, match="the loss is not finite"):
            synthesise(transfer, start, 1)
