"""Messages point the right way: what is missing, which class was meant, what the page can do instead."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import InputError
from core.evidence import check_sets
from core.labels.actions import label
from core.labels.classes import parse_classes, set_classes
from core.missing import (
    missing_for_check,
    missing_for_map,
    missing_for_probe,
    missing_for_score,
    missing_for_suggestions,
    missing_side,
)
from core.probe.live import refit
from core.probe.live_curves import curves
from core.probe.suggest import suggest
from tests.worlds import give, made, teach, with_gold


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=200) as found:
        yield found


def curve(space, key, **how):
    return next(c for c in curves(space, **how) if c.key == key)


def with_classes(space, text):
    set_classes(space, parse_classes(text))
    refit(space)


@pytest.mark.parametrize("matrix", [None, object()])
def test_the_page_is_named_for_a_first_map_only_where_it_can_make_one(matrix):
    current = SimpleNamespace(lost_parts="", lost_map="")
    about = partial(SimpleNamespace, current=current, n_here=3, matrix=matrix, has_map=False, encoder_name="net")
    assert "on the page, or run" in missing_for_map(about(writable=True))
    read_only = missing_for_map(about(writable=False))
    assert "page" not in read_only
    assert "; run" in read_only


def test_no_class_flagged_is_reported_wherever_a_score_is_needed(space):
    teach(space, 40, np.random.default_rng(0))
    with_classes(space, "neutral,explicit")
    star = "mark flagged classes with a star, for example 'lassoscope classes --set neutral,explicit*'"
    assert all(star in c.missing for c in curves(space))
    assert star in check_sets.status(space).missing
    with pytest.raises(InputError, match="flagged classes with a star"):
        suggest(space, 3, strategy="top")
    assert suggest(space, 3)  # what needs no score goes on
    assert missing_side(space) == ""  # no label could bring the other side


def test_all_classes_flagged_and_labels_of_one_side_are_reported(space):
    teach(space, 40, np.random.default_rng(0))
    with_classes(space, "neutral*,explicit*")
    assert "Every class is flagged" in missing_for_score(space)
    with_classes(space, "neutral,explicit,other*")
    assert "no teach-half label is of a flagged class ('other')" in missing_for_score(space)
    with_classes(space, "neutral*,explicit*,other")
    assert "all teach-half labels are of flagged classes ('neutral', 'explicit')" in missing_for_score(space)


def half(space, *, check):
    space.is_check = np.full(space.n_images, check)
    space.live_part = np.zeros(space.n_images, bool)
    space.sealed = space.sealed_after(space.check_set.after)


def test_a_pool_that_is_all_check_half_says_so(space):
    half(space, check=True)
    assert suggest(space, 5) == []
    assert missing_for_suggestions(space).startswith("All 200 images are in the check half, from which the model never learns")
    assert "in the check half" in missing_for_probe(space)


def test_a_pool_that_is_all_teach_half_says_so(space):
    teach(space, 40, np.random.default_rng(0))
    half(space, check=False)
    assert "All 200 images are in the teach half, so there is nothing to read" in missing_for_check(space)
    assert "nothing to read" in check_sets.status(space).missing
    assert "all 200 images are in the teach half" in curve(space, "check").missing


def test_all_labelled_is_reported_and_so_are_images_without_an_embedding(space):
    teach_half = np.flatnonzero(~space.is_check)
    give(space, teach_half[1:], space.gold("label"), source="lasso")
    assert missing_for_suggestions(space) == ""
    label(space, teach_half[:1], None, analyst="ann", source="unsure")
    assert suggest(space, 5) == []
    assert f"every one of the {len(teach_half)} images of the teach half has a label" in missing_for_suggestions(space)


@pytest.fixture
def fitted(space):
    teach(space, 40, np.random.default_rng(0))
    return space


def test_gold_values_that_match_no_class_are_named(fitted):
    names = ["neutral", "explicit"]
    truth = [names[code] for code in fitted.gold("label")]
    with_gold(fitted, "Case", [name.title() for name in truth])
    missing = curve(fitted, "gold", gold_column="Case").missing
    assert "no value of 'Case' is a class: 'Explicit', 'Neutral'" in missing
    assert "'Explicit' is probably 'explicit'" in missing
    with_gold(fitted, "some", ["EXPLICIT" if row < 5 else name for row, name in enumerate(truth)])
    some = curve(fitted, "gold", gold_column="some")
    assert some.curve.n < curve(fitted, "gold", gold_column="label").curve.n
    assert some.note == "without 5 images whose 'some' is not a class: 'EXPLICIT' ('EXPLICIT' is probably 'explicit')"
    assert curve(fitted, "gold", gold_column="label").note == ""
