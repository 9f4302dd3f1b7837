import d2l.torch as d2l
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import d2lhelpers
from d2lhelpers.segmentation.upsampling import (
    bilinear_kernel,
    upsampling_geometry,
    upsampling_layer,
)


class TestBilinearKernel:
    def test_three_and_four_by_hand(self):
        expected = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        torch.testing.assert_close(bilinear_kernel(1, 1, 3)[0, 0], expected)
        line = torch.tensor([1.0, 3, 3, 1]) / 4
        torch.testing.assert_close(bilinear_kernel(1, 1, 4)[0, 0], line.outer(line))

    def test_channels_keep_to_themselves(self):
        weight = bilinear_kernel(3, 3, 4)
        assert weight.shape == (3, 3, 4, 4)
        for i in range(3):
            for j in range(3):
                expected = weight[0, 0] if i == j else torch.zeros(4, 4)
                assert torch.equal(weight[i, j], expected)

    @pytest.mark.parametrize("channels", [(1, 1), (3, 3), (1, 4), (4, 1)])
    @pytest.mark.parametrize("size", range(1, 12))
    def test_is_d2ls(self, channels, size):
        # imported from where d2l's users would look
        ours = d2lhelpers.bilinear_kernel(*channels, size)
        namespace = {"torch": torch}
        exec(D2L, namespace)
        torch.testing.assert_close(ours, namespace["bilinear_kernel"](*channels, size))
        assert not hasattr(d2l, "bilinear_kernel")  # the book has it, its package has not

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((2, 3, 4), "out_channels must be in_channels, 2"),
            ((0, 1, 4), "at least 1, got 0, 1 and 4"),
            ((1, 1, 0), "at least 1, got 1, 1 and 0"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            bilinear_kernel(*arguments)


D2L = """
def bilinear_kernel(in_channels, out_channels, kernel_size):
    factor = (kernel_size + 1) // 2
    if kernel_size % 2 == 1:
        center = factor - 1
    else:
        center = factor - 0.5
    og = (torch.arange(kernel_size).reshape(-1, 1), torch.arange(kernel_size).reshape(1, -1))
    filt = (1 - torch.abs(og[0] - center) / factor) * (1 - torch.abs(og[1] - center) / factor)
    weight = torch.zeros((in_channels, out_channels, kernel_size, kernel_size))
    weight[range(in_channels), range(out_channels), :, :] = filt
    return weight
"""


class TestGeometry:
    def test_those_of_the_paper(self):
        assert [upsampling_geometry(s) for s in (32, 16, 8, 2, 3, 1)] == [
            (64, 16), (32, 8), (16, 4), (4, 1), (5, 1), (1, 0),
        ]  # fmt: skip

    @given(st.integers(1, 40), st.integers(1, 6))
    def test_each_side_is_exactly_stride_times_as_long(self, stride, length):
        kernel, padding = upsampling_geometry(stride)
        assert (length - 1) * stride + kernel - 2 * padding == length * stride
        x = torch.zeros(1, 1, 1, length)
        assert F.conv_transpose2d(
            x, torch.zeros(1, 1, kernel, kernel), stride=stride, padding=padding
        ).shape == (1, 1, stride, length * stride)

    def test_refuses(self):
        with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
            upsampling_geometry(0)


class TestLayer:
    @pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 8, 16])
    def test_starts_as_bilinear_interpolation_away_from_the_edge(self, stride):
        x = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(stride))
        y = upsampling_layer(3, stride)(x)
        expected = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
        assert y.shape == expected.shape
        inside = (..., slice(stride, -stride), slice(stride, -stride))
        torch.testing.assert_close(y[inside], expected[inside])

    def test_at_the_edge_it_fades_towards_zero(self):
        y = upsampling_layer(1, 4)(torch.ones(1, 1, 5, 5))
        assert (y <= 1 + 1e-6).all()
        assert y[0, 0, 0, 0] < 0.5

    def test_random_is_not_bilinear_and_both_learn(self):
        torch.manual_seed(0)
        layer = upsampling_layer(2, 4, "random")
        assert (layer.weight[0, 1] != 0).any()
        assert layer.bias is None
        assert layer.weight.requires_grad
        assert upsampling_layer(2, 4).weight.requires_grad

    def test_refuses(self):
        with pytest.raises(ValueError, match="bilinear or random, not 'nearest'"):
            upsampling_layer(2, 4, "nearest")
