"""Label files over standing labels: what was read is kept, the newer holds, contradictions and odd names are said."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.catalog.class_names import CLASS_KEYS
from core.catalog.criterion import NO_CRITERION, Criterion
from core.catalog.records import ActionDraft, ImageClass, ImageRecord, PathRecord
from core.errors import InputError
from core.labels.actions import commit, history, label, label_action, redo, undo
from core.labels.bulk import SpotCheckResult, further_spot_check, label_bulk
from core.labels.classes import parse_classes, set_classes
from core.labels.exchange import export_labels, import_labels
from core.palette import CLASS_PALETTE
from core.workspace import Workspace

N = 24


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w") as found:
        yield found


def made(folder, salt="files"):
    space = Workspace.create(folder, classes=parse_classes("neutral,explicit*,typo"), salt=salt)
    ids = [f"{number:032x}" for number in range(N)]
    paths = [PathRecord(f"/pictures/{number}.png", key, 1, 1) for number, key in enumerate(ids)]
    images = [ImageRecord(key, path.path, 8, 8, 1, "PNG", key, key) for key, path in zip(ids, paths, strict=True)]
    space.catalog.images.add_batch(images, paths, [])
    space.reload()
    return space


@pytest.fixture
def take(space, tmp_path):
    """Import a CSV file of these lines under its header."""

    def take_(header, *lines):
        file = tmp_path / "l.csv"
        file.write_text("\n".join([header, *lines]) + "\n")
        return import_labels(space, file, analyst="eve")

    return take_


def check_row(space, place=0):
    return int(np.flatnonzero(space.is_check)[place])


def name_of(space, row):
    return None if space.labels.codes[row] < 0 else space.class_names[space.labels.codes[row]]


@pytest.mark.parametrize("source", ["single", "lasso", "cluster", "import", "check"])
def test_no_file_changes_what_was_read_in_check(space, take, source):
    row = check_row(space)
    label(space, np.array([row]), "explicit", analyst="ann", source="check")
    found = take("image,class,source", f"{space.image_id(row)},neutral,{source}")
    assert (found.n_taken, found.n_kept) == (0, 1)
    assert "1 image keeps the reading from Check" in found.sentence
    assert (name_of(space, row), space.labelled_by(row), space.evidence().sum()) == ("explicit", "ann", 1)


def test_no_verb_gets_past_a_reading_and_undo_and_a_decision_do(space):
    row = check_row(space)
    rows = np.array([row])
    label(space, rows, "explicit", analyst="ann", source="check")
    for source in ("single", "lasso", "cluster", "import", "check"):
        for class_name in ("neutral", "explicit", None):
            with pytest.raises(InputError, match="read as 'explicit' by ann"):
                label(space, rows, class_name, analyst="bob", source=source)
    with pytest.raises(InputError, match="just been read in Check"):  # a way of labelling that does not check
        commit(space, [ActionDraft("label", "bob", "lasso", np.arange(N), "neutral")])
    both = label(space, np.arange(N), "neutral", analyst="bob", source="check")
    assert (both.n_kept, name_of(space, row)) == (1, "explicit")
    assert "1 check image keeps what was read" in both.sentence
    label(space, rows, "neutral", analyst="eve", source="check", criterion=Criterion(adjudicates=("explicit", "neutral")))
    assert name_of(space, row) == "neutral"
    undo(space, analyst="eve")
    undo(space, label_action(space, row).seq, analyst="ann")
    assert name_of(space, row) is None
    label(space, rows, "typo", analyst="bob")
    assert name_of(space, row) == "typo"


def test_an_imported_answer_is_evidence_that_a_reading_replaces_and_a_lasso_does_not(space, take):
    row = check_row(space)
    take("image,class", f"{space.image_id(row)},neutral")
    assert space.evidence()[row]
    assert take("image,class,source", f"{space.image_id(row)},explicit,lasso").n_kept == 1
    assert take("image,class", f"{space.image_id(row)},typo").n_taken == 1  # a newer file of the same kind
    label(space, np.array([row]), "explicit", analyst="ann", source="check")
    assert name_of(space, row) == "explicit"


def test_a_reading_from_a_file_makes_evidence_of_a_lasso_label_of_the_same_class(space, take):
    row = check_row(space)
    label(space, np.array([row]), "explicit", analyst="ann", source="lasso")
    assert take("image,class,source", f"{space.image_id(row)},explicit,check").n_taken == 1
    assert space.evidence()[row]


def test_lines_that_contradict_each_other_are_named_and_nothing_is_taken(space, take):
    a, b = space.image_id(0), space.image_id(1)
    with pytest.raises(InputError, match=f"'{b}' 'explicit' in line 3 and 'neutral' in line 4"):
        take("image,class", f"{a},neutral", f"{b},explicit", f"{b},neutral")
    with pytest.raises(InputError, match="line 2 and 'neutral' in line 3"):  # its id and its path are one image
        take("image,class", f"{a},explicit", "/pictures/0.png,neutral")
    same = "2026-01-01"
    with pytest.raises(InputError, match="a time for each"):
        take("image,class,time", f"{a},explicit,{same}", f"{a},neutral,{same}")
    with pytest.raises(InputError, match="a time for each"):
        take("image,class,time", f"{a},explicit,{same}", f"{a},neutral,")
    with pytest.raises(InputError, match="an image has one reading"):
        take("image,class,time,source", f"{a},explicit,{same},check", f"{a},neutral,2026-01-02,check")
    assert space.labels.n_labelled == 0


def test_of_lines_with_times_the_newest_holds_and_a_repeated_line_counts_once(space, take):
    a, b = space.image_id(0), space.image_id(1)
    found = take("image,class,time", f"{a},explicit,2026-02-01", f"{a},neutral,2026-01-01", f"{b},typo,", f"{b},typo,")
    assert (name_of(space, 0), name_of(space, 1), found.n_taken) == ("explicit", "typo", 2)
    row = check_row(space, 5)
    key = space.image_id(row)
    take("image,class,time,source", f"{key},explicit,2026-01-01,check", f"{key},neutral,2026-02-01,lasso")
    assert (name_of(space, row), space.evidence()[row]) == ("explicit", True)  # a reading goes before other tools


def test_older_lines_do_not_replace_newer_labels_nor_a_newer_clearing(space, take):
    row = int(np.flatnonzero(~space.is_check)[0])
    key = space.image_id(row)
    take("image,class,time", f"{key},explicit,2026-02-01T00:00:00Z")
    found = take("image,class,time", f"{key},neutral,2026-01-31T23:59:59Z")
    assert (found.n_older, name_of(space, row)) == (1, "explicit")
    assert "1 line left out: older" in found.sentence
    assert take("image,class,time", f"{key},neutral,2026-02-01T05:00:00+05:00").n_taken == 1  # the same moment
    label(space, np.array([row]), None, analyst="ann")
    assert take("image,class,time", f"{key},explicit,2026-03-01").n_older == 1
    assert take("image,class", f"{key},explicit").n_taken == 1  # without a time it is today's


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "99999-01-01", "2026-13-01", "soon", "1899-12-31", "future"])
def test_a_time_that_cannot_be_is_one_sentence(space, take, time):
    time = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).isoformat() if time == "future" else time
    with pytest.raises(InputError, match=r"in line 2.*Nothing was imported"):
        take("image,class,time", f"{space.image_id(0)},neutral,{time}")


def test_a_class_that_differs_by_case_or_spaces_is_named(space, take):
    with pytest.raises(InputError, match="'Explicit' is probably 'explicit'"):
        take("image,class", f"{space.image_id(0)},Explicit")
    with pytest.raises(InputError, match="'NEUTRAL' is probably 'neutral'"):
        label(space, np.array([0]), "NEUTRAL", analyst="a")
    assert take("image,class", f"{space.image_id(0)}, explicit").n_taken == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_restores_a_workspace_and_goes_into_another_by_id_or_path(space, tmp_path, suffix):
    file = tmp_path / f"out.{suffix}"
    label(space, np.flatnonzero(~space.is_check), "neutral", analyst="ann", source="lasso")
    label(space, np.flatnonzero(space.is_check)[:4], "explicit", analyst="bob", source="check")
    n = export_labels(space, file)
    same = import_labels(space, file, analyst="eve")
    assert (same.n_taken, same.n_same, same.n_kept, same.n_older) == (0, n, 0, 0)
    table = pd.read_csv(file) if suffix == "csv" else pd.read_parquet(file)
    assert list(table.columns) == ["image", "path", "class", "analyst", "time", "source"]
    assert table["path"][0] == "/pictures/0.png"
    for name, columns in (("ids", table.drop(columns="path")), ("paths", table.drop(columns="image"))):
        with made(tmp_path / name) as other:
            columns.to_csv(tmp_path / "in.csv", index=False)
            assert import_labels(other, tmp_path / "in.csv", analyst="eve").n_taken == n
            assert (other.labels.codes == space.labels.codes).all()
            assert (other.evidence() == space.evidence()).all()
    for action, stands in history(space):
        if stands:
            undo(space, action.seq, analyst="ann")
    assert import_labels(space, file, analyst="eve").n_taken == n  # what was undone can be had back


def test_paths_below_an_ingested_folder_are_found_without_asking_the_disk(space, take, monkeypatch):
    space.catalog.images.add_source("/pictures")
    asked = []
    monkeypatch.setattr(Path, "resolve", lambda path: asked.append(path) or path)
    found = take("path,class", *(f"{number}.png,neutral" for number in range(N - 1)), f"/pictures/{N - 1}.png,neutral")
    assert found.n_taken == N
    assert not [path for path in asked if path.suffix == ".png"]


def test_a_path_with_dots_is_resolved(space, take):
    space.catalog.images.add_source("/pictures")
    assert take("path,class", "./1.png,neutral", "../pictures/2.png,neutral").n_taken == 2


def test_labels_are_written_as_csv_or_parquet_into_a_file(space, tmp_path):
    for target in ("out.xlsx", "out", "out.tsv"):
        with pytest.raises(InputError, match=r"written as \.csv or \.parquet"):
            export_labels(space, tmp_path / target)
    with pytest.raises(InputError, match="is a folder"):
        export_labels(space, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("neutral", "2 to 12 names"),
        ("a,b,c,d,e,f,g,h,i,j,k,l,m", "2 to 12 names"),
        ("neutral,explicit*,Explicit", "different names, got 'explicit' and 'Explicit'"),
        ("neutral,two  words,two words", "different names"),
        ("neutral,*", "empty one"),
        ("neutral,a*b", "contains '*'"),
        ("neutral,a\tb", "control character"),
        ("neutral," + "x" * 61, "61 characters"),
    ],
)
def test_class_names_that_cannot_be_distinguished_or_typed_are_refused(text, said):
    with pytest.raises(InputError, match=said.replace("*", r"\*")):
        parse_classes(text)


def test_twelve_classes_have_twelve_colours_and_keys():
    found = parse_classes("a,b,c*,d,e,f,g,h,i,j,k,l")
    assert len({c.colour for c in found}) == 12
    assert [c.key for c in found] == list("1234567890qw")
    assert len(CLASS_KEYS) == len(CLASS_PALETTE)


def test_keys_are_one_character_and_different(space):
    for keys in ("11", ("1", "22"), ("1", " ")):
        classes = [ImageClass(name, "#000000", key, flagged=False) for name, key in zip("ab", keys, strict=True)]
        with pytest.raises(InputError, match="its own key"):
            set_classes(space, classes)


def test_a_class_goes_once_its_labels_are_undone_or_cleared_and_history_still_tells_of_it(space):
    rest = parse_classes("neutral,explicit*")
    label(space, np.arange(3), "typo", analyst="ann")
    for wrong, said in ((rest, "'typo' has 3 labels; keep it"), (parse_classes("neutral,Typo"), "write it as 'typo'")):
        with pytest.raises(InputError, match=said):
            set_classes(space, wrong)
    undone = undo(space, analyst="ann")
    set_classes(space, rest)
    assert history(space)[-1][0].class_name == "typo"
    with pytest.raises(InputError, match="gave the class 'typo', which is not in the list any more"):
        redo(space, undone.actions[0].seq, analyst="ann")
    set_classes(space, parse_classes("neutral,explicit*,typo"))
    redo(space, undone.actions[0].seq, analyst="ann")
    assert name_of(space, 0) == "typo"
    label(space, np.arange(3), None, analyst="ann")
    set_classes(space, rest)
    assert space.labels.n_labelled == 0
    undo(space, analyst="ann")  # of the clearing: what it cleared has no class now
    assert space.labels.n_labelled == 0
    with Workspace(space.folder, read_only=True) as again:
        assert [action.class_name for action, _ in history(again)] == [a.class_name for a, _ in history(space)]


def test_a_bulk_label_whose_class_has_gone_is_not_spot_checked_further(space):
    teach = np.flatnonzero(~space.is_check)
    nothing = np.array([], np.int64)
    result = SpotCheckResult(nothing, nothing, None)
    _, bulk = label_bulk(space, teach, "typo", analyst="ann", source="lasso", criterion=NO_CRITERION, result=result)
    label(space, teach, "neutral", analyst="ann")
    set_classes(space, parse_classes("neutral,explicit*"))
    with pytest.raises(InputError, match="no class 'typo'"):
        further_spot_check(space, bulk.token, rng=np.random.default_rng(0))


def test_a_class_that_left_the_list_comes_back_as_it_was_with_its_next_label(writable):
    neutral, footwear, copyright_ = writable.classes
    set_classes(writable, [neutral, footwear])
    label(writable, np.arange(3), copyright_.name, analyst="ann")
    assert writable.classes == [neutral, footwear, copyright_]
    with pytest.raises(InputError, match="There is no class 'other'"):
        label(writable, np.arange(3), "other", analyst="ann")
