"""Clusters of the map, and names that outlive a new run."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError
from core.labels.actions import label
from core.map import clusters, density
from core.map.density import NOISE, find_clusters, named_clusters
from core.workspace import Workspace
from tests.worlds import made


def three_clusters(rng, sizes=(300, 200, 100), spread=0.1):
    centres = np.array([(0, 0), (10, 0), (0, 10)])
    xy = np.concatenate([rng.normal(centre, spread, (size, 2)) for centre, size in zip(centres, sizes, strict=True)])
    return xy.astype(np.float32), np.repeat(np.arange(3), sizes)


def test_clusters_are_found_largest_first_and_far_images_are_in_none():
    xy, truth = three_clusters(np.random.default_rng(0))
    far = np.array([(50, 50), (-50, 50), (np.nan, np.nan)], np.float32)
    codes = find_clusters(np.concatenate([xy, far]), "coarse")
    assert codes[600:].tolist() == [NOISE] * 3
    for cluster in range(3):
        values, counts = np.unique(codes[:600][truth == cluster], return_counts=True)
        assert values[counts.argmax()] == cluster
        assert counts.max() > 0.95 * counts.sum()


def test_too_few_images_have_no_cluster_and_an_unknown_grain_is_reported():
    assert (find_clusters(np.zeros((5, 2), np.float32), "coarse") == NOISE).all()
    with pytest.raises(InputError, match="no grain 'huge'"):
        find_clusters(np.zeros((5, 2), np.float32), "huge")


def test_names_follow_the_members_not_the_sizes():
    first = named_clusters("medium", np.array([0] * 6 + [1] * 4 + [-1] * 2, np.int32), None)
    assert first.names == ("M1", "M2")
    # The second has grown by new images and is now the largest; of the first a third has left; a new one has come.
    again = named_clusters("medium", np.array([1, 1, 1, 1, 2, 2] + [0] * 4 + [-1] * 2 + [0, 0, 0] + [2] * 3, np.int32), first)
    assert again.names == ("M2", "M1", "M3")
    assert named_clusters("medium", np.array([], np.int32), again).next_number == 4


@pytest.mark.parametrize("seed", range(20))
def test_no_name_is_given_twice(seed):
    rng = np.random.default_rng(seed)
    before = None
    for _ in range(6):
        codes = rng.integers(-1, 4, 40).astype(np.int32)
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int32) - (codes.min() < 0)
        before = named_clusters("fine", codes, before)
        assert len(set(before.names)) == len(before.names) == codes.max() + 1


def test_a_workspace_keeps_its_clusters_and_tells_what_is_in_them(tmp_path, monkeypatch):
    with made(tmp_path / "w", n=600) as space:
        with pytest.raises(InputError, match="no map"):
            clusters.cluster(space)
        xy, truth = three_clusters(np.random.default_rng(1))
        (space.folder / "projection").mkdir()
        np.save(space.folder / "projection" / "a.npy", xy)
        space.catalog.models.add_projection("made", 600, "projection/a.npy", {})
        space.reload()
        assert clusters.clustering(space, "coarse") is None
        found = clusters.cluster(space)["coarse"]
        label(space, np.flatnonzero(truth == 1)[:50], "explicit", analyst="ann", source="lasso")
    with Workspace(tmp_path / "w") as space:
        kept = clusters.clustering(space, "coarse")
        assert (kept.codes == found.codes).all()
        assert kept.names == found.names
        rows = clusters.summaries(space, kept)
        assert [row.size for row in rows] == sorted((row.size for row in rows), reverse=True)
        second = rows[1]
        assert second.labels == {"explicit": 50}
        assert second.labelled == pytest.approx(50 / second.size)
        assert np.isnan(second.score)
        assert set(second.pictures) <= set(kept.rows(second.name))
        assert np.allclose(second.centre, (10, 0), atol=0.2)

        def find_and_change(xy, grain):
            space.current = replace(space.current, encoder="other")
            return find_clusters(xy, grain)

        monkeypatch.setattr(clusters, "find_clusters", find_and_change)
        with pytest.raises(InputError, match="Another map was chosen"):
            clusters.cluster(space)
        monkeypatch.undo()
        space.reload()
        assert clusters.clustering(space, "coarse").names == found.names
        again = clusters.cluster(space)["coarse"]
        assert again.names == found.names
        assert len(list((space.folder / "clusters").iterdir())) == 1
        with pytest.raises(InputError, match="no cluster 'C99'"):
            again.rows("C99")


def test_images_that_are_not_in_the_sample_follow_their_nearest_one_in_it(monkeypatch):
    xy, truth = three_clusters(np.random.default_rng(0), sizes=(900, 600, 300))
    far = np.array([(50, 50), (-50, 50), (np.nan, np.nan)], np.float32)
    xy = np.concatenate([xy, far])
    whole = find_clusters(xy, "coarse")
    monkeypatch.setattr(density, "SAMPLED", 600)
    codes = find_clusters(xy, "coarse")
    assert np.array_equal(codes, find_clusters(xy, "coarse"))
    assert codes[-1] == NOISE
    for cluster in range(3):
        mine = codes[:1800][truth == cluster]
        assert set(mine.tolist()) <= {cluster, NOISE}
        assert (mine == cluster).mean() > 0.9
    both = (codes != NOISE) & (whole != NOISE)
    assert (codes[both] == whole[both]).all()


@pytest.mark.slow
def test_both_libraries_find_the_same_clusters(monkeypatch):
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    xy = (rng.uniform(0, 30, (40, 2))[rng.integers(0, 40, 8_000)] + rng.normal(0, 0.5, (8_000, 2))).astype(np.float32)
    small = find_clusters(xy, "fine")
    monkeypatch.setattr(density, "FAST_FROM", 0)
    assert adjusted_rand_score(small, find_clusters(xy, "fine")) > 0.95
