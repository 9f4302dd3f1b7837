"""TinySSD: the order of its outputs, its loss against plain loops, and that it learns."""

import math

import pytest
import torch
from torch import nn

from d2lhelpers import box_iou, multibox_prior, multibox_target
from d2lhelpers.models import TinySSD
from d2lhelpers.models.ssd import CLASS_LOSSES, RATIOS, SCENES_SIZES, SIZES, in_rows


def small(num_classes=2, class_loss="hard negatives", seed=0):
    torch.manual_seed(seed)
    return TinySSD(num_classes, SCENES_SIZES, class_loss).eval()


def pictures(num=3, height=64, width=96, seed=0):
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor(
    [
        [[0, 0.1, 0.2, 0.4, 0.7], [1, 0.5, 0.5, 0.6, 0.65]],
        [[1, 0.3, 0.1, 0.9, 0.9], [-1, -1, -1, -1, -1]],
        [[-1, -1, -1, -1, -1], [-1, -1, -1, -1, -1]],
    ]
)


class TestOutputs:
    def test_the_numbers_of_the_book(self):
        net = TinySSD(1, pretrained=False)
        with torch.no_grad():
            anchors, logits, offsets = net.outputs(torch.zeros(1, 3, 256, 256))
        assert anchors.shape == (1, 5444, 4)
        assert logits.shape == (1, 5444, 2)
        assert offsets.shape == (1, 5444, 4)
        expected = [
            multibox_prior(torch.zeros(side, side), sizes, RATIOS)
            for side, sizes in zip((32, 16, 8, 4, 1), SIZES, strict=True)
        ]
        torch.testing.assert_close(anchors, torch.cat(expected, dim=1))
        assert round(sum(p.numel() for p in net.parameters()) / 1e6, 1) == 1.3

    def test_rows_stand_in_the_order_of_the_channels(self):
        batch, columns, per_pixel, height, width = 2, 3, 4, 2, 5
        values = torch.arange(batch * per_pixel * columns * height * width).float()
        values = values.reshape(batch, per_pixel * columns, height, width)
        rows = in_rows(values, columns)
        for b, y, x, a, c in ((0, 0, 0, 0, 0), (0, 0, 1, 0, 2), (1, 1, 4, 3, 1), (1, 1, 0, 2, 2)):
            assert rows[b, (y * width + x) * per_pixel + a, c] == values[b, a * columns + c, y, x]

    def test_rows_stand_in_the_order_of_the_anchors(self):
        # a "head" that says where its pixel is must say what the anchor's middle is
        height, width = 3, 5
        anchors = multibox_prior(torch.zeros(height, width), [0.2, 0.3], RATIOS)[0]
        x = ((torch.arange(width) + 0.5) / width).expand(height, width)
        y = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
        middles = in_rows(torch.stack((x, y)).repeat(4, 1, 1)[None], 2)[0]
        torch.testing.assert_close(middles, (anchors[:, :2] + anchors[:, 2:]) / 2)

    @pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96), (101, 70)])
    def test_any_size_of_picture(self, height, width):
        net = small()
        with torch.no_grad():
            anchors, logits, offsets = net.outputs(pictures(1, height, width))
        assert anchors.shape[1] == logits.shape[1] == offsets.shape[1]

    def test_any_number_of_sizes_for_each_map(self):
        sizes = ((0.1,), (0.2, 0.3, 0.4), (0.5,), (0.6, 0.7), (0.9,))
        with torch.no_grad():
            net = TinySSD(1, sizes, pretrained=False).eval()
            anchors, logits, offsets = net.outputs(pictures(1))
        assert anchors.shape[1] == logits.shape[1] == offsets.shape[1]

    def test_float32_also_where_the_network_computes_in_bfloat16(self):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            outputs = small().outputs(pictures(1))
        assert {values.dtype for values in outputs} == {torch.float32}

    @pytest.mark.parametrize("num_classes", [1, 6])
    def test_an_untrained_network_takes_everything_for_background(self, num_classes):
        net = TinySSD(num_classes, pretrained=False).eval()
        for one in net.class_heads:
            nn.init.zeros_(one.weight)
        with torch.no_grad():
            p = net.outputs(pictures(1))[1].softmax(dim=-1)[0]
        torch.testing.assert_close(p[:, 1:] / p[:, :1], torch.full((len(p), num_classes), 0.01))

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="sizes must be those of five maps, got 4"):
            TinySSD(1, SIZES[:4])
        with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
            TinySSD(0)
        with pytest.raises(
            ValueError, match="class_loss must be one of hard negatives, focal, all"
        ):
            TinySSD(1, class_loss="hard")
        with pytest.raises(ValueError, match=r"at least 64 pixels high and wide, got \(1, 3, 64, 63\)"):  # fmt: skip
            small().outputs(pictures(1, 64, 63))


def scalar_losses(net, images, labels):
    """Anchor by anchor."""
    with torch.no_grad():
        anchors, logits, offsets = net.outputs(images)
    targets, _, classes = multibox_target(anchors, labels)
    targets = targets.view_as(offsets)
    of_class = of_offset = num_positive = 0
    for b in range(len(images)):
        positives, negatives = [], []
        for a, label in enumerate(classes[b].tolist()):
            p = logits[b, a].double().softmax(dim=0)[label].item()
            loss = -math.log(p) * ((1 - p) ** 2 if net.class_loss == "focal" else 1)
            (positives if label else negatives).append(loss)
            for error in (offsets[b, a] - targets[b, a]).abs().tolist() if label else ():
                of_offset += error - 0.5 if error > 1 else 0.5 * error**2
        if net.class_loss == "hard negatives":
            negatives = sorted(negatives, reverse=True)[: 3 * max(1, len(positives))]
        of_class += sum(positives) + sum(negatives)
        num_positive += len(positives)
    return {"class": of_class / num_positive, "offset": of_offset / num_positive}


class TestLosses:
    @pytest.mark.parametrize("class_loss", CLASS_LOSSES)
    def test_agree_with_a_scalar_loop(self, class_loss):
        net = small(class_loss=class_loss)
        with torch.no_grad():
            losses = net.losses(pictures(), LABELS)
        expected = scalar_losses(net, pictures(), LABELS)
        assert losses.keys() == expected.keys()
        for name, value in expected.items():
            assert losses[name].item() == pytest.approx(value, rel=1e-4)

    @pytest.mark.parametrize("class_loss", CLASS_LOSSES)
    @pytest.mark.parametrize("labels", [torch.full((2, 3, 5), -1.0), torch.zeros(2, 0, 5)])
    def test_pictures_without_objects(self, class_loss, labels):
        losses = small(class_loss=class_loss).losses(pictures(2), labels)
        assert losses["offset"].item() == 0
        assert losses["class"].item() > 0
        sum(losses.values()).backward()

    def test_padding_changes_nothing(self):
        net, images = small(), pictures(2)
        padded = torch.cat((LABELS[:2], torch.full((2, 4, 5), -1.0)), dim=1)
        with torch.no_grad():
            assert net.losses(images, padded) == net.losses(images, LABELS[:2])

    def test_every_parameter_gets_a_gradient(self):
        net = small().train()
        net(pictures(), LABELS).backward()
        lacking = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
        # of a head whose map has no object, only the class says something
        assert all(name.startswith("offset_heads") for name in lacking)


class TestCandidates:
    def test_no_offsets_are_the_anchors_in_pixels_and_background_is_left_out(self):
        net = small(num_classes=2)
        for one in net.offset_heads:
            nn.init.zeros_(one.weight)
            nn.init.zeros_(one.bias)
        with torch.no_grad():
            anchors, logits, _ = net.outputs(pictures(2))
            found = net.candidates(pictures(2))
        assert len(found) == 2
        for (boxes, scores), of_picture in zip(found, logits, strict=True):
            torch.testing.assert_close(boxes, anchors[0] * torch.tensor([96, 64, 96, 64]))
            torch.testing.assert_close(scores, of_picture.softmax(dim=1)[:, 1:])

    def test_bytes_are_the_same_picture_as_fractions(self):
        net = small()
        as_bytes = (255 * pictures(1)).round().to(torch.uint8)
        with torch.no_grad():
            (boxes, scores), (same_boxes, same_scores) = (
                net.candidates(images)[0] for images in (as_bytes, as_bytes / 255)
            )
        torch.testing.assert_close(boxes, same_boxes, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(scores, same_scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("class_loss", CLASS_LOSSES)
def test_learns_where_a_square_is_and_which(class_loss):
    """Eight pictures, a dark or a bright square in each: after a few steps it finds them."""
    generator = torch.Generator().manual_seed(0)
    images = 0.4 + 0.2 * torch.rand(8, 3, 64, 64, generator=generator)
    labels = torch.zeros(8, 1, 5)
    for i in range(8):
        x, y = torch.randint(2, 40, (2,), generator=generator).tolist()
        images[i, :, y : y + 20, x : x + 20] = float(i % 2)
        labels[i, 0] = torch.tensor([i % 2, x / 64, y / 64, (x + 20) / 64, (y + 20) / 64])
    net = small(class_loss=class_loss).train()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    for _ in range(25):
        optimizer.zero_grad()
        net(images, labels).backward()
        optimizer.step()
    for found, label in zip(net.predict(images), labels[:, 0], strict=True):
        assert found["labels"][0] == label[0]
        assert box_iou(found["boxes"][:1], 64 * label[None, 1:]).item() > 0.6
