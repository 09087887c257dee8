"""A map laid out anew from where its images are keeps its islands where they were, and is as good as one from nothing."""

import shutil

import numpy as np
import pytest

from core.map.layout import lay_out
from core.map.place import OFFER, placed_share
from core.map.project import project, project_sentence
from core.maths.procrustes import displacement, laid_over
from core.wording import percent
from core.workspace import Workspace

N, LAID_OUT = 400, 320


@pytest.fixture(scope="module")
def grown(demo_400, tmp_path_factory):
    """A workspace of 400 images of which 320 are on the map."""
    folder = shutil.copytree(demo_400, tmp_path_factory.mktemp("anew") / "w")
    with Workspace(folder) as space:
        found = lay_out(space.matrix.take(np.arange(LAID_OUT)))
        (folder / "projection").mkdir(exist_ok=True)
        np.save(folder / "projection" / "a.npy", found.xy)
        np.save(folder / "projection" / "a-neighbours.npy", found.neighbour_rows)
        record = {"seed": 0, "engine": "umap-learn", "trustworthiness": 0.9, "neighbours": "projection/a-neighbours.npy"}
        space.catalog.models.add_projection(space.encoder_name, LAID_OUT, "projection/a.npy", record)
    return folder


def test_islands_keep_their_place_and_the_map_is_as_good_as_from_nothing(grown):
    with Workspace(grown) as space:
        before = space.xy.copy()
        kept = project(space, keep=True)
        xy, kept_version = space.xy.copy(), space.projection["version"]
        assert np.isfinite(xy).all()
        assert placed_share(space) == 0
        there = project(space)
        assert "moved" not in there
        scratch = displacement(laid_over(space.xy, before), before)
        mine = displacement(xy, before)
        assert mine < scratch / 3
        assert mine < 0.3
        assert kept["moved"] == pytest.approx(displacement(xy[:LAID_OUT], before[:LAID_OUT]), abs=0.1)
        assert kept["trustworthiness"] > there["trustworthiness"] - 0.02
        assert f"on average an image moved by {percent(kept['moved'])} of the map's radius" in project_sentence(kept)
        assert "moved" not in project_sentence(there)
        assert kept["projection"] == kept_version == 3  # after the map that the 80 were placed on


def test_the_share_that_was_placed_says_when_to_offer_another_layout(grown, tmp_path):
    from core.map.place import place

    with Workspace(shutil.copytree(grown, tmp_path / "w")) as space:
        space.catalog.models.add_projection(space.encoder_name, LAID_OUT, "projection/a.npy", {"seed": 0})
        space.reopen_encoder()
        assert placed_share(space) == 0
        place(space)
        assert placed_share(space) == pytest.approx((N - LAID_OUT) / N)
        assert placed_share(space) > OFFER


def test_arrangements_are_laid_over_by_turning_mirroring_moving_and_scaling():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(200, 2))
    turn = np.array([[0, 1], [1, 0]])  # a mirror
    other = (before @ turn) * 3 + 7
    np.testing.assert_allclose(laid_over(other, before), before, atol=1e-5)
    assert displacement(before, before) == 0
    some = before.copy()
    some[50:] = np.nan  # these may come anywhere
    np.testing.assert_allclose(laid_over(other, some), before, atol=1e-5)
    moved = before.copy()
    moved[:, 0] += 2
    radius = np.sqrt(((before - before.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert displacement(moved, before) == pytest.approx(2 / radius)
    one = np.ones((3, 2), np.float32)
    np.testing.assert_array_equal(laid_over(one, before[:3]), one)
    assert np.isnan(displacement(one, one))


@pytest.mark.parametrize("seed", range(3))
def test_no_other_turn_scale_or_move_brings_them_nearer(seed):
    rng = np.random.default_rng(seed)
    xy, onto = rng.normal(size=(40, 2)), rng.normal(size=(40, 2))
    best = np.square(laid_over(xy, onto) - onto).sum()
    for _ in range(200):
        angle, scale, move = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2), rng.normal(size=2) * 0.3
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, rng.choice([-1, 1])])
        other = (xy - xy.mean(axis=0)) @ turn * scale + onto.mean(axis=0) + move
        assert np.square(other - onto).sum() >= best - 1e-6
