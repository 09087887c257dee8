"""Classes are renamed, merged and retired; what was read stays as it was read."""

import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from core.errors import InputError
from core.evidence.openings import flagged_then, openings, read_since
from core.labels.actions import history, label, undo
from core.labels.class_edits import ClassEdit, changes, counts_of, edit_classes, set_guideline, set_name
from core.labels.policies import set_policy
from core.probe.live import refit
from core.workspace import Workspace


@pytest.fixture
def space(small):
    with Workspace(small) as space:
        yield space


def as_they_are(space):
    return {c.name: ClassEdit(c.name, **asdict(c)) for c in space.classes}


def change(space, *more, **edits):
    """Edit classes: name -> what is another; None removes one."""
    known = as_they_are(space)
    wanted = [replace(known[name], **edits.get(name, {})) for name in known if edits.get(name, {}) is not None]
    return edit_classes(space, [*wanted, *more], analyst="eve")


def test_a_renamed_class_keeps_its_labels_its_known_answers_and_its_history_everywhere(space):
    before, gold, n_actions = space.labels.codes.copy(), space.gold("label").copy(), len(history(space))
    said = change(space, explicit={"name": "weapon", "key": "x"})
    assert said == "Classes changed: 'explicit' renamed to 'weapon'; 'weapon' has the key X."
    assert (space.labels.codes == before).all()
    assert (space.gold("label") == gold).all()
    assert space.class_names == ["neutral", "weapon", "copyright"]
    assert len(history(space)) == n_actions  # no action is rewritten
    assert {a.class_name for a, _ in history(space)} == {"neutral", "explicit"}
    label(space, np.array([1]), "weapon", analyst="ann")
    label(space, np.array([1]), None, analyst="ann")
    undo(space, analyst="ann")
    assert space.class_names[space.labels.codes[1]] == "weapon"
    with Workspace(space.folder, read_only=True) as again:
        assert (again.labels.codes == space.labels.codes).all()
        assert refit(again, save=False) is not None
        assert [(c["analyst"], c["said"]) for c in changes(again)] == [("eve", said)]
    change(space, weapon={"name": "explicit"})  # and back
    assert (space.labels.codes[2:] == before[2:]).all()
    assert space.renames == {"weapon": "explicit"}
    with pytest.raises(InputError, match="'weapon' was the name of 'explicit'"):
        change(space, ClassEdit("", "weapon", "#123456", "w", flagged=True))


def test_a_merged_class_gives_its_labels_and_later_merges_carry_them_on(space):
    n = counts_of(space)
    label(space, np.flatnonzero(space.labels.codes == 0)[:5], "copyright", analyst="ann")
    said = change(space, ClassEdit("", "spam", "#123456", "s", flagged=False), copyright={"into": "neutral"})
    assert said == "Classes changed: 'copyright' merged into 'neutral'; 'spam' added."
    assert counts_of(space) == {"neutral": n["neutral"], "explicit": n["explicit"], "spam": 0}
    change(space, neutral={"into": "spam"})
    assert counts_of(space) == {"explicit": n["explicit"], "spam": n["neutral"]}
    assert space.renames == {"copyright": "spam", "neutral": "spam"}


def test_a_merge_never_turns_what_check_images_were_read_as(space):
    row = int(np.flatnonzero(space.sealed)[0])
    label(space, np.array([row]), None, analyst="ann")
    label(space, np.array([row]), "copyright", analyst="ann", source="check")
    with pytest.raises(InputError, match="1 check image read as 'copyright' would become flagged in 'explicit'"):
        change(space, copyright={"into": "explicit"})
    change(space, copyright={"into": "neutral"})
    assert space.class_names[space.labels.codes[row]] == "neutral"
    assert space.evidence()[row]


def test_a_retired_class_keeps_its_labels_and_takes_no_more(space):
    n = counts_of(space)["explicit"]
    change(space, explicit={"retired": True})
    assert counts_of(space)["explicit"] == n
    assert [c.name for c in space.classes if c.retired] == ["explicit"]
    with pytest.raises(InputError, match="'explicit' is retired"):
        label(space, np.array([1]), "explicit", analyst="ann")
    change(space, explicit={"retired": False, "key": "2"})
    label(space, np.array([1]), "explicit", analyst="ann")


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({"explicit": None}, "'explicit' has 16 labels; merge it into another, retire it"),
        ({"explicit": {"name": "Neutral"}}, "different names"),
        ({"explicit": {"key": "1"}}, "its own key"),
        ({"explicit": {"key": ""}}, "'explicit' needs a key"),
        ({"explicit": {"into": "explicit"}}, "cannot be merged into 'explicit'"),
        ({"explicit": {"was": "gone"}}, "There is no class 'gone' any more"),
        ({"explicit": {"retired": True}, "copyright": {"retired": True}}, "need 2 to 12 names, got 1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_and_changes_nothing(space, edits, said):
    before = list(space.classes)
    with pytest.raises(InputError, match=said):
        change(space, **edits)
    assert space.catalog.labels.classes() == before
    assert changes(space) == []


def test_a_policy_follows_the_names_of_its_classes(space):
    set_policy(space, "harm", classes=["explicit"])
    change(space, explicit={"name": "weapon"})
    assert space.policies[0].classes == ("weapon",)
    with pytest.raises(InputError, match="The policy 'harm' is about the flagged class 'weapon'"):
        change(space, weapon={"flagged": False})


def test_an_opened_check_set_is_still_about_its_classes_after_a_rename(promised, tmp_path):
    with Workspace(shutil.copytree(promised / "w", tmp_path / "w")) as space:
        opened = openings(space)[0]
        codes, since = flagged_then(space, opened), read_since(space, opened)
        change(space, footwear={"name": "shoes"})
        assert flagged_then(space, openings(space)[0]) == codes
        assert read_since(space, openings(space)[0]) == since


def test_guideline_and_name_are_changed_with_who_did_it(space):
    set_guideline(space, " v2 ", analyst="ann")
    set_name(space, "uploads", analyst="bob")
    assert (space.guideline, space.name) == ("v2", "uploads")
    assert [c["analyst"] for c in changes(space)] == ["bob", "ann"]
    for verb in (set_guideline, set_name):
        with pytest.raises(InputError, match="needs a name"):
            verb(space, "  ")
