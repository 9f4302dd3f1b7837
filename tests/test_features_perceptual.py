import pytest
import torch
from torch import nn

from d2lhelpers.features import PerceptualDistance
from d2lhelpers.models import backbone

SEEDS = pytest.mark.parametrize("seed", range(3))
LAYERS = ["0", "1", "4"]


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
    )  # fmt: skip


def pictures(seed=0):
    return torch.rand(4, 3, 17, 14, generator=torch.Generator().manual_seed(seed))


class TestDistance:
    @SEEDS
    def test_agrees_with_a_scalar_loop(self, seed):
        net, one, two = network(seed).eval(), pictures(seed), pictures(seed + 9)
        distance = PerceptualDistance(net, LAYERS)
        found, by_layer = distance(one, two), distance.by_layer(one, two)
        assert list(by_layer) == LAYERS
        for i in range(4):
            of_layers = []
            for name, last in [("0", 1), ("1", 2), ("4", 5)]:
                a, b = (net[:last](x[i : i + 1]).flatten().tolist() for x in (one, two))
                # in-place ReLU after the convolution and the normalisation must not be seen
                apart = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
                energy = sum((x * x + y * y) / 2 for x, y in zip(a, b, strict=True))
                of_layers.append(apart / energy)
                assert by_layer[name][i].item() == pytest.approx(apart / energy, rel=1e-4)
            assert found[i].item() == pytest.approx(sum(of_layers) / 3, rel=1e-4)

    @SEEDS
    def test_properties(self, seed):
        distance = PerceptualDistance(network(seed), LAYERS)
        one, two = pictures(seed), pictures(seed + 9)
        assert not distance(one, one).any()
        found = distance(one, two)
        assert (found > 0).all()
        assert (found <= 4).all()
        torch.testing.assert_close(found, distance(two, one))
        nearer = distance(one, one + 0.1 * (two - one))
        assert (nearer < found).all()

    def test_opposite_features_are_4_apart_unrelated_ones_2(self):
        distance = PerceptualDistance(nn.Sequential(nn.Identity()), ["0"])
        one, two = torch.eye(2).view(2, 1, 1, 1, 2)
        assert distance(one, -one).item() == pytest.approx(4)
        assert distance(one, two).item() == pytest.approx(2)
        assert distance(0 * one, 0 * one).item() == 0

    def test_layers_with_large_activations_do_not_count_for_more(self):
        net, one, two = network().eval(), pictures(), pictures(9)
        before = PerceptualDistance(net, ["0"])(one, two)
        net[0].weight.data *= 100
        net[0].bias.data *= 100
        torch.testing.assert_close(PerceptualDistance(net, ["0"])(one, two), before)

    def test_a_yardstick_does_not_change_and_leaves_the_network_alone(self):
        net, one, two = network().train(), pictures(), pictures(9)
        distance = PerceptualDistance(net, LAYERS)
        before = distance(one, two)
        # evaluated: no picture counts for another
        torch.testing.assert_close(distance(one[:1], two[:1]), before[:1])
        assert all(part.training for part in net.modules())
        assert all(weights.requires_grad for weights in net.parameters())
        net(one)
        for weights in net.parameters():
            weights.data += 1
        assert torch.equal(distance(one, two), before)

    @SEEDS
    def test_descending_it_brings_a_picture_nearer(self, seed):
        distance = PerceptualDistance(network(seed), LAYERS)
        target, image = pictures(seed), pictures(seed + 9).requires_grad_()
        optimiser = torch.optim.Adam([image], lr=0.02)
        start = distance(image, target).mean().item()
        for _ in range(40):
            loss = distance(image, target).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.item() < start / 2

    def test_gradient_agrees_with_finite_differences(self):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()).double()
        distance = PerceptualDistance(net, ["0", "1"])
        one, two = (torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in "ab")
        assert torch.autograd.gradcheck(distance, (one, two))

    def test_bytes_and_a_shipped_network(self):
        distance = PerceptualDistance(backbone("s32"), ["features.1", "features.3"])
        one, two = ((x * 255).byte() for x in (pictures(), pictures(9)))
        torch.testing.assert_close(distance(one, two), distance(one / 255, two / 255))

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="no '9'"):
            PerceptualDistance(network(), ["9"])
        with pytest.raises(ValueError, match="one shape"):
            PerceptualDistance(network(), LAYERS)(pictures(), pictures()[:1])
