import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lhelpers.features import RULES, climb, deconvolve, descend, strongest
from d2lhelpers.features.deconvolution import transpose, unpool
from d2lhelpers.models.backbones import CIFAR10_MEAN, CIFAR10_STD, Standardise

SEEDS = pytest.mark.parametrize("seed", range(3))


def vgg_like(seed=0, dtype=torch.float64):
    """Two blocks, with in-place ReLU, and pooling whose windows overlap."""
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1, groups=2), nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(8, 5, 3, stride=2), nn.ReLU(),
    ]  # fmt: skip
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.bias.data.fill_(0.2)  # so that no channel is silent
    return nn.Sequential(*layers).to(dtype).eval()


def pictures(seed=0, dtype=torch.float64, height=27, width=22):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, height, width, generator=generator, dtype=dtype)


class OtherReLU(nn.Module):
    """ReLU upwards; backwards it does to the gradient what the three methods say."""

    def __init__(self, rule):
        super().__init__()

        class Rectify(torch.autograd.Function):
            @staticmethod
            def forward(context, x):
                context.save_for_backward(x)
                return x.clamp(min=0)

            @staticmethod
            def backward(context, gradient):
                (x,) = context.saved_tensors
                if rule in ("gradient", "guided"):
                    gradient = torch.where(x > 0, gradient, 0)
                if rule in ("deconvolution", "guided"):
                    gradient = torch.where(gradient > 0, gradient, 0)
                return gradient

        self.forward = Rectify.apply


def by_autograd(net, images, signal, rule, layer):
    """The descent as a backward pass through the network, its ReLUs replaced."""
    layers = list(net)[: int(layer) + 1]
    other = nn.Sequential(*[OtherReLU(rule) if isinstance(x, nn.ReLU) else x for x in layers])
    images = images.clone().requires_grad_()
    return torch.autograd.grad(other(images), images, signal)[0]


class TestDescend:
    @SEEDS
    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("layer", ["0", "1", "3", "4", "7", "8", "9"])
    def test_equals_a_backward_pass_with_the_rule_of_relu_replaced(self, seed, rule, layer):
        net, images = vgg_like(seed), pictures(seed)
        steps, activations = climb(net, images, layer)
        generator = torch.Generator().manual_seed(seed)
        signal = torch.randn(activations.shape, generator=generator, dtype=torch.float64)
        for sent in (signal, strongest(activations, 2)):
            expected = by_autograd(net, images, sent, rule, layer)
            torch.testing.assert_close(descend(steps, sent, rule), expected)

    def test_the_three_rules_are_three(self):
        net, images = vgg_like(), pictures()
        found = [deconvolve(net, images, "9", 1, rule) for rule in RULES]
        for i, j in [(0, 1), (0, 2), (1, 2)]:
            assert (found[i] - found[j]).abs().max() > 1e-3 * found[i].abs().max()

    @SEEDS
    def test_with_the_gradient_s_rule_it_is_the_gradient(self, seed):
        net, images = vgg_like(seed), pictures(seed).requires_grad_()
        value = net(images)[:, 3].amax()
        (expected,) = torch.autograd.grad(value, images)
        steps, activations = climb(net, images.detach(), "9")
        signal = (activations == activations[:, 3].max()).double()
        torch.testing.assert_close(descend(steps, signal, "gradient"), expected)

    @SEEDS
    def test_without_relu_all_rules_are_the_gradient(self, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(
            Standardise(CIFAR10_MEAN, CIFAR10_STD),
            nn.Conv2d(3, 4, (3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2)),
            nn.BatchNorm2d(4),
            nn.Dropout(),
            nn.AvgPool2d(2, padding=1),
            nn.Conv2d(4, 5, 3, padding="same"),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Conv2d(5, 2, 2, padding=1, padding_mode="circular"),
        ).double()
        net(pictures(seed + 9))  # statistics to normalise by
        net, images = net.eval(), pictures(seed).requires_grad_()
        (expected,) = torch.autograd.grad(net(images)[:, 1].sum(), images)
        steps, activations = climb(net, images.detach(), "7")
        torch.testing.assert_close(activations, net(images).detach())
        signal = torch.zeros_like(activations)
        signal[:, 1] = 1
        for rule in RULES:
            torch.testing.assert_close(descend(steps, signal, rule), expected)

    def test_scales_with_the_signal(self):
        steps, activations = climb(vgg_like(), pictures(), "9")
        signal = strongest(activations, 1)
        for rule in RULES:
            down = descend(steps, signal, rule)
            torch.testing.assert_close(descend(steps, 7 * signal, rule), 7 * down)

    def test_unknown_rule_is_named(self):
        steps, activations = climb(vgg_like(), pictures(), "9")
        with pytest.raises(ValueError, match="rule must be one of deconvolution, gradient, guided"):
            descend(steps, activations, "guess")

    @pytest.mark.parametrize(
        "layer",
        [
            nn.Sigmoid(), nn.GELU(), nn.LeakyReLU(), nn.AdaptiveMaxPool2d(4), nn.LayerNorm(22),
            nn.GroupNorm(1, 3), nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Softmax(1),
        ],
        ids=lambda layer: type(layer).__name__,
    )  # fmt: skip
    def test_there_is_no_way_down_through_other_layers(self, layer):
        net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), layer).double().eval()
        # the weights of every run: with some, the ReLU inside lets all through, and there is nothing to refuse
        torch.manual_seed(0)
        for part in net.modules():
            if isinstance(part, nn.Conv2d):
                part.reset_parameters()
        steps, activations = climb(net, pictures(), "1")
        with pytest.raises(ValueError, match=f"{type(layer).__name__} is neither"):
            descend(steps, strongest(activations, 1))


class TestClimb:
    def test_gives_the_network_s_activations_and_leaves_the_pictures_alone(self):
        net, images = nn.Sequential(nn.ReLU(inplace=True), *vgg_like()).eval(), pictures() - 0.5
        before = images.clone()
        _, activations = climb(net, images, "10")
        assert torch.equal(images, before)
        torch.testing.assert_close(activations, net(images.clone()).detach())

    def test_named_layers_and_bytes(self):
        net = nn.Sequential()
        net.add_module("standardise", Standardise(CIFAR10_MEAN, CIFAR10_STD))
        net.add_module("conv1", nn.Conv2d(3, 4, 3))
        net.add_module("relu1", nn.ReLU())
        net.eval()
        images = (pictures() * 255).byte()
        steps, activations = climb(net, images, "conv1")
        torch.testing.assert_close(activations, net[:2](images).detach())
        assert [type(step.layer) for step in steps] == [Standardise, nn.Conv2d]
        assert deconvolve(net, images, "relu1", 3).shape == images.shape

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="evaluation mode"):
            climb(vgg_like().train(), pictures(), "1")
        with pytest.raises(ValueError, match="Sequential"):
            climb(nn.Conv2d(3, 3, 1).eval(), pictures(), "1")
        with pytest.raises(ValueError, match="no '10' in this network, but 0, 1, 2"):
            climb(vgg_like(), pictures(), "10")


class TestStrongest:
    @SEEDS
    def test_keeps_one_activation_of_one_channel(self, seed):
        generator = torch.Generator().manual_seed(seed)
        activations = torch.randn(4, 3, 5, 7, generator=generator)
        for values in (activations, activations.contiguous(memory_format=torch.channels_last)):
            signal = strongest(values, 1)
            assert (signal != 0).sum((1, 2, 3)).tolist() == [1] * 4
            torch.testing.assert_close(signal.sum((1, 2, 3)), values[:, 1].amax((1, 2)))
            assert ((signal == 0) | (signal == values)).all()

    def test_of_equal_ones_only_the_first(self):
        assert strongest(torch.ones(1, 1, 2, 2), 0).tolist() == [[[[1, 0], [0, 0]]]]

    @pytest.mark.parametrize("channel", [-1, 3])
    def test_bad_input_is_named(self, channel):
        with pytest.raises(ValueError, match=r"channel must lie in 0\.\.2"):
            strongest(torch.ones(1, 3, 2, 2), channel)


class TestDeconvolve:
    @SEEDS
    def test_lights_only_what_the_activation_sees(self, seed):
        net, images = vgg_like(seed), pictures(seed)
        _, activations = climb(net, images, "6")
        drawn = deconvolve(net, images, "6", 4)
        assert drawn.shape == images.shape
        assert drawn.abs().amax((1, 2, 3)).min() > 0
        for i in range(2):
            row, column = divmod(activations[i, 4].argmax().item(), 11)
            # conv 3, pool 2, conv 3, conv 3: ten pixels across
            seen = torch.zeros(27, 22, dtype=torch.bool)
            seen[max(0, 2 * row - 4) : 2 * row + 6, max(0, 2 * column - 4) : 2 * column + 6] = True
            assert not drawn[i][:, ~seen].any()

    def test_numbers_on_paper(self):
        # one filter doubles, the maximum of the four pixels stands at the bottom right
        net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2)).eval()
        net[0].weight.data.fill_(2)
        net[0].bias.data.fill_(-1)
        drawn = deconvolve(net, torch.tensor([[[[0.1, 0.2], [0.3, 0.9]]]]), "2", 0)
        # up 2 * 0.9 - 1 = 0.8, down 0.8 * 2
        torch.testing.assert_close(drawn, torch.tensor([[[[0, 0], [0, 1.6]]]]))

    def test_a_channel_that_is_silent_draws_nothing(self):
        net = vgg_like()
        net[8].weight.data[1] = 0
        net[8].bias.data[1] = -1
        assert not deconvolve(net, pictures(), "9", 1).any()


class TestLayers:
    @given(
        st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2),
        st.sampled_from([1, 2]), st.integers(0, 3),
    )  # fmt: skip
    @settings(max_examples=40)
    def test_transpose_is_the_adjoint(self, kernel, stride, padding, dilation, groups, seed):
        torch.manual_seed(seed)
        layer = nn.Conv2d(
            4, 6, (kernel, 2), stride, padding, dilation, groups, bias=False, dtype=torch.float64
        )
        x = torch.randn(2, 4, 17, 11, dtype=torch.float64)
        y = torch.randn_like(layer(x))
        down = transpose(layer, y, x.shape)
        torch.testing.assert_close((layer(x) * y).sum(), (x * down).sum())

    @SEEDS
    def test_unpool_equals_pytorch_where_windows_do_not_overlap(self, seed):
        x = torch.randn(2, 3, 9, 8, generator=torch.Generator().manual_seed(seed))
        top, switches = F.max_pool2d(x, 2, return_indices=True)
        expected = F.max_unpool2d(top, switches, 2, output_size=(9, 8))
        torch.testing.assert_close(unpool(top, switches, x.shape), expected)

    def test_unpool_adds_where_windows_share_their_maximum(self):
        x = torch.tensor([[[[1.0, 5, 2]]]])
        top, switches = F.max_pool2d(x, (1, 2), stride=1, return_indices=True)
        assert unpool(top, switches, x.shape).tolist() == [[[[0, 10, 0]]]]
