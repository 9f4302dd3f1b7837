"""What chapter 05's experiment measures with: recall, the learnt proposals, the overlap of masks."""

import pytest
import torch

from d2lhelpers.datasets.boxed import BoxedPictures
from d2lhelpers.experiments.rcnn import is_small, mask_overlap, proposals_of, recall_at
from d2lhelpers.models import FasterRCNN, MaskRCNN


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


class TestRecall:
    def test_counts_objects_over_all_pictures(self):
        # three objects: the first found at once, the second by the third proposal, the third never
        proposals = [boxes((0, 0, 4, 4), (50, 50, 60, 60), (10, 10, 14, 14)), boxes((0, 0, 9, 9))]
        truths = [
            {"boxes": boxes((0, 0, 4, 4), (10, 10, 14, 14))},
            {"boxes": boxes((20, 20, 29, 29))},
        ]
        assert recall_at(proposals, truths, (1, 2, 3, 9)) == pytest.approx(
            [1 / 3, 1 / 3, 2 / 3, 2 / 3]
        )

    def test_a_picture_without_objects_or_proposals_changes_nothing(self):
        proposals = [boxes((0, 0, 4, 4)), boxes((0, 0, 4, 4)), boxes()]
        truths = [
            {"boxes": boxes((0, 0, 4, 2))},
            {"boxes": boxes()},
            {"boxes": boxes((0, 0, 4, 4))},
        ]
        # an overlap of exactly one half counts
        assert recall_at(proposals, truths, (1,)) == [0.5]

    def test_one_tensor_for_each_picture(self):
        with pytest.raises(
            ValueError, match="proposals must be one tensor for each of 0 pictures, got 1"
        ):
            recall_at([boxes()], [], (1,))


def test_proposals_are_of_each_picture_the_best_first_and_no_more_than_asked():
    torch.manual_seed(0)
    detector = FasterRCNN(2, pretrained=False)
    images = torch.randint(0, 256, (3, 3, 64, 48), dtype=torch.uint8)
    few, many = proposals_of(detector, images, 5), proposals_of(detector, images, 50)
    assert [len(one) for one in few] == [5, 5, 5]
    for one, more in zip(few, many, strict=True):
        assert torch.equal(one, more[:5])
        assert (more[:, :2] >= 0).all()
        assert (more[:, 2:] <= torch.tensor([48, 64])).all()


class Told(MaskRCNN):
    """Its masks are the left half of each region, for class 1, and nothing for class 0."""

    def mask_logits(self, features, rois, classes):
        logits = torch.full((len(rois), 14, 14), -9.0)
        logits[classes == 1, :, :7] = 9
        return logits


def test_masks_are_held_against_the_pixels_of_their_own_object():
    instances = torch.zeros(2, 32, 32, dtype=torch.uint8)
    instances[0, 8:24, 8:16] = 1  # half of its box
    instances[1, 4:12, 4:12] = 2  # all of its box
    labels = torch.full((2, 2, 5), -1.0)
    labels[0, 0] = torch.tensor([1, 0.25, 0.25, 0.75, 0.75])
    labels[1, 0] = torch.tensor([0, 0.5, 0.5, 0.75, 0.75])
    labels[1, 1] = torch.tensor([1, 0.125, 0.125, 0.375, 0.375])
    instances[1, 16:24, 16:24] = 1
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    pictures = BoxedPictures(images, labels, ("ball", "car"), instances)
    overlaps = mask_overlap(Told(2, pretrained=False), pictures)
    assert overlaps.tolist() == pytest.approx([1, 0, 0.5])
    assert is_small(pictures).tolist() == [False, False, False]


def test_small_is_below_an_eighth_of_the_side():
    labels = torch.tensor([[[0, 0, 0, 0.12, 0.12], [0, 0, 0, 0.2, 0.1], [-1, -1, -1, -1, -1]]])
    pictures = BoxedPictures(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), labels, ("ball",))
    # 0.12 squared is below 1/64, 0.2 * 0.1 is above
    assert is_small(pictures).tolist() == [True, False]
