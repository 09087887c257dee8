"""Everything that runs on a device, against slow, obvious twins: on the CPU, there in pieces as on a GPU, and on CUDA."""

import logging
import threading

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.neighbors import NearestNeighbors
from torch.utils._python_dispatch import TorchDispatchMode

from core.catalog.label_book import UNLABELLED
from core.devices import CPU, Watch, cores, on_all_cores, to_device, to_host, with_threads
from core.embeddings import resident
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import Matrix, write_part
from core.embeddings.neighbours import nearest, unit_embeddings
from core.embeddings.products import halves_of, linear_scores, mean_and_std
from core.embeddings.resident import Residents, device_matrix
from core.embeddings.scores import HISTOGRAM_BINS, fit_and_score, score_images
from core.maths.clustering import assign, lloyd
from core.maths.logistic import newton
from core.maths.neighbours import neighbours, unit_rows
from core.maths.precision_recall import MOST_POINTS, pr_curve, pr_curve_of_many
from core.maths.representatives import farthest, medoids, typical
from core.probe.strategies import STRATEGIES, Pool, highest

N, DIM, PIECE = 5_000, 16, 700  # rows in a piece: many pieces, and parts that end within one
CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    return torch.device(request.param)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Part files, and what they hold as float32."""
    folder, rng = tmp_path_factory.mktemp("embeddings"), np.random.default_rng(0)
    centres = rng.normal(0, 2, (12, DIM))
    x = (centres[rng.integers(12, size=N)] + rng.normal(size=(N, DIM)) + 3).astype(np.float32)
    cuts = np.split(x, [1_500, 1_501, 4_000])
    return [write_part(folder, n, part) for n, part in enumerate(cuts)], x.astype(np.float16).astype(np.float32)


@pytest.fixture
def pieces(monkeypatch):
    monkeypatch.setattr(resident, "PIECE_BYTES", PIECE * DIM * 2)
    monkeypatch.setattr(resident, "LEAST_ROWS", 50)


@pytest.fixture(params=["mapped", "pieces", "half in pieces", pytest.param("cuda", marks=pytest.mark.gpu)])
def placed(request, stored, pieces):
    """The embeddings where the arithmetic runs, in every way they can be there."""
    matrix = Matrix(stored[0])
    match request.param:
        case "mapped":
            return device_matrix(matrix, CPU)
        case "pieces":
            return Residents(CPU).of(matrix)
        case "half in pieces":
            return Residents(CPU, budget=N * DIM).of(matrix)
    return Residents(torch.device("cuda")).of(matrix)


class Watched(Matrix):
    """A matrix that counts the rows read from it."""

    n_read = 0

    def read_into(self, out, start):
        self.n_read += len(out)
        super().read_into(out, start)

    def take(self, rows):
        self.n_read += len(rows)
        return super().take(rows)

    def blocks(self, size=65_536):
        for start, block in super().blocks(size):
            self.n_read += len(block)
            yield start, block


def probe_columns(k, device):
    rng = np.random.default_rng(5)
    return to_device(rng.normal(size=(DIM, k)), device), to_device(rng.normal(size=k), device)


def embedded_on(matrix, name):
    return Embedded("e", matrix, None, np.zeros((N, 2), np.float32), device=name)


# -- embeddings on the device --


def test_every_row_is_given_once_and_taken_in_any_order(placed, stored):
    _, x = stored
    blocks = placed.each(lambda start, block: (start, block.float().cpu().numpy().copy()))
    assert [start for start, _ in blocks] == np.cumsum([0, *(len(block) for _, block in blocks)])[:-1].tolist()
    assert np.array_equal(np.concatenate([block for _, block in blocks]), x)
    rows = np.random.default_rng(1).integers(N, size=300)
    assert np.array_equal(placed.take(rows).cpu().numpy(), x[rows])
    assert placed.take(np.zeros(0, np.int64)).shape == (0, DIM)


def test_what_fits_stays_and_the_rest_is_sent_with_one_warning(stored, pieces, caplog, device):
    matrix = Matrix(stored[0])
    kept = Residents(device, budget=2 * PIECE * DIM * 2 + 10)
    with caplog.at_level(logging.WARNING):
        assert kept.of(matrix).n_resident == 2 * PIECE
        assert kept.of(matrix).n_resident == 2 * PIECE
    said = [record.message for record in caplog.records]
    assert len(said) == 1
    assert f"{2 * PIECE:,} of {N:,} embeddings stay on" in said[0]


def test_a_matrix_that_grew_sends_its_new_rows_only(stored, pieces, device):
    files, x = stored
    kept = Residents(device)
    first = kept.of(Matrix(files[:3]))
    grown = Watched(files)
    second = kept.of(grown)
    assert first.rows == 4_000  # what reads it now goes on
    assert np.array_equal(first.take(np.arange(4_000)).cpu().numpy(), x[:4_000])
    assert grown.n_read == N - 4_000
    assert np.array_equal(second.take(np.arange(N)).cpu().numpy(), x)
    assert [piece.start for piece in second.pieces] == list(range(0, N, PIECE))  # no crumbs, however often it grows


def test_parts_that_were_replaced_are_sent_again(tmp_path, pieces, device):
    x = np.random.default_rng(0).normal(size=(1_000, DIM)).astype(np.float16)
    files = [write_part(tmp_path, n, part) for n, part in enumerate(np.split(x, 2))]
    kept = Residents(device)
    kept.of(Matrix(files))
    write_part(tmp_path, 1, x[:500] + 1)
    again = Watched(files)
    found = kept.of(again).take(np.arange(1_000)).cpu().numpy()
    assert np.array_equal(found, np.concatenate([x[:500], (x[:500] + 1).astype(np.float16)]).astype(np.float32))
    assert again.n_read == 500


def test_the_least_recently_used_encoder_leaves_first(tmp_path, pieces, device):
    x = np.zeros((PIECE, DIM), np.float32)
    a, b, c = (Matrix([write_part(tmp_path / name, 0, x)]) for name in "abc")
    kept = Residents(device, budget=2 * PIECE * DIM * 2)
    for matrix in (a, b, a, c):
        kept.of(matrix)
    watched = Watched([tmp_path / "a/part-00000.npy"])
    assert kept.of(watched).n_resident == PIECE
    assert watched.n_read == 0  # a was used after b
    watched = Watched([tmp_path / "b/part-00000.npy"])
    kept.of(watched)
    assert watched.n_read == PIECE


def test_two_workspaces_share_a_device(tmp_path, pieces, device):
    kept, found = Residents(device), {}
    for name in "ab":
        x = np.random.default_rng(ord(name)).normal(size=(900, DIM)).astype(np.float16)
        found[name] = kept.of(Matrix([write_part(tmp_path / name, 0, x)])), x.astype(np.float32)
    for placed, x in found.values():
        assert np.array_equal(placed.take(np.arange(900)).cpu().numpy(), x)


def test_work_that_needs_too_much_memory_is_done_in_halves(stored, pieces, device):
    placed, done = Residents(device).of(Matrix(stored[0])), []

    def work(start, block):
        if len(block) > 200:
            raise torch.OutOfMemoryError
        done.append(len(block))
        return block.float().sum(dim=0)

    total = torch.stack(placed.each(work)).sum(dim=0)
    assert total.cpu().numpy() == pytest.approx(stored[1].sum(axis=0), rel=1e-4)
    assert sum(done) == N
    assert max(done) <= 200


def test_a_full_memory_hands_the_work_to_the_cpu(stored, monkeypatch, caplog):
    monkeypatch.setattr("core.devices.pick_device", torch.device)
    embedded = embedded_on(Matrix(stored[0]), "meta")  # stands for a GPU
    tried = []

    def work(mine):
        tried.append(mine.device)
        if mine.device == "meta":
            raise torch.OutOfMemoryError
        return mine.on_device.rows

    with caplog.at_level(logging.WARNING):
        assert embedded.compute(work) == embedded.compute(work) == N
    assert tried == ["meta", "cpu", "meta", "cpu"]
    assert [record.message for record in caplog.records] == ["the memory of meta is full, so the CPU computes instead"]


def test_small_steps_take_one_thread_and_passes_all_cores():
    all_cores = cores()

    def work():
        doubled = on_all_cores(lambda i: (2 * i, torch.get_num_threads()), range(64), CPU)
        return torch.get_num_threads(), cores(), doubled

    assert with_threads(1, work) == (1, all_cores, [(2 * i, 1) for i in range(64)])
    assert torch.get_num_threads() == all_cores
    with pytest.raises(ZeroDivisionError):
        with_threads(1, lambda: 1 / 0)


def test_pools_that_overlap_leave_no_thread_with_fewer_cores():
    inside, leave, found = threading.Event(), threading.Event(), []

    def first():
        inside.set()
        leave.wait(10)

    thread = threading.Thread(target=with_threads, args=(1, first))
    thread.start()
    inside.wait(10)
    late = threading.Thread(target=lambda: found.append(with_threads(1, cores)))  # begins to use torch within the pool
    late.start()
    late.join()
    leave.set()
    thread.join()
    threading.Thread(target=lambda: found.append(torch.get_num_threads())).run()
    assert found == [cores(), cores()]


def test_what_cannot_fit_makes_nobody_leave_and_is_said_once(tmp_path, pieces, device, caplog):
    large, small = np.zeros((3 * PIECE, DIM), np.float32), np.zeros((PIECE, DIM), np.float32)
    files = {name: [write_part(tmp_path / name, 0, x)] for name, x in (("a", large), ("b", small))}
    kept = Residents(device, budget=2 * PIECE * DIM * 2)
    for _ in range(3):
        kept.of(Matrix(files["a"]))
    assert kept.of(Matrix(files["b"])).n_resident == PIECE
    assert kept.of(Matrix(files["a"])).n_resident == 2 * PIECE
    assert len([record for record in caplog.records if "do not fit" in record.message]) == 1


def test_a_shorter_matrix_of_the_same_files_reads_nothing(stored, pieces, device):
    files, x = stored
    kept = Residents(device)
    kept.of(Matrix(files))
    old, again = Watched(files[:3]), Watched(files)
    assert np.array_equal(kept.of(old).take(np.arange(4_000)).cpu().numpy(), x[:4_000])
    assert kept.of(old).rows == 4_000
    kept.of(again)
    assert (old.n_read, again.n_read) == (0, 0)


def test_no_function_moves_all_embeddings_once_they_are_there(stored, pieces, monkeypatch):
    matrix = Watched(stored[0])
    kept = Residents(CPU)
    monkeypatch.setattr(resident, "device_matrix", lambda matrix, _device: kept.of(matrix))
    embedded = embedded_on(matrix, "cpu")
    assert embedded.standardisation.mean.shape == (DIM,)
    assert matrix.n_read == N  # the first use
    codes = np.full(N, UNLABELLED, np.int16)
    rows = np.arange(60)
    codes[rows] = rows % 2
    few = 0
    for work, n_rows in (
        (lambda: fit_and_score(embedded, codes, rows, flagged_codes=[1], n_images=N), 60),
        (lambda: linear_scores(embedded.on_device, *probe_columns(2, CPU)), 0),
        (lambda: mean_and_std(embedded.on_device), 0),
        (lambda: embedded.norms, 0),
        (lambda: nearest(embedded, np.array([3, 4]), 10), 2),
        (lambda: unit_embeddings(embedded), 0),
        (lambda: unit_embeddings(embedded, standardised=False), 0),
        (lambda: medoids(embedded.standardised(np.arange(300)), n=5, rng=np.random.default_rng(0)), 300),
    ):
        work()
        few += n_rows
        assert matrix.n_read <= N + few


class Crossings(TorchDispatchMode):
    """Counts the bytes that operations move between devices."""

    def __init__(self):
        super().__init__()
        self.moved = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and out.device != args[0].device:
            self.moved += args[0].numel() * args[0].element_size()
        if func is torch.ops.aten.copy_.default and args[0].device != args[1].device:
            self.moved += args[1].numel() * args[1].element_size()
        return out


def test_crossings_are_counted():
    with Crossings() as crossings:
        torch.zeros(10).to("meta")
        torch.empty(5, device="meta").copy_(torch.zeros(5))
        torch.zeros(10).double()
    assert crossings.moved == 60


@pytest.mark.gpu
def test_on_cuda_no_function_moves_the_embeddings(stored, pieces):
    embedded = embedded_on(Matrix(stored[0]), "cuda")
    codes, rows = np.full(N, UNLABELLED, np.int16), np.arange(60)
    codes[rows] = rows % 2
    device = embedded.on_device.device  # everything is sent here
    columns, all_bytes = probe_columns(2, device), N * DIM * 2
    assert embedded.standardisation.mean.shape == (DIM,)
    for work in (
        lambda: fit_and_score(embedded, codes, rows, flagged_codes=[1], n_images=N),
        lambda: linear_scores(embedded.on_device, *columns),
        lambda: mean_and_std(embedded.on_device),
        lambda: embedded.norms,
        lambda: nearest(embedded, np.array([3, 4]), 10),
        lambda: neighbours(unit_embeddings(embedded), 5),
        lambda: medoids(embedded.standardised(np.arange(300)), n=5, rng=np.random.default_rng(0)),
    ):
        with Crossings() as crossings:
            work()
        assert crossings.moved < all_bytes / 2


def test_newton_reads_nothing_back_in_a_step_but_the_flag_it_watches():
    class Reads(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.n += func is torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    steps = []

    class Watched(Watch):
        def is_raised(self, flag):
            steps.append(1)
            return super().is_raised(flag)

    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(200, 20)))
    with pytest.MonkeyPatch.context() as patch, Reads() as reads:
        patch.setattr("core.devices.Watch", Watched)
        newton(x, (x[:, 0] + torch.from_numpy(rng.normal(size=200)) > 0)[None])
    assert reads.n == len(steps) >= 4


# -- functions against their twins --


def test_mean_and_deviation_are_those_of_float64(placed, stored):
    mean, std = to_host(*mean_and_std(placed))
    wide = stored[1].astype(np.float64)
    assert mean == pytest.approx(wide.mean(axis=0), abs=1e-5)
    assert std == pytest.approx(wide.std(axis=0), rel=1e-5)


def test_scores_are_those_of_one_float64_product(placed, stored):
    weights, bias = probe_columns(3, placed.device)
    found = linear_scores(placed, weights, bias).cpu().numpy()
    wide = stored[1].astype(np.float64) @ weights.cpu().numpy() + bias.cpu().numpy()
    assert np.abs(found - wide).max() <= 2e-3 * np.abs(wide).max()
    top, judge = (set(np.argsort(-scores[:, 0])[:1_000]) for scores in (found, wide))
    assert len(top & judge) >= 998  # but for ties


@pytest.mark.parametrize("size", [1e-6, 1.0, 3e5])
def test_two_float16_parts_of_a_column_keep_float32_precision(size):
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(384, 2)) * [[size, 1.0]])
    parts, sizes = halves_of(weights)
    high, low = parts.double().chunk(2, dim=1)
    assert torch.isfinite(parts).all()
    assert ((high + low) * sizes - weights).abs().amax(dim=0).tolist() <= (weights.abs().amax(dim=0) * 2**-20).tolist()


def test_an_empty_column_scores_nothing():
    parts, sizes = halves_of(torch.zeros(8, 1, dtype=torch.float64))
    assert not parts.any()
    assert torch.isfinite(sizes).all()


@pytest.mark.parametrize("flagged", [[1], []])
def test_one_pass_gives_scores_uncertainty_classes_and_histogram(placed, stored, flagged):
    codes = np.full(N + 7, UNLABELLED, np.int16)  # seven images have no embedding yet
    rows = np.arange(0, N, 10)
    codes[rows] = (stored[1][rows, 0] > 3).astype(np.int16) + (stored[1][rows, 1] > 4)
    embedded = embedded_on(placed.matrix, str(placed.device))
    probe, _ = fit_and_score(embedded, codes, rows, flagged_codes=flagged, n_images=N)
    scored = score_images(probe, placed, n_images=N + 7)
    weights, bias = probe.columns()
    logits = stored[1].astype(np.float64) @ weights + bias
    score, uncertainty, predicted = to_host(scored.score, scored.uncertainty, scored.predicted)
    assert np.isnan(score[N:]).all()
    assert (predicted[N:] == UNLABELLED).all()
    assert np.mean(predicted[:N] == np.array(probe.class_codes)[logits[:, :3].argmax(axis=1)]) > 0.999
    proba = 1 / (1 + np.exp(-logits))
    if flagged:
        assert score[:N] == pytest.approx(logits[:, 3], abs=2e-3 * np.abs(logits[:, 3]).max())
        assert uncertainty[:N] == pytest.approx(1 - np.abs(2 * proba[:, 3] - 1), abs=2e-3)
        slow = np.histogram(1 / (1 + np.exp(-score[:N].astype(np.float64))), HISTOGRAM_BINS, (0, 1))[0]
        assert np.abs(scored.histogram.cpu().numpy() - slow).sum() <= 4  # on an edge
        assert scored.likely_flagged == pytest.approx((score[:N] >= 0).sum(), abs=2)
    else:
        assert np.isnan(score).all()
        best = np.sort(proba / proba.sum(axis=1, keepdims=True), axis=1)
        assert uncertainty[:N] == pytest.approx(1 - (best[:, -1] - best[:, -2]), abs=2e-3)
        assert not scored.histogram.any()


def test_a_refit_after_growth_scores_the_new_rows_too(stored, pieces, monkeypatch, device):
    files, x = stored
    kept = Residents(device)
    monkeypatch.setattr(resident, "device_matrix", lambda matrix, _device: kept.of(matrix))
    rows, codes = np.arange(0, 4_000, 40), np.full(N, UNLABELLED, np.int16)
    codes[rows] = x[rows, 0] > 3
    for matrix in (Matrix(files[:3]), Matrix(files)):
        embedded = embedded_on(matrix, str(device))
        probe, scored = fit_and_score(embedded, codes, rows, flagged_codes=[1], n_images=N)
        weights, bias = probe.columns()
        logits = x[: matrix.rows].astype(np.float64) @ weights[:, -1] + bias[-1]
        score = to_host(scored.score)[0]
        assert score[: matrix.rows] == pytest.approx(logits, abs=2e-3 * np.abs(logits).max())
        assert np.isnan(score[matrix.rows :]).all()
    assert kept.of(Matrix(files)).n_resident == N


@pytest.mark.parametrize("n", [30, 400])
def test_newton_equals_scikit_learn(device, n):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 64))
    y = x[:, 0] + rng.normal(size=n) > 0
    found = newton(to_device(x, device), to_device(y, device)[None])[0].cpu().numpy()
    judge = LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=1_000).fit(x, y)
    assert found == pytest.approx(np.append(judge.coef_[0], judge.intercept_), abs=1e-6)


def test_fits_side_by_side_are_the_fits_one_by_one(device):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 20))
    sides = np.stack([x[:, 0] > 1.5, x[:, 1] + rng.normal(size=300) > 0, rng.random(300) < 0.02])  # done after 5 to 20 steps
    together = newton(to_device(x, device), to_device(sides, device))
    alone = torch.cat([newton(to_device(x, device), to_device(side, device)[None]) for side in sides])
    assert to_host(together)[0] == pytest.approx(to_host(alone)[0], rel=1e-6, abs=1e-9)


def test_lloyd_reaches_scikit_learns_inertia(device, stored):
    x, k = stored[1], 12
    start = x[np.random.default_rng(3).choice(N, k, replace=False)]
    judge = KMeans(k, init=start, n_init=1, max_iter=15).fit(x)
    found = lloyd(to_device(x, device), to_device(start, device), most_steps=15)
    assert float(found.inertia) == pytest.approx(judge.inertia_, rel=1e-3)
    of_row, distances = to_host(*assign(to_device(x, device), found.centres))
    centres = found.centres.cpu().numpy()
    slow = ((x[:, None] - centres[None]) ** 2).sum(axis=2)
    assert np.array_equal(of_row, slow.argmin(axis=1))
    assert distances == pytest.approx(slow.min(axis=1), rel=1e-3, abs=1e-3)


def test_a_centre_without_rows_stays(device):
    x = to_device(np.array([[0.0], [0.1], [1.0]], np.float32), device)
    far = to_device(np.array([[0.0], [1.0], [50.0]], np.float32), device)
    assert lloyd(x, far, most_steps=5).centres[2].item() == 50.0


@pytest.mark.parametrize("n", [40, 3_000])
def test_neighbours_are_those_of_brute_force(device, stored, n):
    x = stored[1][:n] - 3
    unit = unit_rows(to_device(x, device))
    rows, cosines = to_host(*neighbours(unit, 15))
    distances, judge = NearestNeighbors(n_neighbors=15, metric="cosine").fit(x).kneighbors()
    same = np.mean([len(np.intersect1d(a, b)) / 15 for a, b in zip(rows, judge, strict=True)])
    assert same >= 0.999
    assert cosines == pytest.approx(1 - distances, abs=1e-5)
    assert not (rows == np.arange(n)[:, None]).any()
    some = to_device(np.array([7, 3]), device)
    assert to_host(neighbours(unit, 15, of=some)[0])[0].tolist() == rows[[7, 3]].tolist()


def test_neighbours_are_rounded_to_float16_without_a_loss(stored):
    x = stored[1][:2_000] - 3
    unit = unit_rows(torch.from_numpy(x))
    exact, rounded = neighbours(unit, 15), neighbours(unit, 15, is_rounded=True)
    assert np.array_equal(exact[0], rounded[0])
    assert torch.allclose(exact[1], rounded[1], atol=1e-6)


def test_twins_are_each_others_neighbours(device):
    x = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)  # three alike each
    rows = to_host(neighbours(unit_rows(to_device(x, device)), 2)[0])[0]
    assert (rows // 3 == np.arange(12)[:, None] // 3).all()
    assert not (rows == np.arange(12)[:, None]).any()


def test_more_like_this_equals_a_slow_search_in_pieces(placed, stored, monkeypatch):
    monkeypatch.setattr(resident, "device_matrix", lambda *_: placed)
    embedded = embedded_on(placed.matrix, str(placed.device))
    x = stored[1] - stored[1].mean(axis=0)
    x /= stored[1].std(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    queries = np.array([7, 4_200])
    likeness = (x @ x[queries].T).max(axis=1)
    likeness[queries] = -1
    found, judge = nearest(embedded, queries, 25).tolist(), np.argsort(-likeness)[:25].tolist()
    assert len(set(found) & set(judge)) >= 24
    assert found[:3] == judge[:3]
    assert len(nearest(embedded, np.arange(N), 5)) == 0


@pytest.mark.parametrize("n", [1_000, 3 * MOST_POINTS])
def test_the_curve_of_many_is_the_exact_curve(device, n):
    rng = np.random.default_rng(n)
    flagged = rng.random(n) < 0.1
    score = (rng.normal(size=n) + flagged).round(2 if n == 1_000 else 7).astype(np.float32)  # with ties
    score[:3] = [0.0, -0.0, -7.5]
    curve, judge = pr_curve_of_many(to_device(score, device), to_device(flagged, device)), pr_curve(score, flagged)
    assert curve.average_precision == pytest.approx(average_precision_score(flagged, score), abs=1e-12)
    assert curve.n_flagged == flagged.sum()
    assert curve.n == n
    assert len(curve.recall) == (len(judge.recall) if n == 1_000 else MOST_POINTS)
    place = np.searchsorted(-judge.thresholds, -curve.thresholds)
    for name in ("thresholds", "recall", "precision"):
        assert getattr(curve, name) == pytest.approx(getattr(judge, name)[place], abs=1e-12)
    assert curve.recall[-1] == 1.0


def test_a_curve_without_flagged_images_is_undefined(device):
    curve = pr_curve_of_many(torch.zeros(5, device=device), torch.zeros(5, dtype=torch.bool, device=device))
    assert np.isnan(curve.average_precision)
    assert np.isnan(curve.recall).all()


def test_the_highest_are_those_of_a_full_sort(device):
    rng = np.random.default_rng(0)
    values, rows = rng.integers(0, 50, 4_000).astype(np.float32), np.flatnonzero(rng.random(4_000) < 0.5)
    slow = rows[np.lexsort((rows, -values[rows]))]
    for n in (1, 300, 5_000):
        found = highest(to_device(rows, device), to_device(values, device), n)
        assert found.cpu().tolist() == slow[:n].tolist()


@pytest.mark.parametrize("cover", [medoids, typical, farthest])
def test_representatives_on_a_device_are_those_of_the_cpu(device, stored, cover):
    x = torch.from_numpy(stored[1][:1_500])
    picks = [cover(on, n=8, rng=np.random.default_rng(0), taken=on[:3]).tolist() for on in (x, x.to(device))]
    assert len(set(picks[0]) & set(picks[1])) >= (8 if device == CPU else 6)  # sums differ in their last digits
    assert len(set(picks[1])) == 8


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_picks_the_same_on_a_device(device, stored, name):
    rng = np.random.default_rng(1)
    score, groups = rng.normal(size=N).astype(np.float32), np.arange(N) // 2 * 2

    def pool(on):
        x, values = to_device(stored[1], on), to_device(score, on)
        return Pool(
            rows=to_device(np.arange(100, 2_000), on),
            embeddings=lambda rows: x[rows],
            uncertainty=1 - (values / 2).tanh().abs(),
            score=values,
            labelled=to_device(np.arange(20), on),
            groups=to_device(groups, on),
            column=to_device(score[::-1].copy(), on),
        )

    picks = [STRATEGIES[name].choose(pool(on), 10, np.random.default_rng(2)).tolist() for on in (CPU, device)]
    assert len(set(picks[0]) & set(picks[1])) >= (10 if device == CPU else 8)  # sums differ in their last digits
    assert len({pick // 2 for pick in picks[1]}) == 10


@pytest.mark.gpu
@pytest.mark.parametrize("value", [65_504.0, 6e-8, 0.0])
def test_edge_values_of_float16_score_the_same_on_cuda(tmp_path, value):
    x = np.full((2_000, DIM), value, np.float32)
    x[::2, 0] = -value
    matrix, weights = Matrix([write_part(tmp_path, 0, x)]), probe_columns(2, CPU)
    cpu = linear_scores(device_matrix(matrix, CPU), *weights).numpy()
    cuda = torch.device("cuda")
    found = linear_scores(Residents(cuda).of(matrix), *(a.to(cuda) for a in weights)).cpu().numpy()
    assert np.isfinite(found).all()
    assert np.abs(found - cpu).max() <= 2e-3 * max(np.abs(cpu).max(), 1e-6)


@pytest.mark.gpu
def test_a_real_full_memory_is_survived(tmp_path, caplog):
    device = torch.device("cuda")
    x = np.random.default_rng(0).normal(size=(200_000, 64)).astype(np.float16)
    embedded = embedded_on(Matrix([write_part(tmp_path, 0, x)]), "cuda")
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + 30 * 2**20) / total)
    try:
        mean, _ = to_host(*embedded.compute(lambda mine: mean_and_std(mine.on_device)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert mean == pytest.approx(x.astype(np.float64).mean(axis=0), abs=1e-4)
