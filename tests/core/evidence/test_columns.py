"""A score column is promised, put in force and compared like the probe, on the sealed labels, sharing the set's error."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from core.catalog.score_columns import NewColumn
from core.delivery.choice import choose
from core.errors import InputError
from core.evidence import check_sets, openings, points
from core.evidence.beside import beside, beside_words, order_words
from core.evidence.bounds import certify
from core.evidence.sentences import at_handle, promise
from core.evidence.subject import PROBE, Subject
from core.evidence.threshold import figures_at
from core.maths.paired import paired_difference
from core.probe.live import refit
from core.probe.stacked import keep_stacked
from core.score_columns.files import FileColumn
from core.score_columns.keep import flagged_scores, keep_columns, remove_column, score_column, score_columns
from tests.worlds import grow, made, read, teach

GOOD, SAFE, HALF = Subject("", "good"), Subject("", "safe"), Subject("", "half")


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w") as found:
        rng = np.random.default_rng(1)
        truth = found.gold("label") == 1
        good = np.round(1 / (1 + np.exp(1.5 - 3 * truth - rng.normal(size=len(truth)))), 3)
        keep(found, good=good, safe=1 - good, half=np.where(rng.random(len(truth)) < 0.01, np.nan, good))
        teach(found, 60, rng)
        read(found, 150)
        yield found


def keep(space, **columns):
    new = [NewColumn(name, name == "safe", "v.csv", values) for name, values in columns.items()]
    space.catalog.score_columns.put(new)


def opened_for(space, subject):
    found = check_sets.open_check_set(space, subject, analyst="ann")
    return found, openings.sample_of(space, found, openings.frozen_scores(space, found))


def test_a_columns_promise_is_certified_on_its_own_scores_with_half_the_error(space):
    opened, sample = opened_for(space, GOOD)
    scores = flagged_scores(space, score_column(space, "good"))
    truth = space.gold("label")[opened.rows] == 1
    assert (opened.subject, opened.share, opened.look) == (GOOD, 0.5, 1)
    assert opened.alpha == pytest.approx(0.02)  # the probe may be opened too
    np.testing.assert_array_equal(opened.scores, scores[opened.rows])
    assert opened.threshold == certify(scores[opened.rows][truth], 0.9, 0.02).threshold
    figures = figures_at(sample, opened.threshold)
    above = scores >= opened.threshold
    assert figures.reviewed == above.sum()
    judged = above[opened.rows]
    assert figures.precision.value == pytest.approx(truth[judged].mean())
    assert figures.recall.value == pytest.approx(judged[truth].mean())
    exact = (space.gold("label")[above] == 1).sum() / (space.gold("label") == 1).sum()
    assert exact >= 0.9
    assert check_sets.open_check_set(space, GOOD, analyst="bob").number == opened.number  # the same scores and batch: free


def test_another_probe_is_not_another_look_at_a_column(space):
    opened = check_sets.open_check_set(space, GOOD, analyst="ann")
    teach(space, 20, np.random.default_rng(9))
    assert check_sets.open_check_set(space, GOOD, analyst="ann").number == opened.number
    assert check_sets.status(space, Subject()).known is None


def test_a_safe_column_reviews_the_same_images_in_its_own_words(space):
    opened, sample = opened_for(space, GOOD)
    other, same = opened_for(space, SAFE)
    figures, alike = figures_at(sample, opened.threshold), figures_at(same, opened.threshold - 1)
    assert figures.reviewed == alike.reviewed
    at = np.floor(opened.threshold * 1000) / 1000  # its scores have three decimals
    assert promise(opened, figures, sample, ahead=None)[0].startswith(f"Review images with scores of 'good' ≥ {at:g}")
    assert at_handle(other, alike, same, ahead=None)[0].startswith("At scores of 'safe' ≤ 0.")
    assert promise(other, alike, same, ahead=None)[0].startswith("Review images with scores of 'safe' ≤ 0.")


def test_both_opened_stand_beside_each_other_on_the_same_labels(space):
    mine = check_sets.open_check_set(space, Subject(), analyst="ann")
    assert beside(space, mine) == []
    other = check_sets.open_check_set(space, GOOD, analyst="ann")
    n_looks = len(openings.openings(space))
    (found,) = beside(space, mine)
    assert (found.other, found.n) == ("good", 150)
    order = np.argsort(mine.rows)
    assert found.difference == paired_difference(mine.scores[order], other.scores[order], mine.flagged[order], recall=0.9)
    gain = average_precision_score(mine.flagged, mine.scores) - average_precision_score(mine.flagged, other.scores)
    assert found.difference.average_precision.value == pytest.approx(gain)
    assert "On the 150 check labels that both were opened with, 'probe' is worse than 'good'" in beside_words(mine, found)
    assert "'good' is better than 'probe'" in beside_words(other, beside(space, other)[0])
    assert len(openings.openings(space)) == n_looks  # comparing is no look


def test_the_error_is_shared_between_the_scorers_of_a_set(space):
    first = check_sets.open_check_set(space, Subject(), analyst="ann")
    second = check_sets.open_check_set(space, GOOD, analyst="ann")
    third = check_sets.open_check_set(space, SAFE, analyst="ann")
    assert first.alpha + second.alpha + third.alpha <= 0.05


def test_who_wants_both_is_told_to_open_the_column_first(space):
    words = order_words(space, check_sets.status(space))
    assert words.startswith("If you will open this set for one of the score columns (good, half, safe) too, do that first")
    assert "Choose the column by its figures on the labels for live curves" in words
    assert order_words(space, check_sets.status(space, GOOD)) == ""
    column = check_sets.open_check_set(space, GOOD, analyst="ann")
    assert order_words(space, check_sets.status(space)) == ""
    probe = check_sets.open_check_set(space, Subject(), analyst="ann")
    assert (column.share, probe.share) == (0.5, 0.5)
    assert column.alpha == probe.alpha == pytest.approx(0.02)
    assert check_sets.status(space, SAFE).alpha < column.alpha / 3  # a further scorer gets less, as the words say


def test_columns_opened_before_the_probe_get_less_and_less(space):
    alphas = [check_sets.open_check_set(space, subject, analyst="ann").alpha for subject in (GOOD, SAFE, Subject())]
    assert alphas == pytest.approx([0.02, 0.008, 0.008])  # as in docs/how-to/model-you-have.md


def test_a_single_column_is_named(space):
    remove_column(space, "half")
    remove_column(space, "safe")
    words = order_words(space, check_sets.status(space))
    assert words.startswith("If you will open this set for 'good' too, do that first")


def test_a_column_can_be_removed_unless_an_opening_is_about_it(space):
    opened = check_sets.open_check_set(space, GOOD, analyst="ann")
    with pytest.raises(InputError, match=f"'good' stays: opening {opened.number} of a check set is about it"):
        remove_column(space, "good")
    remove_column(space, "half")
    assert [column.name for column in score_columns(space)] == ["good", "safe"]
    with pytest.raises(InputError, match="no score column 'half'; there are good, safe"):
        remove_column(space, "half")


def test_a_columns_point_can_be_put_in_force(space):
    opened = check_sets.open_check_set(space, GOOD, analyst="ann")
    points.save_point(space, "vendor", opened.threshold, opened, analyst="ann")
    points.put_in_force(space, "vendor", analyst="ann")
    (point,) = points.points(space)
    assert (point.scorer, point.in_force) == ("good", True)
    assert points.in_force(space)["name"] == "vendor"
    with pytest.raises(InputError, match="'vendor' is a threshold of 'good', which a bundle cannot compute"):
        choose(space)
    with pytest.raises(InputError, match="That is a threshold of 'good'"):
        choose(space, threshold=opened.threshold, opened=opened)


def test_a_column_without_all_scores_or_that_is_not_there_is_one_sentence(space):
    n = int(np.isnan(flagged_scores(space, score_column(space, "half"))).sum())
    missing = check_sets.status(space, HALF).missing
    assert missing == (f"'half' has no score for {n} images, and a promise is about all of them; import their scores first.")
    with pytest.raises(InputError, match="'half' has no score for"):
        check_sets.open_check_set(space, HALF, analyst="ann")
    with pytest.raises(InputError, match="There is no score column 'goood'"):
        check_sets.open_check_set(space, Subject("", "goood"), analyst="ann")
    assert openings.openings(space) == []


def test_scores_imported_later_are_noticed_and_those_of_new_images_are_not(space):
    opened = check_sets.open_check_set(space, GOOD, analyst="ann")
    before = openings.frozen_scores(space, opened)
    values = flagged_scores(space, score_column(space, "good"))
    grow(space, 40, np.random.default_rng(5))
    keep(space, good=np.append(values, np.full(40, 0.5)))
    np.testing.assert_array_equal(openings.frozen_scores(space, opened), before)
    keep(space, good=np.append(values[::-1], np.full(40, 0.5)))
    with pytest.raises(InputError, match=f"scores of 'good' have changed since opening {opened.number}"):
        openings.frozen_scores(space, opened)
    refit(space)
    assert check_sets.status(space, GOOD).known is None


def test_an_import_cannot_change_the_scores_of_an_opening(space, tmp_path):
    opened = check_sets.open_check_set(space, GOOD, analyst="ann")
    points.save_point(space, "vendor", opened.threshold, opened, analyst="ann")
    points.put_in_force(space, "vendor", analyst="ann")
    scores = flagged_scores(space, score_column(space, "good"))
    rows, file = np.arange(len(scores)), tmp_path / "vendor.csv"
    for changed in (FileColumn("good", False, 100 * scores), FileColumn("good", True, scores)):
        with pytest.raises(
            InputError, match=f"Opening {opened.number} of a check set is about the scores of 'good', and .* cha"
        ):
            keep_columns(space, [FileColumn("other", False, scores), changed], rows, file)
    assert "other" not in [column.name for column in score_columns(space)]
    assert keep_columns(space, [FileColumn("good", False, scores)], rows, file)  # the same again
    grow(space, 2, np.random.default_rng(5))
    assert keep_columns(space, [FileColumn("good", False, np.array([0.5, 0.6]))], len(scores) + np.arange(2), file)
    assert len(openings.frozen_scores(space, opened)) == opened.frame


def test_a_stacked_probe_that_was_opened_stays_and_the_next_has_a_name_of_its_own(space):
    kept = keep_stacked(space, "good")
    opened = check_sets.open_check_set(space, Subject("", kept.name), analyst="ann")
    before = openings.frozen_scores(space, opened)
    teach(space, 20, np.random.default_rng(9))
    assert keep_stacked(space, "good").name == "probe + good, 2"
    assert keep_stacked(space, "good").name == "probe + good, 2"  # not opened, so it is replaced
    np.testing.assert_array_equal(openings.frozen_scores(space, opened), before)


def test_the_probes_openings_are_as_they_were(space):
    opened = check_sets.open_check_set(space, analyst="ann")
    assert (opened.scorer, opened.share, opened.scores_hash) == (PROBE, 1.0, "")
    assert opened.alpha == pytest.approx(0.04)
