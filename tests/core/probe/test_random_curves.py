"""The curve of random labels: as a slow twin works it out, never from a sealed image, with ranges that have a width."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve

from core.labels.actions import label
from core.maths.precision_recall import pr_curve
from core.probe import random_curves
from core.probe.curves import describe_curve, figures_of
from core.probe.learning_curve import describe, learning_curve
from core.probe.live import refit
from core.probe.live_curves import curves, reads_expected
from core.probe.random_curves import GRID, averaged, crossed, exact_rows, folds, n_draws, random_work
from core.wording import changed, ranged
from tests.worlds import made, read, teach

TAUGHT = 30


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=600) as found:
        teach(found, TAUGHT, np.random.default_rng(0))
        yield found


def finished(space, column):
    work = random_work(space, column)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def best_from(flagged, score, recall):
    """Return the precision at the first threshold, from the highest, that reaches a recall."""
    precision, reached, _ = precision_recall_curve(flagged, score)
    return precision[np.flatnonzero(reached >= recall - 1e-12)[-1]]


def test_the_average_over_draws_is_that_of_scikit_learns_probes_and_curves(space):
    truth = space.gold("label") == 1
    rows = np.flatnonzero(space.is_check & ~space.sealed)
    pool = np.flatnonzero(~space.is_check)
    x = space.matrix.take(np.arange(space.n_images)).astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    averages, at = [], []
    for draw in range(n_draws(TAUGHT)):
        taken = np.random.default_rng([draw, 0]).permutation(pool)[:TAUGHT]
        probe = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(x[taken], truth[taken])
        score = probe.decision_function(x[rows])
        averages.append(average_precision_score(truth[rows], score))
        at.append([best_from(truth[rows], score, recall) for recall in (0.2, 0.5, 1.0)])
    found = finished(space, "label")
    assert found.n_labels == TAUGHT
    assert found.figures.average_precision.value == pytest.approx(np.mean(averages), abs=1e-6)
    drawn = [found.points.precision[np.abs(GRID - recall).argmin()] for recall in (0.2, 0.5, 1.0)]
    assert drawn == pytest.approx(np.mean(at, axis=0), abs=1e-6)
    own = next(curve for curve in curves(space, gold_column="label") if curve.key == "gold")
    ahead = sum(own.curve.average_precision > average for average in averages)
    assert found.note == f"with {TAUGHT} labels, yours are ahead of {ahead} of {len(averages)} draws"
    assert own.n_labels == TAUGHT
    assert (own.curve.n, own.curve.n_flagged) == (found.curve.n, found.curve.n_flagged)  # judged on the same images


def test_one_more_label_changes_each_draw_by_one_image(space, monkeypatch):
    seen = []
    score = random_curves._scores
    monkeypatch.setattr(random_curves, "_scores", lambda x, flagged, judged: seen.append(x) or score(x, flagged, judged))
    finished(space, "label")
    free = np.flatnonzero(~space.is_check & (space.labels.codes < 0))[:1]
    label(space, free, "neutral", analyst="ann")
    refit(space)
    finished(space, "label")
    before, after = seen[0], seen[n_draws(TAUGHT)]
    np.testing.assert_array_equal(after[:TAUGHT], before)
    assert len(after) == TAUGHT + 1


@pytest.mark.parametrize("column", [None, "label"])
def test_sealed_images_are_never_looked_at(space, column, monkeypatch):
    read(space, 50, "live")
    looked = []
    take = type(space.matrix).take
    before = finished(space, column)
    monkeypatch.setattr(type(space.matrix), "take", lambda self, rows: looked.append(np.asarray(rows)) or take(self, rows))
    read(space, 100, "promise")
    np.testing.assert_array_equal(finished(space, column).points.precision, before.points.precision)
    assert looked
    assert not space.sealed[np.concatenate(looked)].any()
    assert not space.sealed[exact_rows(space, space.gold("label"))].any()


def test_a_cross_fitted_score_is_by_a_probe_that_has_not_learned_from_the_image(space, monkeypatch):
    read(space, 50, "live")
    used = []

    def note(x, flagged, judged):
        used.append((x, judged))
        return np.zeros(len(judged))

    monkeypatch.setattr(random_curves, "_scores", note)
    found = finished(space, None)
    assert len(used) == random_curves.FOLDS * random_curves.REPEATS
    for x, judged in used:
        assert not {tuple(row) for row in x} & {tuple(row) for row in judged}
        assert len(x) == TAUGHT  # as many as the active probe has, of the 40 there are
    assert sum(len(judged) for _, judged in used) == 50 * random_curves.REPEATS
    assert found.n_labels == TAUGHT


def test_there_is_no_random_curve_before_ten_flagged_and_ten_other_check_labels(space):
    read(space, 15, "live")
    assert finished(space, None).curve is None
    read(space, 40, "live")
    found = finished(space, None)
    check = next(curve for curve in curves(space) if curve.key == "check")
    assert (found.curve.n, found.curve.n_flagged) == (check.curve.n, check.curve.n_flagged)
    assert (found.points.low <= found.points.precision).all()
    assert (found.points.precision <= found.points.high).all()
    assert (found.points.low < found.points.high).all()


def test_after_focus_labels_only_the_live_part_is_a_random_sample(space):
    read(space, 60, "promise")
    space.sealed = space.sealed & ~space.evidence()  # as in an earlier check set
    assert random_curves.watched_at_random(space).sum() == 60
    space.catalog.evidence.add_focus_draw(
        {"check_set": 1, "after": 0.0, "until": 0.5, "probe": 1, "encoder": "made", "n_asked": 1, "n_frame": 600, "rows": [0],
         "analyst": "ann", "at": "2026-01-01"}
    )  # fmt: skip
    assert random_curves.watched_at_random(space).sum() == 0


def test_folds_share_out_the_flagged_and_keep_near_duplicates_together():
    rng = np.random.default_rng(0)
    groups = np.append(np.arange(47), [3, 3, 3])
    flagged = np.isin(groups, np.arange(10))
    found = np.array(folds(groups, flagged, rng))
    assert (found.sum(axis=0) == 1).all()
    assert set(found[:, groups == 3].sum(axis=1)) == {0, 4}
    assert {int((flagged & fold).sum()) for fold in found} <= {2, 5}  # two groups of each fold, one of them of four


def test_labels_of_one_side_order_nothing():
    score = random_curves._scores(np.ones((3, 2)), np.zeros(3, bool), np.ones((5, 2)))
    assert (score == 0).all()


def test_no_figure_has_a_range_without_width():
    flagged = np.arange(40) < 20
    perfect = pr_curve(np.where(flagged, 1.0, -1.0) + np.arange(40) * 1e-3, flagged)
    random = averaged("random", [perfect] * 5, recall=0.9, n_labels=9).figures
    both = crossed("random", np.array([np.where(flagged, 1.0, -1.0)] * 2), np.where(flagged, 1.0, -1.0), flagged, recall=0.9,
                   n_labels=9)  # fmt: skip
    for figures in (figures_of(perfect, 0.9), random, both.figures):
        for found in (figures.average_precision, figures.precision):
            assert found.value == 1
            assert found.low < 0.9
            assert ranged(*found).startswith("1.000 (0.")
    assert both.note == "no difference is shown yet: average precision 0.000 (too few labels for a range)"
    assert describe_curve(both).startswith("random: average precision 1.000 (0.7")
    judged = learning_curve([10], np.where(flagged, 1.0, -1.0)[None], flagged)
    assert describe(judged).startswith("Average precision 1.000 (0.7")
    assert changed(0.0, 0.0, 0.0) == "0.000 (too few labels for a range)"
    assert changed(0.1, 0.0991, 0.1009) == "+0.100 (+0.099 to +0.101)"


def test_an_average_that_is_no_curves_own_lies_within_its_range():
    rng = np.random.default_rng(1)
    flagged = rng.random(300) < 0.3
    drawn = [pr_curve(rng.normal(size=300) + flagged * strength, flagged) for strength in np.linspace(0.5, 2, 20)]
    figures = averaged("random", drawn, recall=0.9, n_labels=9).figures
    for found in (figures.average_precision, figures.precision):
        assert found.low < found.value < found.high
    values = sorted(curve.average_precision for curve in drawn)
    assert figures.average_precision.low < values[1]  # wider than the draws alone: the judged images are luck, too
    assert figures.average_precision.high > values[-2]


def test_what_to_read_counts_down_and_is_never_more_than_is_left(space):
    def ask():
        return next(curve for curve in curves(space) if curve.key == "check").ask

    first = ask()
    assert first.startswith("Read ")
    assert first.endswith(" more in Check for a first curve")
    read(space, 20, "live")
    assert "first curve" not in ask()
    left = int((space.live_part & ~space.evidence()).sum())
    read(space, left - 1, "live")
    assert ask() in ("", "Read the last 1 in Check for average precision with its range")
    read(space, 1, "live")
    assert ask() == ""
    assert reads_expected(0, 0, 0.5, flagged=5, others=1) == 10
    assert reads_expected(100, 5, 0.5, flagged=5, others=1) == 0
    assert reads_expected(98, 2, 0.5, flagged=5, others=1) == 100


@pytest.mark.slow
def test_the_random_curve_by_check_labels_is_near_that_by_all_answers(tmp_path):
    """Cross-fitted on 400 labels, 80 at a time, against 20 draws of 80 judged on everything: less than its range apart."""
    with made(tmp_path / "w", n=12_000, seed=3) as space:
        teach(space, 80, np.random.default_rng(0))
        exact = finished(space, "label").figures.average_precision
        read(space, 400, "live")
        found = finished(space, None)
        assert found.n_labels == 80
        assert found.figures.average_precision.low < exact.value < found.figures.average_precision.high
