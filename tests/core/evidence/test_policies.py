"""Policies through `Workspace`: declared, judged on their own classes, opened with a shared error, in force one by one."""

import numpy as np
import pytest

from core.errors import InputError
from core.evidence import check_sets, openings, points
from core.evidence.bounds import certify
from core.evidence.decisions import LEAVE, NOT_SCORED, REVIEW, decisions_about, rules_in_force
from core.evidence.frozen import score_subject
from core.evidence.sentences import cost_of_opening, footer
from core.evidence.subject import PROBE, Subject
from core.labels.classes import parse_classes, set_classes
from core.labels.policies import policies, remove_policy, set_policy, uncovered
from core.probe.live import refit
from core.workspace import Workspace
from tests.worlds import give, read, teach, three_classes

EXPLICIT, WEAPONS = Subject("explicit"), Subject("weapons")


@pytest.fixture
def space(tmp_path):
    with three_classes(tmp_path / "w") as found:
        teach(found, 90, np.random.default_rng(1))
        yield found


def declare(space):
    set_policy(space, "explicit", recall=0.9)
    set_policy(space, "weapons", recall=0.8)
    refit(space)


def test_without_policies_there_is_one_of_all_flagged_classes(space):
    (only,) = policies(space)
    assert (only.name, only.classes, only.recall) == ("", ("explicit", "weapons"), 0.9)
    assert check_sets.status(space).subject == Subject("", PROBE)


def test_each_policy_is_judged_on_its_own_classes_with_half_the_error(space):
    declare(space)
    read(space, 200)
    code = {name: i for i, name in enumerate(space.class_names)}
    for subject, recall in ((EXPLICIT, 0.9), (WEAPONS, 0.8)):
        opened = check_sets.open_check_set(space, subject, analyst="ann")
        assert (opened.subject, opened.recall, opened.share, opened.look) == (subject, recall, 0.5, 1)
        assert opened.alpha == pytest.approx(0.02)
        mine = space.gold("label")[opened.rows] == code[subject.policy]
        assert (opened.flagged == mine).all()
        probe = space.fitted.probe
        weights, bias = probe.weights[:, code[subject.policy]], probe.bias[code[subject.policy]]
        scores = space.current.need_matrix().take(opened.rows) @ weights + bias  # a policy of one class has that class's column
        np.testing.assert_allclose(opened.scores, scores, atol=1e-3)
        assert opened.threshold == certify(opened.scores[mine], recall, 0.02).threshold
        words = footer(
            opened, check_sets.status(space, subject), covered=openings.coverage(space, opened), tie=(0.0, 1), drift=None
        )
        assert f"for the policy '{subject.policy}', with 98% confidence" in words[0]
        assert "50% of the set's 5% chance of error" in words[0]
    assert check_sets.open_check_set(space, WEAPONS, analyst="bob").number == 2  # the same model and batch: free
    assert [o.policy for o in openings.openings(space)] == ["weapons", "explicit"]


def test_a_policy_of_several_classes_has_a_column_of_its_own(space):
    set_policy(space, "harm", classes=["explicit", "weapons"])
    set_policy(space, "weapons")
    refit(space)
    scores = {name: score_subject(space, Subject(name), "made", space.fitted.version) for name in ("harm", "weapons")}
    np.testing.assert_allclose(scores["harm"], space.fitted.score, atol=1e-4)  # those of all flagged classes
    assert np.abs(scores["harm"] - scores["weapons"]).max() > 0.5
    with Workspace(space.folder, read_only=True) as again:
        refit(again, save=False)
        assert again.fitted.version == space.fitted.version  # what it was fitted on is known again
        assert set(again.fitted.probe.policies) == {"harm", "weapons"}


def test_a_policy_declared_after_an_opening_shares_what_is_left_and_breaks_nothing(space):
    read(space, 200)
    before = check_sets.open_check_set(space, analyst="ann")
    assert (before.alpha, before.share) == (pytest.approx(0.04), 1.0)
    declare(space)
    stands = check_sets.status(space, WEAPONS)
    assert stands.alpha == pytest.approx(0.05 * 0.2 / 2 * 0.8)
    assert "needs 99.6% confidence, so that all looks for both policies together keep 95%" in cost_of_opening(stands)
    check_sets.open_check_set(space, WEAPONS, analyst="ann")
    kept = openings.openings(space)[-1]
    assert (kept.threshold, kept.alpha, kept.flagged_names) == (before.threshold, before.alpha, ("explicit", "weapons"))
    scores = openings.frozen_scores(space, kept)
    assert (scores[kept.rows] == before.scores).all()


def test_a_scorer_or_policy_that_is_not_there_is_refused_and_spends_nothing(space):
    declare(space)
    read(space, 200)
    with pytest.raises(InputError, match="no policy 'arms'; the policies are: explicit, weapons"):
        check_sets.open_check_set(space, Subject("arms"), analyst="ann")
    with pytest.raises(InputError, match="no score column 'vendor'"):
        check_sets.open_check_set(space, Subject("weapons", "vendor"), analyst="ann")
    assert openings.openings(space) == []


def test_a_policy_without_check_labels_says_so_and_the_other_is_opened(space):
    declare(space)
    gold = space.gold("label").copy()
    gold[gold == space.class_names.index("weapons")] = 0  # whoever reads finds none
    rows = np.flatnonzero(space.sealed)
    give(space, rows[np.argsort(space.check_order[rows])][:150], gold)
    assert check_sets.status(space, WEAPONS).missing.startswith("Only 0 of 150 check images are 'weapons'")
    with pytest.raises(InputError, match="needs at least 5"):
        check_sets.open_check_set(space, WEAPONS, analyst="ann")
    assert check_sets.open_check_set(space, EXPLICIT, analyst="ann").alpha == pytest.approx(0.02)


def test_a_policy_without_teach_labels_has_no_score_and_says_so(space):
    set_classes(space, parse_classes("neutral,explicit*,weapons*,drugs*"))
    set_policy(space, "drugs")
    refit(space)
    assert "no teach-half label is of a flagged class ('drugs')" in check_sets.status(space).missing


def test_one_point_is_in_force_for_each_policy(space):
    declare(space)
    read(space, 200)
    for subject, names in ((EXPLICIT, ("strict", "mild")), (WEAPONS, ("arms",))):
        opened = check_sets.open_check_set(space, subject, analyst="ann")
        for name in names:
            points.save_point(space, name, opened.scores.mean(), opened, analyst="ann")
            points.put_in_force(space, name, analyst="eve")
    assert [(p.name, p.policy, p.in_force) for p in points.points(space)] == [
        ("strict", "explicit", False),
        ("mild", "explicit", True),
        ("arms", "weapons", True),
    ]
    assert points.in_force(space, "weapons")["name"] == "arms"
    assert points.in_force(space) == {}


def test_the_points_in_force_decide_for_each_policy(space):
    assert rules_in_force(space) == []
    declare(space)
    read(space, 200)
    for subject in (WEAPONS, EXPLICIT):
        opened = check_sets.open_check_set(space, subject, analyst="ann")
        points.save_point(space, f"for {subject.policy}", opened.threshold, opened, analyst="ann")
        points.put_in_force(space, f"for {subject.policy}", analyst="ann")
        below, above = opened.rows[np.argsort(opened.scores)[[0, -1]]]
        (rule,) = [rule for rule in rules_in_force(space) if rule.policy == subject.policy]
        row = int(opened.rows[opened.scores == opened.threshold][0])
        assert [rule.decision(int(found)) for found in (row, above, below)] == [REVIEW, REVIEW, LEAVE]
        assert rule.decision(space.n_images) == NOT_SCORED
        for found in range(0, space.n_images, 7):  # one image at a time, the same
            (alone,) = [decision for decision in decisions_about(space, found) if decision.policy == subject.policy]
            assert (alone.point, alone.decided) == (rule.point, rule.decision(found))
    assert [(rule.policy, rule.point) for rule in rules_in_force(space)] == [
        ("explicit", "for explicit"),
        ("weapons", "for weapons"),
    ]
    remove_policy(space, "weapons")
    assert [rule.policy for rule in rules_in_force(space)] == ["explicit"]


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("", {}, "policy needs a name"),
        ("a,b", {"classes": ["weapons"]}, "contains ','"),
        ("guns", {}, "about the class 'guns', which is not there; the classes are neutral, explicit, weapons"),
        ("Weapons", {"classes": ["Weapons"]}, "differ only in case"),
        ("safe", {"classes": ["neutral"]}, "'neutral' is not flagged"),
        ("none", {"classes": []}, "at least one, got none"),
        ("twice", {"classes": ["explicit", "explicit"]}, "different classes"),
        ("explicit", {"recall": 1.5}, r"from 0\.5 to 0\.999, got 1\.5"),
        ("explicit", {"recall": float("nan")}, r"from 0\.5 to 0\.999"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_in_a_sentence(space, name, given, message):
    set_policy(space, "weapons")
    with pytest.raises(InputError, match=message):
        set_policy(space, name, **given)
    assert [p.name for p in space.policies] == ["weapons"]


def test_a_class_of_a_policy_stays_and_stays_flagged(space):
    set_policy(space, "weapons")
    assert uncovered(space) == ["explicit"]
    for text in ("neutral,explicit*,weapons", "neutral,explicit*,arms*"):
        with pytest.raises(InputError, match="policy 'weapons' is about the flagged class 'weapons'"):
            set_classes(space, parse_classes(text))
    remove_policy(space, "weapons")
    set_classes(space, parse_classes("neutral,explicit*,weapons"))
    with pytest.raises(InputError, match="no policies are declared"):
        remove_policy(space, "weapons")


def test_a_policy_that_was_opened_keeps_its_classes(space):
    declare(space)
    read(space, 200)
    check_sets.open_check_set(space, WEAPONS, analyst="ann")
    with pytest.raises(InputError, match="Opening 1 is about the policy 'weapons' with the classes weapons"):
        set_policy(space, "weapons", classes=["explicit", "weapons"])
    remove_policy(space, "weapons")
    with pytest.raises(InputError, match="another name"):
        set_policy(space, "weapons", classes=["explicit"])


def test_the_recall_of_a_policy_is_a_term_of_its_own(space):
    declare(space)
    check_sets.change_terms(space, recall=0.7, policy="weapons")
    assert [p.recall for p in policies(space)] == [0.9, 0.7]
    assert space.check_set.recall == 0.9
    assert space.fitted is not None  # no probe learns from a recall
    with pytest.raises(InputError, match="no policy 'arms'"):
        check_sets.change_terms(space, recall=0.7, policy="arms")


def family_of_looks(folder, seed):
    """Open both policies, declare a third and open all of them with a new model; tell which promises were ever broken."""
    rng = np.random.default_rng(seed)
    with three_classes(folder, n=6_000, seed=seed, shares=(0.3, 0.25), apart=1.6) as space:
        gold = space.gold("label")
        declare(space)
        teach(space, 60, rng)
        read(space, 400)
        broken = {}

        def look(*names):
            for name in names:
                opened = check_sets.open_check_set(space, Subject(name), analyst="ann")
                scores, mine = openings.frozen_scores(space, opened), np.isin(gold, openings.flagged_then(space, opened))
                plain = certify(opened.scores[opened.flagged], opened.recall, 0.05).threshold
                for key, threshold in ((name, opened.threshold), (f"{name}, plain", plain)):
                    bad = threshold is not None and (scores[mine] >= threshold).mean() < opened.recall
                    broken[key] = broken.get(key, False) or bad

        look("explicit", "weapons")
        first = broken.copy()
        set_policy(space, "harm", classes=["explicit", "weapons"], recall=0.9)
        teach(space, 20, rng)
        look("explicit", "weapons", "harm")
        assert all(o.threshold is not None for o in openings.openings(space)[-2:])
        return first["explicit"], first["weapons"], any(v for k, v in broken.items() if "plain" not in k), any(broken.values())


@pytest.mark.slow
def test_all_promises_of_a_family_stand_together(tmp_path, capsys):
    found = np.array([family_of_looks(tmp_path / str(seed), seed) for seed in range(200)])
    either = found[:, :2].any(axis=1).mean()
    explicit, weapons, ever, plain = found.mean(axis=0)
    with capsys.disabled():
        print(  # noqa: T201  the figure is asked for
            f"\nbroken at the first openings: explicit {explicit:.1%}, weapons {weapons:.1%}, either {either:.1%}; at any of "
            f"five openings with a third policy: {ever:.1%}; with a plain 95% each: {plain:.1%}"
        )
    assert either <= 0.05
    assert ever <= 0.05
    assert plain > 0.05
