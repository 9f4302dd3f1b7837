import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lhelpers.attention import (
    AttentionPooling,
    ChannelGate,
    SelfAttention,
    SpatialGate,
    dot_product_attention,
    enlarge,
    mass_on_mask,
    peaks_on_mask,
    position_code,
)

MODULES = {
    "spatial": lambda: SpatialGate(16, 3),
    "channel": lambda: ChannelGate(16, 4),
    "pooling": lambda: AttentionPooling(16),
    "self": lambda: SelfAttention(16),
}


def features(seed=0, channels=16, height=5, width=7, dtype=torch.float32):
    """(3, channels, 5, 7): not square."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, channels, height, width, generator=generator, dtype=dtype)


def trained(module, seed=0):
    """With weights that are all away from where they start."""
    generator = torch.Generator().manual_seed(seed)
    for weights in module.parameters():
        weights.data.copy_(torch.randn(weights.shape, generator=generator) / 3)
    return module


@pytest.mark.parametrize("name", MODULES)
class TestAll:
    def test_called_gives_what_attend_gives(self, name):
        module = trained(MODULES[name]())
        torch.testing.assert_close(module(features()), module.attend(features())[0])

    def test_keeps_nothing_of_a_batch(self, name):
        module = trained(MODULES[name]())
        before = {key: id(value) for key, value in vars(module).items()}
        module.attend(features())
        module(features())
        assert {key: id(value) for key, value in vars(module).items()} == before
        assert not any(part._forward_hooks for part in module.modules())

    def test_both_the_result_and_the_map_have_gradients(self, name):
        module, x = trained(MODULES[name]()), features().requires_grad_()
        for output in module.attend(x):
            (gradient,) = torch.autograd.grad((output**2).sum(), x, retain_graph=True)
            assert gradient.abs().max() > 0
        module(x).square().sum().backward()
        # a bias before the softmax of the keys, or a bias that shifts all keys alike, changes nothing
        moved = [n for n, w in module.named_parameters() if w.grad.abs().max() > 1e-6]
        assert set(moved) >= {n for n, _ in module.named_parameters()} - {"key.bias"}

    def test_pictures_of_a_batch_do_not_mix(self, name):
        module, x = trained(MODULES[name]()), features()
        alone = torch.cat([module(one[None]) for one in x])
        torch.testing.assert_close(module(x), alone)

    def test_one_position_and_any_layout_of_memory(self, name):
        module, x = trained(MODULES[name]()), features()
        assert module(x[..., :1, :1]).isfinite().all()
        channels_last = x.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(module(channels_last), module(x))

    def test_other_dtypes(self, name):
        module, x = trained(MODULES[name]()), features()
        double = MODULES[name]().double()
        double.load_state_dict(module.state_dict())
        torch.testing.assert_close(double(x.double()).float(), module(x))
        assert double.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(module(x).float(), module(x.float()), atol=0.1, rtol=0.1)

    @pytest.mark.parametrize("shape", [(3, 8, 5, 7), (16, 5, 7), (3, 16, 0, 7)])
    def test_bad_input_is_named(self, name, shape):
        module = MODULES[name]()
        with pytest.raises(ValueError, match=r"features must be \(B, 16, h, w\)"):
            module(torch.zeros(shape))
        with pytest.raises(ValueError, match=r"features must be \(B, 16, h, w\)"):
            module.attend(torch.zeros(shape))


class TestSpatialGate:
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_a_loop_over_positions(self, seed):
        gate, x = trained(SpatialGate(16), seed), features(seed)
        result, weights = gate.attend(x)
        kernel, bias = gate.score.weight.flatten().tolist(), gate.score.bias
        for row, column in [(0, 0), (2, 3), (4, 6)]:
            score = sum(kernel[c] * x[1, c, row, column] for c in range(16)) + bias.item()
            weight = 1 / (1 + math.exp(-score))
            assert weights[1, 0, row, column].item() == pytest.approx(weight, rel=1e-5)
            torch.testing.assert_close(result[1, :, row, column], x[1, :, row, column] * weight)

    def test_a_larger_kernel_sees_neighbours_and_keeps_the_size(self):
        x = features().requires_grad_()
        for size, seen in [(1, 1), (3, 9), (5, 25)]:
            _, weights = trained(SpatialGate(16, size)).attend(x)
            assert weights.shape == (3, 1, 5, 7)
            (gradient,) = torch.autograd.grad(weights[0, 0, 2, 3], x)
            assert (gradient[0].abs().sum(0) > 0).sum() == seen

    @pytest.mark.parametrize("kernel_size", [0, 2, -1])
    def test_bad_input_is_named(self, kernel_size):
        with pytest.raises(ValueError, match="kernel_size"):
            SpatialGate(16, kernel_size)


class TestChannelGate:
    @pytest.mark.parametrize("seed", range(3))
    def test_equals_torchvision(self, seed):
        gate = trained(ChannelGate(16, 4), seed)
        theirs = torchvision.ops.SqueezeExcitation(16, 4)
        for convolution, linear in [(theirs.fc1, gate.squeeze), (theirs.fc2, gate.excite)]:
            convolution.weight.data = linear.weight.data[:, :, None, None]
            convolution.bias.data = linear.bias.data
        torch.testing.assert_close(gate(features(seed)), theirs(features(seed)))

    def test_is_blind_to_place(self):
        gate, x = trained(ChannelGate(16)), features()
        shuffled = x.flatten(2)[..., torch.randperm(35)].view_as(x)
        torch.testing.assert_close(gate.attend(x)[1], gate.attend(shuffled)[1])

    def test_has_at_least_one_unit_between(self):
        assert ChannelGate(4, 16).squeeze.out_features == 1
        assert ChannelGate(64, 16).squeeze.out_features == 4

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="reduction"):
            ChannelGate(16, 0)


class TestAttentionPooling:
    def test_untrained_is_the_mean_and_can_learn(self):
        pooling = AttentionPooling(16)
        result, weights = pooling.attend(features())
        torch.testing.assert_close(result, features().mean((2, 3)))
        torch.testing.assert_close(weights, torch.full((3, 1, 5, 7), 1 / 35))
        result[:, 0].sum().backward()
        assert pooling.score.weight.grad.abs().max() > 1e-3

    @pytest.mark.parametrize("seed", range(3))
    def test_weights_share_out_each_picture(self, seed):
        pooling, x = trained(AttentionPooling(16), seed), features(seed)
        result, weights = pooling.attend(x)
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(3))
        # exp of each score by hand, over their sum
        raw = torch.einsum("c,bchw->bhw", pooling.score.weight.flatten(), x).exp()
        by_hand = raw / raw.sum((1, 2), keepdim=True)
        torch.testing.assert_close(weights[:, 0], by_hand)
        torch.testing.assert_close(result, torch.einsum("bhw,bchw->bc", by_hand, x))

    def test_equals_attention_with_one_learnt_query(self):
        pooling, x = trained(AttentionPooling(16)), features()
        keys = x.flatten(2).mT
        query = pooling.score.weight.view(1, 1, 16).expand(3, 1, 16) * math.sqrt(16)
        expected = F.scaled_dot_product_attention(query, keys, keys)
        torch.testing.assert_close(pooling(x), expected[:, 0])


class TestDotProductAttention:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (6, 9, 8, 3), (17, 11, 4, 4)])
    def test_equals_pytorch(self, dtype, sizes):
        n, m, d, e = sizes
        generator = torch.Generator().manual_seed(n)
        query, key, value = (
            torch.randn(2, 3, *shape, generator=generator, dtype=dtype)
            for shape in ((n, d), (m, d), (m, e))
        )
        result, weights = dot_product_attention(query, key, value)
        torch.testing.assert_close(result, F.scaled_dot_product_attention(query, key, value))
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, n, dtype=dtype))

    def test_numbers_on_paper(self):
        # scores log 3 and 0: weights 3/4 and 1/4
        query = torch.tensor([[2 * math.log(3), 0, 0, 0]])
        key = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])
        result, weights = dot_product_attention(query, key, torch.tensor([[4.0], [8.0]]))
        torch.testing.assert_close(weights, torch.tensor([[0.75, 0.25]]))
        assert result.item() == pytest.approx(5)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="query and key"):
            dot_product_attention(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 4))
        with pytest.raises(ValueError, match="values as many as keys"):
            dot_product_attention(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3, 4))


class TestSelfAttention:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("positions", [True, False])
    @pytest.mark.parametrize("num_heads", [1, 4])
    def test_equals_pytorchs_multihead_attention(self, seed, positions, num_heads):
        block = trained(SelfAttention(16, num_heads, positions), seed)
        theirs = nn.MultiheadAttention(16, num_heads, batch_first=True)
        for part in ("weight", "bias"):
            three = [getattr(layer, part) for layer in (block.query, block.key, block.value)]
            getattr(theirs, f"in_proj_{part}").data = torch.cat(three).data
            getattr(theirs.out_proj, part).data = getattr(block.out, part).data
        x = features(seed)
        content = block.norm(x.flatten(2).transpose(1, 2))
        placed = content
        if positions:
            placed = content + position_code(5, 7, 16).flatten(1).T
        heard, weights = theirs(placed, placed, content, average_attn_weights=False)
        expected = x + heard.transpose(1, 2).view_as(x)
        result, ours = block.attend(x)
        torch.testing.assert_close(result, expected)
        torch.testing.assert_close(block(x), expected)
        torch.testing.assert_close(ours.flatten(4).flatten(2, 3), weights)

    def test_the_map_of_a_position_is_a_map_of_the_picture(self):
        block, x = trained(SelfAttention(16, 2)), features()
        _, weights = block.attend(x)
        assert weights.shape == (3, 2, 5, 7, 5, 7)
        torch.testing.assert_close(weights.sum((-2, -1)), torch.ones(3, 2, 5, 7))
        # what a position hears of another follows the map: a value elsewhere is heard in proportion
        query, key, value = block.heads(x)
        heard = torch.einsum("bnyxij,bnijd->bnyxd", weights, value.unflatten(2, (5, 7)))
        expected = F.scaled_dot_product_attention(query, key, value)
        torch.testing.assert_close(heard.flatten(2, 3), expected)

    @pytest.mark.parametrize("seed", range(3))
    def test_without_positions_it_cannot_tell_shuffled_pieces(self, seed):
        x = features(seed)
        order = torch.randperm(35, generator=torch.Generator().manual_seed(seed))
        shuffled = x.flatten(2)[..., order].view_as(x)
        blind = trained(SelfAttention(16, positions=False), seed)
        expected = blind(x).flatten(2)[..., order].view_as(x)
        torch.testing.assert_close(blind(shuffled), expected)
        block = trained(SelfAttention(16), seed)
        expected = block(x).flatten(2)[..., order].view_as(x)
        assert (block(shuffled) - expected).abs().max() > 0.05

    def test_positions_say_where_to_listen_not_what_is_heard(self):
        block = trained(SelfAttention(16))
        same = torch.ones(1, 16, 5, 7) * torch.randn(1, 16, 1, 1)
        _, weights = block.attend(same)
        assert weights.std() > 0
        torch.testing.assert_close(block(same).std((2, 3)), torch.zeros(1, 16), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(("channels", "heads"), [(10, 4), (6, 3), (16, 0)])
    def test_bad_input_is_named(self, channels, heads):
        with pytest.raises(ValueError, match="multiple of num_heads"):
            SelfAttention(channels, heads)

    def test_six_channels_will_do_without_positions(self):
        assert SelfAttention(6, 3, positions=False)(torch.randn(1, 6, 2, 2)).shape == (1, 6, 2, 2)


class TestPositionCode:
    @given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([4, 8, 36]))
    @settings(max_examples=25)
    def test_agrees_with_a_scalar_loop(self, height, width, channels):
        code = position_code(height, width, channels)
        assert code.shape == (channels, height, width)
        quarter = channels // 4
        for row, column, wave in [
            (0, 0, 0),
            (height - 1, width - 1, quarter - 1),
            (0, width - 1, 0),
        ]:
            turn = 100 ** -(wave / max(1, quarter - 1))
            found = code[wave::quarter, row, column].tolist()
            expected = [f(turn * n) for n in (row, column) for f in (math.sin, math.cos)]
            assert found == pytest.approx(expected, abs=1e-5)

    def test_products_depend_only_on_the_distance(self):
        code = position_code(9, 11, 32)
        for dy, dx in [(0, 0), (1, 0), (0, 2), (3, -2)]:
            there = torch.roll(code, (dy, dx), (1, 2))[:, 3:6, 3:8]
            products = (code[:, 3:6, 3:8] * there).sum(0)
            torch.testing.assert_close(products, products[0, 0].expand_as(products))
        torch.testing.assert_close((code**2).sum(0), torch.full((9, 11), 16.0))

    def test_no_two_positions_share_a_code(self):
        flat = position_code(20, 30, 16).flatten(1).T
        distances = torch.cdist(flat, flat) + 10 * torch.eye(600)
        assert distances.min() > 0.1

    @pytest.mark.parametrize("channels", [0, 2, 6])
    def test_bad_input_is_named(self, channels):
        with pytest.raises(ValueError, match="channels"):
            position_code(2, 2, channels)


class TestDrawing:
    def test_enlarged_maps_are_arrays(self):
        weights = torch.rand(2, 4, 5, 7, 5, 7, requires_grad=True)
        pictures = enlarge(weights, 20, 28)
        assert isinstance(pictures, np.ndarray)
        assert pictures.shape == (2, 4, 5, 7, 20, 28)
        expected = F.interpolate(weights[1, 3, 2, None], (20, 28), mode="bilinear")[0, 6]
        np.testing.assert_allclose(pictures[1, 3, 2, 6], expected.detach().numpy(), rtol=1e-6)

    def test_a_flat_map_stays_flat(self):
        np.testing.assert_allclose(enlarge(torch.full((1, 1, 3, 4), 0.25), 9, 9), 0.25)


class TestMassOnMask:
    def test_numbers_on_paper(self):
        weights = torch.tensor([[0.1, 0.2], [0.3, 0.4]]).view(1, 1, 2, 2)
        masks = torch.zeros(1, 4, 4, dtype=torch.bool)
        masks[0, 2:, 2:] = True  # the last position
        assert mass_on_mask(weights, masks).tolist() == pytest.approx([0.4])
        masks[0, 2:, 1] = True  # and half of the one on its left
        assert mass_on_mask(weights, masks).tolist() == pytest.approx([0.55])

    @pytest.mark.parametrize("seed", range(3))
    def test_even_attention_has_the_share_of_the_object_whatever_its_scale(self, seed):
        masks = torch.rand(5, 24, 16, generator=torch.Generator().manual_seed(seed)) < 0.3
        for level in (1e-3, 1, 7):
            mass = mass_on_mask(torch.full((5, 1, 6, 8), float(level)), masks)
            torch.testing.assert_close(mass, masks.float().mean((1, 2)))

    def test_no_attention_gives_0_and_no_nan(self):
        weights = torch.zeros(1, 1, 2, 2, requires_grad=True)
        mass_on_mask(weights, torch.ones(1, 4, 4)).sum().backward()
        assert mass_on_mask(weights, torch.ones(1, 4, 4)).item() == 0


class TestPeaksOnMask:
    def test_where_the_highest_weight_lies(self):
        weights = torch.tensor([[0.1, 0.2], [0.3, 0.4]]).view(1, 1, 2, 2).repeat(3, 1, 1, 1)
        masks = torch.zeros(3, 4, 4, dtype=torch.bool)
        masks[0, 2, 3] = True  # one pixel at the last position is enough
        masks[1, :2] = masks[1, :, :2] = True  # all the others
        assert peaks_on_mask(weights, masks).tolist() == [True, False, False]

    @given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 2**31 - 1))
    @settings(max_examples=25)
    def test_agrees_with_a_loop_over_pixels(self, height, width, seed):
        generator = torch.Generator().manual_seed(seed)
        weights = torch.rand(2, 1, height, width, generator=generator)
        masks = torch.rand(2, 3 * height, 2 * width, generator=generator) < 0.1
        expected = []
        for of_picture, mask in zip(weights[:, 0], masks, strict=True):
            row, column = divmod(of_picture.argmax().item(), width)
            expected.append(
                any(mask[3 * row + i, 2 * column + j] for i in range(3) for j in range(2))
            )
        assert peaks_on_mask(weights, masks).tolist() == expected

    def test_the_first_of_several(self):
        masks = torch.zeros(1, 2, 2)
        masks[0, 0, 0] = 0.1
        assert peaks_on_mask(torch.ones(1, 1, 2, 2), masks).item()
        assert not peaks_on_mask(torch.ones(1, 1, 2, 2), 1 - masks.ceil()).item()


@pytest.mark.parametrize("judge", [mass_on_mask, peaks_on_mask])
@pytest.mark.parametrize(
    ("weights", "masks"),
    [
        ((1, 2, 2, 2), (1, 4, 4)),
        ((1, 2, 2), (1, 4, 4)),
        ((1, 1, 2, 2), (1, 1, 4, 4)),
        ((1, 1, 2, 2), (2, 4, 4)),
    ],
)
def test_maps_and_masks_must_fit(judge, weights, masks):
    with pytest.raises(
        ValueError, match=r"weights must be \(B, 1, h, w\) and masks \(B, height, width\)"
    ):
        judge(torch.ones(weights), torch.ones(masks))
