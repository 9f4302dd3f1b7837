import itertools

import d2l.torch as d2l
import pytest
import torch
import torch.nn.functional as F
from convolution_strategies import convolutions, remainder, transposed_convolutions, values, whole
from hypothesis import assume, given
from hypothesis import strategies as st

from d2lhelpers import convolution, corr2d, kernel2matrix, trans_conv
from d2lhelpers.convolution import conv_output_size, conv_transpose_output_size


def with_gradients(function, X, K, **settings):
    """Value, and the gradients of a fixed mixture of the outputs."""
    X, K = X.clone().requires_grad_(), K.clone().requires_grad_()
    Y = function(X, K, **settings)
    return Y, *torch.autograd.grad((Y * values(*Y.shape, seed=5).to(Y)).sum(), (X, K))


class TestSizes:
    def test_numbers_that_can_be_counted_on_the_fingers(self):
        assert conv_output_size(5, 3) == 3
        assert conv_output_size(5, 2, stride=2) == 2  # the last column is left over
        assert conv_output_size(6, 3, stride=2, padding=1) == 3
        assert conv_output_size(7, 3, dilation=3) == 1
        assert conv_transpose_output_size(2, 2) == 3
        assert conv_transpose_output_size(2, 2, 2) == 4
        assert conv_transpose_output_size(3, 3, 2, 1) == 5
        assert conv_transpose_output_size(3, 3, 2, 1, 1) == 6
        assert conv_transpose_output_size(10, 64, 32, 16) == 320

    @given(whole(1, 60), whole(1, 9), whole(1, 6), whole(0, 8), whole(1, 5))
    def test_agrees_with_counting_the_places(self, size, kernel, stride, padding, dilation):
        starts = range(-padding, size + padding, stride)
        places = [n for n in starts if n + dilation * (kernel - 1) < size + padding]
        if places:
            assert conv_output_size(size, kernel, stride, padding, dilation) == len(places)
        else:
            with pytest.raises(ValueError, match="pad more"):
                conv_output_size(size, kernel, stride, padding, dilation)

    @given(whole(1, 40), whole(1, 9), whole(1, 6), whole(0, 8), whole(0, 5), whole(1, 5))
    def test_agrees_with_pytorch(self, size, kernel, stride, padding, extra, dilation):
        assume(extra < max(stride, dilation))
        X, K = torch.zeros(1, 1, size), torch.zeros(1, 1, kernel)
        reached = (size - 1) * stride + dilation * (kernel - 1) + 1 + extra
        if reached - 2 * padding < 1:
            with pytest.raises(ValueError, match=f"all {reached} pixels"):
                conv_transpose_output_size(size, kernel, stride, padding, extra, dilation)
            return
        Y = F.conv_transpose1d(X, K, None, stride, padding, extra, 1, dilation)
        ours = conv_transpose_output_size(size, kernel, stride, padding, extra, dilation)
        assert ours == Y.shape[-1]

    @given(whole(1, 40), whole(1, 9), whole(1, 6), whole(0, 8), whole(0, 5), whole(1, 5))
    def test_there_and_back(self, size, kernel, stride, padding, extra, dilation):
        assume(
            extra < stride and (size - 1) * stride + dilation * (kernel - 1) + extra >= 2 * padding
        )
        large = conv_transpose_output_size(size, kernel, stride, padding, extra, dilation)
        assert conv_output_size(large, kernel, stride, padding, dilation) == size

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("size", 0), ("kernel", 0), ("stride", 0), ("padding", -1), ("dilation", 0), ("kernel", 2.0),
         ("stride", True)],
    )  # fmt: skip
    def test_a_setting_out_of_range_is_named(self, setting, value):
        settings = {"size": 5, "kernel": 2} | {setting: value}
        for function in (conv_output_size, conv_transpose_output_size):
            with pytest.raises(ValueError, match=rf"{setting} must be .*{value}"):
                function(**settings)

    @pytest.mark.parametrize("extra", [-1, 2, 1.0])
    def test_an_output_padding_out_of_range_is_named(self, extra):
        with pytest.raises(ValueError, match=f"output_padding must be .* 0 to 1, .* {extra}"):
            conv_transpose_output_size(5, 3, stride=2, output_padding=extra)


class TestCorr2d:
    def test_numbers_of_the_book(self):
        X, K = torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)
        assert corr2d(X, K).tolist() == [[19, 25], [37, 43]]

    @pytest.mark.parametrize("seed", range(20))
    def test_is_the_books_function(self, seed):
        sizes = torch.randint(1, 5, (4,), generator=torch.Generator().manual_seed(seed)).tolist()
        kernel = values(*sizes[:2], seed=seed, dtype=torch.float32)
        X = values(
            sizes[0] + sizes[2] - 1, sizes[1] + sizes[3] - 1, seed=seed + 1, dtype=torch.float32
        )
        torch.testing.assert_close(corr2d(X, kernel), d2l.corr2d(X, kernel))

    @given(convolutions())
    def test_is_pytorchs_in_value_and_gradient(self, case):
        X, K, settings = case
        ours, theirs = (with_gradients(f, X, K, **settings) for f in (corr2d, F.conv2d))
        torch.testing.assert_close(ours, theirs)

    @given(convolutions())
    def test_is_pytorchs_in_float32(self, case):
        X, K, settings = case[0].float(), case[1].float(), case[2]
        ours, theirs = (with_gradients(f, X, K, **settings) for f in (corr2d, F.conv2d))
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


class TestTransConv:
    def test_numbers_of_the_book(self):
        X = torch.arange(4.0).reshape(2, 2)
        assert trans_conv(X, X).tolist() == [[0, 0, 1], [0, 4, 6], [4, 12, 9]]
        with_stride = [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]
        assert trans_conv(X, X, stride=2).tolist() == with_stride
        assert trans_conv(X, X, padding=1).tolist() == [[4]]

    @given(st.data())
    def test_is_the_books_loop_over_pixels(self, data):
        h, w, kh, kw = (data.draw(whole(1, 5)) for _ in range(4))
        X, K = values(h, w), values(kh, kw, seed=1)
        expected = torch.zeros(h + kh - 1, w + kw - 1, dtype=X.dtype)
        for i, j in itertools.product(range(h), range(w)):
            expected[i : i + kh, j : j + kw] += X[i, j] * K
        torch.testing.assert_close(trans_conv(X, K), expected)

    @given(transposed_convolutions())
    def test_is_pytorchs_in_value_and_gradient(self, case):
        X, K, settings = case
        ours, theirs = (
            with_gradients(f, X, K, **settings) for f in (trans_conv, F.conv_transpose2d)
        )
        torch.testing.assert_close(ours, theirs)

    @given(transposed_convolutions())
    def test_is_pytorchs_in_float32(self, case):
        X, K, settings = case[0].float(), case[1].float(), case[2]
        ours, theirs = (
            with_gradients(f, X, K, **settings) for f in (trans_conv, F.conv_transpose2d)
        )
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)

    @given(convolutions())
    def test_is_the_adjoint_of_the_convolution(self, case):
        """<conv(x), y> = <x, conv_transpose(y)>, the definition of a transpose."""
        x, K, settings = case
        convolved = corr2d(x, K, **settings)
        y = values(*convolved.shape, seed=7)
        extra = remainder(x.shape[-2:], K, settings)
        back = trans_conv(y, K, output_padding=extra, **settings)
        assert back.shape == x.shape
        torch.testing.assert_close((convolved * y).sum(), (x * back).sum())


class TestForms:
    """What holds for both operations."""

    both = pytest.mark.parametrize("function", [corr2d, trans_conv])

    @both
    def test_a_picture_alone_is_a_batch_of_one(self, function):
        X, K = values(2, 5, 4), values(2, 2, 3, 2, seed=1)
        settings = {"stride": (2, 1), "padding": (0, 1)}
        batch = function(X[None], K, **settings)
        torch.testing.assert_close(function(X, K, **settings)[None], batch, rtol=0, atol=0)
        single = function(X[0], K[0, 0], **settings)
        torch.testing.assert_close(
            single[None, None], function(X[None, :1], K[:1, :1], **settings), rtol=0, atol=0
        )

    @both
    def test_one_number_stands_for_a_pair(self, function):
        X, K = values(6, 7), values(2, 2)
        pairs = {"stride": (2, 2), "padding": (1, 1), "dilation": (3, 3)}
        single = {name: value[0] for name, value in pairs.items()}
        torch.testing.assert_close(
            function(X, K, **single), function(X, K, **pairs), rtol=0, atol=0
        )
        torch.testing.assert_close(
            function(X, K, **single),
            function(X, K, **{name: list(value) for name, value in pairs.items()}),
        )

    @both
    def test_memory_layout_does_not_matter_and_nothing_is_changed(self, function):
        X, K = values(4, 6).T, values(2, 3).flip(0).T
        kept = X.clone(), K.clone()
        torch.testing.assert_close(function(X, K), function(X.contiguous(), K.contiguous()))
        assert torch.equal(X, kept[0])
        assert torch.equal(K, kept[1])

    @both
    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            (torch.int64, torch.int64, torch.int64),
            (torch.uint8, torch.float32, torch.float32),
            (torch.float32, torch.float64, torch.float64),
            (torch.bfloat16, torch.bfloat16, torch.bfloat16),
        ],
    )
    def test_the_dtype_is_that_of_a_product(self, function, one, other, expected):
        X, K = torch.arange(16).reshape(4, 4), torch.ones(2, 2)
        Y = function(X.to(one), K.to(other))
        assert Y.dtype == expected
        assert torch.equal(Y.double(), function(X.double(), K.double()))

    @both
    def test_an_empty_batch_stays_empty(self, function):
        assert function(torch.zeros(0, 2, 5, 5), torch.zeros(2, 2, 2, 2)).shape[0] == 0

    @both
    @pytest.mark.parametrize(
        ("X", "K", "settings", "words"),
        [
            ((5,), (2, 2), {}, r"X and K must be .*\(5,\) and \(2, 2\)"),
            ((5, 5), (1, 1, 2, 2), {}, "X and K must be"),
            ((2, 5, 5), (2, 2), {}, "X and K must be"),
            ((1, 3, 5, 5), (2, 2, 2, 2), {}, "X has 3 channels, but dimension"),
            ((5, 5), (2, 2), {"stride": 0}, "stride must be"),
            ((5, 5), (2, 2), {"padding": (0, -1)}, "padding must be"),
            ((5, 5), (2, 2), {"dilation": (1, 2, 3)}, r"dilation must be .* pair .*\(1, 2, 3\)"),
            ((5, 5), (2, 2), {"stride": "2"}, "stride must be .* pair .*'2'"),
            ((5, 5), (0, 2), {}, "kernel must be"),
            ((0, 5), (2, 2), {}, "size must be"),
        ],
    )
    def test_bad_input_is_named(self, function, X, K, settings, words):
        with pytest.raises(ValueError, match=words):
            function(torch.zeros(X), torch.zeros(K), **settings)

    @pytest.mark.parametrize(("function", "K"), [(corr2d, (2, 3)), (trans_conv, (3, 2))])
    def test_exchanged_channels_are_suspected(self, function, K):
        with pytest.raises(ValueError, match="seem to be exchanged"):
            function(torch.zeros(2, 5, 5), torch.zeros(*K, 2, 2))

    @both
    def test_two_devices_are_named(self, function):
        with pytest.raises(ValueError, match="X on cpu, K on meta"):
            function(torch.zeros(5, 5), torch.zeros(2, 2, device="meta"))

    def test_no_place_and_nothing_left_are_errors(self):
        with pytest.raises(ValueError, match="the kernel reaches over 5 pixels"):
            corr2d(torch.zeros(4, 9), torch.zeros(3, 3), dilation=2)
        with pytest.raises(ValueError, match="padding=2 cuts off all 4 pixels"):
            trans_conv(torch.zeros(3, 3), torch.zeros(2, 2), padding=2)
        with pytest.raises(ValueError, match="output_padding must be"):
            trans_conv(torch.zeros(3, 3), torch.zeros(2, 2), output_padding=1)


def test_the_package_hands_out_what_it_names():
    assert {"corr2d", "trans_conv", "kernel2matrix", "stretch"} <= set(convolution.__all__)
    assert convolution.kernel2matrix is kernel2matrix
