"""Pixels that can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import ShapeError
from core.map.grid import GridIndex
from core.map.raster import DOTS, Colouring, ColouringKind, Dots, Raster

VIEW = (0.0, 10.0, 0.0, 10.0)
FLAT = Dots(radius=0, opacity=0.5)
RED, BLUE, GREY = "#ff0000", "#0000ff", "#808080"
GREY_SHARE = 128 / 255


def categorical(codes):
    return Colouring(
        ColouringKind.CATEGORICAL, np.array(codes, np.int16), np.array([], np.float32), (RED, BLUE), GREY, ("r", "b"), 0, 1
    )


def continuous(values, low=0.0, high=1.0):
    empty = np.array([], np.int16)
    return Colouring(ColouringKind.CONTINUOUS, empty, np.array(values, np.float32), ("#000000", "#ffffff"), GREY, (), low, high)


def rgba(picture):
    return np.ascontiguousarray(picture.rgba).view(np.uint8).reshape(*picture.rgba.shape, 4)


def points(*xy):
    return Raster(GridIndex.build(np.array(xy, np.float32).reshape(-1, 2)))


def draw(raster, colouring, *, size=10, dots=FLAT, keep=None):
    return rgba(raster.draw(colouring, VIEW, size, size, dots=dots, keep=keep))


def test_a_lone_point_lands_in_its_pixel_with_its_colour_and_nowhere_else():
    image = draw(points((2.6, 7.6)), categorical([0]), size=40)
    assert image[30, 10].tolist() == [255, 0, 0, 128]
    assert np.count_nonzero(image[..., 3]) == 1


def test_row_and_column_are_not_mixed_up_in_a_picture_that_is_not_square():
    image = rgba(points((2.6, 7.6)).draw(categorical([0]), VIEW, 40, 20, dots=FLAT))
    assert image.shape[:2] == (20, 40)
    assert image[15, 10, 0] == 255


def test_sparse_maps_get_larger_and_more_opaque_dots():
    picture = points((5, 5)).draw(categorical([0]), VIEW, 100, 100)
    assert picture.dots == replace(DOTS[0][1], front=DOTS[0][1].radius)
    ys, xs = np.nonzero(picture.rgba)
    radius = picture.dots.radius
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (50 - radius, 50 + radius, 50 - radius, 50 + radius)
    assert len(set(picture.rgba[ys, xs].tolist())) == 1
    double = points((5, 5)).draw(categorical([0]), VIEW, 100, 100, pixel_ratio=2.0)
    assert double.dots.radius == 2 * radius


def test_a_dot_never_covers_another_point():
    image = draw(points((5.5, 5.5), (6.5, 5.5)), categorical([0, 1]), dots=Dots(2, 0.5))
    assert image[5, 5].tolist() == [255, 0, 0, 128]
    assert image[5, 6].tolist() == [0, 0, 255, 128]


def test_colour_is_the_mean_of_the_points_of_a_pixel():
    pixel = draw(points((5.1, 5.1), (5.1, 5.1), (5.1, 5.1), (5.1, 5.1)), categorical([0, 0, 0, 1]))[5, 5]
    assert pixel[:3].tolist() == [191, 0, 64]


def test_one_label_shows_at_once_among_many_unlabelled_points():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.uniform(0, 10, (50_000, 2)), [[5.05, 5.05]]]).astype(np.float32)
    colouring = categorical([-1] * 50_000 + [0])
    picture = points(*xy).draw(colouring, VIEW, 100, 100)
    image, radius = rgba(picture), DOTS[0][1].radius
    red = (image[..., 0] == 255) & (image[..., 1] == 0)
    assert red[50, 50 - radius : 50 + radius + 1].all()
    assert red.sum() < (2 * radius + 1) ** 2
    assert (image[red][:, 3] > 200).all()
    scored = continuous([np.nan] * 50_000 + [1.0])
    assert (rgba(points(*xy).draw(scored, VIEW, 100, 100))[50, 48:53, :3] == 255).all()


def test_a_pixel_with_a_label_has_the_colour_of_its_labels():
    xy = [(5.1, 5.1)] * 4
    assert draw(points(*xy), categorical([-1, -1, -1, 0]))[5, 5, :3].tolist() == [255, 0, 0]
    assert draw(points(*xy), categorical([-1, -1, 1, 0]))[5, 5, :3].tolist() in ([128, 0, 128], [127, 0, 127])


def test_unlabelled_points_are_grey_and_nan_rows_are_not_drawn():
    image = draw(points((1.5, 1.5), (np.nan, 3)), categorical([-1, 0]))
    assert image[1, 1, :3].tolist() == [128, 128, 128]
    assert np.count_nonzero(image[..., 3]) == 1


@pytest.mark.parametrize("colouring", [categorical([0, 1, 0]), continuous([0.0, 1.0, 0.0])])
def test_a_mask_by_row_hides(colouring):
    raster = points((np.nan, np.nan), (9.5, 9.5), (1.5, 1.5))  # the grid orders points otherwise than the rows
    image = draw(raster, colouring, keep=np.array([True, True, False]))
    assert np.argwhere(image[..., 3]).tolist() == [[9, 9]]
    assert image[9, 9, 2] == 255


def test_points_out_of_view_are_not_drawn_and_do_not_shift_the_others():
    rng = np.random.default_rng(0)
    xy = rng.uniform(-50, 60, (20_000, 2)).astype(np.float32)
    image = draw(points(*xy), categorical([0] * len(xy)))
    x, y = xy.astype(float).T
    seen = (x >= 0) & (x < 10) & (y >= 0) & (y < 10)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (y[seen].astype(int), x[seen].astype(int)), 1)
    assert ((image[..., 3] > 0) == (expected > 0)).all()
    order = np.argsort(expected.ravel(), kind="stable")
    assert (np.diff(image[..., 3].ravel()[order].astype(int)) >= 0).all()  # fuller = at least as opaque


def test_fuller_pixels_are_more_opaque():
    xy = [(1.5, 1.5)] + [(4.5, 4.5)] * 5 + [(8.5, 8.5)] * 50
    image = draw(points(*xy), categorical([0] * len(xy)))
    assert image[1, 1, 3] == 128
    assert image[1, 1, 3] < image[4, 4, 3] < image[8, 8, 3]
    assert image[8, 8, 3] == 255


def test_continuous_values_run_over_the_colour_scale_and_nan_is_grey():
    raster = points((1.5, 1.5), (4.5, 4.5), (8.5, 8.5), (8.5, 1.5))
    image = draw(raster, continuous([0.0, 0.5, 9.0, np.nan]))
    assert image[1, 1, :3].tolist() == [0, 0, 0]
    assert image[4, 4, 0] in (127, 128)
    assert image[8, 8, :3].tolist() == [255, 255, 255]
    assert image[1, 8, :3].tolist() == [128, 128, 128]


def test_a_pixel_shows_the_mean_value_of_its_points():
    image = draw(points((1.5, 1.5), (1.5, 1.5), (1.5, 1.5)), continuous([0.0, 0.5, np.nan]))
    assert image[1, 1, 0] == 64


def test_a_new_colouring_is_drawn_not_the_last_one():
    raster = points((5, 5))
    assert draw(raster, categorical([0]))[5, 5, 0] == 255
    assert draw(raster, categorical([1]))[5, 5, 2] == 255


@pytest.mark.parametrize("view", [(0.0, 10.0, 0.0, 10.0), (2.0, 4.5, 1.0, 9.0), (-5.0, 30.0, 3.0, 5.0)])
def test_counts_colours_and_values_are_those_of_a_slow_sum(view):
    rng = np.random.default_rng(0)
    xy, codes = rng.uniform(0, 10, (30_000, 2)).astype(np.float32), rng.integers(-1, 2, 30_000)
    values, keep = np.where(codes < 0, np.nan, xy[:, 0] / 10).astype(np.float32), rng.random(30_000) < 0.8
    colour = categorical(codes).table()[codes]
    x, y = ((xy[keep, axis] - view[2 * axis]) / (view[2 * axis + 1] - view[2 * axis]) for axis in range(2))
    inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
    edges = [np.linspace(0, 1, 41), np.linspace(0, 1, 51)]

    def summed(weights=None):
        return np.histogram2d(y[inside], x[inside], edges, weights=None if weights is None else weights[keep][inside])[0]

    total = summed()
    filled = total > 0
    with np.errstate(invalid="ignore"):
        own = summed(codes >= 0)
        red = np.where(own > 0, summed(colour[:, 0] * (codes >= 0)) / own, GREY_SHARE)
        value = summed(np.nan_to_num(values)) / summed(np.isfinite(values))
    for colouring, expected in (
        (categorical(codes), red[filled]),
        (continuous(values), continuous(values).blend(value[filled])[:, 0]),
    ):
        count, colours, _ = Raster(GridIndex.build(xy))._aggregate(colouring, view, 50, 40, keep)
        assert np.abs(count - total).sum() <= 4  # on an edge of a pixel
        assert (np.abs(colours[:, 0] - expected) < 1.5 / 255).mean() > 0.99


def test_two_windows_with_different_colourings_order_each_only_once():
    raster, two = points((5, 5), (1, 1)), (categorical([0, 1]), categorical([1, 0]))
    ordered = [raster._by_cell(colouring) for colouring in (*two, *two)]
    assert ordered[0] is ordered[2]
    assert ordered[1] is ordered[3]
    assert ordered[0]["r"].tolist() != ordered[1]["r"].tolist()
    assert ordered[0]["r"].dtype == np.uint8  # 3 bytes a point


def test_the_same_request_gives_the_same_pixels():
    rng = np.random.default_rng(0)
    xy, codes = rng.uniform(0, 10, (5_000, 2)), rng.integers(-1, 2, 5_000)
    pictures = [points(*xy).draw(categorical(codes), VIEW, 60, 50).rgba.tobytes() for _ in range(2)]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("colouring", [categorical([]), continuous([])])
def test_an_empty_map_is_transparent(colouring):
    assert not points().draw(colouring, VIEW, 20, 10).rgba.any()


def test_a_colouring_of_another_map_is_reported():
    with pytest.raises(ShapeError, match="map has 1 rows, but the colouring has 2"):
        points((5, 5)).draw(categorical([0, 1]), VIEW, 10, 10)


def test_dots_get_the_colours_of_the_pixels():
    assert categorical([0, -1, 1]).colours_of(np.array([0, 1, 2])) == [RED, GREY, BLUE]
    assert continuous([0, 1, np.nan]).colours_of(np.array([0, 1, 2])) == ["#000000", "#ffffff", GREY]


def test_hidden_codes_are_not_visible():
    colouring = categorical([0, -1, 1])
    assert colouring.visible(frozenset()) is None
    assert colouring.visible(frozenset({0, -1})).tolist() == [False, False, True]
    assert replace(colouring, kind=ColouringKind.CONTINUOUS).visible(frozenset({0})) is None


def test_codes_are_counted_for_the_legend():
    assert categorical([0, -1, 0, 1]).counts() == {-1: 1, 0: 2, 1: 1}
    assert categorical([]).counts() == {-1: 0, 0: 0, 1: 0}
    assert continuous([1.0]).counts() == {}
