import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from d2lhelpers.attention import SelfAttention, SpatialGate
from d2lhelpers.features import activations, layer_names, layer_reader
from d2lhelpers.features import layers as layers_module
from d2lhelpers.models import backbone


class Small(nn.Module):
    """With all that makes reading hard: in-place layers and operations, repeats, a part that asks for a dtype."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.second = nn.Conv2d(4, 4, 1)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.pool(self.first(x))
        y = self.second(x)
        y += x
        y = F.relu(y, inplace=True)
        return self.drop(self.pool(y))


def small(seed=0):
    torch.manual_seed(seed)
    net = Small()
    for _ in range(3):
        net(torch.rand(4, 3, 12, 10))  # statistics to normalise by
    return net.eval()


IMAGES = torch.rand(5, 3, 17, 11, generator=torch.Generator().manual_seed(0))


def by_hand(net, x):
    """Every step of `Small` in evaluation mode, nothing in place."""
    conv, norm, _ = net.first
    steps = {"first.0": conv(x)}
    steps["first.1"] = norm(steps["first.0"])
    steps["first.2"] = steps["first"] = steps["first.1"].relu()
    steps["pool"] = F.max_pool2d(steps["first"], 2)
    steps["second"] = net.second(steps["pool"])
    steps["add"] = steps["second"] + steps["pool"]
    steps["relu"] = steps["add"].relu()
    steps["pool_1"] = steps["drop"] = F.max_pool2d(steps["relu"], 2)
    return steps


class TestNames:
    def test_lists_steps_in_order(self):
        assert layer_names(small()) == [
            "x", "first.0", "first.1", "first.2", "pool", "second", "add", "relu", "pool_1", "drop",
        ]  # fmt: skip

    def test_the_course_s_networks_can_be_followed(self):
        # what asks for the dtype of the pictures counts as one step
        assert layer_names(backbone("s32", pretrained=False))[1:3] == ["features.0", "features.1.0"]
        net = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 1)), nn.Sequential(), SelfAttention(8), SpatialGate(8)
        )
        names = layer_names(net)
        assert {"0.0", "2.query", "2.scaled_dot_product_attention", "3.sigmoid"} <= set(names)
        torch.testing.assert_close(layer_reader(net, ["3"])(IMAGES)["3"], net(IMAGES))


class Numbered(nn.Module):
    """Layers named as VGG's are, of which the first is used twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv1_1, self.conv1_2 = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, x):
        return self.conv1_2(self.conv1_1(self.conv1(self.conv1(x))))


class TestReader:
    def test_a_name_that_ends_in_a_number_is_a_name(self):
        torch.manual_seed(0)
        net = Numbered().eval()
        assert layer_names(net) == ["x", "conv1", "conv1_3", "conv1_1", "conv1_2"]
        read = layer_reader(net, ["conv1", "conv1_3", "conv1_1", "conv1_2"])(IMAGES)
        x = IMAGES
        for name, layer in (("conv1", net.conv1), ("conv1_3", net.conv1), ("conv1_1", net.conv1_1),
                            ("conv1_2", net.conv1_2)):  # fmt: skip
            x = layer(x)
            torch.testing.assert_close(read[name], x, msg=name)

    def test_torchvision_alone_takes_it_for_a_count(self):
        theirs = torchvision.models.feature_extraction.get_graph_node_names(Numbered().eval())[1]
        assert "conv1_2" in theirs
        assert theirs.index("conv1_2") != layer_names(Numbered()).index("conv1_2")

    @pytest.mark.parametrize("seed", range(3))
    def test_reads_every_step_before_it_is_overwritten(self, seed):
        net = small(seed)
        expected = by_hand(net, IMAGES)
        read = layer_reader(net, list(expected))(IMAGES)
        assert list(read) == list(expected)
        for name in expected:
            torch.testing.assert_close(read[name], expected[name], msg=name)
        assert (read["first.1"] < 0).any()

    @pytest.mark.parametrize("training", [True, False])
    def test_reads_as_much_in_either_mode(self, training):
        net = small().train(training)
        reader = layer_reader(net, ["first.0", "first", "first.2"])
        for mode in (training, not training):
            read = reader.train(mode)(IMAGES)
            assert list(read) == ["first.0", "first", "first.2"]
            torch.testing.assert_close(read["first.0"], net.first[0](IMAGES))
            assert torch.equal(read["first"], read["first.2"])

    def test_torchvision_alone_falls_into_the_trap(self):
        # where this no longer fails, the copies in `layer_reader` can go
        theirs = torchvision.models.feature_extraction.create_feature_extractor
        read = theirs(small(), ["first.1", "first.2"])(IMAGES)
        assert (read["first.1"] >= 0).all()

    def test_agrees_with_hooks_on_torchvisions_networks(self):
        torch.manual_seed(0)
        net = torchvision.models.resnet18().eval()
        seen = {}
        hooks = [
            net.get_submodule(name).register_forward_hook(
                lambda _, __, output, name=name: seen.update({name: output.clone()})
            )
            for name in ("layer1.0.bn2", "layer2", "fc")
        ]
        net(torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0)))
        for hook in hooks:
            hook.remove()
        images = torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0))
        read = layer_reader(net, list(seen))(images)
        for name in seen:
            torch.testing.assert_close(read[name], seen[name])

    def test_shares_weights_and_gradients_with_the_network(self):
        net, images = small(), IMAGES.clone().requires_grad_()
        reader = layer_reader(net, ["second"])
        reader(images)["second"].square().sum().backward()
        assert net.second.weight.grad.abs().max() > 0
        assert images.grad.abs().max() > 0
        net.second.bias.data += 1
        torch.testing.assert_close(reader(IMAGES)["second"], by_hand(net, IMAGES)["second"])

    def test_what_comes_later_is_not_computed(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(99, 1, 1))
        assert layer_reader(net, ["1"])(IMAGES)["1"].shape == (5, 4, 17, 11)

    @pytest.mark.parametrize("training", [True, False])
    def test_follows_and_keeps_the_modes(self, training):
        net = small().train(training)
        net.first[1].train(not training)  # a frozen normalisation, or the only one that is not
        modes = [part.training for part in net.modules()]
        reader = layer_reader(net, ["drop"])
        layer_names(net)
        assert [part.training for part in net.modules()] == modes
        assert reader.training == training
        dropped = (reader(IMAGES)["drop"] == 0).float().mean()
        assert (dropped > 0.4) == training

    @pytest.mark.parametrize(
        ("layers", "named"),
        [
            (["first.9"], "no 'first.9' in this network, but x, first.0, first.1"),
            (["firs"], "no 'firs'"),
            ([], "list of one name"),
            ("pool", "list of one name"),
        ],
    )
    def test_bad_input_is_named(self, layers, named):
        with pytest.raises(ValueError, match=named):
            layer_reader(small(), layers)


class TestActivations:
    @pytest.mark.parametrize("batch_size", [1, 2, 64])
    def test_batches_change_nothing(self, batch_size):
        net = small()
        read = activations(net, IMAGES, ["pool", "first.1"], batch_size)
        expected = by_hand(net, IMAGES)
        for name in ("pool", "first.1"):
            torch.testing.assert_close(read[name], expected[name])
            assert not read[name].requires_grad

    def test_evaluates_a_network_in_training_and_leaves_it_so(self):
        net = small().train()
        net.first[1].eval()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        read = activations(net, IMAGES, ["drop"])
        torch.testing.assert_close(read["drop"], by_hand(net, IMAGES)["drop"])
        assert [part.training for part in (net, net.drop, net.first[1])] == [True, True, False]
        for name, value in net.state_dict().items():
            assert torch.equal(value, before[name])

    def test_bytes(self):
        net = backbone("s32", pretrained=False)
        images = (torch.rand(3, 3, 16, 24) * 255).byte()
        read = activations(net, images, ["features", "head"], 2)
        torch.testing.assert_close(read["features"], net.eval().features(images))
        torch.testing.assert_close(read["head"], net(images))

    def test_between_batches_the_network_is_in_its_own_mode(self):
        net = small().train()
        for _ in layers_module.activation_batches(net, IMAGES, ["drop"], 2):
            assert all(part.training for part in net.modules())
            assert torch.is_grad_enabled()

    @pytest.mark.parametrize(("count", "batch_size"), [(0, 4), (5, 0)])
    def test_bad_input_is_named(self, count, batch_size):
        with pytest.raises(ValueError, match="batch_size"):
            activations(small(), IMAGES[:count], ["pool"], batch_size)
