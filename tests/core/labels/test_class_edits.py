"""Classes are renamed, merged and retired; what was read stays as it was read."""

import shutil
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest

from core.catalog.criterion import NO_CRITERION
from core.errors import InputError
from core.evidence.openings import flagged_then, openings, read_since
from core.evidence.second_reading import read_again, waiting_for_second
from core.labels.actions import history, label, read_together, undo
from core.labels.bulk import SpotCheckResult, first_spot_check, label_bulk
from core.labels.class_edits import ClassEdit, changes, counts_of, edit_classes, set_guideline, set_name
from core.labels.classes import parse_classes, set_classes
from core.labels.exchange import export_labels, import_labels
from core.labels.gold import gold_values_without_class
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


def test_a_file_may_name_classes_as_they_were_called_when_it_was_written(space, tmp_path):
    rows = np.flatnonzero(~space.is_check)[:4].tolist()
    label(space, np.array(rows), None, analyst="ann")
    change(space, explicit={"name": "weapon"}, copyright={"into": "neutral"})
    change(space, weapon={"name": "arms"})
    names = ("explicit", "weapon", "copyright", "neutral")
    lines = [f"{space.image_id(row)},{name}" for row, name in zip(rows, names, strict=True)]
    lines.append(f"{space.image_id(rows[0])},arms")  # the same class, so no contradiction
    assert take(space, tmp_path, *lines).n_taken == 4
    assert [space.class_names[code] for code in space.labels.codes[rows]] == ["arms", "arms", "neutral", "neutral"]
    assert history(space)[0][0].class_name in ("arms", "neutral")
    assert take(space, tmp_path, *lines).n_same == 4
    with pytest.raises(InputError, match="unknown classes 'Weapon'"):
        take(space, tmp_path, f"{space.image_id(rows[0])},Weapon")


def test_a_file_gives_no_label_of_a_retired_class_and_may_repeat_those_that_are_there(space, tmp_path):
    export_labels(space, tmp_path / "before.csv")
    n = counts_of(space)
    change(space, explicit={"name": "weapon", "retired": True})
    again = import_labels(space, tmp_path / "before.csv", analyst="eve")
    assert (again.n_taken, again.n_same) == (0, sum(n.values()))
    row = int(np.flatnonzero(~space.is_check & (space.labels.codes == 0))[0])
    with pytest.raises(InputError, match=r"l\.csv gives 1 image the class 'weapon', which is retired: .* Nothing was imported"):
        take(space, tmp_path, f"{space.image_id(row)},explicit")
    assert counts_of(space) == {"neutral": n["neutral"], "weapon": n["explicit"], "copyright": n["copyright"]}


def take(space, folder, *lines):
    (folder / "l.csv").write_text("\n".join(["image,class", *lines]) + "\n")
    return import_labels(space, folder / "l.csv", analyst="eve")


def test_a_window_that_still_shows_the_old_name_labels_as_the_class_of_today(space):
    row, other = np.flatnonzero(~space.is_check)[:2].tolist()
    sealed = np.flatnonzero(space.is_check)
    change(space, explicit={"name": "weapon"}, copyright={"into": "neutral"})
    given = label(space, np.array([row]), "explicit", analyst="ann")
    assert (given.action.class_name, space.class_names[space.labels.codes[row]]) == ("weapon", "weapon")
    label(space, sealed, None, analyst="ann")
    read = read_together(space, {"copyright": sealed[:1], "neutral": sealed[1:]}, analyst="ann", criterion=NO_CRITERION)
    assert [action.class_name for action in read] == ["neutral", "neutral"]
    again, last = waiting_for_second(space, "bob")[:2].tolist()
    read_again(space, again, "explicit", analyst="bob")
    assert [r["class_name"] for r in space.catalog.evidence.second_readings()][-1:] == ["weapon"]
    _, bulk = label_bulk(
        space,
        np.array([row, other]),
        "explicit",
        analyst="ann",
        source="lasso",
        criterion=NO_CRITERION,
        result=SpotCheckResult(np.array([row, other]), np.array([other]), "copyright"),
    )
    assert bulk.purity.class_name == "weapon"
    assert [space.class_names[code] for code in space.labels.codes[[row, other]]] == ["weapon", "neutral"]
    change(space, ClassEdit("", "spam", "#123456", "s", flagged=False), weapon={"retired": True})
    for give in (
        partial(read_together, space, {"explicit": sealed}, analyst="eve", criterion=NO_CRITERION),
        partial(read_again, space, last, "explicit", analyst="bob"),
        partial(first_spot_check, space, np.array([row, other]), "explicit"),
    ):
        with pytest.raises(InputError, match="The class 'weapon' is retired"):
            give()


def test_no_class_gets_the_name_of_another_one_with_its_labels(space):
    n = counts_of(space)
    with pytest.raises(InputError, match="was the name of"):
        change(space, explicit={"name": "copyright"}, copyright={"name": "explicit"})  # its labels would be swapped
    change(space, explicit={"name": "weapon"})
    with pytest.raises(InputError, match="'explicit' was the name of 'weapon'"):
        change(space, copyright={"name": "explicit"})
    with pytest.raises(InputError, match="'explicit' was the name of 'weapon'"):
        set_classes(space, parse_classes("neutral,weapon*,copyright,explicit"))
    assert counts_of(space) == {"neutral": n["neutral"], "weapon": n["explicit"], "copyright": n["copyright"]}
    change(space, weapon={"name": "explicit"})  # its own
    assert counts_of(space) == n


def test_known_answers_of_a_renamed_class_are_not_called_unknown(space):
    assert gold_values_without_class(space, "label") == {}
    change(space, explicit={"name": "weapon"})
    assert gold_values_without_class(space, "label") == {}


def test_a_policy_is_declared_by_a_name_that_its_class_had(space):
    change(space, explicit={"name": "weapon"})
    assert set_policy(space, "harm", classes=["explicit"]).classes == ("weapon",)
    assert set_policy(space, "explicit").classes == ("weapon",)


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
