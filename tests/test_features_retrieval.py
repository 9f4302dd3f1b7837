import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from d2lhelpers.features import feature_vectors, nearest, precision_at_k, retrieval

SEEDS = pytest.mark.parametrize("seed", range(3))


def vectors(count, seed=0, size=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=dtype)


def scalar_nearest(queries, collection, k, measure):
    """Python's own floats and sort, which keeps equal ones in order."""
    found = []
    for q in queries.tolist():
        distances = []
        for c in collection.tolist():
            if measure == "euclidean":
                distances.append(sum((a - b) ** 2 for a, b in zip(q, c, strict=True)) ** 0.5)
            else:
                lengths = (sum(a * a for a in v) ** 0.5 for v in (q, c))
                product = sum(a * b for a, b in zip(q, c, strict=True))
                for length in lengths:
                    product = product / length if length else 0
                distances.append(1 - product)
        order = sorted(range(len(distances)), key=distances.__getitem__)[:k]
        found.append([(i, distances[i]) for i in order])
    return found


class TestNearest:
    @SEEDS
    @pytest.mark.parametrize("measure", ["cosine", "euclidean"])
    @pytest.mark.parametrize("k", [1, 5, 40])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_agrees_with_a_scalar_loop(self, seed, measure, k, dtype):
        queries, collection = vectors(7, seed, dtype=dtype), vectors(40, seed + 10, dtype=dtype)
        indices, distances = nearest(queries, collection, k, measure)
        expected = scalar_nearest(queries, collection, k, measure)
        assert indices.tolist() == [[i for i, _ in row] for row in expected]
        expected = torch.tensor([[d for _, d in row] for row in expected], dtype=torch.float64)
        torch.testing.assert_close(distances, expected, atol=1e-7, rtol=1e-7)

    @SEEDS
    @pytest.mark.parametrize("measure", ["cosine", "euclidean"])
    @pytest.mark.parametrize(("max_pairs", "max_queries"), [(1, 1), (10, 3), (64, 100)])
    def test_parts_change_nothing(self, seed, measure, max_pairs, max_queries, monkeypatch):
        # small whole numbers, full of ties
        queries, collection = (
            torch.randint(-1, 2, (n, 3), generator=torch.Generator().manual_seed(seed + n))
            for n in (7, 40)
        )
        whole = nearest(queries, collection, 9, measure)
        monkeypatch.setattr(retrieval, "MAX_PAIRS", max_pairs)
        monkeypatch.setattr(retrieval, "MAX_QUERIES", max_queries)
        indices, distances = nearest(queries, collection, 9, measure)
        torch.testing.assert_close(distances, whole[1])
        if measure == "euclidean":  # whose sums of whole numbers are exact
            assert torch.equal(indices, whole[0])

    @given(
        st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=12),
        st.integers(1, 12),
    )
    def test_of_equal_ones_the_first_comes_first(self, rows, k):
        collection, k = torch.tensor(rows), min(k, len(rows))
        indices, _ = nearest(collection, collection, k, "euclidean")
        expected = scalar_nearest(collection, collection, k, "euclidean")
        assert indices.tolist() == [[i for i, _ in row] for row in expected]

    @SEEDS
    def test_small_differences_of_long_vectors_are_not_lost(self, seed):
        # in float32, |a|^2 - 2ab + |b|^2 is wrong by more than the distances here, in float64 by some percent
        collection = 1000 + vectors(50, seed, size=64) / 100
        queries = collection[:9] + vectors(9, seed + 5, size=64) / 5000
        indices, distances = nearest(queries, collection, 2, "euclidean")
        assert indices[:, 0].tolist() == list(range(9))
        expected = (queries - collection[:9]).double().norm(dim=1)
        torch.testing.assert_close(distances[:, 0], expected, rtol=1e-6, atol=0)

    def test_cosine_knows_directions_only(self):
        collection = torch.tensor([[0.0, 0], [3, 0], [0, 0.1], [-5, 0]])
        indices, distances = nearest(torch.tensor([[100.0, 0]]), collection, 4)
        assert indices.tolist() == [[1, 0, 2, 3]]
        assert distances.tolist() == [[0, 1, 1, 2]]

    def test_bytes_gradients_and_no_query(self):
        pictures = torch.randint(0, 256, (6, 12), dtype=torch.uint8)
        assert nearest(pictures, pictures, 1, "euclidean")[0][:, 0].tolist() == list(range(6))
        assert not nearest(vectors(2).requires_grad_(), vectors(3), 2)[1].requires_grad
        indices, distances = nearest(vectors(0), vectors(3), 2)
        assert indices.shape == distances.shape == (0, 2)
        assert indices.dtype == torch.int64

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"queries": torch.zeros(2, 3, 4)}, "flattened"),
            ({"queries": torch.zeros(2, 4)}, "queries and collection"),
            ({"k": 0}, r"k must lie in 1\.\.5"),
            ({"k": 6}, r"k must lie in 1\.\.5"),
            ({"measure": "taxi"}, "measure must be one of cosine, euclidean"),
            ({"collection": torch.full((5, 3), torch.nan)}, "collection must be finite"),
        ],
    )
    def test_bad_input_is_named(self, arguments, named):
        good = {"queries": torch.zeros(2, 3), "collection": torch.zeros(5, 3), "k": 2}
        with pytest.raises(ValueError, match=named):
            nearest(**good | arguments)


class TestFeatureVectors:
    def test_are_averages_over_positions(self):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(4)
        )
        images = torch.rand(5, 3, 9, 8)
        net(images)
        found = feature_vectors(net, images, "0", batch_size=2)
        torch.testing.assert_close(found, net[0](images).mean((2, 3)).detach())
        found = feature_vectors(net, images, "3", batch_size=2)
        torch.testing.assert_close(found, net(images).detach())


class TestPrecision:
    def test_numbers_on_paper(self):
        indices = torch.tensor([[0, 1, 2], [2, 0, 1]])
        collection = torch.tensor([7, 8, 7])
        # of class 7 the first, none, the third; of class 8 none, none, the third
        found = precision_at_k(indices, torch.tensor([7, 8]), collection)
        assert found.tolist() == pytest.approx([0.5, 0.25, (2 / 3 + 1 / 3) / 2])

    @SEEDS
    def test_agrees_with_a_scalar_loop(self, seed):
        generator = torch.Generator().manual_seed(seed)
        indices = torch.randint(0, 30, (8, 6), generator=generator)
        queries, collection = (torch.randint(0, 3, (n,), generator=generator) for n in (8, 30))
        for k in range(1, 7):
            shares = [
                sum(collection[i].item() == label for i in row[:k]) / k
                for row, label in zip(indices.tolist(), queries.tolist(), strict=True)
            ]
            found = precision_at_k(indices, queries, collection)[k - 1].item()
            assert found == pytest.approx(sum(shares) / 8, abs=1e-6)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="query_labels"):
            precision_at_k(torch.zeros(2, 3).long(), torch.zeros(3), torch.zeros(5))
        with pytest.raises(ValueError, match="Q at least 1"):
            precision_at_k(torch.zeros(0, 3).long(), torch.zeros(0), torch.zeros(5))
