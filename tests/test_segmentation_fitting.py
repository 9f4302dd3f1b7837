import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d2lhelpers.augment_masks import RandomMaskFlip
from d2lhelpers.datasets import MaskedPictures, loader
from d2lhelpers.segmentation import evaluate, fit, near_outline, pixel_loss, predict
from d2lhelpers.segmentation.evaluation import PixelScores

CLASSES = ("background", "red", "green")


def pictures(num=24, side=8, void=True):
    """Red on the left, green on the right, in all but the first row; the last column is void and looks red.

    Each picture is brighter than the one before, so that their order makes a difference.
    """
    labels = torch.zeros(num, side, side, dtype=torch.uint8)
    labels[:, 1:, : side // 2], labels[:, 1:, side // 2 :] = 1, 2
    images = torch.zeros(num, 3, side, side, dtype=torch.uint8)
    bright = (180 + 3 * torch.arange(num))[:, None, None].expand_as(labels).byte()
    images[:, 0][labels == 1] = bright[labels == 1]
    images[:, 1][labels == 2] = bright[labels == 2]
    if void:
        labels[..., -1], images[:, 0, :, -1], images[:, 1, :, -1] = 255, 200, 0
    return MaskedPictures(images, labels, CLASSES)


class Pixelwise(nn.Module):
    """A 1 x 1 convolution: what can be told from a pixel's colour alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 3, 1)
        self.seen = []

    def forward(self, images):
        self.seen.append((images.dtype, len(images)))
        return self.layer(images.float() / 255)


class TestPixelLoss:
    def test_is_the_mean_over_pixels_that_are_not_void(self):
        torch.manual_seed(0)
        logits, labels = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5))
        labels[0, 1:3] = 255
        values = [
            -torch.log_softmax(logits[b, :, y, x], 0)[labels[b, y, x]]
            for b, y, x in (labels != 255).nonzero().tolist()
        ]
        expected = torch.stack(values).mean()
        torch.testing.assert_close(pixel_loss(logits, labels.byte()), expected)
        torch.testing.assert_close(F.cross_entropy(logits, labels, ignore_index=255), expected)

    def test_of_void_alone_is_nothing_to_learn_from(self):
        logits = torch.randn(1, 3, 2, 2, requires_grad=True)
        loss = pixel_loss(logits, torch.full((1, 2, 2), 255))
        loss.backward()
        assert loss == 0
        assert not logits.grad.any()


class TestFit:
    def test_learns_and_gives_batches_of_bytes(self):
        net = Pixelwise()
        history = fit(net, pictures(), 30, learning_rate=0.1, batch_size=8, show=False)
        assert history.epochs == 30
        assert history.train_loss[-1] < history.train_loss[0] / 2
        assert net.seen[:3] == [(torch.uint8, 8)] * 3
        assert not net.training
        assert evaluate(net, loader(pictures(), 5, shuffle=False), CLASSES).mean_iou == 1
        # void counts neither as right nor as wrong
        assert history.train_accuracy[-1] == pytest.approx(1)

    def test_the_transform_is_applied_and_the_seed_repeats_it(self):
        nets = [Pixelwise() for _ in range(3)]
        for net, seed in zip(nets, (3, 3, 4), strict=True):
            fit(net, pictures(), 2, batch_size=5, transform=RandomMaskFlip(), seed=seed, show=False)
        assert torch.equal(nets[0].layer.weight, nets[1].layer.weight)
        assert not torch.equal(nets[0].layer.weight, nets[2].layer.weight)

        def everything_is_red(images, labels):
            return images, torch.ones_like(labels)

        fit(nets[2], pictures(), 30, learning_rate=0.1, transform=everything_is_red, show=False)
        assert (predict(nets[2], pictures().images) == 1).all()

    @pytest.mark.parametrize(("num", "epochs"), [(1, 1), (2, 1), (10, 1), (5, 2)])
    def test_however_few_steps_there_are(self, num, epochs):
        history = fit(Pixelwise(), pictures(num), epochs, batch_size=1, show=False)
        assert history.examples == [num] * epochs

    def test_nothing_to_train_on_is_refused(self):
        with pytest.raises(ValueError, match="pictures is empty"):
            fit(Pixelwise(), pictures(0), 1, show=False)
        with pytest.raises(ValueError, match="epochs must be at least 1"):
            fit(Pixelwise(), pictures(), 0, show=False)


class Says(nn.Module):
    """Says of each pixel what its red is."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return self.one * F.one_hot(images[:, 0].long(), 3).movedim(-1, 1).float()


def batch(*maps):
    labels = torch.tensor(maps)
    return labels[:, None].repeat(1, 3, 1, 1), labels


class TestEvaluate:
    def test_by_hand(self):
        says, truth = [[0, 0, 1, 1]], [[0, 1, 1, 255]]
        scores = evaluate(Says(), [(batch(says)[0], torch.tensor([truth]))], CLASSES)
        assert scores.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
        assert scores.per_class == {"background": 0.5, "red": 0.5}
        assert scores.mean_iou == 0.5
        assert scores.pixel_accuracy == pytest.approx(2 / 3)

    def test_counts_all_pixels_of_all_batches_whatever_their_size(self):
        one, other = batch([[0, 1], [2, 1]]), batch([[1, 1, 1]], [[2, 2, 2]])
        scores = evaluate(Says(), [one, other], CLASSES)
        assert scores.confusion.tolist() == [[1, 0, 0], [0, 5, 0], [0, 0, 4]]
        torch.manual_seed(0)
        some = pictures(7)
        found = evaluate(Pixelwise(), loader(some, 3, shuffle=False), CLASSES)
        assert found.confusion.sum() == (some.labels != 255).sum()
        again = evaluate(Pixelwise(), loader(some, 7, shuffle=True), CLASSES)
        assert torch.equal(found.confusion, again.confusion)

    def test_the_trivial_answer_beside_it(self):
        scores = PixelScores(torch.tensor([[90, 0, 0], [2, 4, 0], [0, 0, 4]]), CLASSES)
        trivial = scores.all_background
        assert trivial.confusion.tolist() == [[90, 0, 0], [6, 0, 0], [4, 0, 0]]
        assert trivial.mean_iou == pytest.approx(0.3)
        assert trivial.pixel_accuracy == pytest.approx(0.9)
        words = "mIoU 0.882, pixel accuracy 0.980 (background everywhere: 0.300, 0.900)"
        assert str(scores) == words

    def test_nothing_and_not_all_are_refused(self):
        with pytest.raises(ValueError, match="loader has no batches"):
            evaluate(Says(), [], CLASSES)
        batches = torch.utils.data.DataLoader(pictures(5), 2, drop_last=True)
        with pytest.raises(ValueError, match="drop_last=False"):
            evaluate(Says(), batches, CLASSES)

    def test_predict_leaves_the_network_in_evaluation_mode(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        before = net[1].running_mean.clone()
        found = predict(net, torch.rand(2, 3, 5, 6))
        assert (found.shape, found.dtype) == ((2, 5, 6), torch.uint8)
        assert torch.equal(net[1].running_mean, before)


class TestNearOutline:
    def test_by_hand(self):
        labels = torch.zeros(1, 5, 7)
        labels[0, 2, 2] = 255
        near = near_outline(labels.byte(), 1)
        assert near[0].nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (1, 2, 3)]
        assert torch.equal(near_outline(labels, 0), labels == 255)
        assert not near_outline(torch.zeros(2, 5, 5), 3).any()

    def test_refuses(self):
        with pytest.raises(ValueError, match="reach must be 0 or more, got -1"):
            near_outline(torch.zeros(1, 2, 2), -1)
