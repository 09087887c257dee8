import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.embeddings import resident
from core.embeddings.matrix import Matrix, write_part
from core.embeddings.products import linear_scores, mean_and_std
from core.embeddings.resident import device_matrix
from core.errors import ShapeError, WorkspaceError


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("parts"), np.random.default_rng(0)
    x = (rng.standard_normal((700, 12)) * 3 + 5).astype(np.float32)
    sizes = np.split(x, [300, 301, 550])
    return [write_part(folder, n, part) for n, part in enumerate(sizes)], x.astype(np.float16).astype(np.float32)


def test_parts_read_as_one_matrix(parts):
    files, x = parts
    matrix = Matrix(files)
    assert (matrix.rows, matrix.dim) == (700, 12)
    assert np.array_equal(matrix.take(np.arange(700)), x)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(st.integers(0, 699), max_size=40))
def test_take_gives_the_asked_rows_in_the_asked_order(parts, rows):
    files, x = parts
    taken = Matrix(files).take(np.array(rows, np.int64))
    assert taken.dtype == np.float32
    assert np.array_equal(taken, x[np.array(rows, np.int64)])


@pytest.mark.parametrize("rows", [[-1], [700], [0, 5_000]])
def test_take_refuses_rows_outside(parts, rows):
    with pytest.raises(ShapeError, match="0 to 699"):
        Matrix(parts[0]).take(np.array(rows))


@pytest.mark.parametrize("size", [1, 64, 300, 10_000])
def test_blocks_cover_every_row_once_in_order_without_copying(parts, size):
    files, x = parts
    blocks = list(Matrix(files).blocks(size))
    assert np.array_equal(np.concatenate([b for _, b in blocks]), x)
    assert [start for start, _ in blocks] == np.cumsum([0, *(len(b) for _, b in blocks)])[:-1].tolist()
    assert all(len(b) <= size and b.dtype == np.float16 and not b.flags.owndata for _, b in blocks)


def mean_and_std_of(files):
    return [found.numpy() for found in mean_and_std(device_matrix(Matrix(files)))]


def test_mean_and_std_match_numpy_also_far_from_zero(parts, tmp_path):
    files, x = parts
    mean, std = mean_and_std_of(files)
    assert mean == pytest.approx(x.astype(np.float64).mean(axis=0), abs=1e-5)
    assert std == pytest.approx(x.astype(np.float64).std(axis=0), rel=1e-5)
    far = np.full((5_000, 2), 1_000, np.float32)
    far[::2] += 1
    mean, std = mean_and_std_of([write_part(tmp_path, 0, far)])
    assert mean == pytest.approx([1000.5, 1000.5])
    assert std == pytest.approx([0.5, 0.5])


def scores_of(files, weights, bias):
    scores = linear_scores(device_matrix(Matrix(files)), torch.from_numpy(weights), torch.from_numpy(bias))
    return scores.numpy()


@pytest.mark.parametrize("block_rows", [1, 7, 256, 100_000])
@pytest.mark.parametrize("k", [1, 3])
def test_scores_match_one_float64_product_whatever_the_block(parts, k, block_rows, monkeypatch):
    monkeypatch.setattr(resident, "CPU_BLOCK", block_rows)
    files, x = parts
    rng = np.random.default_rng(1)
    weights, bias = rng.standard_normal((12, k)), rng.standard_normal(k)
    scores = scores_of(files, weights, bias)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(x.astype(np.float64) @ weights + bias, abs=1e-4)


def test_scoring_leaves_torch_s_threads_as_they_were(parts):
    before = torch.get_num_threads()
    scores_of(parts[0], np.ones((12, 1)), np.zeros(1))
    assert torch.get_num_threads() == before


def test_scoring_refuses_weights_of_another_width(parts):
    with pytest.raises(ShapeError, match=r"\(12, k\)"):
        scores_of(parts[0], np.ones((11, 1)), np.zeros(1))


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 3)), np.array([[np.nan, 1.0]]), np.array([[1e6, 1.0]])])
def test_what_float16_cannot_hold_is_not_written(tmp_path, x):
    with pytest.raises(ShapeError):
        write_part(tmp_path, 0, x)
    assert not list(tmp_path.iterdir())


def test_a_part_replaces_its_forerunner_whole(tmp_path):
    write_part(tmp_path, 3, np.zeros((2, 2)))
    path = write_part(tmp_path, 3, np.ones((4, 2)))
    assert [p.name for p in tmp_path.iterdir()] == ["part-00003.npy"] == [path.name]
    assert Matrix([path]).rows == 4


def test_missing_torn_and_foreign_parts_are_named(tmp_path):
    good = write_part(tmp_path, 0, np.ones((4, 2)))
    torn = tmp_path / "torn.npy"
    torn.write_bytes(good.read_bytes()[:-3])
    wide = write_part(tmp_path / "wide", 0, np.ones((4, 3)))
    full = tmp_path / "float64.npy"
    np.save(full, np.ones((4, 2)))
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([[{}]], object), allow_pickle=True)
    for files in ([], [torn], [good, wide], [full], [pickled], [tmp_path / "nowhere.npy"]):
        with pytest.raises(WorkspaceError, match="lassoscope embed"):
            Matrix(files)
