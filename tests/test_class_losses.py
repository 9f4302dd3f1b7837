"""Hard negatives and focal loss: the two answers to "nearly every anchor is background"."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torchvision.ops import sigmoid_focal_loss

from d2lhelpers.detection.losses import focal_loss, hard_negatives


def scalar_choice(losses, positive, ratio):
    """One picture, with plain lists: sort the negatives, take the first."""
    negatives = [i for i, is_positive in enumerate(positive) if not is_positive]
    negatives.sort(key=lambda i: -losses[i])
    wanted = ratio * max(1, sum(positive))
    return set(negatives[:wanted]) | {i for i, is_positive in enumerate(positive) if is_positive}


@st.composite
def pictures(draw, distinct=True):
    """(B, A) losses and the anchors that belong to an object, any number of them, from none to all."""
    num, anchors = draw(st.integers(1, 4)), draw(st.integers(0, 12))
    rows = st.lists(st.integers(0, 50), min_size=anchors, max_size=anchors, unique=distinct)
    marks = st.lists(st.booleans(), min_size=anchors, max_size=anchors)
    losses = torch.tensor([draw(rows) for _ in range(num)], dtype=torch.float64)
    positive = torch.tensor([draw(marks) for _ in range(num)], dtype=torch.bool)
    return losses.reshape(num, anchors), positive.reshape(num, anchors)


class TestHardNegatives:
    def test_an_example_to_follow_by_hand(self):
        losses = torch.tensor([[0.1, 5.0, 0.7, 2.0, 0.9, 0.3]])
        positive = torch.tensor([[True, False, False, False, False, False]])
        chosen = hard_negatives(losses, positive)
        assert chosen.tolist() == [[True, True, False, True, True, False]]

    @given(pictures(), st.integers(0, 4))
    def test_agrees_with_a_scalar_loop(self, picture, ratio):
        losses, positive = picture
        chosen = hard_negatives(losses, positive, ratio)
        for row, of_row, is_positive in zip(chosen, losses, positive, strict=True):
            expected = scalar_choice(of_row.tolist(), is_positive.tolist(), ratio)
            assert set(row.nonzero().flatten().tolist()) == expected

    @given(pictures(distinct=False))
    def test_with_ties_the_numbers_still_fit_and_no_better_one_is_left_out(self, picture):
        losses, positive = picture
        chosen = hard_negatives(losses, positive)
        taken, left = chosen & ~positive, ~chosen
        wanted = (3 * positive.sum(1).clamp(min=1)).minimum((~positive).sum(1))
        assert torch.equal(taken.sum(1), wanted)
        for row, of_row, left_out in zip(taken, losses, left, strict=True):
            assert max(of_row[left_out].tolist(), default=0) <= min(
                of_row[row].tolist(), default=50
            )

    def test_each_picture_has_its_own_number(self):
        losses = torch.arange(20.0).repeat(2, 1)
        positive = torch.zeros(2, 20, dtype=torch.bool)
        positive[1, :4] = True
        assert hard_negatives(losses, positive).sum(dim=1).tolist() == [3, 16]

    def test_a_positive_with_the_largest_loss_takes_no_negatives_place(self):
        losses = torch.tensor([[9.0, 1.0, 2.0, 3.0, 4.0]])
        positive = losses == 9
        assert hard_negatives(losses, positive, ratio=2).tolist() == [[True, False, False, True, True]]  # fmt: skip

    @pytest.mark.parametrize("num", [0, 1, 2])
    def test_fewer_negatives_than_wanted(self, num):
        losses = torch.rand(1, 3 + num)
        positive = torch.tensor([[True] * 3 + [False] * num])
        assert hard_negatives(losses, positive).all()

    def test_ratio_0_leaves_the_positives(self):
        positive = torch.tensor([[True, False], [False, False]])
        assert torch.equal(hard_negatives(torch.rand(2, 2), positive, ratio=0), positive)

    def test_losses_that_still_belong_to_a_graph(self):
        losses = torch.rand(2, 6, requires_grad=True)
        positive = torch.zeros(2, 6, dtype=torch.bool)
        chosen = hard_negatives(losses, positive)
        (losses * chosen).sum().backward()
        assert torch.equal(losses.grad, chosen.float())

    def test_bad_input_is_named(self):
        losses, positive = torch.rand(2, 5), torch.zeros(2, 5, dtype=torch.bool)
        with pytest.raises(ValueError, match=r"positive .* \(2, 4\) torch.bool"):
            hard_negatives(losses, positive[:, :4])
        with pytest.raises(ValueError, match=r"bool of that shape, .* torch.int64"):
            hard_negatives(losses, positive.long())
        with pytest.raises(ValueError, match="losses must be"):
            hard_negatives(losses[0], positive[0])
        with pytest.raises(ValueError, match="ratio must be at least 0, got -1"):
            hard_negatives(losses, positive, ratio=-1)


def scalar_focal(logits, label, gamma):
    total = sum(math.exp(value) for value in logits)
    p = math.exp(logits[label]) / total
    return -((1 - p) ** gamma) * math.log(p)


class TestFocalLoss:
    @pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_a_scalar_loop(self, gamma, seed):
        generator = torch.Generator().manual_seed(seed)
        logits = 3 * torch.randn(5, 7, 4, generator=generator, dtype=torch.float64)
        classes = torch.randint(4, (5, 7), generator=generator)
        expected = [
            scalar_focal(row, label, gamma)
            for row, label in zip(logits.flatten(0, 1).tolist(), classes.flatten().tolist(), strict=True)
        ]  # fmt: skip
        loss = focal_loss(logits, classes, gamma)
        torch.testing.assert_close(loss.flatten(), torch.tensor(expected, dtype=torch.float64))

    @pytest.mark.parametrize("gamma", [1.0, 2.0])
    def test_two_classes_are_torchvisions_sigmoid(self, gamma):
        # softmax of (0, x) is the sigmoid of x
        x = torch.linspace(-12, 12, 49)
        logits = torch.stack((torch.zeros_like(x), x), dim=1)
        for label in (0, 1):
            theirs = sigmoid_focal_loss(x, torch.full_like(x, label), alpha=-1, gamma=gamma)
            ours = focal_loss(logits, torch.full_like(x, label, dtype=torch.int64), gamma)
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)

    @pytest.mark.parametrize("seed", range(5))
    def test_gamma_0_is_cross_entropy(self, seed):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(9, 5, generator=generator)
        classes = torch.randint(5, (9,), generator=generator)
        torch.testing.assert_close(
            focal_loss(logits, classes, gamma=0), F.cross_entropy(logits, classes, reduction="none")
        )

    def test_never_more_than_cross_entropy_and_falls_with_the_probability(self):
        margin = torch.linspace(-8, 8, 65)
        logits = torch.stack((margin, torch.zeros_like(margin)), dim=1)
        labels = torch.zeros(65, dtype=torch.int64)
        loss = focal_loss(logits, labels)
        assert (loss <= F.cross_entropy(logits, labels, reduction="none")).all()
        assert (loss.diff() < 0).all()

    @pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
    def test_gradient(self, gamma):
        logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        classes = torch.tensor([0, 2, 1, 1])
        assert gradcheck(lambda x: focal_loss(x, classes, gamma), logits)

    @pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
    def test_gradient_is_finite_where_the_answer_is_certain(self, gamma):
        logits = torch.tensor([[500.0, 0.0], [-500.0, 0.0]], requires_grad=True)
        focal_loss(logits, torch.tensor([0, 0]), gamma).sum().backward()
        assert logits.grad.isfinite().all()

    def test_nothing_in_it(self):
        assert focal_loss(torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0)  # fmt: skip

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match=r"classes must be \(4,\) to fit logits, got \(3,\)"):
            focal_loss(torch.zeros(4, 2), torch.zeros(3, dtype=torch.int64))
        for gamma in (-1.0, 0.5):
            with pytest.raises(ValueError, match=f"gamma must be 0 or at least 1, got {gamma}"):
                focal_loss(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), gamma)
