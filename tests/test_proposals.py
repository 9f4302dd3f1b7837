import itertools

import numpy as np
import pytest
import torch
from boxes_strategies import random_boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection._utils import Matcher

from d2lhelpers import box_iou, offset_boxes
from d2lhelpers.proposals import (
    ProposalNetwork,
    Remembered,
    anchor_targets,
    merge_regions,
    sample_balanced,
    sample_rois,
    selective_search,
)
from d2lhelpers.proposals.regions import Regions
from d2lhelpers.proposals.rpn import AnchorOutputs
from d2lhelpers.scenes import Setting, scene_set


def labels_of(*pictures):
    """Rows of (class, x1, y1, x2, y2) for each picture -> (B, G, 5), padded with -1 in front."""
    most = max(map(len, pictures))
    padded = [[[-1.0] * 5] * (most - len(rows)) + list(rows) for rows in pictures]
    return torch.tensor(padded).view(len(pictures), most, 5)


def random_labels(seed, batch=3, most=5):
    """(batch, most, 5), some rows of which are padding that holds nonsense."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(-1, 4, (batch, most, 1), generator=generator).float()
    boxes = random_boxes(most, seed, batch=(batch,))
    return torch.cat((classes, torch.where(classes < 0, boxes.flip(-1), boxes)), dim=-1)


def two_squares():
    """A red square and a blue one, far from each other, on grey; and their boxes."""
    image = torch.full((3, 48, 64), 128, dtype=torch.uint8)
    image[:, 5:20, 6:20] = torch.tensor([220, 30, 30], dtype=torch.uint8)[:, None, None]
    image[:, 24:44, 36:60] = torch.tensor([20, 40, 230], dtype=torch.uint8)[:, None, None]
    return image, [[6.0, 5, 20, 20], [36.0, 24, 60, 44]]


def noise(height=30, width=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def scenes():
    """Twelve pictures of the generator's, with one to six objects."""
    setting = Setting(sizes=(0.12, 0.4), background="test")
    return scene_set(12, 96, 77, (1, 6), setting)


class TestSelectiveSearch:
    def test_finds_two_squares_to_a_pixel(self):
        image, squares = two_squares()
        # two segments and the ground: with segments smoothed, a border pixel may go either way
        found = selective_search(image)
        for square in squares:
            assert (found - torch.tensor(square)).abs().amax(dim=1).min() <= 1

    def test_begins_with_the_whole_picture_and_has_no_box_twice(self):
        found = selective_search(noise(), most=1000)
        assert found.dtype == torch.float32
        assert found[0].tolist() == [0, 0, 40, 30]
        assert len(found.unique(dim=0)) == len(found) > 5
        assert (found[:, 2:] - found[:, :2]).min() >= 6

    def test_gives_the_first_few_of_many(self):
        assert torch.equal(selective_search(noise(), most=7), selective_search(noise())[:7])
        small = selective_search(noise(), smallest=2)
        assert len(small) > len(selective_search(noise()))

    def test_bytes_and_fractions_of_a_picture_give_the_same(self):
        assert torch.equal(selective_search(noise()), selective_search(noise() / 255))

    def test_recall_grows_with_the_number_and_beats_boxes_at_random(self, scenes):
        recalls = {10: [], 50: [], 200: []}
        blind = []
        for number, image in enumerate(torch.from_numpy(scenes.images)):
            truth = torch.from_numpy(scenes.boxes[number][scenes.classes[number] >= 0])
            found = selective_search(image)
            for most, recall in recalls.items():
                recall.append(box_iou(truth, found[:most]).amax(dim=1) >= 0.5)
            anywhere = random_boxes(len(found), number) * 96
            blind.append(box_iou(truth, anywhere).amax(dim=1) >= 0.5)
        few, some, many = (torch.cat(recall).float().mean() for recall in recalls.values())
        assert few < some < many
        assert many > 0.85
        assert many > torch.cat(blind).float().mean() + 0.2

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (2, 2), (17, 11)])
    def test_the_smallest_pictures(self, height, width):
        merging = merge_regions(noise(height, width))
        assert merging.boxes[-1].tolist() == [0, 0, width, height]
        assert selective_search(noise(height, width), smallest=0)[0].tolist() == [0, 0, width, height]  # fmt: skip

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="image"):
            selective_search(noise()[None])
        with pytest.raises(ValueError, match="scale"):
            selective_search(noise(), scale=0)
        with pytest.raises(ValueError, match=r"steps must be in 0\.\.0, got 1"):
            merge_regions(noise(1, 1)).regions_after(1)


class TestMerging:
    @pytest.mark.parametrize("seed", range(3))
    def test_is_a_tree_whose_boxes_are_those_of_its_pixels(self, seed):
        merging = merge_regions(noise(seed=seed))
        num = len(merging.pairs) + 1
        assert int(merging.segments.max()) == num - 1
        # every region but the last is merged once, and exists by then
        assert sorted(merging.pairs.flatten().tolist()) == list(range(2 * num - 2))
        assert (merging.pairs < num + torch.arange(num - 1)[:, None]).all()
        for steps in range(num):
            regions = merging.regions_after(steps)
            assert len(regions.unique()) == num - steps
            for region in regions.unique().tolist():
                y, x = (regions == region).nonzero(as_tuple=True)
                box = [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]
                assert merging.boxes[region].tolist() == box

    def test_merges_neighbours_only_and_the_most_similar_first(self):
        merging = merge_regions(noise())
        num = len(merging.pairs) + 1
        for step, (one, other) in enumerate(merging.pairs.tolist()):
            regions = merging.regions_after(step)
            pairs = {
                tuple(sorted(pair))
                for a, b in ((regions[1:], regions[:-1]), (regions[:, 1:], regions[:, :-1]))
                for pair in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
            }
            assert tuple(sorted((one, other))) in pairs
            # of pairs that will be merged later, none that was there already was more similar
            for later in range(step + 1, num - 1):
                if tuple(sorted(merging.pairs[later].tolist())) in pairs:
                    assert merging.similarities[later] <= merging.similarities[step] + 1e-5

    def test_similarity_on_paper(self):
        # strips of 2, 3 and 5 of 10 columns, without any colour or slope: alike in both histograms
        segments = np.repeat([0, 1, 2], [2, 3, 5])[None].repeat(10, axis=0)
        flat = np.full((10, 10, 3), 0.5, dtype=np.float32)
        regions = Regions.of(segments, flat)
        # size: 1 - 50/100; fill: no gap
        assert regions.similarity(0, 1) == pytest.approx(2 + 0.5 + 1)
        # size: 1 - 70/100; fill: the middle strip is in between, 1 - 30/100
        assert regions.similarity(0, 2) == pytest.approx(2 + 0.3 + 0.7)
        # one of three colour histograms differs altogether, and in 2 of 5 columns three slopes of 24: L to the right
        # and along two diagonals
        flat[:, 5:, 0] = 0.9
        regions = Regions.of(segments, flat)
        assert regions.similarity(0, 2) == pytest.approx(
            (1 - 1 / 3) + (1 - 3 / 24 * 2 / 5) + 0.3 + 0.7
        )

    def test_a_merged_region_is_what_its_pixels_would_have_made(self):
        channels = np.random.default_rng(0).random((10, 10, 3), dtype=np.float32)
        segments = np.repeat([0, 1, 2], [2, 3, 5])[None].repeat(10, axis=0)
        regions = Regions.of(segments, channels)
        regions.merge(0, 1, 3)
        together = Regions.of(np.maximum(segments, 1) - 1, channels)
        for name in ("histograms", "sizes", "boxes"):
            np.testing.assert_allclose(
                getattr(regions, name)[3], getattr(together, name)[0], rtol=1e-5, atol=1e-6
            )


class TestRemembered:
    def test_searches_each_picture_once(self):
        searched = []

        def search(image):
            searched.append(image)
            return torch.tensor([[0.0, 0, 1, len(searched)]])

        remembered = Remembered(search)
        pictures = torch.stack((noise(seed=0), noise(seed=1), noise(seed=0)))
        first, again = remembered(pictures), remembered(pictures.flip(0))
        assert len(searched) == 2
        assert [int(one[0, 3]) for one in first] == [1, 2, 1]
        assert [int(one[0, 3]) for one in again] == [1, 2, 1]

    def test_tells_shapes_apart(self):
        remembered = Remembered(lambda image: torch.tensor([[0.0, 0, *image.shape[:0:-1]]]))
        for height, width in ((4, 6), (6, 4)):
            (box,) = remembered(torch.zeros(1, 3, height, width))
            assert box.tolist() == [[0, 0, width, height]]

    def test_what_was_found_while_predicting_can_be_trained_on(self):
        remembered = Remembered()
        with torch.inference_mode():
            remembered(noise()[None])
        weight = torch.ones(4, requires_grad=True)
        (boxes,) = remembered(noise()[None])
        (boxes * weight).sum().backward()


class TestSampleBalanced:
    @given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    @settings(max_examples=60)
    def test_takes_as_many_positives_as_allowed_and_fills_up(self, seed, number, fraction):
        generator = torch.Generator().manual_seed(seed)
        kind = torch.randint(0, 3, (4, 9), generator=generator)
        positive, negative = kind == 0, kind == 1
        index, drawn = sample_balanced(positive, negative, number, fraction)
        assert index.shape == drawn.shape == (4, min(number, 9))
        for row in range(4):
            taken = index[row, drawn[row]].tolist()
            assert len(set(taken)) == len(taken)
            held = int(positive[row, taken].sum())
            assert held == min(round(number * fraction), int(positive[row].sum()))
            assert len(taken) - held == min(min(number, 9) - held, int(negative[row].sum()))
            assert not (kind[row, taken] == 2).any()
            assert positive[row, taken].tolist() == [True] * held + [False] * (len(taken) - held)

    def test_draws_each_with_the_same_chance_and_by_torchs_seed(self):
        positive = torch.tensor([[True] * 4 + [False] * 6])
        counts = torch.zeros(10)
        torch.manual_seed(0)
        for _ in range(600):
            index, _ = sample_balanced(positive, ~positive, 5, 0.4)
            counts[index[0]] += 1
        # 2 of 4 positives and 3 of 6 negatives: every one half of the time, within five standard deviations
        torch.testing.assert_close(counts / 600, torch.full((10,), 0.5), atol=0.1, rtol=0)
        torch.manual_seed(3)
        once = sample_balanced(positive, ~positive, 5, 0.4)[0]
        torch.manual_seed(3)
        assert torch.equal(once, sample_balanced(positive, ~positive, 5, 0.4)[0])

    def test_bad_input_is_named(self):
        mask = torch.zeros(2, 3, dtype=torch.bool)
        with pytest.raises(ValueError, match="alike"):
            sample_balanced(mask, mask[:1], 2, 0.5)
        with pytest.raises(ValueError, match="number"):
            sample_balanced(mask, mask, 0, 0.5)
        with pytest.raises(ValueError, match="fraction"):
            sample_balanced(mask, mask, 2, 1.5)


class TestSampleRois:
    HEIGHT, WIDTH = 50, 80

    def proposals(self, seed):
        pixels = torch.tensor([self.WIDTH, self.HEIGHT] * 2)
        counts = (30, 0, 7)
        return [random_boxes(n, seed + i) * pixels for i, n in enumerate(counts)]

    @pytest.mark.parametrize("seed", range(4))
    def test_says_what_each_box_is_as_a_scalar_loop_does(self, seed):
        labels, proposals = random_labels(seed), self.proposals(seed)
        # all of them: what is drawn at random is tested above
        sample = sample_rois(proposals, labels, self.HEIGHT, self.WIDTH, number=100, fraction=1)
        expected = set()
        for picture, rows in enumerate(labels):
            truths = [
                (r, int(row[0]), tuple((row[1:] * torch.tensor([80.0, 50, 80, 50])).tolist()))
                for r, row in enumerate(rows)
                if row[0] >= 0
            ]
            boxes = [tuple(box) for box in proposals[picture].tolist()] + [t[2] for t in truths]
            for box in boxes:
                overlap = [
                    float(box_iou(torch.tensor([box]), torch.tensor([t[2]]))) for t in truths
                ]
                best = max(range(len(truths)), key=lambda i: overlap[i], default=None)
                if best is not None and overlap[best] >= 0.5:
                    row, label, truth = truths[best]
                    expected.add((picture, *box, label + 1, row, *truth))
                else:
                    expected.add((picture, *box, 0, 5, 0, 0, 0, 0))
        actual = torch.cat((sample.rois, sample.classes[:, None], sample.rows[:, None], sample.truths), 1)  # fmt: skip
        torch.testing.assert_close(
            torch.tensor(sorted(actual.tolist())),
            torch.tensor(sorted(map(list, expected))),
            atol=1e-4,
            rtol=1e-5,
        )

    def test_draws_a_quarter_of_objects_and_keeps_pictures_together(self):
        labels = random_labels(1)
        sample = sample_rois(self.proposals(1), labels, self.HEIGHT, self.WIDTH, number=8)
        image = sample.rois[:, 0]
        assert (image.diff() >= 0).all()
        for picture in range(3):
            assert (sample.classes[image == picture] > 0).sum() <= 2
        assert (image == 0).sum() == 8
        boxes = sample.boxes(3)
        assert torch.equal(torch.cat(boxes), sample.rois[:, 1:])
        assert [len(one) for one in boxes] == [int((image == i).sum()) for i in range(3)]

    @pytest.mark.parametrize("labels", [torch.zeros(3, 0, 5), torch.full((3, 2, 5), -1.0)])
    def test_pictures_without_objects_are_all_background(self, labels):
        sample = sample_rois(self.proposals(0), labels, self.HEIGHT, self.WIDTH)
        assert sample.rois[:, 0].long().bincount().tolist() == [30, 0, 7]
        assert not sample.classes.any()

    def test_nothing_at_all(self):
        sample = sample_rois([torch.zeros(0, 4)] * 2, torch.zeros(2, 0, 5), 9, 9)
        assert sample.rois.shape == (0, 5)
        assert [len(one) for one in sample.boxes(2)] == [0, 0]

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="proposals must be one tensor for each of 3"):
            sample_rois([], torch.zeros(3, 0, 5), 9, 9)
        with pytest.raises(ValueError, match="labels must be"):
            sample_rois([], torch.zeros(0, 5), 9, 9)
        with pytest.raises(ValueError, match="labels"):
            sample_rois([torch.zeros(0, 4)], torch.tensor([[[0.0, 1, 0, 0, 1]]]), 9, 9)


class TestAnchorTargets:
    @pytest.mark.parametrize("seed", range(4))
    def test_agrees_with_a_scalar_loop(self, seed):
        labels, anchors = random_labels(seed), random_boxes(50, seed + 9)
        for target, rows in zip(anchor_targets(anchors, labels, 0.5, 0.2), labels, strict=True):
            real = [r for r in range(len(rows)) if rows[r, 0] >= 0]
            iou = {r: box_iou(rows[r : r + 1, 1:], anchors)[0].tolist() for r in real}
            for a in range(50):
                best = max(real, key=lambda r: iou[r][a], default=None)
                expected = -2
                if best is None or iou[best][a] < 0.2:
                    expected = -1
                elif iou[best][a] >= 0.5:
                    expected = best
                needed = [r for r in real if iou[r][a] == max(iou[r]) > 0]
                if needed:
                    expected = max(needed, key=lambda r: iou[r][a])
                assert target[a] == expected

    @pytest.mark.parametrize("seed", range(4))
    def test_positive_negative_and_neither_are_torchvisions(self, seed):
        truths, anchors = random_boxes(6, seed), random_boxes(60, seed + 9)
        labels = torch.cat((torch.zeros(6, 1), truths), dim=1)[None]
        (ours,) = anchor_targets(anchors, labels)
        theirs = Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(truths, anchors))
        assert torch.equal(ours.clamp(max=0), theirs.clamp(max=0))
        assert (ours >= 0).any()

    def test_on_paper(self):
        # overlaps with the object: 1, 0.75, 0.5 and 0.2
        anchors = torch.tensor([[0, 0, 0.4, 0.1], [0, 0, 0.3, 0.1], [0, 0, 0.2, 0.1], [0, 0, 0.08, 0.1]])  # fmt: skip
        target = anchor_targets(anchors, labels_of([[3, 0, 0, 0.4, 0.1]]))
        assert target.tolist() == [[0, 0, -2, -1]]
        # without the first two, the best there is will do
        assert anchor_targets(anchors[2:], labels_of([[3, 0, 0, 0.4, 0.1]])).tolist() == [[0, -1]]

    def test_an_object_that_no_anchor_touches_makes_none_positive(self):
        target = anchor_targets(random_boxes(9, 0), labels_of([[0, 2, 2, 3, 3]]))
        assert (target == -1).all()

    @pytest.mark.parametrize("labels", [torch.zeros(2, 0, 5), torch.full((2, 3, 5), -1.0)])
    def test_pictures_without_objects_are_all_background(self, labels):
        target = anchor_targets(random_boxes(9, 0), labels)
        assert target.shape == (2, 9)
        assert (target == -1).all()


class TestProposalNetwork:
    def network(self):
        torch.manual_seed(0)
        return ProposalNetwork(4, sizes=(0.2, 0.5), ratios=(1, 2, 0.5))

    def test_anchors_of_a_cell_are_all_sizes_in_all_ratios(self):
        anchors = self.network().anchors(torch.zeros(1, 4, 6, 9)).view(6, 9, 6, 4)
        centre = (anchors[..., :2] + anchors[..., 2:]) / 2
        torch.testing.assert_close(centre[2, 5], torch.tensor([[5.5 / 9, 2.5 / 6]]).expand(6, 2))
        width, height = ((anchors[..., 2:] - anchors[..., :2])[2, 5] * torch.tensor([9, 6])).unbind(1)  # fmt: skip
        torch.testing.assert_close(width / height, torch.tensor([1, 2, 0.5, 1, 2, 0.5]))
        torch.testing.assert_close((width * height).sqrt() / 6, torch.tensor([0.2] * 3 + [0.5] * 3))

    @pytest.mark.parametrize(("row", "column", "which"), [(0, 0, 0), (2, 5, 3), (5, 8, 5)])
    def test_a_cells_outputs_belong_to_that_cells_anchors(self, row, column, which):
        network = self.network()
        with torch.no_grad():
            for layer in (network.around, network.objectness, network.offsets):
                layer.weight.zero_()
                layer.bias.zero_()
            network.around.weight[0, 0, 1, 1] = 1  # looks at its own cell only
            network.objectness.weight[which, 0] = 1
            network.offsets.weight[4 * which + 3, 0] = 1
        features = torch.zeros(2, 4, 6, 9)
        features[1, 0, row, column] = 7
        outputs = network(features)
        place = (row * 9 + column) * 6 + which
        assert outputs.logits.nonzero().tolist() == [[1, place]]
        assert outputs.offsets.nonzero().tolist() == [[1, place, 3]]

    def test_losses_on_paper(self):
        anchors = torch.tensor([[0.0, 0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9], [0.0, 0.6, 0.3, 0.9]])
        labels = labels_of([[2, 0, 0, 0.4, 0.4]], [])
        offsets = torch.zeros(2, 3, 4)
        offsets[0, 0] = torch.tensor([0.5, -3, 0, 0])
        offsets[0, 1] = 99  # background: any offset will do
        outputs = AnchorOutputs(anchors, torch.tensor([[2.0, -1, 0], [1, 0, -3]]), offsets)
        # two each: the positive and one negative of the first picture, two negatives of the second
        torch.manual_seed(0)
        losses = self.network().losses(outputs, labels, number=2)
        # smooth L1: 0.5**2 / 2 and 3 - 0.5, over the four anchors drawn
        torch.testing.assert_close(losses["proposal_box"], torch.tensor((0.125 + 2.5) / 4))

        def entropy(logit, held):
            return torch.nn.functional.softplus(torch.tensor(-logit if held else logit))

        possible = [
            (entropy(2.0, True) + entropy(a, False) + entropy(b, False) + entropy(c, False)) / 4
            for a in (-1.0, 0.0)
            for b, c in itertools.combinations((1.0, 0.0, -3.0), 2)
        ]
        assert min((losses["objectness"] - value).abs() for value in possible) < 1e-6

    def test_losses_pull_towards_the_object(self):
        network = self.network()
        features = torch.rand(2, 4, 6, 9, generator=torch.Generator().manual_seed(0))
        labels = labels_of([[0, 0.1, 0.1, 0.4, 0.5]], [[1, 0.5, 0.5, 0.9, 1], [0, 0, 0, 0.2, 0.3]])
        optimizer = torch.optim.Adam(network.parameters(), 0.03)
        for _ in range(60):
            losses = network.losses(network(features), labels)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
        best = [one[0] for one in network.propose(network(features), 60, 90)]
        assert box_iou(best[0][None], torch.tensor([[9.0, 6, 36, 30]])) > 0.6
        assert (
            box_iou(best[1][None], torch.tensor([[45.0, 30, 81, 60], [0, 0, 18, 18]])).max() > 0.6
        )

    def test_proposals_are_the_likeliest_in_the_picture_and_apart(self):
        network = self.network()
        features = torch.randn(2, 4, 6, 9, generator=torch.Generator().manual_seed(1))
        found = network.propose(network(features), 60, 90, most=12, iou_threshold=0.5)
        for boxes in found:
            assert 0 < len(boxes) <= 12
            assert not boxes.requires_grad
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([90.0, 60, 90, 60])).all()
            assert (boxes[:, 2:] - boxes[:, :2]).min() >= 4
            assert (box_iou(boxes, boxes) - torch.eye(len(boxes))).max() <= 0.5 + 1e-6

    def test_proposals_are_decoded_in_the_anchors_order(self):
        anchors = random_boxes(20, 0)
        truths = random_boxes(20, 1)
        logits = torch.randn(1, 20, generator=torch.Generator().manual_seed(0))
        outputs = AnchorOutputs(anchors, logits, offset_boxes(anchors, truths)[None])
        (found,) = self.network().propose(outputs, 100, 200, most=20, iou_threshold=1)
        expected = truths[logits[0].argsort(descending=True)] * torch.tensor([200.0, 100, 200, 100])
        torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-3)

    def test_absurd_offsets_stay_finite_and_tiny_boxes_go(self):
        anchors = torch.tensor([[0.4, 0.4, 0.6, 0.6], [0.1, 0.1, 0.2, 0.2]])
        offsets = torch.tensor([[[0, 0, 1e4, 1e4], [0, 0, -1e4, 0]]])
        outputs = AnchorOutputs(anchors, torch.zeros(1, 2), offsets)
        (found,) = self.network().propose(outputs, 50, 50)
        assert found.tolist() == [[0, 0, 50, 50]]
