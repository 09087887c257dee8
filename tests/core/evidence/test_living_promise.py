"""A promise while images come and go: what it covers, what it counts, and when it has to be made anew."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InputError
from core.evidence import check_sets, openings, points
from core.evidence.decisions import NOT_SCORED, rules_in_force
from core.evidence.queues import check_queue
from core.evidence.sentences import coverage_words, footer
from core.evidence.threshold import figures_at
from core.intake.remove import Wanted, remove
from core.labels.class_edits import ClassEdit, edit_classes
from core.probe.live import refit
from tests.worlds import give, grow, made, read, teach


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w") as space:
        teach(space, 80, np.random.default_rng(0))
        yield space


def take_away(space, rows):
    remove(space, Wanted([space.image_id(int(row)) for row in rows]), analyst="ann")


def said(space, opened):
    return " ".join(
        footer(opened, check_sets.status(space), covered=openings.coverage(space, opened), tie=(0.0, 1), drift=None)
    )


def test_halves_order_and_seal_of_the_images_there_are_survive_growth_and_removal(space):
    read(space, 130)
    check_sets.open_check_set(space, analyst="ann")
    check, sealed, order = space.is_check.copy(), space.sealed.copy(), check_queue(space, 2_000)
    grow(space, 300, np.random.default_rng(5))
    np.testing.assert_array_equal(space.is_check[:1_200], check)
    np.testing.assert_array_equal(space.sealed[:1_200], sealed)
    now_ = check_queue(space, 2_000)
    assert now_[now_ < 1_200].tolist() == order.tolist()
    gone = np.random.default_rng(6).choice(1_200, 200, replace=False)
    take_away(space, gone)
    here = np.setdiff1d(np.arange(1_200), gone)
    np.testing.assert_array_equal(space.is_check[here], check[here])
    np.testing.assert_array_equal(space.sealed[here], sealed[here])
    left = check_queue(space, 2_000)
    assert left.tolist() == [row for row in now_.tolist() if row not in set(gone.tolist())]


def test_a_promise_is_about_the_images_there_were_then_whatever_comes_and_goes(space):
    read(space, 130)
    opened = check_sets.open_check_set(space, analyst="ann")
    scores = openings.frozen_scores(space, opened)
    points.save_point(space, "ours", float(opened.threshold), opened, analyst="ann")
    points.put_in_force(space, "ours", analyst="ann")
    assert said(space, opened).count("It covers the 1,200 images there were then. Labels:") == 1
    grow(space, 100, np.random.default_rng(5))
    neutral = opened.rows[~opened.flagged][:2]
    unread = np.setdiff1d(np.flatnonzero(~space.is_check), opened.rows)[:5]
    take_away(space, [*neutral, *unread])
    refit(space)
    words = said(space, opened)
    assert "Images added since: 100, not covered until the promise is renewed by another look (" in words
    assert (
        "Images removed since: 7, 2 of them with check labels that it counts. The promise is about the images as they were "
        "then; for those that are left, renew it." in words
    )
    assert openings.openings(space)[0].n == opened.n  # what was recorded does not change
    after = openings.frozen_scores(space, opened)
    here = np.setdiff1d(np.arange(1_200), [*neutral, *unread])
    np.testing.assert_array_equal(after[here], scores[here])
    assert np.isnan(after[[*neutral, *unread]]).all()
    sample = openings.sample_of(space, opened, after)
    assert len(sample.pool) == 1_193
    assert figures_at(sample, opened.threshold).reviewed == (scores[here] >= opened.threshold).sum()
    assert (rules_in_force(space)[0].decisions[[*neutral, *unread]] == NOT_SCORED).all()


def test_without_removed_readings_the_next_look_covers_the_images_that_are_left(space):
    read(space, 130)
    opened = check_sets.open_check_set(space, analyst="ann")
    unread = np.setdiff1d(np.flatnonzero(space.sealed), opened.rows)[:40]
    take_away(space, unread)
    refit(space)
    assert check_sets.status(space).missing == ""
    give(space, check_queue(space, 20), space.gold("label"))
    again = check_sets.open_check_set(space, analyst="ann")
    assert again.look == 2
    words = coverage_words(openings.coverage(space, again), check_sets.status(space))
    assert words == "It covers the 1,160 images there were then."
    assert "Images removed since: 40." in said(space, opened)


def test_a_set_that_lost_flagged_readings_is_no_random_sample_and_another_one_begins(space):
    read(space, 130)
    lost = np.flatnonzero(space.evidence() & space.sealed & (space.labels.codes == 1))[:3]
    take_away(space, lost)
    stands = check_sets.status(space)
    assert stands.missing == (
        "3 images read as 'explicit' for this set were removed since, so what is left of it is no random sample any more; "
        "start a new check set."
    )
    edits = [ClassEdit(c.name, c.name, c.colour, c.key, c.flagged) for c in space.classes]
    edit_classes(space, [replace(e, name="weapon") if e.was == "explicit" else e for e in edits], analyst="ann")
    refit(space)
    assert check_sets.status(space).missing.startswith("3 images read as 'weapon' for this set were removed since")
    with pytest.raises(InputError, match="no random sample any more"):
        check_sets.open_check_set(space, analyst="ann")
    read_before = set(np.flatnonzero(space.evidence() & space.sealed).tolist())
    begun = check_sets.begin_set(space, analyst="ann")  # although the one before was never opened
    assert begun.number == 2
    assert begun.after >= space.check_order[lost].max()
    assert not read_before & set(np.flatnonzero(space.sealed).tolist())
    read(space, 110)
    refit(space)
    opened = check_sets.open_check_set(space, analyst="ann")
    assert (opened.check_set, opened.look) == (2, 1)
    assert opened.threshold is not None
