"""A workspace that grows while threads read it: one length in every piece of work, and nothing that was there changes."""

import threading
from itertools import count

import numpy as np
import pytest

from core.catalog.images import Images
from core.catalog.label_book import UNLABELLED
from core.catalog.records import ImageRecord, PathRecord
from core.filters.conditions import ClassIs, HalfIs, ScoreBetween
from core.filters.masks import all_of, mask
from core.labels.actions import label
from core.labels.class_edits import ClassEdit, edit_classes
from core.missing import missing_for_suggestions
from core.overview import label_counts
from core.probe.live import refit
from core.probe.live_curves import curves
from core.workspace import Workspace

PER_IMAGE = ("ids", "is_check", "check_order", "groups", "live_part", "sealed", "xy", "text", "unsure")


@pytest.fixture
def space(small):
    with Workspace(small) as space:
        refit(space)
        yield space


def add(space, n, *, group=None, gold="neutral"):
    """Add images to the catalog as an ingest does; memory does not know them yet."""
    start = space.catalog.images.count()
    ids = [f"{start + i:032x}" for i in range(n)]
    images = [ImageRecord(name, f"/x/{name}", 4, 3, 9, "PNG", "00", group or name, {"label": gold}, 0.25) for name in ids]
    space.catalog.images.add_batch(images, [PathRecord(image.path, image.id, 9, 1) for image in images], [])


def lengths(space):
    arrays = [getattr(space, name) for name in PER_IMAGE]
    arrays += [space.labels.codes, space.labels.actions, space.evidence(), space.watched(), space.gold("label")]
    arrays += [space.fitted.score, space.fitted.uncertainty, space.fitted.predicted, space.fitted.on_device.score]
    return {len(array) for array in arrays} | {space.n_images}


def test_growing_is_the_same_as_opening_again_and_moves_nothing(space):
    before = {name: getattr(space, name).copy() for name in PER_IMAGE}
    score, labels = space.fitted.score.copy(), space.labels.codes.copy()
    n = space.n_images
    space.gold("label")
    add(space, 3, group=space.image_id(5))
    add(space, 40)
    assert lengths(space) == {n}  # committed, and not taken in
    assert space.grow() == 43
    assert lengths(space) == {n + 43}
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(space, name)[:n], values, err_msg=name)
    np.testing.assert_array_equal(space.fitted.score[:n], score)
    np.testing.assert_array_equal(space.labels.codes[:n], labels)
    assert np.isnan(space.fitted.score[n:]).all()
    assert np.isnan(space.xy[n:]).all()
    assert (space.labels.codes[n:] == UNLABELLED).all()
    assert (space.text[n:] == 0.25).all()
    assert space.groups[n : n + 3].tolist() == [5, 5, 5]
    assert (space.gold("label")[n:] == 0).all()
    assert space.gold_counts("label")["neutral"] >= 43
    assert space.grow() == 0
    with Workspace(space.folder, read_only=True) as again:
        for name in (*PER_IMAGE, "columns"):
            if name == "columns":
                assert again.columns.with_copies.tolist() == space.columns.with_copies.tolist()
            else:
                np.testing.assert_array_equal(getattr(again, name), getattr(space, name), err_msg=name)


def test_what_was_read_of_known_images_is_not_read_again_unless_it_was_written_anew(space, monkeypatch):
    n, read, asked = space.n_images, Images.gold_rows, []
    monkeypatch.setattr(
        Images,
        "gold_rows",
        lambda self, *names, start, stop: asked.append((start, stop)) or read(self, *names, start=start, stop=stop),
    )
    before, counts = space.gold("label").copy(), space.gold_counts("label")
    space.catalog.images.add_batch([ImageRecord("a" * 32, "/a", 4, 3, 9, "PNG", "00", "a" * 32)], [], [])
    space.grow()
    assert space.gold("label").tolist() == [*before.tolist(), UNLABELLED]
    assert space.gold_counts("label") is counts
    add(space, 2)
    space.grow()
    assert space.gold("label").tolist() == [*before.tolist(), UNLABELLED, 0, 0]
    assert space.gold_counts("label")["neutral"] == counts["neutral"] + 2
    assert asked == [(0, n), (n, n + 1), (n + 1, n + 3)]
    other = space.class_names[1 - before[0]]
    space.catalog.images.add_batch([], [], [], gold=[(space.image_id(0), "label", other)])
    space.grow()
    assert space.gold("label")[0] == 1 - before[0]


def test_known_answers_of_a_class_that_was_renamed_and_then_removed_are_none(space):
    kept = [ClassEdit(was=c.name, name=c.name, colour=c.colour, key=c.key, flagged=c.flagged) for c in space.classes]
    edit_classes(space, [*kept, ClassEdit(was="", name="old", colour="#777777", key="9", flagged=False)], analyst="ann")
    add(space, 1, gold="old")
    space.grow()
    assert space.gold("label")[-1] == len(kept)
    third = ClassEdit(was="old", name="new", colour="#777777", key="9", flagged=False)
    edit_classes(space, [*kept, third], analyst="ann")
    assert space.gold("label")[-1] == len(kept)
    edit_classes(space, kept, analyst="ann")
    assert space.gold("label")[-1] == UNLABELLED


def test_a_new_image_can_be_labelled_at_once_and_its_label_is_kept(space):
    add(space, 2)
    space.grow()
    row = space.n_images - 1
    label(space, np.array([row]), "explicit", analyst="ann")
    refit(space)
    assert space.labels.codes[row] == space.class_names.index("explicit")
    assert len(space.fitted.score) == space.n_images
    with Workspace(space.folder, read_only=True) as again:
        assert again.labels.codes[row] == space.labels.codes[row]


def test_a_thread_in_the_midst_of_work_sees_one_length_and_what_it_has_written(space):
    n, rows = space.n_images, np.flatnonzero(~space.is_check)
    with space.steady():
        grown = threading.Thread(target=lambda: (add(space, 5), space.grow()))
        grown.start()
        grown.join()
        assert lengths(space) == {n}
        label(space, rows[:1], "explicit", analyst="ann")
        assert space.labels.codes[rows[0]] == space.class_names.index("explicit")
        fitted = refit(space)
        assert len(fitted.score) == n
        assert space.fitted.probe is fitted.probe
        with space.steady():  # a verb within a verb
            assert lengths(space) == {n}
        assert lengths(space) == {n}
    assert lengths(space) == {n + 5}
    assert space.fitted.probe is fitted.probe  # kept for all, extended


def test_an_event_loop_catches_up_between_its_messages(space):
    n = space.n_images
    space.generations.catch_up()
    threading.Thread(target=lambda: (add(space, 5), space.grow())).start()
    while space.generations.newest.n_images == n:
        pass
    assert lengths(space) == {n}
    space.generations.catch_up()
    assert lengths(space) == {n + 5}


def test_a_terms_change_reaches_both_the_thread_that_made_it_and_the_newest_images(space):
    n = space.n_images
    with space.steady():
        add_and_grow = threading.Thread(target=lambda: (add(space, 30), space.grow()))
        add_and_grow.start()
        add_and_grow.join()
        space.set_check_set(type(space.check_set)(**{**vars(space.check_set), "after": 0.5}))
        assert len(space.sealed) == n
        assert not (space.sealed & (space.check_order <= 0.5)).any()
    assert len(space.sealed) == n + 30
    np.testing.assert_array_equal(space.sealed, space.sealed_after(0.5))


def test_verbs_never_stumble_while_images_pour_in(space):
    """Every verb in `steady`, on one thread, while another adds images without a pause: no two arrays differ in length."""
    stop, added = threading.Event(), count()

    def pour():
        while not stop.is_set() and next(added) < 400:
            add(space, 3)
            space.grow()

    pouring = threading.Thread(target=pour)
    pouring.start()
    verbs = [
        lambda: refit(space),
        lambda: curves(space, gold_column="label"),
        lambda: label_counts(space),
        lambda: missing_for_suggestions(space),
        lambda: all_of(
            space,
            conditions := [ClassIs(names=("neutral",)), HalfIs(half="teach"), ScoreBetween(low=0.1, high=None)],
            [mask(space, condition) for condition in conditions],
            beside_model=True,
        ),
        lambda: label(space, np.flatnonzero(~space.is_check)[:1], "neutral", analyst="ann"),
    ]
    seen = set()
    try:
        for turn in range(100):
            if turn > 2 and len(seen) > 3:  # a busy machine lets the other thread add little at first
                break
            for verb in verbs:
                with space.steady():
                    n = space.n_images
                    verb()
                    assert lengths(space) == {n}
                    seen.add(n)
    finally:
        stop.set()
        pouring.join()
    assert len(seen) > 3  # it did grow meanwhile
