"""Review on a workspace: what waits, what the answers count for, growth, restarts, and drift."""

import datetime as dt

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.catalog.label_book import UNLABELLED
from core.errors import InputError
from core.evidence import check_sets, points
from core.intake.remove import Wanted, remove
from core.labels.actions import label, undo
from core.triage.queue import Order, Side
from core.triage.review import Review
from core.triage.words import elusion_words, precision_words, waiting_words
from core.workspace import Workspace
from tests.worlds import grow, made, read, teach

TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat(timespec="microseconds")


def fill(folder):
    with made(folder, n=900) as space:
        teach(space, 80, np.random.default_rng(1))
        read(space, 150)
        opened = check_sets.open_check_set(space, analyst="ann")
        points.save_point(space, "daily", opened.threshold, opened, analyst="ann")
        points.put_in_force(space, "daily", analyst="ann")


@pytest.fixture
def space(built_once):
    with Workspace(built_once("triage", fill)) as space:
        yield space


def answer(space, review, asked, *, analyst="ann"):
    """Answer truly, as the page does."""
    work, gold = review.of(""), space.gold("label")
    for one in asked:
        told = Criterion(point=work.point.name, since=work.since, drawn=one.drawn or None)
        name = space.class_names[gold[one.row]]
        label(space, np.array([one.row]), name, analyst=analyst, source="review", criterion=told)


def figures(review, today=TOMORROW):
    return review.figures("", today=today)


def flagged(space, review):
    work = review.of("")
    return review._scores.of(work.opened) >= work.point.threshold


def test_without_a_point_in_force_one_sentence_says_what_to_do(tmp_path):
    with made(tmp_path / "w", n=60) as bare:
        with pytest.raises(InputError, match="No operating point is in force; save one and put it in force"):
            Review(bare).ask("", 5, order=Order.NEWEST)
        assert Review(bare).at_work() == []
        assert Review(bare).drift("") is None


def test_the_answers_are_labels_that_teach_and_a_sealed_reading_stays_what_it_is(space):
    review = Review(space)
    before = figures(review)
    evidence, codes = space.evidence().copy(), space.labels.codes.copy()
    assert before.waiting == int((flagged(space, review) & (codes == UNLABELLED)).sum()) > 20
    asked = review.ask("", 30, order=Order.HIGHEST)
    answer(space, review, asked)
    rows = np.array([one.row for one in asked])
    assert (codes[rows] == UNLABELLED).all()
    assert (space.labels.codes[rows] != UNLABELLED).all()
    np.testing.assert_array_equal(space.evidence(), evidence)
    assert space.is_check[rows].any()
    now = figures(review)
    n_flagged = int(flagged(space, review)[rows].sum())
    assert (now.waiting, now.answered.n) == (before.waiting - n_flagged, n_flagged)
    assert now.answered.x == int((space.gold("label")[rows[flagged(space, review)[rows]]] == 1).sum())
    undo(space, analyst="ann")
    assert figures(review).answered.n + figures(review).elusion.n == now.answered.n + now.elusion.n - 1


def test_samples_are_kept_count_readings_and_survive_a_restart(space):
    review = Review(space)
    for _ in range(10):
        answer(space, review, review.ask("", 10, order=Order.NEWEST))
    work = review.of("")
    draws = space.catalog.reviews.draws("daily", work.since)
    mine = {side: [draw.row for draw in draws if draw.side == side] for side in Side}
    assert len(mine[Side.LEFT]) == pytest.approx(5, abs=1)
    assert len(mine[Side.FLAGGED]) == pytest.approx(20, abs=1)
    assert not flagged(space, review)[mine[Side.LEFT]].any()
    now = figures(review)
    assert (now.precision.n, now.elusion.n) == (len(mine[Side.FLAGGED]), len(mine[Side.LEFT]))
    assert now.precision.x == int((space.gold("label")[mine[Side.FLAGGED]] == 1).sum())
    again = Review(space)
    assert (figures(again).precision, figures(again).elusion) == (now.precision, now.elusion)
    assert again.ask("", 8, order=Order.NEWEST)[0].row not in {one for rows in mine.values() for one in rows}
    said = [waiting_words(now), precision_words(now), elusion_words(now)]
    assert f"{now.waiting:,} flagged images wait; 0 came in today." in said[0]
    assert "(95% sure, from" in said[1]
    assert f"found in {now.elusion.n} drawn at random)" in said[2]


def test_an_image_labelled_before_the_point_was_in_force_is_never_drawn_and_one_labelled_since_counts(space):
    review = Review(space)
    named = np.flatnonzero(space.labels.codes != UNLABELLED)
    work, gold = review.of(""), space.gold("label")
    free = np.flatnonzero(flagged(space, review) & (space.labels.codes == UNLABELLED))
    label(space, free[gold[free] == 1], "explicit", analyst="bob", source="lasso")  # those that are easy to find
    for _ in range(3):
        answer(space, review, review.ask("", 10, order=Order.HIGHEST))
    drawn = [draw.row for draw in space.catalog.reviews.draws("daily", work.since)]
    assert not set(drawn) & set(named.tolist())
    now = figures(review)
    assert now.answered.x == 0  # in Review nothing but the rest was seen
    assert now.precision.x > 0  # the sample is of all that is flagged


def test_new_images_are_scored_by_the_frozen_model_and_join_the_queue(space):
    review = Review(space)
    n, before = space.n_images, figures(review)
    first = review.ask("", 5, order=Order.NEWEST)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    grow(space, 120, np.random.default_rng(9))
    scores = review._scores.of(review.of("").opened)
    assert len(scores) == n + 120
    assert not np.isnan(scores).any()
    fresh = Review(space)._scores.of(review.of("").opened)
    np.testing.assert_allclose(scores, fresh, atol=1e-5)
    n_new = int((scores[n:] >= review.of("").point.threshold).sum())
    now = figures(review, today=at)
    assert (now.today, now.waiting) == (n_new, before.waiting + n_new)
    newest = review.ask("", 12, order=Order.NEWEST, without=[one.row for one in first])
    assert max(one.row for one in newest) >= n
    assert review.drift("").drifted is False


def test_images_that_differ_are_told_with_the_figure(space):
    review = Review(space)
    grow(space, 300, np.random.default_rng(9), share=0.95, apart=5.0)
    drift = review.drift("")
    assert drift.drifted
    assert drift.sentence.startswith("The 300 images since the opening differ from those that its promise covers: ")
    assert f"distance of {drift.scores[0]:.2f}" in drift.sentence


def test_drift_is_seldom_told_of_images_that_are_alike():
    from core.embeddings.matrix import Matrix
    from core.triage.drift import drift_of

    class Held(Matrix):
        def __init__(self, x):
            self.x = x

        def take(self, rows):
            return self.x[rows]

    rng, told, seen = np.random.default_rng(2), 0, 0
    for _ in range(100):
        x = rng.normal(size=(900, 12)).astype(np.float32)
        told += drift_of(x[:, 0].astype(float), 600, Held(x), rng).drifted
        x[600:, 3] *= 1.8  # the scores do not show it
        seen += drift_of(x[:, 0].astype(float), 600, Held(x), rng).drifted
    assert told <= 6
    assert seen >= 60


def test_a_removed_image_neither_waits_nor_counts(space):
    review = Review(space)
    asked = review.ask("", 30, order=Order.NEWEST)
    answer(space, review, asked[:20])
    before, gone = figures(review), np.array([one.row for one in asked])
    assert before.precision.n > 0
    remove(space, Wanted(names=[space.image_id(row) for row in gone]), analyst="ann")
    now = figures(review)
    assert now.waiting < before.waiting
    assert (now.answered.n, now.precision.n, now.elusion.n, now.not_scored) == (0, 0, 0, 0)
    assert not {one.row for one in review.ask("", 30, order=Order.NEWEST)} & set(gone.tolist())
