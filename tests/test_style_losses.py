import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lhelpers.style import content_loss, gram, smoothness_loss, style_loss, tv_loss

shapes = st.tuples(*(st.integers(1, 4) for _ in range(4)))


def drawn(shape, seed=0, dtype=torch.double):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class TestGram:
    @settings(deadline=None, max_examples=30)
    @given(shape=shapes, seed=st.integers(0, 99))
    def test_is_the_sum_over_places_divided_by_the_number_of_values(self, shape, seed):
        X = drawn(shape, seed)
        batch, channels, height, width = shape
        expected = torch.zeros(batch, channels, channels, dtype=torch.double)
        for b, i, j in np.ndindex(batch, channels, channels):
            products = [X[b, i, y, x] * X[b, j, y, x] for y in range(height) for x in range(width)]
            expected[b, i, j] = sum(products) / (channels * height * width)
        torch.testing.assert_close(gram(X), expected)

    def test_is_d2ls_for_one_picture_and_right_for_two(self):
        X = drawn((1, 5, 7, 11))
        reshaped = X.reshape(5, 77)  # section 14.12.5.2
        torch.testing.assert_close(gram(X)[0], reshaped @ reshaped.T / (5 * 77))
        two = drawn((2, 5, 7, 11))
        torch.testing.assert_close(gram(two)[1], gram(two[1:])[0])

    @settings(deadline=None, max_examples=20)
    @given(seed=st.integers(0, 99))
    def test_forgets_place(self, seed):
        X = drawn((2, 4, 5, 6), seed)
        order = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
        shuffled = X.flatten(2)[..., order].view_as(X)
        torch.testing.assert_close(gram(shuffled), gram(X))

    def test_does_not_forget_which_channels_are_active_together(self):
        X = drawn((1, 4, 5, 6)).abs()
        apart = X.clone()
        apart[:, 0] = X[:, 0].flip(-1)
        assert not torch.allclose(gram(apart), gram(X))

    def test_does_not_depend_on_the_size(self):
        X = drawn((1, 3, 4, 5))
        torch.testing.assert_close(gram(X.repeat(1, 1, 3, 2)), gram(X))

    def test_is_symmetric_and_positive(self):
        matrix = gram(drawn((3, 6, 2, 2)))
        torch.testing.assert_close(matrix, matrix.mT)
        assert torch.linalg.eigvalsh(matrix).min() > -1e-12

    @pytest.mark.parametrize("shape", [(3, 4, 5), (1, 3, 0, 5), (0, 3, 4, 5)])
    def test_refuses_other_shapes(self, shape):
        with pytest.raises(ValueError, match="X must be"):
            gram(torch.zeros(shape))


class TestContentAndStyle:
    def test_content_is_the_mean_squared_difference(self):
        a, b = drawn((2, 3, 4, 5), 1), drawn((2, 3, 4, 5), 2)
        torch.testing.assert_close(content_loss(a, b), torch.nn.functional.mse_loss(a, b))
        assert content_loss(a, a) == 0

    def test_style_is_that_of_the_gram_matrices_and_not_of_places(self):
        a, b = drawn((1, 3, 4, 5), 1), drawn((1, 3, 6, 7), 2)
        expected = torch.nn.functional.mse_loss(gram(a), gram(b))
        torch.testing.assert_close(style_loss(a, gram(b)), expected)
        assert style_loss(a.flip(-1), gram(a)) < 1e-20
        assert content_loss(a.flip(-1), a) > 0.1

    def test_no_gradient_flows_into_a_target(self):
        a, b = drawn((1, 3, 4, 5), 1).requires_grad_(), drawn((1, 3, 4, 5), 2).requires_grad_()
        (content_loss(a, b) + style_loss(a, gram(b))).backward()
        assert b.grad is None
        assert a.grad.abs().max() > 0

    def test_gradients_are_those_of_finite_differences(self):
        a, b = drawn((2, 2, 3, 2), 1).requires_grad_(), drawn((2, 2, 3, 2), 2)
        assert torch.autograd.gradcheck(lambda x: content_loss(x, b), a)
        assert torch.autograd.gradcheck(lambda x: style_loss(x, gram(b)), a)
        assert torch.autograd.gradcheck(smoothness_loss, a)

    def test_what_would_be_broadcast_is_refused(self):
        with pytest.raises(ValueError, match=r"must have one shape.*pictures must have one size"):
            content_loss(drawn((1, 3, 4, 5)), drawn((1, 3, 1, 1)))
        with pytest.raises(ValueError, match=r"gram_Y must be \(1, 3, 3\).* got \(3, 3\)"):
            style_loss(drawn((1, 3, 4, 5)), torch.zeros(3, 3))


class TestSmoothness:
    def test_tv_is_d2ls(self):
        X = drawn((1, 3, 7, 11))
        down = (X[:, :, 1:, :] - X[:, :, :-1, :]).abs().mean()  # section 14.12.5.3
        across = (X[:, :, :, 1:] - X[:, :, :, :-1]).abs().mean()
        torch.testing.assert_close(tv_loss(X), 0.5 * (down + across))

    def test_squares_punish_one_wrong_pixel_harder_than_shading(self):
        shading = torch.linspace(0, 1, 101, dtype=torch.double).expand(1, 1, 101, 101)
        wrong = torch.zeros(1, 1, 101, 101, dtype=torch.double)
        wrong[..., 50, 25:76] = 1
        assert tv_loss(wrong) == pytest.approx(float(tv_loss(shading)), rel=0.1)
        assert smoothness_loss(wrong) > 50 * smoothness_loss(shading)

    def test_half_down_and_half_across(self):
        steps = torch.tensor([0.0, 2.0]).expand(1, 1, 3, 2)
        assert tv_loss(steps) == 1
        assert smoothness_loss(steps) == 2

    @pytest.mark.parametrize("loss", [tv_loss, smoothness_loss])
    @pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 1, 4), (1, 3, 4, 1)])
    def test_a_row_a_column_and_a_pixel(self, loss, shape):
        assert loss(torch.full(shape, 0.5)) == 0
