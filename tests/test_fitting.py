import pytest
import torch
from torch import nn

from d2lhelpers.augment_boxes import RandomBoxFlip
from d2lhelpers.datasets import BoxedPictures
from d2lhelpers.detection import Detector, fit


class Places(Detector):
    """Learns one box for all pictures."""

    def __init__(self):
        super().__init__()
        self.box = nn.Parameter(torch.full((4,), 0.5))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.batches = []

    def losses(self, images, labels):
        self.batches.append(labels[:, 0, 1].tolist())
        return {"box": (self.box - labels[:, 0, 1:]).abs().mean()}

    def candidates(self, images):
        return [(32 * self.box[None], torch.ones(1, 1))] * len(images)


def pictures(num=40):
    labels = torch.zeros(num, 1, 5)
    labels[:, 0, 1:] = torch.tensor([0.1, 0.2, 0.4, 0.6])
    return BoxedPictures(torch.zeros(num, 3, 32, 32, dtype=torch.uint8), labels, ("ball",))


def test_a_detector_learns_and_leaves_frozen_weights():
    net = Places()
    history = fit(net, pictures(), 30, learning_rate=0.05, batch_size=8, show=False)
    (found,) = net.predict(torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(
        found["boxes"][0] / 32, torch.tensor([0.1, 0.2, 0.4, 0.6]), atol=0.05, rtol=0
    )
    assert history.epochs == 30
    assert history.train_loss[-1] < history.train_loss[0] / 4
    assert net.frozen.item() == 1
    assert [len(batch) for batch in net.batches[:5]] == [8] * 5


def test_the_transform_is_applied_and_the_same_seed_repeats_it():
    runs = []
    for _ in range(2):
        net = Places()
        fit(net, pictures(), 2, transform=RandomBoxFlip(), seed=3, show=False)
        runs.append(net.batches)
    assert runs[0] == runs[1]
    drawn = {round(x, 4) for batch in runs[0] for x in batch}
    assert drawn == {0.1, 0.6}  # as it is, and mirrored


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="pictures is empty"):
        fit(Places(), pictures(0), 1, show=False)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        fit(Places(), pictures(), 0, show=False)
