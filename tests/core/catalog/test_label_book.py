"""The label book against a replay that starts from nothing every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog.criterion import NO_CRITERION
from core.catalog.label_book import LabelBook
from core.catalog.records import Action
from core.errors import InputError

NAMES = ["a", "b"]
N = 6


def action(seq, kind, rows=(), class_name=None, target=None, source="single", analyst="ann"):
    return Action(
        seq, str(seq), kind, class_name, analyst, "t", source, NO_CRITERION, "v1", target, np.array(sorted(rows), np.int64)
    )


def slow_codes(actions):
    standing = {a.seq: True for a in actions if a.kind == "label"}
    for a in actions:
        if a.kind != "label":
            standing[a.target] = a.kind == "redo"
    codes = [-1] * N
    for a in actions:
        if a.kind == "label" and standing[a.seq]:
            for row in a.rows:
                codes[row] = -1 if a.class_name is None else NAMES.index(a.class_name)
    return codes


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_book_equals_slow_replay_after_every_action(data):
    book, actions = LabelBook(N, NAMES), []
    for seq in range(1, data.draw(st.integers(1, 12)) + 1):
        labels = [a.seq for a in actions if a.kind == "label"]
        kind = data.draw(st.sampled_from(["label", "undo", "redo"] if labels else ["label"]))
        if kind == "label":
            rows = data.draw(st.sets(st.integers(0, N - 1), min_size=1))
            new = action(seq, kind, rows, data.draw(st.sampled_from([*NAMES, None])))
        else:
            target = data.draw(st.sampled_from(labels))
            try:
                book.check_target(kind, target)
            except InputError:
                continue
            new = action(seq, kind, target=target)
        actions.append(new)
        book.apply_all([new])
        assert book.labels.codes.tolist() == slow_codes(actions)
    whole = LabelBook(N, NAMES, actions)
    assert whole.labels.codes.tolist() == book.labels.codes.tolist()
    assert whole.labels.actions.tolist() == book.labels.actions.tolist()
    assert whole.decided_by(np.arange(N)).tolist() == book.decided_by(np.arange(N)).tolist() == slow_decided_by(actions)
    assert whole.labelled_on() == book.labelled_on() == slow_labelled_on(actions)
    assert whole.is_evidence(np.ones(N, bool)).tolist() == book.is_evidence(np.ones(N, bool)).tolist()


def standing(actions):
    stands = {a.seq: True for a in actions if a.kind == "label"}
    for a in actions:
        if a.kind != "label":
            stands[a.target] = a.kind == "redo"
    return [a for a in actions if a.kind == "label" and stands[a.seq]]


def slow_decided_by(actions):
    found = [0] * N
    for a in standing(actions):
        for row in a.rows:
            found[row] = a.seq
    return found


def slow_labelled_on(actions):
    counts = {}
    for a in standing(actions):
        if a.class_name is not None and a.source != "import":
            counts[a.analyst, a.at[:10]] = counts.get((a.analyst, a.at[:10]), 0) + len(a.rows)
    return counts


def test_evidence_and_unsure_are_worked_out_once_a_version_and_may_not_be_written_to():
    book, is_check = LabelBook(N, NAMES), np.ones(N, bool)
    book.apply_all([action(1, "label", [0], "a", source="check")])
    first, unsure = book.is_evidence(is_check), book.is_unsure()
    assert book.is_evidence(is_check) is first
    assert book.is_unsure() is unsure
    assert book.is_evidence(~is_check).tolist() == [False] * N
    with pytest.raises(ValueError, match="read-only"):
        first[0] = False
    book.apply_all([action(2, "label", [1], None, source="unsure")])
    assert book.is_unsure().tolist() == [False, True, False, False, False, False]
    assert unsure.tolist() == [False] * N


def test_a_class_that_left_the_list_labels_nothing_and_an_undo_of_nothing_does_nothing():
    book = LabelBook(N, ["a"], [action(1, "label", [0, 1], "gone"), action(2, "undo", target=77), action(3, "label", [1], "a")])
    assert book.labels.codes.tolist() == [-1, 0, -1, -1, -1, -1]
    assert book.labels.actions.tolist() == [0, 3, 0, 0, 0, 0]


def test_snapshots_never_change():
    book = LabelBook(N, NAMES)
    before = book.labels
    book.apply_all([action(1, "label", [0], "a")])
    assert before.n_labelled == 0
    assert book.labels.by_class == (1, 0)


def test_only_checked_and_imported_labels_of_the_check_half_are_evidence():
    book = LabelBook(N, NAMES)
    for seq, source in enumerate(("single", "lasso", "check", "import", "check"), start=1):
        book.apply_all([action(seq, "label", [seq], "a", source=source)])
    is_check = np.array([True, True, True, True, True, False])
    assert book.is_evidence(is_check).tolist() == [False, False, False, True, True, False]


def test_newest_active_is_per_analyst():
    book = LabelBook(N, NAMES)
    book.apply_all([action(1, "label", [0], "a", analyst="ann")])
    book.apply_all([action(2, "label", [1], "a", analyst="bob")])
    assert book.newest_active("ann") == 1
    assert book.newest_active() == 2
    book.apply_all([action(3, "undo", target=1, analyst="ann")])
    assert book.newest_active("ann") is None
    with pytest.raises(InputError, match="undone already"):
        book.check_target("undo", 1)
    with pytest.raises(InputError, match="no action 9"):
        book.check_target("undo", 9)
    with pytest.raises(InputError, match="no label action"):
        book.check_target("undo", 3)
