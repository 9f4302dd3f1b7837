import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lhelpers.features import cut_patches, receptive_field, strongest_places
from d2lhelpers.features.patches import Field
from d2lhelpers.models import vgg_features


def seen_by_gradient(net, side, row, column):
    """(side,) twice, bool: which rows and columns of the picture move one activation, by its gradient.

    The network's weights are made positive, its pooling averages, so that nothing cancels and nothing is left out.
    """
    image = torch.ones(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(image)[0, :, row, column].sum(), image)
    moved = gradient[0].abs().sum(dim=0) > 0
    return moved.any(dim=1), moved.any(dim=0)


def positive(net):
    """The same geometry, in which every input counts."""
    layers = []
    for part in net:
        if isinstance(part, nn.Conv2d):
            same = nn.Conv2d(
                part.in_channels,
                part.out_channels,
                part.kernel_size,
                part.stride,
                part.padding,
                part.dilation,
            )
            nn.init.constant_(same.weight, 0.01)
            nn.init.constant_(same.bias, 1)
            part = same
        elif isinstance(part, nn.MaxPool2d):
            part = nn.AvgPool2d(part.kernel_size, part.stride, part.padding)
        layers.append(part)
    return nn.Sequential(*layers).double().eval()


def span(field, index, side):
    inside = torch.zeros(side, dtype=torch.bool)
    first = index * field.stride + field.start
    inside[max(0, first) : max(0, first + field.size)] = True
    return inside


class TestReceptiveField:
    @pytest.mark.parametrize(
        "layer", ["conv1_1", "relu1_2", "pool1", "relu2_2", "relu3_3", "conv4_3", "pool4"]
    )
    def test_of_the_shipped_network_by_its_gradient(self, layer):
        net, side = vgg_features(), 160
        field = receptive_field(net, layer)
        names = [name for name, _ in net.named_children()]
        counted = positive(net[: names.index(layer) + 1])
        middle = side // field.stride // 2
        for row, column in [(middle, middle), (0, middle), (middle, 1)]:
            rows, columns = seen_by_gradient(counted, side, row, column)
            assert torch.equal(rows, span(field, row, side))
            assert torch.equal(columns, span(field, column, side))

    def test_the_trained_network_sees_nothing_outside(self):
        net, side = vgg_features().double(), 128
        field = receptive_field(net, "relu3_3")
        names = [name for name, _ in net.named_children()]
        rows, columns = seen_by_gradient(net[: names.index("relu3_3") + 1], side, 12, 20)
        assert not (rows & ~span(field, 12, side)).any()
        assert not (columns & ~span(field, 20, side)).any()
        assert rows.sum() > field.size * 3 // 4

    @given(
        st.lists(
            st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.booleans()),
            min_size=1, max_size=4,
        )
    )  # fmt: skip
    @settings(max_examples=30, deadline=None)
    def test_of_any_chain_by_its_gradient(self, layers):
        chain = []
        for kernel, stride, padding, dilation, pools in layers:
            padding = min(padding, kernel // 2)
            if pools:
                chain.append(nn.MaxPool2d(kernel, stride, padding))
            else:
                chain += [nn.Conv2d(3, 3, kernel, stride, padding, dilation), nn.ReLU()]
        net = nn.Sequential(*chain).eval()
        field = receptive_field(net, str(len(chain) - 1))
        # an average leaves gaps where the stride is larger than the kernel; only the outermost count
        side = 3 * field.size + 4 * field.stride + 8
        index = (side // 2 - field.start) // field.stride
        rows, columns = seen_by_gradient(positive(net), side, index, index)
        place = rows.nonzero().flatten()
        assert (place[0].item(), place[-1].item()) == (
            index * field.stride + field.start,
            index * field.stride + field.start + field.size - 1,
        )
        assert torch.equal(rows, columns)

    def test_numbers_on_paper(self):
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Dropout(), nn.Conv2d(4, 4, 3, dilation=2),
        ).eval()  # fmt: skip
        # 3, then 1 more pixel by pooling, then 2 x 2 cells of 2 pixels
        assert receptive_field(net, "0") == (3, 1, -1)
        assert receptive_field(net, "3") == (4, 2, -1)
        assert receptive_field(net, "5") == Field(size=12, stride=2, start=-1)
        assert receptive_field(net.double(), "5").size == 12

    @pytest.mark.parametrize(
        "layer", [nn.AdaptiveAvgPool2d(1), nn.Upsample(scale_factor=2), nn.Flatten(), nn.LayerNorm(5)],
        ids=lambda layer: type(layer).__name__,
    )  # fmt: skip
    def test_layers_that_see_more_than_a_place_are_refused(self, layer):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), layer).eval()
        with pytest.raises(ValueError, match=f"1, {type(layer).__name__}, neither"):
            receptive_field(net, "1")

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="no 'conv9' in this network, but 0"):
            receptive_field(nn.Sequential(nn.ReLU()).eval(), "conv9")
        with pytest.raises(ValueError, match=r"kernel_size \(3, 2\)"):
            receptive_field(nn.Sequential(nn.Conv2d(3, 1, (3, 2))).eval(), "0")
        with pytest.raises(ValueError, match="padding 'same'"):
            receptive_field(nn.Sequential(nn.Conv2d(3, 1, 3, padding="same")).eval(), "0")
        with pytest.raises(ValueError, match="evaluation mode"):
            receptive_field(nn.Sequential(nn.BatchNorm2d(3)), "0")


class TestStrongestPlaces:
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_a_loop(self, seed):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()).eval()
        images = torch.rand(7, 3, 9, 13)
        found = strongest_places(net, images, "1", k=3, batch_size=2)
        activations = net(images).detach()
        for channel in range(4):
            ranked = sorted(range(7), key=lambda i: -activations[i, channel].max().item())[:3]
            assert found.pictures[channel].tolist() == ranked
            for place, picture in enumerate(ranked):
                plane = activations[picture, channel]
                row, column = divmod(plane.argmax().item(), plane.shape[1])
                assert found.rows[channel, place] == row
                assert found.columns[channel, place] == column
                torch.testing.assert_close(found.values[channel, place], plane.max())

    def test_of_equal_pictures_the_first_comes_first(self):
        net = nn.Sequential(nn.Identity())
        found = strongest_places(net, torch.ones(4, 2, 3, 3), "0", k=3, batch_size=3)
        assert found.pictures.tolist() == [[0, 1, 2]] * 2

    @pytest.mark.parametrize("k", [0, 5])
    def test_bad_input_is_named(self, k):
        with pytest.raises(
            ValueError, match=rf"k must lie in 1\.\.4, the number of images, got {k}"
        ):
            strongest_places(nn.Sequential(nn.Identity()), torch.ones(4, 2, 3, 3), "0", k)


class TestCutPatches:
    def test_a_patch_alone_gives_the_same_activation(self):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.ReLU()
        ).eval()
        images = torch.rand(3, 3, 24, 31)
        field = receptive_field(net, "4")
        rows, columns = torch.tensor([0, 4, 7]), torch.tensor([2, 0, 10])
        patches = cut_patches(images, rows, columns, field)
        assert patches.shape == (3, 3, field.size, field.size)
        expected = net(images)[torch.arange(3), :, rows, columns]
        torch.testing.assert_close(net(patches)[:, :, 0, 0], expected)

    def test_beyond_the_edge_is_filled(self):
        image = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
        field = Field(size=3, stride=2, start=-1)
        cut = cut_patches(image, torch.tensor([0]), torch.tensor([1]), field, fill=200)
        assert cut.dtype == torch.uint8
        assert cut[0, 0].tolist() == [[200, 200, 200], [1, 2, 200], [4, 5, 200]]

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match=r"must be \(2,\), one for each image"):
            cut_patches(
                torch.ones(2, 3, 4, 4), torch.tensor([0]), torch.tensor([0, 1]), Field(3, 1, 0)
            )
