"""New rows find their neighbours along the graph of known ones, as a comparison with all of them would."""

import numpy as np
import pytest
import torch

from core.map.layout import exact_neighbours
from core.maths import graph_search
from core.maths.graph_search import search

N, NEW, K = 4_000, 60, 10


@pytest.fixture(scope="module")
def known():
    """Rows of 40 groups, of which each has 8 directions, as embeddings of photos have few."""
    rng = np.random.default_rng(0)
    centres, axes = rng.normal(size=(40, 64)), rng.normal(size=(40, 8, 64)) / 3
    of = rng.integers(40, size=N + NEW)
    x = centres[of] + np.einsum("il,ilj->ij", rng.normal(size=(N + NEW, 8)), axes[of])
    return torch.nn.functional.normalize(torch.from_numpy(x.astype(np.float32)))


def exactly(known):
    return (known[N:] @ known[:N].T).topk(K, dim=1)


@pytest.fixture
def take(known):
    return lambda rows: known[torch.from_numpy(rows)] * 3  # of any length


def test_few_known_rows_are_all_compared(known, take):
    rows, cosines = search(known[N:], take, np.empty((N, 0), np.int32), k=K)
    assert torch.equal(rows, exactly(known).indices)
    torch.testing.assert_close(cosines, exactly(known).values)


def test_a_walk_finds_nearly_all_neighbours_and_looks_at_few_rows(known, take, monkeypatch):
    graph = exact_neighbours(known[:N], 15).rows.astype(np.int32)
    graph[::7, 12:] = -1  # NN-descent finds fewer for some
    monkeypatch.setattr(graph_search, "EXACT_UP_TO", 100)
    monkeypatch.setattr(graph_search, "LANDMARKS", 200)
    monkeypatch.setattr(graph_search, "PAIRS", 64)
    looked_at = []

    def counted(rows):
        looked_at.append(len(rows))
        return take(rows)

    rows, cosines = search(known[N:], counted, graph, k=K)
    exact = exactly(known).indices
    shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(rows.tolist(), exact.tolist(), strict=True)])
    assert shared > 0.9
    assert sum(looked_at) - 200 < NEW * N / 8
    assert all(len(set(row)) == K for row in rows.tolist())
    assert (cosines[:, :-1] >= cosines[:, 1:]).all()
    torch.testing.assert_close(cosines, (known[N:, None] * known[:N][rows]).sum(dim=2))


def test_there_may_be_fewer_known_rows_than_are_asked_for(known, take):
    rows, _ = search(known[N:], take, np.empty((3, 0), np.int32), k=K)
    assert sorted(rows[0].tolist()) == [0, 1, 2]
