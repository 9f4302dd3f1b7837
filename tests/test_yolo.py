import math

import pytest
import torch
import torch.nn.functional as F
from torch.optim import AdamW

from d2lhelpers.boxes import box_corner_to_center, box_iou
from d2lhelpers.detection.assignment import cell_middles
from d2lhelpers.detection.losses import squared_loss
from d2lhelpers.experiments.yolo import EachCellAlike
from d2lhelpers.models import TinyYOLO
from d2lhelpers.models.yolo import BOX_WEIGHT, USUAL_SIDE, decode

CLASSES = 3
# two pictures of 40 x 24 pixels: two objects and padding, and nothing but padding
LABELS = torch.tensor(
    [
        [[2, 0.1, 0.1, 0.6, 0.9], [-1, -1, -1, -1, -1], [0, 0.7, 0.2, 0.9, 0.5]],
        [[-1, -1, -1, -1, -1], [-1, 0.2, 0.2, 0.4, 0.4], [-1, 9, 9, 9, 9]],
    ]
)
WAYS = {
    "version 1": {"assignment": "centre cell", "box_loss": "squared", "objectness": True},
    "centre cell": {"assignment": "centre cell"},
    "centre area": {"assignment": "centre area", "box_loss": "ciou"},
    "aligned": {"assignment": "aligned"},
    "aligned, objectness": {"assignment": "aligned", "objectness": True},
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def yolo(**how):
    torch.manual_seed(0)
    return TinyYOLO(CLASSES, pretrained=False, **how)


def pictures(seed=0, batch=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (batch, 3, 24, 40), generator=generator, dtype=torch.uint8)


def encode(boxes, points, stride):
    """What a cell would have to say for `decode` to give these boxes."""
    middle, sides = box_corner_to_center(boxes).split(2, dim=-1)
    return torch.cat(((middle - points) / stride, (sides / stride / USUAL_SIDE).log()), dim=-1)


class Oracle(TinyYOLO):
    """Says what it is told to."""

    def __init__(self, logits, boxes, **how):
        super().__init__(CLASSES, pretrained=False, **how)
        self.said = cell_middles(3, 5, 8), logits, boxes

    def outputs(self, images):
        return self.said


class TestDecoding:
    def test_on_paper(self):
        # cell (1, 2) of stride 8 has its middle at (12, 20); 1/4 cell right, 1/2 up, 3 cells wide, 6 high
        raw = torch.tensor([[[0.25, -0.5, 0, math.log(2)]]])
        expected = torch.tensor([[[2.0, -8, 26, 40]]])
        torch.testing.assert_close(decode(raw, torch.tensor([[12.0, 20.0]]), 8), expected)

    @pytest.mark.parametrize("seed", range(3))
    def test_undoes_encoding(self, seed):
        generator = torch.Generator().manual_seed(seed)
        points = cell_middles(3, 5, 8)
        corner, sides = 60 * torch.rand(2, 2, 15, 2, generator=generator)
        boxes = torch.cat((corner, corner + sides + 1), dim=-1)
        torch.testing.assert_close(
            decode(encode(boxes, points, 8), points, 8), boxes, atol=1e-3, rtol=1e-4
        )

    def test_a_wild_guess_is_no_infinity(self):
        boxes = decode(torch.full((1, 1, 4), 1e4), cell_middles(1, 1, 8), 8)
        assert boxes.isfinite().all()

    def test_middles_run_row_by_row(self):
        assert cell_middles(2, 3, 8).tolist() == [
            [4, 4],
            [12, 4],
            [20, 4],
            [4, 12],
            [12, 12],
            [20, 12],
        ]

    @pytest.mark.parametrize(("height", "width"), [(24, 40), (64, 64), (33, 70)])
    def test_there_is_a_middle_for_each_cell_of_the_features(self, height, width):
        net = yolo().eval()
        points, logits, boxes = net.outputs(torch.zeros(1, 3, height, width))
        rows, columns = net.features(torch.zeros(1, 3, height, width)).shape[-2:]
        assert points.tolist() == cell_middles(rows, columns, 8).tolist()
        assert logits.shape == (1, rows * columns, CLASSES)
        assert boxes.shape == (1, rows * columns, 4)

    def test_untrained_with_objectness_only_the_objectness_knows_that_objects_are_rare(self):
        _, logits, _ = yolo(objectness=True).eval().outputs(pictures())
        assert logits[..., 0].sigmoid().mean().item() == pytest.approx(0.01, abs=0.005)
        assert logits[..., 1:].sigmoid().mean().item() == pytest.approx(0.5, abs=0.1)

    def test_untrained_it_says_that_there_is_hardly_anything_of_the_usual_size(self):
        _, logits, boxes = yolo().eval().outputs(pictures())
        assert logits.sigmoid().mean().item() == pytest.approx(0.01, abs=0.005)
        sides = boxes[..., 2:] - boxes[..., :2]
        torch.testing.assert_close(sides, torch.full_like(sides, 8 * USUAL_SIDE))


class TestTargets:
    def targets(self, net, scores=None, boxes=None):
        truth = LABELS[..., 1:] * torch.tensor([40, 24, 40, 24])
        scores = torch.full((2, 15, CLASSES), 0.1) if scores is None else scores
        boxes = torch.rand(2, 15, 4).sort(-1).values if boxes is None else boxes
        return net.targets(cell_middles(3, 5, 8), truth, LABELS[..., 0].long(), scores, boxes)

    def test_centre_cell(self):
        row, value = self.targets(yolo(assignment="centre cell"))
        # middles at (14, 12) and (32, 8.4): cells 1 and 4 of row 1, the second row
        assert row[0].tolist() == [-1] * 6 + [0, -1, -1, 2] + [-1] * 5
        assert value[0].tolist() == [0] * 6 + [1, 0, 0, 1] + [0] * 5
        assert (row[1] == -1).all()

    def test_centre_area_has_more_cells(self):
        row, value = self.targets(yolo(assignment="centre area"))
        assert (row[0] == 0).sum() > 1
        assert torch.equal(value, (row >= 0).float())

    def test_aligned_prefers_the_cell_that_is_sure_of_the_class_and_has_a_good_box(self):
        truth = LABELS[0, 0, 1:] * torch.tensor([40, 24, 40, 24])
        boxes = truth.repeat(2, 15, 1) + torch.tensor([0.0, 0, 12, 0])
        boxes[0, 7] = truth
        scores = torch.full((2, 15, CLASSES), 0.1)
        scores[0, 6, 2] = 0.12
        row, value = self.targets(yolo(assignment="aligned"), scores, boxes)
        assert row[0, 7] == 0
        assert value[0].argmax() == 7
        assert value[0, 7] == 1
        # the score of its own class raises a cell above its neighbours, that of another class would not
        others = value[0][(row[0] == 0) & (torch.arange(15) != 7)]
        assert value[0, 6] == others.max()
        assert others.unique().numel() == 2


class TestLosses:
    def test_version_8_on_paper(self):
        """A scalar loop over cells and classes, written from the formulas."""
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(2, 15, CLASSES, generator=generator)
        boxes = LABELS[0, 0, 1:] * torch.tensor([40, 24, 40, 24]) + torch.rand(2, 15, 4)
        found = Oracle(logits, boxes, assignment="centre cell", box_loss="squared").losses(
            pictures(), LABELS
        )
        of_class = 0.0
        for b in range(2):
            for cell in range(15):
                for k in range(CLASSES):
                    p = 1 / (1 + math.exp(-logits[b, cell, k]))
                    yes = (b, cell, k) in ((0, 6, 2), (0, 9, 0))
                    of_class -= math.log(p if yes else 1 - p)
        of_box = 0.0
        for cell, g in ((6, 0), (9, 2)):
            x1, y1, x2, y2 = ((boxes[0, cell]) / 8).tolist()
            a1, b1, a2, b2 = (LABELS[0, g, 1:] * torch.tensor([40, 24, 40, 24]) / 8).tolist()
            of_box += ((x1 + x2 - a1 - a2) / 2) ** 2 + ((y1 + y2 - b1 - b2) / 2) ** 2
            of_box += (math.sqrt(x2 - x1) - math.sqrt(a2 - a1)) ** 2
            of_box += (math.sqrt(y2 - y1) - math.sqrt(b2 - b1)) ** 2
        assert set(found) == {"class", "box"}
        assert found["class"].item() == pytest.approx(of_class / 2, rel=1e-4)
        assert found["box"].item() == pytest.approx(BOX_WEIGHT * of_box / 2, rel=1e-4)

    def test_with_objectness_the_background_has_nothing_to_say_of_classes(self):
        logits = torch.randn(2, 15, 1 + CLASSES, requires_grad=True)
        net = Oracle(logits, torch.rand(2, 15, 4), assignment="centre cell", objectness=True)
        parts = net.losses(pictures(), LABELS)
        assert set(parts) == {"object", "class", "box"}
        sum(parts.values()).backward()
        of_classes = logits.grad[..., 1:].abs().sum(-1).nonzero().tolist()
        assert of_classes == [[0, 6], [0, 9]]
        assert (logits.grad[..., 0] != 0).all()
        there = torch.zeros(2, 15)
        there[0, [6, 9]] = 1
        expected = F.binary_cross_entropy_with_logits(logits[..., 0], there, reduction="sum") / 2
        torch.testing.assert_close(parts["object"], expected)
        torch.testing.assert_close(
            net.scores(logits), logits[..., :1].sigmoid() * logits[..., 1:].sigmoid()
        )

    @pytest.mark.parametrize("objectness", [True, False])
    def test_aligned_asks_a_cell_to_be_as_sure_as_its_box_is_good(self, objectness):
        boxes = (LABELS[0, 0, 1:] * torch.tensor([40, 24, 40, 24])).repeat(2, 15, 1) + 2
        logits = torch.ones(2, 15, objectness + CLASSES)  # at 0 every target would cost the same
        net = Oracle(logits, boxes, assignment="aligned", objectness=objectness)
        truth = LABELS[..., 1:] * torch.tensor([40, 24, 40, 24])
        classes = LABELS[..., 0].long()
        row, value = net.targets(net.said[0], truth, classes, net.scores(logits), boxes)
        assert 0 < value.max() < 0.9
        wanted = value  # of the objectness
        if not objectness:
            wanted = torch.zeros_like(logits)
            for b, cell in (row >= 0).nonzero().tolist():
                wanted[b, cell, classes[b, row[b, cell]]] = value[b, cell]
        said = logits[..., 0] if objectness else logits
        expected = F.binary_cross_entropy_with_logits(said, wanted, reduction="sum")
        found = net.losses(pictures(), LABELS)["object" if objectness else "class"]
        torch.testing.assert_close(found, expected / value.sum().clamp(min=1))

    @every_way
    def test_who_knows_the_truth_has_hardly_a_loss(self, way):
        objectness = way.get("objectness", False)
        boxes = torch.rand(2, 15, 4).sort(-1).values
        logits = torch.full((2, 15, CLASSES + objectness), -20.0)
        net = Oracle(logits, boxes, **way)
        truth = LABELS[0, :, 1:] * torch.tensor([40, 24, 40, 24])
        classes = LABELS[..., 0].long()
        for g, cell in ((0, 6), (2, 9)):  # aligned looks at what is said now
            boxes[0, cell] = truth[g]
            logits[0, cell, [0, classes[0, g] + 1] if objectness else classes[0, g]] = 20
        row, _ = net.targets(
            net.said[0],
            LABELS[..., 1:] * torch.tensor([40, 24, 40, 24]),
            classes,
            net.scores(logits),
            boxes,
        )
        for b, cell in (row >= 0).nonzero().tolist():
            g = row[b, cell]
            boxes[b, cell] = truth[g]
            logits[b, cell, classes[0, g] + objectness] = 20
            logits[b, cell, 0] = 20 if objectness else logits[b, cell, 0]
        assert net(pictures(), LABELS) < 1e-3

    @every_way
    @pytest.mark.parametrize(
        "labels",
        [LABELS, LABELS[1:].repeat(2, 1, 1), torch.zeros(2, 0, 5)],
        ids=["some", "padding", "none"],
    )
    def test_every_loss_and_gradient_is_finite(self, way, labels):
        net = yolo(**way).train()
        loss = net(pictures(), labels)
        loss.backward()
        assert loss > 0
        assert loss.isfinite()
        for name, p in net.named_parameters():
            # without objects there is no box to learn from
            if labels is LABELS or not name.startswith("box_branch"):
                assert p.grad.isfinite().all(), name
                assert p.grad.any() or name.startswith("box_branch.0"), name

    @every_way
    def test_padding_changes_nothing(self, way):
        net, images = yolo(**way).eval(), pictures()
        padded = torch.cat((LABELS[:, 1:2], LABELS, torch.full((2, 2, 5), -1.0)), dim=1)
        for name, value in net.losses(images, LABELS).items():
            torch.testing.assert_close(net.losses(images, padded)[name], value)

    def test_an_object_counts_the_same_however_many_cells_it_has(self):
        # object 2 of picture 0 has three cells, objects 0 and 1 of picture 1 one and two
        picture, mine = torch.tensor([[0, 0, 0, 1, 1, 1], [2, 2, 2, 0, 1, 1]])
        weights = yolo().cell_weights(picture, mine, num_objects=3)
        torch.testing.assert_close(weights, torch.tensor([1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2]))

    def test_in_the_experiment_without_this_each_cell_counts_the_same(self):
        picture, mine = torch.tensor([[0, 0, 1], [2, 2, 0]])
        weights = EachCellAlike(CLASSES, pretrained=False).cell_weights(picture, mine, 3)
        torch.testing.assert_close(weights, torch.ones(3))

    def test_the_box_loss_is_a_mean_over_objects(self):
        boxes = torch.rand(2, 15, 4).sort(-1).values
        net = Oracle(
            torch.zeros(2, 15, CLASSES), boxes, assignment="centre area", box_loss="squared"
        )
        truth = LABELS[..., 1:] * torch.tensor([40, 24, 40, 24])
        row, _ = net.targets(net.said[0], truth, LABELS[..., 0].long(), boxes[..., :3], boxes)
        of_object = [
            squared_loss(
                boxes[0, row[0] == g] / 8, truth[0, g].expand((row[0] == g).sum(), 4) / 8
            ).mean()
            for g in (0, 2)
        ]
        found = net.losses(pictures(), LABELS)["box"]
        torch.testing.assert_close(found, BOX_WEIGHT * sum(of_object) / 2)

    def test_bytes_and_fractions_are_the_same_picture(self):
        net, images = yolo().eval(), pictures()
        torch.testing.assert_close(net(images, LABELS), net(images / 255, LABELS))

    def test_under_autocast_boxes_and_losses_stay_in_float32(self):
        net = yolo()
        with torch.autocast("cpu", torch.bfloat16):
            _, logits, boxes = net.outputs(pictures())
            loss = net(pictures(), LABELS)
        assert logits.dtype == boxes.dtype == loss.dtype == torch.float32

    def test_under_autocast_sides_are_worked_out_in_float32(self):
        net = yolo().eval()
        said = math.log(1.1)
        torch.nn.init.constant_(net.box_branch[-1].bias, said)  # and its weight is 0
        with torch.autocast("cpu", torch.bfloat16):
            _, _, boxes = net.outputs(pictures())
        heard = torch.tensor(said).bfloat16().float()
        sides = boxes[..., 2:] - boxes[..., :2]
        torch.testing.assert_close(sides, (8 * USUAL_SIDE * heard.exp()).expand_as(sides))

    def test_bad_choices_are_named(self):
        with pytest.raises(
            ValueError, match=r"assignment must be one of centre cell, .* not 'best'"
        ):
            yolo(assignment="best")
        with pytest.raises(ValueError, match="box_loss must be one of squared, giou, ciou"):
            yolo(box_loss="l1")


class TestPredictions:
    @every_way
    def test_have_torchvisions_form(self, way):
        net = yolo(**way)
        for found in net.predict(pictures(), score_threshold=0):
            assert found["boxes"].shape == (len(found["scores"]), 4)
            assert found["labels"].max() < CLASSES
            assert (found["scores"].diff() <= 0).all()
            assert (found["boxes"] >= 0).all()
            assert (found["boxes"] <= torch.tensor([40, 24, 40, 24])).all()

    @every_way
    def test_learns_a_picture_by_heart(self, way):
        net, images = yolo(**way), pictures(batch=2)
        images[0, :, 3:21, 4:24] //= 4  # something to be seen where the objects are
        images[0, :, 5:12, 28:36] //= 8
        optimizer = AdamW(net.parameters(), 3e-3)
        net.train()
        for _ in range(60):
            optimizer.zero_grad()
            net(images, LABELS).backward()
            optimizer.step()
        first, second = net.train().predict(images, score_threshold=0.3)
        assert first["labels"].sort().values.tolist() == [0, 2]
        truth = LABELS[0, [0, 2], 1:] * torch.tensor([40, 24, 40, 24])
        overlap = box_iou(first["boxes"], truth)[first["labels"].argsort().flip(0)]
        assert overlap.diagonal().min() > 0.5
        assert len(second["boxes"]) == 0
