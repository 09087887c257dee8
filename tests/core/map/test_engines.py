"""Which engine lays the map out, and what cuML is given. A fake stands in for cuML; the GPU test runs the real one."""

import logging
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from core.embeddings.embedded import Embedded
from core.embeddings.matrix import Matrix, write_part
from core.errors import ShapeError
from core.map import project
from core.map.engines import FARTHEST, Neighbours, principal
from core.map.layout import find_neighbours, lay_out

CUDA = torch.device("cuda:1")


def blobs(n=200, groups=4, dim=12, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dim)) * 4
    return (centres[rng.integers(groups, size=n)] + rng.normal(size=(n, dim))).astype(np.float32)


def on_cuda(x, **options):
    """Lay out as on a CUDA device, with neighbours found on the CPU."""
    return lay_out(x, neighbours=find_neighbours(unit(x), 15, seed=0), device=CUDA, **options)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def fake(monkeypatch):
    """Put a cuML in place that checks its neighbours as cuML 26.10 does, and returns its initialisation."""
    seen = SimpleNamespace(options={}, device=None, fails=None)

    class Callback:
        def on_epoch_end(self, embeddings): ...

    class UMAP:
        def __init__(self, **options):
            seen.options = options

        def fit_transform(self, x):
            rows, distances = seen.options["precomputed_knn"]
            assert rows.shape == distances.shape == (len(x), seen.options["n_neighbors"])
            assert rows.dtype == np.int64
            assert distances.dtype == np.float32
            assert (rows[:, 0] == np.arange(len(x))).all(), "Expected indices and distances to include self references"
            assert rows.min() >= 0
            assert (np.diff(distances, axis=1) >= 0).all()
            assert seen.device == CUDA.index, "fitted outside the device's context"
            if seen.fails:
                raise seen.fails
            for _ in range(seen.options["n_epochs"]):
                seen.options["callback"].on_epoch_end(None)
            return seen.options["init"]

    class Device:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            seen.device = self.index

        def __exit__(self, *_):
            seen.device = None

    contents = {
        "cuml": {},
        "cuml.internals": {"GraphBasedDimRedCallback": Callback},
        "cuml.manifold": {"UMAP": UMAP},
        "cupy": {},
        "cupy.cuda": {"Device": Device},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def test_the_cpu_is_umap_learns_whether_cuml_is_installed_or_not(fake):
    assert lay_out(blobs(), device="cpu").engine == "umap-learn"
    assert not fake.options


def test_cuda_without_cuml_gets_umap_learns_map_and_a_sentence(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "cuml", None)  # as if it were not installed
    x = blobs()
    found = on_cuda(x)
    assert found.engine == "umap-learn"
    assert (found.xy == lay_out(x).xy).all()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "umap-learn makes the map on the CPU, because cuML cannot (ModuleNotFoundError: " in caplog.text


def test_cuda_with_cuml_gets_the_same_neighbours_start_and_epochs_as_umap_learn(fake, caplog):
    x, seen = blobs(), []
    found = on_cuda(x, seed=3, min_dist=0.2, on_epoch=lambda done, total: seen.append((done, total)))
    assert found.engine == "cuml"
    assert (fake.options["precomputed_knn"][0][:, 1:] == lay_out(x).neighbour_rows).all()
    assert seen == [(epoch, 500) for epoch in range(1, 501)]  # umap-learn's number up to 10,000 images
    assert {name: fake.options[name] for name in ("random_state", "min_dist", "n_epochs")} == {
        "random_state": 3,
        "min_dist": 0.2,
        "n_epochs": 500,
    }
    assert found.xy.shape == (200, 2)
    assert found.trustworthiness > 0.7  # the start is a PCA
    assert not caplog.records


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("std::bad_alloc: out_of_memory: CUDA error\nat: rmm"),
        RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient"),
        OSError("libcuml++.so: cannot open shared object file"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_where_cuml_fails_umap_learn_makes_the_map_and_the_log_says_why(fake, caplog, error):
    fake.fails = error
    found = on_cuda(blobs())
    assert found.engine == "umap-learn"
    assert np.isfinite(found.xy).all()
    assert [record.getMessage() for record in caplog.records] == [
        f"umap-learn makes the map on the CPU, because cuML cannot ({type(error).__name__}: {str(error).splitlines()[0]})"
    ]


def test_an_older_cuml_leaves_the_map_to_umap_learn(fake, monkeypatch, caplog):
    def older(**_):
        raise TypeError("got an unexpected keyword argument 'force_serial_epochs'")

    monkeypatch.setattr(sys.modules["cuml.manifold"], "UMAP", older)
    assert on_cuda(blobs()).engine == "umap-learn"
    assert "it needs version 26.10 or newer" in caplog.text


def test_what_the_progress_raises_stops_the_map_and_is_no_failure_of_cuml(fake, caplog):
    def stop(_done, _total):
        raise RuntimeError("the server is closing")

    with pytest.raises(RuntimeError, match="the server is closing"):
        on_cuda(blobs(), on_epoch=stop)
    assert not caplog.records


def test_a_mistake_of_ours_in_calling_cuml_is_not_hidden(fake):
    fake.fails = ValueError("Expected `init` to be an array")
    with pytest.raises(ValueError, match="Expected `init`"):
        on_cuda(blobs())


def test_an_interruption_waits_until_cuml_has_returned(fake):
    """An exception in its callback would end the process: cuML calls it from C++ and uses the result unchecked."""

    def interrupted(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_cuda(blobs(), on_epoch=interrupted)
    assert fake.options["callback"].done == 500


def test_a_missing_neighbour_is_the_image_itself_far_away():
    near = Neighbours(
        np.array([[1, 2], [0, -1], [-1, -1]]), np.array([[0.1, 0.3], [0.1, np.inf], [np.inf, np.nan]], np.float32)
    )
    rows, distances = near.with_self()
    assert rows.tolist() == [[0, 1, 2], [1, 0, 1], [2, 2, 2]]
    assert distances == pytest.approx(np.array([[0, 0.1, 0.3], [0, 0.1, FARTHEST], [0, FARTHEST, FARTHEST]]))


def test_missing_neighbours_have_no_weight_in_umap_learns_graph():
    """An infinite distance would make all weights of its image 1."""
    from umap.umap_ import fuzzy_simplicial_set

    near = find_neighbours(x := unit(blobs(60)), 8, seed=0)
    rows, distances = near.rows.copy(), near.distances.copy()
    rows[0, 5:], distances[0, 5:] = -1, np.inf
    rows, distances = Neighbours(rows, distances).with_self()
    directed, *_ = fuzzy_simplicial_set(x, 9, 0, "cosine", knn_indices=rows, knn_dists=distances, apply_set_operations=False)
    weights = directed.toarray()[0]
    assert set(np.flatnonzero(weights)) == set(near.rows[0, :5])
    assert len({round(float(weight), 3) for weight in weights[near.rows[0, :5]]}) > 2


def test_the_start_is_two_principal_components_scaled_and_apart():
    x = blobs()
    xy = principal(x, seed=0)
    left, singular, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    for axis in range(2):
        assert abs(np.corrcoef(xy[:, axis], left[:, axis] * singular[axis])[0, 1]) > 0.9999
    assert xy.min(axis=0) == pytest.approx([0, 0])
    assert xy.max(axis=0) == pytest.approx([10, 10])
    assert len(np.unique(principal(np.ones((50, 4), np.float32), seed=0), axis=0)) == 50
    assert (principal(x, seed=0) == xy).all()


def test_neighbours_found_elsewhere_give_the_same_map_and_those_of_other_images_are_refused():
    x = blobs()
    near = find_neighbours(unit(x), 15, seed=0)
    assert (lay_out(x, neighbours=near).xy == lay_out(x).xy).all()
    with pytest.raises(ShapeError, match=r"needs \(100, 15\) neighbours, got \(200, 15\) rows"):
        lay_out(x[:100], neighbours=near)


def test_exact_neighbours_are_those_that_scikit_learn_finds():
    x = unit(blobs(500))
    found = find_neighbours(x, 15, seed=0)
    distances, rows = NearestNeighbors(n_neighbors=15, metric="cosine", algorithm="brute").fit(x).kneighbors()
    assert found.distances == pytest.approx(distances, abs=1e-5)
    assert (found.rows == rows).mean() > 0.99  # but for ties
    assert found.distances.dtype == np.float32


def test_a_gpu_without_memory_leaves_the_neighbours_to_the_cpu_and_says_so(monkeypatch, caplog, tmp_path):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    matrix = Matrix([write_part(tmp_path, 0, blobs())])
    embedded = Embedded("e", matrix, None, np.zeros((matrix.rows, 2), np.float32), device="cpu")
    rows = np.arange(matrix.rows)
    found = project._near_on_gpu(embedded, rows)
    assert (found.rows == find_neighbours(unit(matrix.take(np.arange(matrix.rows))), 15, seed=0).rows).mean() > 0.99
    monkeypatch.setattr(project, "exact_neighbours", full)
    assert project._near_on_gpu(embedded, rows) is None
    assert [record.getMessage() for record in caplog.records] == [
        "the map's neighbours are found on the CPU, because the GPU has too little memory"
    ]
    monkeypatch.setattr(project, "EXACT_ON_GPU", 50)
    assert project._near_on_gpu(embedded, rows) is None


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # theirs, at import
def test_cuml_on_the_gpu_is_as_trustworthy_as_umap_learn_and_repeats():
    pytest.importorskip("umap", reason="umap-learn is the judge, and is not installed")
    pytest.importorskip("cuml", reason="cuML is not installed: pip install 'cuml-cu13>=26.10'")
    x, seen = blobs(5_000, groups=25, dim=48), []
    near = find_neighbours(unit(x), 15, seed=0)
    ours = lay_out(x, neighbours=near)
    theirs = lay_out(x, neighbours=near, device="cuda", on_epoch=lambda done, total: seen.append((done, total)))
    assert theirs.engine == "cuml"
    assert theirs.trustworthiness >= ours.trustworthiness - 0.01
    assert np.ptp(theirs.xy, axis=0).max() <= 2 * np.ptp(ours.xy, axis=0).max()  # no image is flung out
    assert seen[-1] == (500, 500)
    again = lay_out(x, neighbours=near, device="cuda")
    assert again.xy == pytest.approx(theirs.xy, abs=1e-3)
