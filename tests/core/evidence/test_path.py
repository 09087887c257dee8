"""The path to a promise: the same numbers everywhere, never more than the pool holds; what opening costs is said before."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evidence import check_sets, openings, points
from core.evidence.by_class import by_class, class_labels
from core.evidence.path import Stage, StepKey, path, reading_words
from core.evidence.plan import Ahead, Prospect, plan, plan_words, read_words
from core.evidence.preview import costs, gains, looks_left
from core.evidence.queues import check_queue
from core.evidence.sentences import closed, promise
from core.evidence.subject import Subject
from core.labels.policies import set_policy
from core.probe.live import refit
from tests.worlds import give, made, read, teach, three_classes, with_columns

AHEAD = st.builds(
    lambda n, share, left, recall, alpha, least, live: Ahead(recall, alpha, n, int(share * n), left, least, live=live),
    st.integers(0, 3_000),
    st.floats(0, 1),
    st.integers(0, 20_000),
    st.sampled_from([0.5, 0.8, 0.9, 0.99, 0.999]),
    st.sampled_from([0.04, 0.005, 1e-4]),
    st.integers(0, 500),
    st.booleans(),
)


@given(AHEAD, st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_no_plan_asks_for_more_than_the_pool_holds(ahead, misses):
    found = plan(ahead, misses=misses)
    assert 0 <= found.low <= found.more <= found.high <= ahead.left
    assert found.goal <= ahead.n + ahead.left
    for words in (plan_words(found, "explicit"), plan_words(found, "explicit", here=True), read_words(found)):
        for number in re.findall(r"(?<![\d.])(\d[\d,]*)(?!\.\d|%|\d)", words):
            assert int(number.replace(",", "")) <= ahead.n + ahead.left, words
    few = found.prospect in (Prospect.UNLIKELY, Prospect.IMPOSSIBLE)
    assert few == ("promised" in plan_words(found, "explicit"))
    if few and not math.isnan(found.reachable):
        assert found.reachable < 1
    if found.prospect == Prospect.READY and ahead.n >= ahead.least:
        assert not found.more


def test_rare_images_in_a_small_pool_are_not_planned_by_the_thousand():
    """One of 40 is flagged, 610 images are left: at that rate 31 flagged ones would take 800 more."""
    found = plan(Ahead(0.9, 0.04, 40, 1, 610))
    assert (found.prospect, found.more, read_words(found)) == (Prospect.UNLIKELY, 610, "read 40 of all 650")
    words = plan_words(found, "explicit")
    assert words.startswith("90% recall can probably not be promised: only 610 check images are left to read")
    assert "Lower the recall to 81% or less, or ingest more images." in words  # 16 flagged among 650: 0.04 ** (1 / 16)


def numbers(said):
    return {int(n.replace(",", "")) for n in re.findall(r"about ([\d,]+) more", " ".join(said))}


def test_list_sentences_and_opening_name_the_same_number(tmp_path):
    with made(tmp_path / "w", n=3_000, share=0.1) as space:
        teach(space, 60, np.random.default_rng(1))
        read(space, 110)
        status, found = check_sets.status(space), path(space)
        more = found.plan.more
        assert 0 < more <= status.n_left
        assert found.read == f"read 110 of {110 + more:,}"
        assert numbers(closed(status, ["explicit"])) == {more} == numbers([step.hint for step in found.steps])
        opened = check_sets.open_check_set(space, analyst="ann")
        assert opened.threshold is None
        read(space, 20)
        status, found = check_sets.status(space), path(space)
        sample = openings.sample_of(space, opened, openings.frozen_scores(space, opened))
        said = promise(opened, None, sample, ahead=status.after(opened))
        assert numbers(said) == {found.plan.more} == numbers(closed(status, ["explicit"]))
        assert found.read == f"read 130 of {found.plan.goal:,}"
        assert found.next.key == StepKey.READ  # a look without a promise leads back to reading


def test_the_path_goes_on_step_by_step(tmp_path):
    def state():
        return {step.key: step.stage for step in path(space, exported_at=exported).steps}

    def upcoming():
        found = path(space, exported_at=exported).next
        return found and found.key

    exported = ""
    with made(tmp_path / "w") as space:
        assert upcoming() == StepKey.TEACH
        assert "label images of at least two classes" in path(space).steps[0].hint
        teach(space, 60, np.random.default_rng(1))
        assert upcoming() == StepKey.READ
        assert path(space).read == "read 0 of 100"
        assert not path(space).steps[2].possible
        read(space, 150)
        assert upcoming() == StepKey.OPEN
        assert path(space).read == "read 150"
        opened = check_sets.open_check_set(space, analyst="ann")
        assert upcoming() == StepKey.CHOOSE
        points.save_point(space, "careful", float(opened.threshold), opened, analyst="ann")
        assert upcoming() == StepKey.FORCE
        points.put_in_force(space, "careful", analyst="ann")
        assert upcoming() == StepKey.EXPORT
        exported = opened.at  # before the point was put in force
        assert state()[StepKey.EXPORT] == Stage.NOW
        exported = "2999-01-01T00:00:00.000000+00:00"
        assert set(state().values()) == {Stage.DONE}
        teach(space, 10, np.random.default_rng(2))  # what was promised stays promised
        assert set(state().values()) == {Stage.DONE}


def test_images_that_were_passed_over_are_said_where_reading_is_counted(tmp_path):
    with made(tmp_path / "w") as space:
        teach(space, 60, np.random.default_rng(1))
        rows = check_queue(space, 99)
        give(space, np.delete(rows, [0, 5]), space.gold("label"))
        assert reading_words(space) == "read 0 of 100 for a promise of 90% recall; 2 passed over come first"
        assert path(space).next.hint.startswith("2 images passed over come first: skipped, shown in another window, or added")
        give(space, rows[[0, 5]], space.gold("label"))
        assert reading_words(space) == "read 99 of 100 for a promise of 90% recall"


def test_each_policy_and_scorer_has_a_path_of_its_own(tmp_path):
    with three_classes(tmp_path / "p") as space:
        teach(space, 90, np.random.default_rng(1))
        set_policy(space, "explicit", recall=0.9)
        set_policy(space, "weapons", recall=0.995)
        refit(space)
        read(space, 200)
        assert path(space, Subject("explicit")).next.key == StepKey.OPEN
        assert path(space, Subject("weapons")).next.key == StepKey.READ
        check_sets.open_check_set(space, Subject("explicit"), analyst="ann")
        assert path(space, Subject("weapons")).next.key == StepKey.READ
    with with_columns(tmp_path / "c") as space:
        found = path(space, Subject("", "good"))
        assert found.steps[0].key == StepKey.READ  # a column learns nothing here
        assert "cannot compute the scores of 'good'" in found.steps[-1].hint


def test_what_opening_costs_and_gives_is_said_before_and_is_the_same_whatever_the_scores(tmp_path):
    with made(tmp_path / "w") as space:
        teach(space, 60, np.random.default_rng(1))
        read(space, 150)
        status = check_sets.status(space)
        cost, gain = costs(status), gains(status, ["explicit"])
        assert "the first look. It spends 80% of the 5% chance of error" in cost[0]
        assert "needs 96% confidence. The next look would need 99.5%" in cost[0]
        assert gain[0].startswith("A threshold with the promise of 90% recall")
        left = looks_left(status)
        assert f"{left - 1} more look" in " ".join(cost)
        space.fitted.score[:] = np.random.default_rng(0).normal(size=space.n_images)  # another model
        again = check_sets.status(space)
        assert (costs(again), gains(again, ["explicit"])) == (cost, gain)
        check_sets.change_terms(space, recall=0.99)
        poor = check_sets.status(space)
        assert re.search(
            r"cannot be promised with the \d+ flagged check labels there are. At best it promises 9\d",
            gains(poor, ["explicit"])[0],
        )
        assert looks_left(poor) == 0
        for _ in range(left):
            check_sets.change_terms(space, recall=0.9)
            opened = check_sets.open_check_set(space, analyst="ann")
            assert opened.threshold is not None
            teach(space, 10, np.random.default_rng(left))
        assert looks_left(check_sets.status(space)) == 0


def test_figures_by_class_are_those_of_a_slow_count(tmp_path):
    with three_classes(tmp_path / "w") as space:
        teach(space, 120, np.random.default_rng(1))
        read(space, 200)
        opened = check_sets.open_check_set(space, analyst="ann")
        labels, threshold = class_labels(space, opened), 0.0
        found = {figures.name: figures for figures in by_class(labels, threshold, space.class_names)}
        assert list(found) == ["explicit", "weapons", "neutral"]  # the flagged first
        truth = [space.class_names[code] for code in space.gold("label")[opened.rows]]
        above = [score >= threshold for score in opened.scores]
        for name, figures in found.items():
            mine = [is_above for is_above, is_ in zip(above, truth, strict=True) if is_ == name]
            assert (figures.n, figures.reviewed) == (len(mine), sum(mine))
            assert figures.recall.value == pytest.approx(sum(mine) / len(mine))
            assert figures.share.value == pytest.approx(sum(mine) / sum(above))
            assert sum(n for _, n in figures.predicted) == len(mine)
        predicted = [space.class_names[code] for code in space.fitted.predicted[opened.rows]]
        hits = sum(a == b == "weapons" for a, b in zip(truth, predicted, strict=True))
        assert dict(found["weapons"].predicted)["weapons"] == hits
        assert by_class(labels, 1e9, space.class_names)[0].share is None
