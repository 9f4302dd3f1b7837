import math

import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lhelpers.attention import AttentionPooling, mass_on_mask
from d2lhelpers.colour import (
    chi_squared,
    colour_statistics,
    colour_statistics_loss,
    earth_movers,
    kl_divergence,
    memberships,
    soft_histogram,
    soft_joint_histogram,
)

SEEDS = pytest.mark.parametrize("seed", range(3))


def pictures(seed=0, dtype=torch.float64, channels=3, height=17, width=11, batch=2):
    """Continuous values, so that none lies on an edge."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=dtype)


def masks(seed=0, height=17, width=11, batch=2):
    generator = torch.Generator().manual_seed(seed + 100)
    return torch.rand(batch, 1, height, width, generator=generator, dtype=torch.float64)


def histograms(seed=0, bins=8, rows=5):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.rand(2, rows, bins, generator=generator, dtype=torch.float64) ** 3 + 0.02
    return raw / raw.sum(-1, keepdim=True)


class TestMemberships:
    @given(st.floats(-1, 2), st.integers(1, 9), st.floats(0.01, 0.5))
    @settings(max_examples=50)
    def test_agrees_with_scipys_logistic_distribution(self, value, bins, bandwidth):
        found = memberships(torch.tensor([value], dtype=torch.float64), bins, (0, 1), bandwidth)
        edges = [-math.inf, *(k / bins for k in range(1, bins)), math.inf]
        below = scipy.stats.logistic.cdf(edges, loc=value, scale=bandwidth)
        assert found[0].tolist() == pytest.approx(list(below[1:] - below[:-1]), abs=1e-12)

    @given(st.integers(1, 20), st.floats(1e-6, 1))
    @settings(max_examples=25)
    def test_each_value_is_shared_out_whole(self, bins, bandwidth):
        shares = memberships(pictures(dtype=torch.float32), bins, bandwidth=bandwidth)
        assert (shares >= 0).all()
        torch.testing.assert_close(shares.sum(-1), torch.ones(2, 3, 17, 11))

    def test_default_bandwidth_keeps_most_of_a_middle_in_its_bin(self):
        share = memberships(torch.tensor([0.5]), bins=5)[0]
        assert 0.7 < share[2] < 0.8
        scaled = memberships(torch.tensor([50.0]), bins=5, limits=(0, 100))[0]
        torch.testing.assert_close(scaled, share)

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"values": torch.zeros(3, dtype=torch.uint8)}, "values must be floating"),
            ({"bins": 0}, "at least 1 bin"),
            ({"limits": (1, 1)}, "low < high"),
            ({"bandwidth": 0}, "bandwidth"),
            ({"bandwidth": math.nan}, "bandwidth"),
        ],
    )
    def test_bad_input_is_named(self, arguments, named):
        with pytest.raises(ValueError, match=named):
            memberships(**{"values": torch.zeros(3)} | arguments)


class TestSoftHistogram:
    @SEEDS
    @pytest.mark.parametrize("bins", [1, 4, 16])
    @pytest.mark.parametrize("limits", [(0, 1), (-0.5, 1.5)])
    def test_equals_histc_as_the_bandwidth_goes_to_zero(self, seed, bins, limits):
        images = pictures(seed)
        hard = torch.stack(
            [torch.histc(plane, bins, *limits) for plane in images.flatten(0, 1)]
        ).view(2, 3, bins) / (17 * 11)
        errors = [
            (soft_histogram(images, bins, limits, bandwidth) - hard).abs().max().item()
            for bandwidth in (0.1, 0.01, 1e-3, 1e-9)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 1e-12

    def test_black_and_white_are_not_lost_at_the_outer_edges(self):
        images = torch.cat((torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
        for bandwidth in (1e-6, 0.02):
            found = soft_histogram(images, 4, bandwidth=bandwidth)[:, 0]
            torch.testing.assert_close(found, torch.eye(4)[[0, 3]], atol=1e-4, rtol=0)
        assert soft_histogram(images * 3 - 1, 4)[:, 0, [0, 3]].diagonal().min() > 0.99

    @SEEDS
    def test_gradient_agrees_with_finite_differences(self, seed):
        images = pictures(seed, height=3, width=2).requires_grad_()
        weights = masks(seed, height=3, width=2).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda x, w: soft_histogram(x, 5, weights=w), (images, weights)
        )
        assert torch.autograd.gradcheck(
            lambda x, w: soft_joint_histogram(x, 3, weights=w), (images, weights)
        )

    @SEEDS
    def test_whole_weights_count_a_pixel_so_many_times(self, seed):
        images = pictures(seed, height=3, width=4)
        times = torch.randint(0, 4, (2, 3, 4), generator=torch.Generator().manual_seed(seed))
        weighted = soft_histogram(images, 6, weights=times)
        joint = soft_joint_histogram(images, 4, weights=times)
        for i in range(2):
            pixels = images[i].flatten(1).repeat_interleave(times[i].flatten(), dim=1)
            repeated = pixels[None, :, None, :]
            torch.testing.assert_close(weighted[i], soft_histogram(repeated, 6)[0])
            torch.testing.assert_close(joint[i], soft_joint_histogram(repeated, 4)[0])

    def test_a_mask_leaves_out_all_else_and_its_scale_does_not_count(self):
        images, mask = pictures(), masks() > 0.5
        found = soft_histogram(images, weights=mask)
        changed = torch.where(mask, images, 1 - images)
        torch.testing.assert_close(soft_histogram(changed, weights=mask), found)
        torch.testing.assert_close(soft_histogram(images, weights=mask * 7.0), found)
        torch.testing.assert_close(soft_histogram(images, weights=mask[:, 0]), found)

    def test_no_weight_at_all_gives_zeros_and_finite_gradients(self):
        images = pictures().requires_grad_()
        weights = torch.zeros(2, 1, 17, 11, dtype=torch.float64)
        weights[1] = 1
        found = soft_histogram(images, 4, weights=weights)
        assert not found[0].any()
        torch.testing.assert_close(found[1].sum(-1), torch.ones(3, dtype=torch.float64))
        found.square().sum().backward()
        assert images.grad.isfinite().all()

    @SEEDS
    def test_training_by_it_moves_colours_where_numpy_cannot(self, seed):
        target = soft_histogram(pictures(seed) ** 3, bins=8)
        images = pictures(seed + 50).requires_grad_()
        optimiser = torch.optim.Adam([images], lr=0.02)
        before = earth_movers(soft_histogram(images, bins=8), target).mean().item()
        for _ in range(60):
            loss = earth_movers(soft_histogram(images, bins=8), target).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert loss.item() < before / 5

    @SEEDS
    def test_by_its_weights_a_colour_teaches_attention_where_to_look(self, seed):
        # a bluish scene with a red patch; attention sees the three channels and is told only the colour
        images = pictures(seed, torch.float32, height=12, width=12, batch=8) / 2
        images[:, 2] += 0.5
        images[:, :, 3:7, 2:8] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
        there = torch.zeros(8, 12, 12, dtype=torch.bool)
        there[:, 3:7, 2:8] = True
        pooling = AttentionPooling(3)
        target = soft_histogram(images[:1], 8, weights=there[:1])
        optimiser = torch.optim.Adam(pooling.parameters(), lr=0.3)
        for _ in range(60):
            found = soft_histogram(images, 8, weights=pooling.attend(images)[1])
            loss = earth_movers(found, target).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert mass_on_mask(pooling.attend(images)[1], there).min() > 0.9  # from 1/6

    @SEEDS
    def test_rounding_leaves_no_bin_below_0(self, seed):
        # few colours: in most bins there is nothing, and what is cumulated stands still
        images = 0.1 + 0.2 * pictures(seed, torch.float32, height=40, width=40, batch=20)
        weights = masks(seed, height=40, width=40, batch=20)
        assert soft_histogram(images, weights=weights).min() >= 0

    def test_bytes_half_precision_and_autocast(self):
        images = (pictures() * 255).round().to(torch.uint8)
        expected = soft_histogram(images.float() / 255)
        torch.testing.assert_close(soft_histogram(images), expected)
        assert soft_histogram(images.half() / 255).dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(soft_histogram(images), expected)

    @pytest.mark.parametrize(
        ("images", "weights", "named"),
        [
            (torch.zeros(3, 4, 4), None, "images must be"),
            (torch.zeros(1, 3, 0, 4), None, "images must be"),
            (torch.zeros(1, 3, 4, 4, dtype=torch.int64), None, "uint8 or floating"),
            (torch.zeros(1, 3, 4, 4), torch.ones(1, 1, 2, 2), "F.interpolate"),
            (torch.zeros(2, 3, 4, 4), torch.ones(4, 4), "weights"),
        ],
    )
    @pytest.mark.parametrize("function", [soft_histogram, soft_joint_histogram, colour_statistics])
    def test_bad_input_is_named(self, function, images, weights, named):
        with pytest.raises(ValueError, match=named):
            function(images, weights=weights)


class TestSoftJointHistogram:
    @SEEDS
    @pytest.mark.parametrize("channels", [2, 3])
    def test_equals_a_hard_count_as_the_bandwidth_goes_to_zero(self, seed, channels):
        images = pictures(seed, channels=channels)
        found = soft_joint_histogram(images, 4, bandwidth=1e-9)
        for i in range(2):
            counted, _ = torch.histogramdd(
                images[i].flatten(1).T, [4] * channels, range=[0.0, 1.0] * channels
            )
            torch.testing.assert_close(found[i], counted / (17 * 11))

    def test_its_margins_are_the_channels_own_histograms(self):
        images, weights = pictures(), masks()
        joint = soft_joint_histogram(images, 5, weights=weights)
        own = soft_histogram(images, 5, weights=weights)
        for channel, others in enumerate([(2, 3), (1, 3), (1, 2)]):
            torch.testing.assert_close(joint.sum(others), own[:, channel])

    def test_tells_apart_what_the_channels_alone_do_not(self):
        # red and blue, against magenta and black: the same reds, the same blues
        one = torch.tensor([[1.0, 0], [0, 0], [0, 1]]).view(1, 3, 1, 2)
        two = torch.tensor([[1.0, 0], [0, 0], [1, 0]]).view(1, 3, 1, 2)
        torch.testing.assert_close(soft_histogram(one), soft_histogram(two))
        both = (soft_joint_histogram(x, 4).flatten(1) for x in (one, two))
        assert chi_squared(*both).item() > 0.9

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="2 channels"):
            soft_joint_histogram(torch.zeros(1, 1, 4, 4))


class TestDistances:
    @SEEDS
    def test_earth_movers_equals_scipy(self, seed):
        p, q = histograms(seed)
        places = [(k + 0.5) / 8 for k in range(8)]
        expected = [
            scipy.stats.wasserstein_distance(places, places, a, b)
            for a, b in zip(p.tolist(), q.tolist(), strict=True)
        ]
        assert earth_movers(p, q).tolist() == pytest.approx(expected)

    @given(st.integers(0, 5), st.integers(0, 10))
    def test_earth_movers_of_a_shift_is_its_length(self, start, shift):
        p = F.one_hot(torch.tensor(start), 16).double()
        q = p.roll(shift)
        assert earth_movers(p, q).item() == pytest.approx(shift / 16)

    @SEEDS
    def test_chi_squared_agrees_with_a_scalar_loop(self, seed):
        p, q = histograms(seed)
        p[:, 2] = q[:, 2] = 0
        for a, b, found in zip(p.tolist(), q.tolist(), chi_squared(p, q).tolist(), strict=True):
            terms = ((x - y) ** 2 / (x + y) for x, y in zip(a, b, strict=True) if x + y)
            assert found == pytest.approx(sum(terms) / 2)

    @SEEDS
    def test_kl_divergence_equals_scipy_and_pytorch(self, seed):
        p, q = histograms(seed)
        exact = kl_divergence(p, q, smoothing=0)
        assert exact.tolist() == pytest.approx(scipy.stats.entropy(p, q, axis=-1).tolist())
        torch.testing.assert_close(exact, F.kl_div(q.log(), p, reduction="none").sum(-1))
        errors = [(kl_divergence(p, q, s) - exact).abs().max().item() for s in (0.1, 1e-3, 1e-6)]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 1e-4
        mixed = (0.7 * one + 0.3 / 8 for one in (p, q))
        torch.testing.assert_close(kl_divergence(p, q, 0.3), kl_divergence(*mixed, smoothing=0))

    def test_kl_divergence_is_infinite_unless_smoothed(self):
        p, q = torch.eye(4)[0], torch.eye(4)[1]
        assert kl_divergence(p, q, smoothing=0).item() == math.inf
        assert 0 < kl_divergence(p, q).item() < math.log(4 / 1e-4)

    @SEEDS
    @pytest.mark.parametrize("distance", [earth_movers, chi_squared, kl_divergence])
    def test_properties(self, seed, distance):
        p, q = histograms(seed)
        assert distance(p, p).abs().max() < 1e-12
        assert (distance(p, q) > 0).all()
        # one of a batch, or one for all
        torch.testing.assert_close(distance(p, q[:1])[3], distance(p[3], q[0]))
        if distance is not kl_divergence:
            torch.testing.assert_close(distance(p, q), distance(q, p))
            assert (distance(p, q) <= 1).all()
        p, q = p.clone().requires_grad_(), q.clone().requires_grad_()
        assert torch.autograd.gradcheck(distance, (p, q))

    @pytest.mark.parametrize("distance", [earth_movers, chi_squared, kl_divergence])
    def test_empty_bins_have_finite_gradients(self, distance):
        p = torch.tensor([0.5, 0.5, 0, 0], requires_grad=True)
        distance(p, torch.tensor([0, 0.5, 0.5, 0])).backward()
        assert p.grad.isfinite().all()

    def test_only_earth_movers_knows_which_bins_are_neighbours(self):
        p, near, far = torch.eye(8, dtype=torch.float64)[[0, 1, 7]]
        assert earth_movers(p, far) > 6 * earth_movers(p, near)
        for distance in (chi_squared, kl_divergence):
            torch.testing.assert_close(distance(p, far), distance(p, near))

    @pytest.mark.parametrize("distance", [earth_movers, chi_squared, kl_divergence])
    def test_bad_input_is_named(self, distance):
        with pytest.raises(ValueError, match="same bins"):
            distance(torch.ones(2, 4), torch.ones(2, 5))

    @pytest.mark.parametrize("smoothing", [-0.1, 1.5])
    def test_bad_smoothing_is_named(self, smoothing):
        with pytest.raises(ValueError, match="smoothing"):
            kl_divergence(torch.ones(4), torch.ones(4), smoothing)


class TestColourStatistics:
    @SEEDS
    def test_equals_pytorchs_covariance(self, seed):
        images, weights = pictures(seed), masks(seed)
        mean, covariance = colour_statistics(images, weights)
        plain = colour_statistics(images)
        for i in range(2):
            pixels, w = images[i].flatten(1), weights[i].flatten()
            torch.testing.assert_close(mean[i], (pixels * w).sum(1) / w.sum())
            expected = torch.cov(pixels, correction=0, aweights=w)
            torch.testing.assert_close(covariance[i], expected)
            torch.testing.assert_close(plain[0][i], pixels.mean(1))
            torch.testing.assert_close(plain[1][i], torch.cov(pixels, correction=0))

    @SEEDS
    def test_loss_is_blind_to_place_and_size(self, seed):
        images = pictures(seed)
        shuffled = images.flatten(2)[..., torch.randperm(187)].view(2, 3, 11, 17)
        doubled = torch.cat((images, shuffled.mT), dim=3)
        loss = colour_statistics_loss(images, doubled)
        torch.testing.assert_close(loss, torch.zeros(2, dtype=torch.float64))
        assert (colour_statistics_loss(images, images**2) > 1e-3).all()

    def test_numbers_on_paper(self):
        # means 0.5 and 0.75 differ by 0.25, variances 0.25 and 0.0625 by 0.1875
        one = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
        two = torch.tensor([0.5, 1.0]).view(1, 1, 2, 1)
        loss = colour_statistics_loss(one, two)
        assert loss.item() == pytest.approx(0.25**2 + 0.1875**2)

    @SEEDS
    def test_weights_and_one_target_for_all(self, seed):
        images, mask = pictures(seed), masks(seed) > 0.5
        target = torch.where(mask[:1], images[:1], 0)
        loss = colour_statistics_loss(images, target, mask, mask[:1])
        assert loss[0].item() == pytest.approx(0)
        assert loss[1].item() > 0

    def test_gradient_agrees_with_finite_differences(self):
        images = pictures(height=3, width=2).requires_grad_()
        weights = masks(height=3, width=2).requires_grad_()
        target = pictures(7)[:1]
        assert torch.autograd.gradcheck(
            lambda x, w: colour_statistics_loss(x, target, w), (images, weights)
        )

    @pytest.mark.parametrize("shape", [(1, 1, 4, 4), (3, 3, 4, 4)])
    def test_bad_input_is_named(self, shape):
        with pytest.raises(ValueError, match="targets must be"):
            colour_statistics_loss(torch.zeros(2, 3, 4, 4), torch.zeros(shape))
