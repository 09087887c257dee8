import numpy as np
import pytest

from core.errors import InputError
from core.labels.actions import label, undo
from core.wellbeing.exposure import Exposure, Limits, Streak
from core.wellbeing.store import Glance, add_exposures, exposure, exposures, limits, set_limits


def add(workspace, analyst, views, seconds):
    return add_exposures(workspace, {analyst: Glance.of(views, seconds)})[analyst]


def test_what_was_seen_adds_up_by_analyst_and_outlives_a_restart(writable):
    add(writable, "ann", {"clear": 2, "blurred": 30}, {"clear": 1.5, "blurred": 2.0})
    add(writable, "ann", {"blurred-grey": 5, "grey": 1}, {"blurred-grey": 1.0, "grey": 0.5})
    writable.reload()
    ann = exposure(writable, "ann")
    assert dict(ann.views) == {"clear": 2, "grey": 1, "blurred": 35}
    assert dict(ann.seconds) == {"clear": 1.5, "grey": 0.5, "blurred": 3.0}
    assert exposure(writable, "bob").views == {}
    assert [found.analyst for found in exposures(writable)] == ["ann"]
    for views, seconds in (({"naked": 1}, {}), ({"clear": -1}, {}), ({}, {"clear": 1e9}), ({}, {"clear": float("nan")})):
        with pytest.raises(InputError, match="reload the page"):
            add(writable, "ann", views, seconds)


def test_labels_per_clear_view_counts_what_stands_and_is_not_defined_without_a_clear_view(writable):
    label(writable, np.arange(30), "neutral", analyst="ann", source="lasso")
    undone = label(writable, np.arange(50, 60), "neutral", analyst="ann", source="lasso")
    undo(writable, undone.action.seq, analyst="ann")
    assert exposure(writable, "ann").labels_per_clear_view is None
    add(writable, "ann", {"clear": 4}, {"clear": 2.0})
    assert exposure(writable, "ann").labels_per_clear_view == 7.5


def test_a_break_is_due_once_after_viewing_without_a_pause():
    limit, streak = Limits(break_minutes=1), Streak()
    said = []
    for second in range(0, 120, 2):
        streak, due = streak.after(2.0, float(second), limit)
        said.append(due)
    assert said.index(True) == 29  # after 60 s
    assert sum(said) == 1
    streak, due = streak.after(2.0, 1_000.0, limit)  # after a pause it begins again
    assert (streak.seconds, due) == (2.0, False)
    assert not Streak(seconds=1e6).after(2.0, 0.0, Limits(break_minutes=0))[1]
    assert Streak().after(0.0, 5.0, limit) == (Streak(), False)


def test_limits_are_kept_by_analyst(writable):
    assert limits(writable, "ann") == Limits()
    set_limits(writable, "ann", Limits(50, 10))
    assert (limits(writable, "ann"), limits(writable, "bob")) == (Limits(50, 10), Limits())
    with pytest.raises(InputError, match="cannot be negative"):
        Limits(clear_budget=-1)
    assert Exposure("ann", "2026-01-01").labels_per_clear_view is None
