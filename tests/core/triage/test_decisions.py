"""Decisions that leave: which, in which order, with which ids, page by page."""

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.labels.actions import label, read_together, redo, undo
from core.triage.answers import Answers
from core.triage.decisions import decisions_after
from core.workspace import Workspace
from tests.worlds import made

TOLD = Criterion(point="daily", since="2026-11-28T00:00:00.000000+00:00")


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=40) as space:
        yield space


def answer(space, row, name, *, criterion=TOLD, analyst="ann"):
    source = "unsure" if name is None else "review"
    return label(space, np.array([row]), name, analyst=analyst, source=source, criterion=criterion).action


def after(space, place=0, most=500):
    return decisions_after(space, Answers(space), place, most=most)


def short(page):
    return [(one.image, one.kind, one.class_name, one.now) for one in page.decisions]


def test_answers_leave_with_what_became_of_them_and_other_labels_do_not(space):
    label(space, np.array([7]), "neutral", analyst="bob")  # before anybody reviewed it
    mine = answer(space, 3, "explicit")
    answer(space, 4, None)
    label(space, np.array([3, 5, 6]), "neutral", analyst="bob", source="lasso")  # 3 was answered in Review
    label(space, np.array([8]), "explicit", analyst="bob", source="import")
    check = np.flatnonzero(space.is_check)[-1:]
    read_together(space, {"explicit": check}, analyst="bob", criterion=Criterion(order="hash"))
    page, ids = after(space), [space.image_id(row) for row in range(40)]
    assert short(page) == [
        (ids[3], "label", "explicit", "neutral"),
        (ids[4], "label", None, None),
        (ids[3], "label", "neutral", "neutral"),
    ]
    first, unsure, later = page.decisions
    assert (first.id, first.seq, first.point, first.analyst) == (f"{mine.id}-{ids[3]}", mine.seq, "daily", "ann")
    assert unsure.unsure
    assert (later.point, later.policy, later.analyst, later.now_flagged) == (None, None, "bob", False)
    assert page.is_last
    assert page.through == space.book.version


def test_undo_and_redo_are_decisions_with_ids_of_their_own(space):
    answer(space, 3, "explicit")
    label(space, np.array([9]), "explicit", analyst="ann")
    undo(space, analyst="ann")  # of what was no decision
    undo(space, analyst="ann")
    gone = after(space)
    assert short(gone) == [
        (space.image_id(3), "label", "explicit", None),
        (space.image_id(3), "undo", "explicit", None),
    ]
    redo(space, 1, analyst="ann")
    page = after(space)
    assert [one.kind for one in page.decisions] == ["label", "undo", "redo"]
    assert {one.now for one in page.decisions} == {"explicit"}
    assert len({one.id for one in page.decisions}) == 3
    assert [one.id for one in page.decisions[:2]] == [one.id for one in gone.decisions]


def test_pages_tell_everything_once_in_order_also_after_a_restart(space, monkeypatch):
    monkeypatch.setattr("core.triage.decisions.AT_ONCE", 7)
    for row in range(30):
        answer(space, row, "explicit") if row % 3 else label(space, np.array([row]), "neutral", analyst="bob")
    together = label(space, np.arange(30, 36), "explicit", analyst="ann", source="review", criterion=TOLD).action
    whole = after(space)
    assert len(whole.decisions) == 20 + 6
    told, place = [], 0
    for _ in range(100):
        page = after(space, place, most=4)
        told += page.decisions
        assert place < page.through or page.is_last
        place = page.through
        if page.is_last:
            break
    assert [one.id for one in told] == [one.id for one in whole.decisions]
    assert [one.seq for one in told[-6:]] == [together.seq] * 6  # of one action, on one page
    with Workspace(space.folder, read_only=True) as again:
        assert [one.record() for one in after(again).decisions] == [one.record() for one in whole.decisions]
    assert after(space, place).decisions == []


def test_a_class_of_the_list_tells_whether_it_is_flagged(space):
    answer(space, 1, "explicit")
    answer(space, 2, "neutral")
    assert [one.now_flagged for one in after(space).decisions] == [True, False]
