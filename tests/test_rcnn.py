import pytest
import torch
import torchvision

from d2lhelpers import box_iou, offset_boxes
from d2lhelpers.models.mask_rcnn import MaskRCNN, mask_targets, paste_masks
from d2lhelpers.models.rcnn import RCNN, FasterRCNN, FastRCNN, crop, with_context
from d2lhelpers.models.roi_head import RoIHead
from d2lhelpers.proposals import RoISample, roi_pool

HEIGHT, WIDTH = 48, 64
PIXELS = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])


def pictures(count, seed=0):
    """Two kinds of things on noise: red discs (class 0) and blue rectangles (class 1), one of each at most.

    Returns images (count, 3, 48, 64) uint8, labels (count, 2, 5), instances (count, 48, 64) uint8.
    """
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(90, 150, (count, 3, HEIGHT, WIDTH), generator=generator)
    labels = torch.full((count, 2, 5), -1.0)
    instances = torch.zeros(count, HEIGHT, WIDTH, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    for number in range(count):
        for row in range(number % 3):
            width, height = torch.randint(12, 24, (2,), generator=generator).tolist()
            left = 32 * row + int(torch.randint(0, 32 - width, (), generator=generator))
            top = int(torch.randint(0, HEIGHT - height, (), generator=generator))
            inside = (x > left) & (x < left + width) & (y > top) & (y < top + height)
            if row == 0:
                across, down = (x - left) / width - 0.5, (y - top) / height - 0.5
                inside = across**2 + down**2 < 0.25
            images[number, 2 * row, inside], images[number, 2 - 2 * row, inside] = 230, 30
            instances[number, inside] = row + 1
            box = torch.tensor([left, top, left + width, top + height]) / PIXELS
            labels[number, row] = torch.tensor([float(row), *box.tolist()])
    return images.to(torch.uint8), labels, instances


def nothing(images):
    return [torch.zeros(0, 4)] * len(images)


def grid(images):
    """The same overlapping windows in every picture: dull, but proposals."""
    at = torch.tensor([(x, y) for x in range(0, 48, 6) for y in range(0, 32, 6)])
    return [torch.cat((at, at + 18), dim=1).float()] * len(images)


def detectors():
    torch.manual_seed(0)
    yield RCNN(2, grid, pretrained=False)
    yield FastRCNN(2, grid, pretrained=False)
    yield FasterRCNN(2, pretrained=False)
    yield MaskRCNN(2, pretrained=False)


def losses(detector, images, labels, instances):
    more = (instances,) if isinstance(detector, MaskRCNN) else ()
    return detector.train().losses(images, labels, *more)


@pytest.fixture(scope="module", params=[0, 1, 2])
def trained(request):
    """A Mask R-CNN, trained for some seconds on pictures that are easy."""
    torch.manual_seed(request.param)
    detector = MaskRCNN(2)
    optimizer = torch.optim.AdamW(detector.parameters(), 3e-3)
    images, labels, instances = pictures(9, seed=request.param)
    detector.train()
    for _ in range(30):
        loss = detector(images, labels, instances)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return detector


class TestAll:
    def test_losses_are_finite_and_reach_every_parameter(self):
        batch = pictures(6)
        for detector in detectors():
            parts = losses(detector, *batch)
            assert all(part.ndim == 0 and part.dtype == torch.float32 for part in parts.values())
            sum(parts.values()).backward()
            for name, parameter in detector.named_parameters():
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name
                assert parameter.grad.any(), name

    @pytest.mark.parametrize("rows", [0, 2])
    def test_pictures_without_objects(self, rows):
        images, _, instances = pictures(3)
        labels = torch.full((3, rows, 5), -1.0)
        for detector in detectors():
            parts = losses(detector, images, labels, instances * 0)
            sum(parts.values()).backward()
            assert sum(parts.values()).isfinite()
            assert parts["box"] == 0

    @pytest.mark.parametrize("kind", [RCNN, FastRCNN])
    def test_pictures_without_proposals(self, kind):
        images, labels, _ = pictures(3)
        detector = kind(2, nothing, pretrained=False)
        # the objects' own boxes are left to train on
        assert detector(images, labels) > 0
        assert detector(images, torch.zeros(3, 0, 5)) == 0
        for found in detector.predict(images):
            assert found["boxes"].shape == (0, 4)

    def test_predictions_are_in_torchvisions_form(self):
        images, _, _ = pictures(2)
        for detector in detectors():
            for found in detector.predict(images, score_threshold=0, most=7):
                assert found["boxes"].shape == (7, 4)
                assert found["scores"].shape == found["labels"].shape == (7,)
                assert set(found["labels"].tolist()) <= {0, 1}
                assert (found["boxes"] >= 0).all()
                assert (found["boxes"] <= PIXELS).all()

    def test_the_same_seed_gives_the_same_losses(self):
        batch = pictures(3)
        for detector in detectors():
            values = []
            for seed in (5, 5, 6):
                torch.manual_seed(seed)
                values.append(float(sum(losses(detector, *batch).values()).detach()))
            assert values[0] == values[1] != values[2]

    def test_trains_in_bfloat16(self):
        batch = pictures(3)
        for detector in detectors():
            with torch.autocast("cpu", torch.bfloat16):
                parts = losses(detector, *batch)
            assert {part.dtype for part in parts.values()} == {torch.float32}
            sum(parts.values()).backward()


class TestRegions:
    def test_a_crop_is_the_picture_in_the_box(self):
        images, _, _ = pictures(1)
        boxes = torch.tensor([[8.0, 4, 40, 36], [0, 0, 32, 32]])
        crops = crop(images[0], boxes)
        torch.testing.assert_close(crops[0], images[0, :, 4:36, 8:40] / 255)
        torch.testing.assert_close(crops[1], images[0, :, :32, :32] / 255)
        torch.testing.assert_close(crop(images[0] / 255, boxes), crops)

    def test_context_on_paper(self):
        assert with_context(torch.tensor([[10.0, 10, 20, 40]])).tolist() == [[9, 7, 21, 43]]

    def test_r_cnn_looks_at_each_box_alone(self):
        images, _, _ = pictures(2)
        detector = RCNN(2, nothing, pretrained=False).eval()
        boxes = [
            torch.tensor([[3.0, 5, 30, 40], [20, 9, 33, 20]]),
            torch.tensor([[1.0, 2, 30, 44]]),
        ]
        together = detector.regions(images, boxes)
        alone = [
            detector.features(crop(image, with_context(box[None])))
            for image, some in zip(images, boxes, strict=True)
            for box in some
        ]
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)
        assert together.shape == (3, 128, 4, 4)

    def test_fast_r_cnn_cuts_from_the_features_of_the_whole_picture(self):
        images, _, _ = pictures(2)
        boxes = [torch.tensor([[3.0, 5, 30, 40]]), torch.tensor([[1.0, 2, 30, 44], [0, 0, 64, 48]])]
        for pool, theirs in ((None, "roi_align"), (roi_pool, "roi_pool")):
            arguments = {} if pool is None else {"pool": pool}
            detector = FastRCNN(2, nothing, pretrained=False, **arguments).eval()
            more = {"aligned": True} if pool is None else {}
            expected = getattr(torchvision.ops, theirs)(detector.features(images), boxes, 4, 1 / 8, **more)  # fmt: skip
            torch.testing.assert_close(
                detector.regions(images, boxes), expected, atol=1e-4, rtol=1e-4
            )


class TestHead:
    def test_losses_on_paper(self):
        torch.manual_seed(0)
        head = RoIHead(3, channels=2, side=4)
        rois = torch.tensor([[0.0, 0, 0, 10, 10], [0, 20, 20, 30, 30], [1, 0, 0, 20, 10]])
        truths = torch.tensor([[1.0, 0, 11, 10], [0, 0, 0, 0], [0, 0, 20, 10]])
        sample = RoISample(rois, torch.tensor([2, 0, 3]), truths, torch.tensor([0, 4, 1]))
        regions = torch.randn(3, 2, 4, 4)
        logits, offsets = head(regions)
        parts = head.losses(regions, sample)
        log_p = logits.log_softmax(dim=1)
        torch.testing.assert_close(parts["class"], -(log_p[0, 2] + log_p[1, 0] + log_p[2, 3]) / 3)
        away = (offsets[[0, 2]] - torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])).abs()
        expected = torch.where(away < 1, away**2 / 2, away - 0.5).sum() / 3
        torch.testing.assert_close(parts["box"], expected, atol=1e-5, rtol=1e-5)

    def test_candidates_are_moved_proposals_with_probabilities(self):
        head = RoIHead(3, channels=2, side=4)
        two = torch.tensor([[5.0, 5, 9, 25], [0, 0, 4, 4]])
        proposals = [torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4), two]
        regions = torch.randn(3, 2, 4, 4)
        wanted = torch.tensor([[1.0, 2, 8, 11], [5, 5, 9, 25], [1, 1, 3, 7]])
        with torch.no_grad():
            head.offsets.weight.zero_()
            found = []
            for row in range(3):
                head.offsets.bias.copy_(offset_boxes(torch.cat(proposals), wanted)[row])
                found.append(head.candidates(regions, proposals))
        assert [len(boxes) for boxes, _ in found[0]] == [1, 0, 2]
        assert [len(scores) for _, scores in found[0]] == [1, 0, 2]
        moved = torch.stack((found[0][0][0][0], found[1][2][0][0], found[2][2][0][1]))
        torch.testing.assert_close(moved, wanted, atol=1e-3, rtol=1e-4)
        probabilities = head(regions)[0].softmax(dim=1)[:, 1:]
        torch.testing.assert_close(torch.cat([scores for _, scores in found[0]]), probabilities)


class TestMasks:
    def test_targets_are_the_objects_pixels_in_the_region(self):
        instances = torch.zeros(2, 20, 30, dtype=torch.uint8)
        instances[1, 5:15, 4:18] = 2
        instances[1, 5:15, 11:18] = 1
        rois = torch.tensor([[1.0, 4, 1, 18, 15], [1, 4, 1, 18, 15], [0, 4, 1, 18, 15]])
        first, second, none = mask_targets(instances, rois, torch.tensor([0, 1, 0]))
        # 14 cells of a pixel across, 14 of a pixel down: 4 rows of ground, then 10 of the objects
        rows = torch.arange(14)[:, None] + 1 >= 5 * 14 / 14
        columns = torch.arange(14)[None]
        assert first.shape == (14, 14)
        assert torch.equal(first.bool()[6:], ((columns >= 7) & rows)[6:])
        assert torch.equal(second.bool()[6:], ((columns < 7) & rows)[6:])
        assert not first[:4].any()
        assert not none.any()

    def test_pasted_masks_are_where_the_box_is(self):
        # the last has no width, and lies on the middles of a column of pixels
        boxes = torch.tensor([[3.0, 2, 9, 12], [0.6, 0.4, 20.3, 5.5], [4.5, 4, 4.5, 9]])
        pasted = paste_masks(torch.ones(3, 14, 14), boxes, 16, 20)
        expected = torch.zeros(3, 16, 20, dtype=torch.bool)
        expected[0, 2:12, 3:9] = True
        expected[1, 0:5, 1:20] = True  # pixels whose middle is in the box
        assert torch.equal(pasted, expected)

    def test_pasting_undoes_cutting_out(self):
        _, labels, instances = pictures(9)
        for number, row in ((1, 0), (2, 0), (2, 1), (5, 0)):
            own = instances[number] == row + 1
            box = (labels[number, row, 1:] * PIXELS + torch.tensor([-3, -2, 2, 4])).clamp(min=0)
            roi = torch.cat((torch.tensor([float(number)]), box))[None]
            target = mask_targets(instances, roi, torch.tensor([row]))
            (pasted,) = paste_masks(target, roi[:, 1:], HEIGHT, WIDTH)
            assert (pasted & own).sum() / (pasted | own).sum() > 0.85

    def test_a_mask_is_that_of_its_class(self):
        detector = MaskRCNN(3, pretrained=False)
        with torch.no_grad():
            detector.mask_head[-1].weight.zero_()
            detector.mask_head[-1].bias.copy_(torch.tensor([-1.0, 0.5, 2]))
        rois = torch.tensor([[0.0, 0, 0, 30, 30], [0, 3, 3, 9, 9]])
        logits = detector.mask_logits(torch.rand(1, 128, 6, 8), rois, torch.tensor([2, 0]))
        assert logits.shape == (2, 14, 14)
        assert logits[0].unique().tolist() == [2]
        assert logits[1].unique().tolist() == [-1]

    def test_a_picture_without_detections_has_no_masks(self):
        images, _, _ = pictures(3)
        for found in MaskRCNN(2, pretrained=False).predict(images, score_threshold=0.999):
            assert found["masks"].shape == (0, HEIGHT, WIDTH)


class TestTrained:
    def test_finds_classifies_and_outlines_things_in_new_pictures(self, trained):
        images, labels, instances = pictures(18, seed=99)
        ious, mask_ious, false = [], [], 0
        for number, found in enumerate(trained.predict(images, score_threshold=0.5)):
            real = labels[number][labels[number, :, 0] >= 0]
            false += max(0, len(found["labels"]) - len(real))
            for row in real:
                label = int(row[0])
                same = found["labels"] == label
                overlap = box_iou(row[None, 1:] * PIXELS, found["boxes"][same])[0]
                ious.append(float(overlap.max()) if len(overlap) else 0.0)
                if len(overlap):
                    mask = found["masks"][same][overlap.argmax()]
                    own = instances[number] == label + 1
                    mask_ious.append(float((mask & own).sum() / (mask | own).sum()))
        assert len(ious) == 18
        assert sum(iou >= 0.5 for iou in ious) >= 10
        assert sum(mask_ious) / len(mask_ious) > 0.6
        assert false <= 6

    def test_masks_belong_to_their_boxes(self, trained):
        images, _, _ = pictures(6, seed=5)
        for found in trained.predict(images, score_threshold=0.5):
            for mask, box in zip(found["masks"], found["boxes"], strict=True):
                y, x = mask.nonzero(as_tuple=True)
                assert len(y)
                assert x.min() + 0.5 >= box[0]
                assert x.max() + 0.5 <= box[2]
                assert y.min() + 0.5 >= box[1]
                assert y.max() + 0.5 <= box[3]
