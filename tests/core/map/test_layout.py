"""UMAP keeps blobs apart, is repeatable, and copes with a handful of images."""

import numpy as np
import pytest

from core.errors import ShapeError
from core.map.layout import lay_out


def test_blobs_stay_apart_and_the_seed_repeats():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 16)) * 5
    x = (np.repeat(centres, 60, axis=0) + rng.normal(size=(180, 16)) * 0.3).astype(np.float32)
    seen = []
    found = lay_out(x, on_epoch=lambda done, total: seen.append((done, total)))
    again = lay_out(x)
    assert (found.xy == again.xy).all()
    assert found.trustworthiness > 0.8
    assert found.neighbour_rows.shape == (180, 15)
    assert (found.neighbour_rows // 60 == np.arange(180)[:, None] // 60).mean() > 0.99
    assert seen
    assert seen[-1][1] >= seen[-1][0] > 0


@pytest.mark.parametrize("n", [1, 2, 4, 5, 12, 40])
def test_small_workspaces_get_a_map(n):
    found = lay_out(np.random.default_rng(1).normal(size=(n, 8)).astype(np.float32))
    assert found.xy.shape == (n, 2)
    assert np.isfinite(found.xy).all()


def test_identical_images_get_a_map():
    assert np.isfinite(lay_out(np.ones((50, 8), np.float32)).xy).all()


def test_nothing_to_project_is_reported():
    with pytest.raises(ShapeError, match="embed images first"):
        lay_out(np.zeros((0, 8), np.float32))


@pytest.mark.slow  # half a minute of compiling
def test_approximate_neighbours_agree_with_exact_ones(monkeypatch):
    x = np.random.default_rng(2).normal(size=(600, 16)).astype(np.float32)
    exact = lay_out(x).neighbour_rows
    monkeypatch.setattr("core.map.layout.EXACT_UP_TO", 0)
    found = lay_out(x).neighbour_rows
    assert (found[:, :, None] == exact[:, None, :]).any(axis=2).mean() > 0.97
