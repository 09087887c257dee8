"""Images that came later get a place among their neighbours, and nothing else moves."""

import shutil

import numpy as np
import pytest
import torch

from core.embeddings.matrix import write_part
from core.errors import WorkspaceError
from core.map.clusters import cluster, clustering
from core.map.layout import exact_neighbours
from core.map.place import memberships, on_one_island, place, place_sentence, unplaced
from core.workspace import Workspace
from tests.worlds import made

N, NEW = 240, 30
ISLANDS = np.array([(0.0, 0.0), (20.0, 0.0), (0.0, 20.0)], np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A workspace with three groups of embeddings; the last 30 images are on no map."""
    folder = tmp_path_factory.mktemp("place") / "w"
    rng = np.random.default_rng(0)
    of = np.arange(N) % 3
    centres = rng.normal(size=(3, 16)) * 4
    with made(folder, n=N) as space:
        x = (centres[of] + rng.normal(size=(N, 16))).astype(np.float32)
        space.catalog.models.add_encoder("groups", 16, {"source": "made"})
        file = write_part(folder / "embeddings" / "groups", 0, x)
        space.catalog.models.add_part("groups", 0, 0, N, str(file.relative_to(folder)))
        (folder / "projection").mkdir(exist_ok=True)
        xy = ISLANDS[of] + rng.normal(0, 0.5, (N, 2)).astype(np.float32)
        np.save(folder / "projection" / "map.npy", xy[: N - NEW])
        space.catalog.models.add_projection("groups", N - NEW, "projection/map.npy", {"seed": 0, "trustworthiness": 0.9})
        space.choose_encoder("groups")
    return folder


@pytest.fixture
def space(whole, tmp_path):
    with Workspace(shutil.copytree(whole, tmp_path / "w")) as space:
        yield space


def test_new_images_come_to_their_own_island_and_the_others_stay_to_the_bit(space):
    before = space.xy.copy()
    assert unplaced(space).tolist() == list(range(N - NEW, N))
    told = []
    result = place(space, on_progress=lambda *said: told.append(said))
    assert told[-1] == (NEW, NEW)
    np.testing.assert_array_equal(space.xy[: N - NEW], before[: N - NEW])
    distance = np.linalg.norm(space.xy[N - NEW :, None] - ISLANDS, axis=2)
    assert (distance.argmin(axis=1) == np.arange(N - NEW, N) % 3).all()
    assert distance.min(axis=1).max() < 2
    assert result["placed"] == NEW
    assert result["images"] == N
    assert result["placed_share"] == pytest.approx(NEW / N)
    assert "nothing else moved. 12% of the map was placed" in place_sentence(result)
    assert place(space)["placed"] == 0
    with Workspace(space.folder, read_only=True) as again:
        np.testing.assert_array_equal(again.xy, space.xy)
        assert again.projection["record"]["laid_out"] == N - NEW
        assert again.projection["record"]["trustworthiness"] == 0.9


def test_old_maps_with_placed_images_leave_no_files(space):
    models, files = space.catalog.models, lambda: sorted(file.name for file in (space.folder / "projection").iterdir())
    layout = space.projection
    for n_rows in (N - 20, N - 10, N):  # as if images had been embedded in between
        place(space)
        file, record = space.projection["file"], space.projection["record"]
        if n_rows < N:
            short = f"projection/short-{n_rows}.npy"
            np.save(space.folder / short, space.xy[:n_rows])
            models.add_projection("groups", n_rows, short, record)
            space.reopen_encoder()
    assert len(files()) == 3  # the layout, the newest map, and the one before it
    assert {layout["file"], file} < {f"projection/{name}" for name in files()}
    with Workspace(space.folder, read_only=True) as again:
        np.testing.assert_array_equal(again.xy, space.xy)
        assert again.projection["record"]["base"] == layout["version"]


def test_clusters_of_the_layout_stay_when_images_are_placed(space):
    found = cluster(space)["medium"]
    assert len(found.names) == 3
    place(space)
    kept = clustering(space, "medium")
    assert kept is not None
    assert kept.names == found.names
    np.testing.assert_array_equal(kept.codes[: N - NEW], found.codes[: N - NEW])


def test_a_map_is_needed(space):
    space.choose_encoder("made")
    if space.projection is None:
        with pytest.raises(WorkspaceError, match="no map to place images on"):
            place(space)


def test_the_neighbours_of_the_layout_lead_to_the_same_places(space, monkeypatch):
    with Workspace(shutil.copytree(space.folder, space.folder.parent / "exact")) as other:
        place(other)
        exact = other.xy
    unit = torch.nn.functional.normalize(space.current.on_device.take(np.arange(N - NEW)))
    np.save(space.folder / "projection" / "near.npy", exact_neighbours(unit, 15).rows.astype(np.int32))
    record = {"seed": 0, "trustworthiness": 0.9, "neighbours": "projection/near.npy"}
    space.catalog.models.add_projection("groups", N - NEW, "projection/map.npy", record)
    space.reopen_encoder()
    for module in ("core.map.place", "core.maths.graph_search"):
        monkeypatch.setattr(f"{module}.EXACT_UP_TO", 100)
    monkeypatch.setattr("core.maths.graph_search.LANDMARKS", 60)
    place(space)
    np.testing.assert_allclose(space.xy, exact, atol=1)  # an island has a radius of 1, and the next one is 20 away


def test_a_large_map_that_has_lost_its_neighbours_says_what_to_do(space, monkeypatch):
    monkeypatch.setattr("core.map.place.EXACT_UP_TO", 100)
    with pytest.raises(WorkspaceError, match="neighbours of the images on the map are lost; run 'lassoscope project'"):
        place(space)


def test_a_place_is_on_the_island_of_most_weight_never_between_two():
    rng = np.random.default_rng(0)
    for n_here in (8, 9, 12, 15):
        near = rng.normal(0, 0.5, (15, 2)) + np.where(np.arange(15) < n_here, 0, 50)[:, None]
        place_of = on_one_island(near[None].astype(np.float32), np.full((1, 15), 1 / 15, np.float32))[0]
        assert np.abs(place_of).max() < 1.5


def test_nearer_neighbours_count_more_and_an_equal_image_most():
    weights = memberships(torch.tensor([[0.0, 0.1, 0.2, 0.9], [0.3, 0.3, 0.3, 0.3]])).numpy()
    assert (np.diff(weights[0]) < 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights[1], 0.25, rtol=1e-5)


def test_a_lone_neighbour_gives_its_place():
    assert memberships(torch.tensor([[0.5]])).tolist() == [[1.0]]
    assert on_one_island(np.array([[(3.0, 4.0)]], np.float32), np.array([[1.0]], np.float32)).tolist() == [[3.0, 4.0]]
