import pytest
import torch
import torch.nn.functional as F
from convolution_strategies import convolutions, remainder, transposed_convolutions, values
from hypothesis import given

from d2lhelpers import corr2d, kernel2matrix, trans_conv
from d2lhelpers.convolution import flip_kernel, stretch, stretched_input


def matrix_of_the_book(K):
    k, W = torch.zeros(5), torch.zeros((4, 9))
    k[:2], k[3:5] = K[0, :], K[1, :]
    W[0, :5], W[1, 1:6], W[2, 3:8], W[3, 4:] = k, k, k, k
    return W


class TestMatrix:
    def test_without_a_size_it_is_the_books(self):
        K = torch.tensor([[1.0, 2], [3, 4]])
        assert torch.equal(kernel2matrix(K), matrix_of_the_book(K))
        assert kernel2matrix(torch.zeros(2, 4)).shape == (4, 3 * 5)

    @given(convolutions())
    def test_it_does_the_convolution_and_its_transpose_the_transposed_one(self, case):
        X, K, settings = case
        W = kernel2matrix(K, tuple(X.shape[-2:]), **settings)
        Y = F.conv2d(X, K, **settings)
        torch.testing.assert_close(W @ X[0].flatten(), Y[0].flatten())
        assert W.shape == (Y[0].numel(), X[0].numel())
        extra = remainder(X.shape[-2:], K, settings)
        back = F.conv_transpose2d(Y, K, output_padding=extra, **settings)
        torch.testing.assert_close(W.T @ Y[0].flatten(), back[0].flatten())

    @given(convolutions())
    def test_each_entry_by_the_definition(self, case):
        """Column by column: what the convolution makes of a picture with a single one."""
        X, K, settings = case
        W = kernel2matrix(K, tuple(X.shape[-2:]), **settings)
        units = torch.eye(X[0].numel(), dtype=K.dtype).reshape(-1, *X.shape[1:])
        columns = F.conv2d(units, K, **settings).flatten(1)
        torch.testing.assert_close(W, columns.T, rtol=0, atol=0)

    def test_gradient_reaches_the_kernel(self):
        K, X = values(2, 3, 2, 2).requires_grad_(), values(3, 4, 5, seed=1)
        weights = values(2, 3, 4, seed=2)
        through_matrix = (kernel2matrix(K, (4, 5)) @ X.flatten() * weights.flatten()).sum()
        directly = (F.conv2d(X, K) * weights).sum()
        torch.testing.assert_close(
            torch.autograd.grad(through_matrix, K), torch.autograd.grad(directly, K)
        )

    def test_a_size_may_be_one_number(self):
        K = values(3, 2)
        assert torch.equal(kernel2matrix(K, 5), kernel2matrix(K, (5, 5)))

    @pytest.mark.parametrize(
        ("K", "size", "settings", "words"),
        [
            ((2,), 3, {}, r"K must be .*\(2,\)"),
            ((1, 2, 2), 3, {}, "K must be"),
            ((2, 2), (3, 3, 3), {}, "input_size must be"),
            ((2, 2), 1, {}, "pad more"),
            ((2, 2), 3, {"stride": -1}, "stride must be"),
        ],
    )
    def test_bad_input_is_named(self, K, size, settings, words):
        with pytest.raises(ValueError, match=words):
            kernel2matrix(torch.zeros(K), size, **settings)


class TestAsOrdinaryConvolution:
    def test_stretch(self):
        X = torch.tensor([[1, 2], [3, 4]])
        assert stretch(X, 2).tolist() == [[1, 0, 2], [0, 0, 0], [3, 0, 4]]
        assert stretch(X, (1, 3)).tolist() == [[1, 0, 0, 2], [3, 0, 0, 4]]
        assert torch.equal(stretch(X, 1), X)
        assert stretch(torch.zeros(2, 3, 4, 5), (2, 3)).shape == (2, 3, 7, 13)

    def test_stretch_passes_the_gradient_on(self):
        X = values(2, 3).requires_grad_()
        weights = values(5, 9, seed=1)
        (gradient,) = torch.autograd.grad((stretch(X, (4, 4)) * weights).sum(), X)
        assert torch.equal(gradient, weights[::4, ::4])

    @pytest.mark.parametrize(
        ("X", "stride", "words"),
        [((3,), 2, r"\(3,\)"), ((0, 3), 2, "at least 1"), ((3, 3), (1, 0), "stride must be"), ((3, 3), 1.5, "stride")],
    )  # fmt: skip
    def test_stretch_names_bad_input(self, X, stride, words):
        with pytest.raises(ValueError, match=words):
            stretch(torch.zeros(X), stride)

    def test_flipped_kernel(self):
        assert flip_kernel(torch.tensor([[1, 2], [3, 4]])).tolist() == [[4, 3], [2, 1]]
        K = values(2, 3, 2, 4)
        flipped = flip_kernel(K)
        assert flipped.shape == (3, 2, 2, 4)
        assert flipped[2, 1, 0, 3] == K[1, 2, 1, 0]
        assert torch.equal(flip_kernel(flipped), K)
        with pytest.raises(ValueError, match="K must be"):
            flip_kernel(torch.zeros(3))

    @given(transposed_convolutions())
    def test_a_transposed_convolution_is_an_ordinary_one(self, case):
        X, K, settings = case
        given_to_it = stretched_input(X, tuple(K.shape[-2:]), **settings)
        dilation = settings["dilation"]
        as_ordinary = F.conv2d(given_to_it, flip_kernel(K), dilation=dilation)
        torch.testing.assert_close(as_ordinary, F.conv_transpose2d(X, K, **settings))
        torch.testing.assert_close(
            corr2d(given_to_it, flip_kernel(K), dilation=dilation), trans_conv(X, K, **settings)
        )

    def test_more_may_be_cut_off_in_front_than_there_is(self):
        X, K = torch.tensor([[7.0]]), torch.ones(1, 1)
        settings = {"stride": 5, "padding": 2, "output_padding": 4}
        assert stretched_input(X, 1, **settings).tolist() == [[0]]
        expected = F.conv_transpose2d(X[None, None], K[None, None], **settings)
        assert torch.equal(expected[0, 0], stretched_input(X, 1, **settings))

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"padding": 9}, "cuts off all"),
            ({"output_padding": 1}, "output_padding must be"),
            ({"stride": 0}, "stride must be"),
        ],
    )
    def test_bad_settings_are_named(self, settings, words):
        with pytest.raises(ValueError, match=words):
            stretched_input(torch.zeros(3, 3), 2, **settings)
