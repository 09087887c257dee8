"""A column of known quality beside the probe: figures and differences are those of a direct computation."""

import shutil

import numpy as np
import pytest
from scipy.stats import norm, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from core.catalog.label_book import UNLABELLED
from core.catalog.score_columns import NewColumn
from core.errors import InputError
from core.maths.paired import paired_difference
from core.probe.live import refit
from core.probe.scorers import Kind, compare_scorers, describe_scorer
from core.probe.stacked import WEIGHT, column_feature, keep_stacked, stacked_scores
from core.probe.suggest import suggest
from core.score_columns.keep import flagged_scores, score_column
from core.workspace import Workspace
from tests.worlds import made, read, teach, with_columns


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    with with_columns(tmp_path_factory.mktemp("columns") / "w") as space:
        refit(space)
        yield space


def direct(space, scores, recall=0.9):
    """What numpy and sklearn say of scores on the labels for live curves that have some."""
    rows = np.flatnonzero(space.watched() & ~np.isnan(scores))
    flagged, mine = space.gold("label")[rows] == 1, scores[rows]
    precision, reached, thresholds = precision_recall_curve(flagged, mine)
    enough = reached[:-1] >= recall
    best = np.argmax(np.where(enough, precision[:-1], 0))
    return rows, flagged, average_precision_score(flagged, mine), precision[best], thresholds[best]


def by_name(space, **options):
    return {scorer.name: scorer for scorer in compare_scorers(space, **options)}


def test_every_scorer_has_the_figures_of_a_direct_computation(compared):
    found = by_name(compared)
    columns = ("good", "half", "safe", "wrong")
    assert list(found) == ["probe", *(name for column in columns for name in (column, f"probe + {column}, now"))]
    for name in ("probe", "good", "safe", "wrong", "half"):
        column = None if name == "probe" else score_column(compared, name)
        scores = compared.fitted.score.astype(float) if column is None else flagged_scores(compared, column)
        rows, flagged, average, precision, threshold = direct(compared, scores)
        mine = found[name]
        assert (mine.n, mine.n_flagged) == (len(rows), flagged.sum())
        assert mine.average_precision.value == pytest.approx(average)
        assert (mine.precision.value, mine.threshold) == pytest.approx((precision, threshold))
        assert mine.precision.low < precision < mine.precision.high
        if column is not None:
            probe = compared.fitted.score[rows].astype(float)
            assert mine.n_shared == len(rows)
            assert mine.against == paired_difference(scores[rows], probe, flagged, recall=0.9)
            gain = average - average_precision_score(flagged, probe)
            assert mine.against.average_precision.value == pytest.approx(gain)


def test_sealed_labels_are_not_touched(compared):
    assert by_name(compared)["probe"].n == (compared.evidence() & ~compared.sealed).sum() == 110


def test_the_same_scores_declared_as_safe_have_the_same_figures(compared):
    found = by_name(compared)
    assert found["safe"].average_precision == found["good"].average_precision
    assert found["probe + safe, now"].average_precision.value == pytest.approx(
        found["probe + good, now"].average_precision.value
    )


def test_a_column_worse_than_chance_is_said_to_be(compared):
    found = by_name(compared)
    rows, flagged, *_ = direct(compared, flagged_scores(compared, score_column(compared, "wrong")))
    area = roc_auc_score(flagged, flagged_scores(compared, score_column(compared, "wrong"))[rows])
    assert f"ranks worse than chance: on 110 check labels the area under its ROC curve is {area:.3f}" in found["wrong"].warning
    assert "declared 'higher = more likely flagged'; if the opposite is true, import it again as 'score:wrong:safe'" in (
        found["wrong"].warning
    )
    assert {name for name, scorer in found.items() if scorer.warning} == {"wrong"}


def test_stacking_is_a_logistic_regression_with_one_more_feature(compared):
    column = flagged_scores(compared, score_column(compared, "good"))
    rows = np.flatnonzero(compared.watched())
    x = compared.matrix.take(np.arange(compared.n_images)).astype(float)
    feature = norm.ppf(rankdata(column) / (len(column) + 1))
    wide = np.column_stack([(x - x.mean(axis=0)) / x.std(axis=0), WEIGHT * feature])
    learned = compared.teach_rows(compared.labels.codes, compared.matrix)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(wide[learned], compared.labels.codes[learned] == 1)
    np.testing.assert_allclose(stacked_scores(compared, column, rows), model.decision_function(wide[rows]), atol=2e-3)


def test_a_good_column_helps_and_its_opposite_helps_as_much(compared):
    found = by_name(compared)
    assert found["probe + good, now"].helps
    assert found["probe + wrong, now"].helps  # the teach half finds the sign
    assert "Better than the probe: average precision +" in describe_scorer(found["probe + good, now"], recall=0.9)


def test_suggestions_start_from_a_columns_top_and_its_doubts(compared):
    scores = flagged_scores(compared, score_column(compared, "good"))
    found = suggest(compared, 10, strategy="score:good")
    rows = np.array([suggestion.row for suggestion in found])
    assert {suggestion.strategy for suggestion in found} == {"score:good"}
    assert not compared.is_check[rows].any()
    assert (compared.labels.codes[rows] == UNLABELLED).all()
    free = np.flatnonzero(~compared.is_check & (compared.labels.codes == UNLABELLED))
    assert set(rows[:5]) <= set(free[np.argsort(-scores[free])][:15])
    assert scores[rows[5:]].max() < scores[rows[:5]].min()
    assert found[0].reason.startswith("is among the highest scores of another model, or where they are in doubt")
    safe = suggest(compared, 10, strategy="score:safe")
    assert [suggestion.row for suggestion in safe] == rows.tolist()
    with pytest.raises(InputError, match=r"There is no strategy 'score:best'; choose auto, .*, score:good, score:half"):
        suggest(compared, 10, strategy="score:best")


def test_a_kept_stacked_probe_is_a_column_of_all_images_that_is_not_stacked_again(compared):
    folder = compared.folder.parent / "kept"
    with Workspace(shutil.copytree(compared.folder, folder)) as space:
        refit(space)
        kept = keep_stacked(space, "half")
        assert (kept.name, kept.n_scored, kept.higher_is_safer) == ("probe + half", 1200, False)
        assert kept.file == "'half' and 60 teach labels"
        scores, rows = flagged_scores(space, kept), np.flatnonzero(space.watched())
        column = flagged_scores(space, score_column(space, "half"))
        np.testing.assert_allclose(scores[rows], stacked_scores(space, column, rows), atol=1e-9)
        found = by_name(space)
        assert found["probe + half"].average_precision == found["probe + half, now"].average_precision
        assert "probe + probe + half, now" not in found
        with pytest.raises(InputError, match="'probe \\+ half' is stacked already"):
            keep_stacked(space, "probe + half")
        with pytest.raises(InputError, match="no score column 'other'"):
            keep_stacked(space, "other")


def test_a_feature_depends_on_the_order_alone_and_is_neutral_without_a_score():
    column = np.array([0.1, np.nan, 0.9, 0.5, 0.5])
    feature = column_feature(column)
    np.testing.assert_array_equal(feature, column_feature(np.exp(9 * column)))
    assert feature[1] == 0
    assert feature[3] == feature[4]
    assert feature[0] < feature[3] < feature[2]


@pytest.mark.parametrize(("n", "said"), [(0, "Not defined yet"), (8, "Not defined yet"), (30, "below 20 flagged")])
def test_without_enough_labels_each_scorer_says_so(tmp_path, n, said):
    with made(tmp_path / "w") as space:
        space.catalog.score_columns.put([NewColumn("vendor", False, "v.csv", np.arange(space.n_images) / 7)])
        assert "No score yet" in compare_scorers(space)[0].missing or "No probe" in compare_scorers(space)[0].missing
        teach(space, 40, np.random.default_rng(0))
        read(space, n, "live")
        found = compare_scorers(space)
        assert [scorer.kind for scorer in found] == [Kind.PROBE, Kind.COLUMN, Kind.STACKED]
        assert all(said in scorer.missing and scorer.average_precision is None for scorer in found)
