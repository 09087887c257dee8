"""The judge of encoders: near-duplicates stay on one side of a split, and known embeddings get the figures they must get."""

import numpy as np
import pytest

from benchmarks.photo_quality import differences, in_class, judge
from benchmarks.photo_sets import HELD_SHARE, HeldOut, alike_groups, bursts, codes, flat, is_held_out, joined


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_copies_are_one_group_however_bright(rng):
    scenes = rng.integers(0, 160, (3, 3, 64, 64), dtype=np.uint8)
    pixels = np.concatenate([scenes, scenes[1:2] + np.uint8(60)])
    assert alike_groups(pixels).tolist() == [0, 1, 2, 1]


def test_neighbouring_numbers_of_one_class_are_one_group():
    places = ["a/Lemon/Lemon_001.jpg", "a/Lemon/Lemon_007.jpg", "a/Lemon/Lemon_008.jpg", "b/Lemon/Lemon_001.jpg"]
    assert len(set(bursts(places))) == 3
    assert bursts(places)[0] == bursts(places)[1]


def test_groups_are_joined_through_others():
    assert joined(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8])).tolist() == [0, 0, 0, 3, 4]


def test_a_source_is_held_out_whole_in_part_or_not_at_all():
    names = [f"{number:05}.webp" for number in range(2_000)]
    shares = {source: np.mean([is_held_out(source, name) for name in names]) for source in (*HELD_SHARE, "clothing")}
    assert shares == pytest.approx({**HELD_SHARE, "clothing": 0.0}, abs=0.04)


def test_empty_pictures_and_codes_are_found(rng):
    empty = np.full((3, 64, 64), 250)
    code = np.repeat(rng.integers(0, 2, (1, 64, 64)) * 255, 3, axis=0)
    photo = np.add.outer(np.arange(3), np.add.outer(np.arange(64), np.arange(64)))
    pixels = np.stack([empty, code, photo]).astype(np.uint8)
    assert flat(pixels).tolist() == [True, False, False]
    assert codes(pixels).tolist() == [False, True, False]


def test_classes_are_items_or_folders_of_them():
    items = np.array(["Packages/Milk/A", "Fruit/Apple/B", "Packages"])
    assert in_class(items, ("Packages/",)).tolist() == [True, False, False]
    assert in_class(items, ("Fruit/Apple/B",)).tolist() == [False, True, False]


def test_an_encoder_that_knows_the_classes_is_perfect_and_one_that_knows_nothing_is_at_chance(rng):
    kinds = np.array(["glass", "metal", "cardboard"])
    code = rng.integers(0, 3, 300)
    sets = {"trashnet": HeldOut(np.zeros((300, 3, 1, 1), np.uint8), kinds[code], np.arange(300))}
    noise = rng.normal(size=(300, 8))
    found = {
        "knows": judge(lambda _pixels: np.eye(8)[code] * 20 + noise, sets, seeds=2),
        "guesses": judge(lambda _pixels: noise, sets, seeds=2),
    }
    knows, guesses = (figures.summary() for figures in found.values())
    for name, low, high in (("kNN", 0.25, 0.42), ("linear", 0.25, 0.42), ("AP 100", 0.28, 0.48)):
        assert knows[name].min() > 0.999
        assert low < guesses[name].mean() < high
    assert "(-0." in differences(found)[-1]
