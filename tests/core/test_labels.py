"""The label book against a replay that starts from nothing every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog import Action
from core.errors import InputError
from core.labels import LabelBook

NAMES = ["a", "b"]
N = 6


def action(seq, kind, rows=(), class_name=None, target=None, source="single", analyst="ann"):
    return Action(seq, str(seq), kind, class_name, analyst, "t", source, None, "v1", target, np.array(sorted(rows), np.int64))


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
        book.apply(new)
        assert book.labels.codes.tolist() == slow_codes(actions)
    assert LabelBook(N, NAMES, actions).labels.codes.tolist() == book.labels.codes.tolist()


def test_snapshots_never_change():
    book = LabelBook(N, NAMES)
    before = book.labels
    book.apply(action(1, "label", [0], "a"))
    assert before.n_labelled == 0
    assert book.labels.counts(2) == [1, 0]


def test_only_checked_and_imported_labels_of_the_check_half_are_evidence():
    book = LabelBook(N, NAMES)
    for seq, source in enumerate(("single", "lasso", "check", "import", "check"), start=1):
        book.apply(action(seq, "label", [seq], "a", source=source))
    is_check = np.array([True, True, True, True, True, False])
    assert book.is_evidence(is_check).tolist() == [False, False, False, True, True, False]


def test_newest_active_is_per_analyst():
    book = LabelBook(N, NAMES)
    book.apply(action(1, "label", [0], "a", analyst="ann"))
    book.apply(action(2, "label", [1], "a", analyst="bob"))
    assert book.newest_active("ann") == 1
    assert book.newest_active() == 2
    book.apply(action(3, "undo", target=1, analyst="ann"))
    assert book.newest_active("ann") is None
    with pytest.raises(InputError, match="undone already"):
        book.check_target("undo", 1)
    with pytest.raises(InputError, match="no action 9"):
        book.check_target("undo", 9)
    with pytest.raises(InputError, match="no label action"):
        book.check_target("undo", 3)
