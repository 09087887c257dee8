"""Pixels that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from core.raster import MIN_ALPHA, Colouring, Raster

VIEW = (0.0, 10.0, 0.0, 10.0)
RED, BLUE, GREY = "#ff0000", "#0000ff", "#808080"


def categorical(codes):
    return Colouring("categorical", np.array(codes, np.int16), np.array([], np.float32), (RED, BLUE), GREY, ("r", "b"), 0, 1)


def continuous(values, low=0.0, high=1.0):
    empty = np.array([], np.int16)
    return Colouring("continuous", empty, np.array(values, np.float32), ("#000000", "#ffffff"), GREY, (), low, high)


def rgba(image):
    return np.ascontiguousarray(image).view(np.uint8).reshape(*image.shape, 4)


def points(*xy):
    return Raster(np.array(xy, np.float32))


def test_a_lone_point_lands_in_its_place_with_its_colour_and_nowhere_else():
    image = rgba(points((2.5, 7.5)).draw(categorical([0]), VIEW, 40, 40))
    assert image[30, 10].tolist() == [255, 0, 0, round(MIN_ALPHA * 255)]
    ys, xs = np.nonzero(image[..., 3])
    assert abs(ys - 30).max() <= 3
    assert abs(xs - 10).max() <= 3


def test_colour_is_the_mean_of_the_points_of_a_pixel():
    pixel = rgba(points((5.1, 5.1), (5.1, 5.1), (5.1, 5.1), (5.1, 5.1)).draw(categorical([0, 0, 0, 1]), VIEW, 10, 10))[5, 5]
    assert pixel[:3].tolist() == [191, 0, 64]


def test_unlabelled_points_are_grey_and_nan_rows_are_not_drawn():
    image = rgba(points((1, 1), (np.nan, 3)).draw(categorical([-1, 0]), VIEW, 10, 10))
    assert image[1, 1, :3].tolist() == [128, 128, 128]
    assert (image[image[..., 3] > 0][:, :3] == 128).all()


def test_keep_as_mask_and_as_rows_draws_the_same():
    raster = points((1, 1), (9, 9))
    by_mask = raster.draw(categorical([0, 1]), VIEW, 30, 30, keep=np.array([False, True]))
    by_rows = raster.draw(categorical([0, 1]), VIEW, 30, 30, keep=np.array([1]))
    assert (by_mask == by_rows).all()
    assert rgba(by_rows)[3, 3, 3] == 0
    assert rgba(by_rows)[27, 27, 2] == 255


def test_fuller_pixels_are_more_opaque():
    xy = [(1.5, 1.5)] + [(4.5, 4.5)] * 5 + [(8.5, 8.5)] * 50
    image = rgba(points(*xy).draw(categorical([0] * len(xy)), VIEW, 10, 10))
    assert image[1, 1, 3] < image[4, 4, 3] <= image[8, 8, 3]
    assert image[8, 8, 3] == 255


def test_continuous_values_run_over_the_colour_scale_and_nan_is_grey():
    raster = points((1.5, 1.5), (4.5, 4.5), (8.5, 8.5), (8.5, 1.5))
    image = rgba(raster.draw(continuous([0.0, 0.5, 9.0, np.nan]), VIEW, 10, 10))
    assert image[1, 1, :3].tolist() == [0, 0, 0]
    assert image[4, 4, 0] in (127, 128)
    assert image[8, 8, :3].tolist() == [255, 255, 255]
    assert image[1, 8, :3].tolist() == [128, 128, 128]


def test_a_new_colouring_is_drawn_not_the_last_one():
    raster = points((5, 5))
    assert rgba(raster.draw(categorical([0]), VIEW, 10, 10))[5, 5, 0] == 255
    assert rgba(raster.draw(categorical([1]), VIEW, 10, 10))[5, 5, 2] == 255


@pytest.mark.parametrize("colouring", [categorical([]), continuous([])])
def test_an_empty_map_is_transparent(colouring):
    assert not Raster(np.zeros((0, 2), np.float32)).draw(colouring, VIEW, 20, 10).any()


def test_dots_get_the_colours_of_the_pixels():
    assert categorical([0, -1, 1]).colours_of(np.array([0, 1, 2])) == [RED, GREY, BLUE]
    assert continuous([0, 1, np.nan]).colours_of(np.array([0, 1, 2])) == ["#000000", "#ffffff", GREY]


def test_hidden_codes_are_not_visible():
    colouring = categorical([0, -1, 1])
    assert colouring.visible(frozenset()) is None
    assert colouring.visible(frozenset({0, -1})).tolist() == [False, False, True]
    assert replace(colouring, kind="continuous").visible(frozenset({0})) is None
