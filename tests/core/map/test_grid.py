"""The grid against a slow test of every point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, ShapeError
from core.map.grid import GridIndex, LassoMode, combine, is_longer


def slow_inside(x, y, px, py):
    """Edges that go up to the right of the point against edges that go down there: equal numbers mean no turn round it."""
    up, down = 0, 0
    for i in range(len(px)):
        j = i - 1
        if (py[i] > y) != (py[j] > y) and x < (px[j] - px[i]) * (y - py[i]) / (py[j] - py[i]) + px[i]:
            up, down = (up + 1, down) if py[i] > y else (up, down + 1)
    return up != down


def slow_lasso(xy, px, py):
    return [i for i, (x, y) in enumerate(xy.astype(float)) if np.isfinite(x + y) and slow_inside(x, y, px, py)]


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal(size=(600, 2)), np.tile(rng.normal(size=(1, 2)), (150, 1)), rng.integers(-3, 4, (150, 2))])
    xy = xy.astype(np.float32)
    xy[::97] = np.nan
    return xy


coordinate = st.one_of(st.floats(-4, 4), st.integers(-4, 4).map(float))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12))
def test_lasso_equals_the_slow_test_for_any_polygon(cloud, vertices):
    px, py = np.array(vertices, float).T
    assert GridIndex.build(cloud).lasso(px, py).tolist() == slow_lasso(cloud, px, py)


def test_a_long_lasso_on_many_points_is_exact():
    rng = np.random.default_rng(1)
    xy = rng.normal(size=(4_000, 2)).astype(np.float32)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    radius = 1 + 0.3 * rng.random(200)
    px, py = radius * np.cos(angle), radius * np.sin(angle)
    found = GridIndex.build(xy).lasso(px, py)
    assert found.tolist() == slow_lasso(xy, px, py)
    assert 500 < len(found) < 3_500


def turns_by_angle(x, y, px, py):
    """How often the outline goes round the point: the angle under which it is seen, added up."""
    angle = np.arctan2(np.append(py, py[0]) - y, np.append(px, px[0]) - x)
    return round(float(np.diff(np.unwrap(angle)).sum() / (2 * np.pi)))


@pytest.mark.parametrize("seed", range(5))
def test_what_any_turn_of_the_outline_goes_round_is_inside(seed):
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(800, 2)).astype(np.float32)
    px, py = rng.normal(size=(2, 25))  # crosses itself dozens of times, in both directions
    turns = np.array([turns_by_angle(x, y, px, py) for x, y in xy.astype(float)])
    assert GridIndex.build(xy).lasso(px, py).tolist() == np.flatnonzero(turns).tolist()
    assert set(turns) > {0, 1, 2} or set(turns) > {0, -1, -2}  # overlaps were among them


def circle(turns, wobble=0.0):
    angle = np.linspace(0, 2 * np.pi * turns, int(60 * turns))
    return (2 + wobble * angle) * np.cos(angle), (2 + wobble * angle) * np.sin(angle)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("outline", [circle(1), circle(1.3), circle(2), circle(2, 0.03), circle(3, -0.02)])
def test_a_lasso_drawn_more_than_once_round_takes_everything_inside(outline, direction):
    xy = np.random.default_rng(0).uniform(-1, 1, (2000, 2)).astype(np.float32)
    px, py = outline
    assert len(GridIndex.build(xy).lasso(px[::direction], py[::direction])) == 2000


def test_a_figure_of_eight_takes_both_loops_and_nothing_else():
    eight = np.array([(-2, -1), (2, 1), (2, -1), (-2, 1)], float).T
    points = np.array([(-1.5, 0), (1.5, 0), (0, 0.9), (0, -0.9)], np.float32)
    assert GridIndex.build(points).lasso(*eight).tolist() == [0, 1]


@settings(max_examples=100, deadline=None)
@given(coordinate, coordinate, coordinate, coordinate)
def test_box_and_within_equal_the_slow_test(cloud, x0, x1, y0, y1):
    grid = GridIndex.build(cloud)
    left, right, low, high = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    x, y = cloud.astype(float).T
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    expected = np.flatnonzero(inside).tolist()
    assert grid.box(x0, x1, y0, y1).tolist() == expected
    assert grid.within((x0, x1, y0, y1), len(expected)).tolist() == expected
    if expected:
        assert grid.within((x0, x1, y0, y1), len(expected) - 1) is None


@settings(max_examples=100, deadline=None)
@given(coordinate, coordinate, st.floats(0.01, 3), st.floats(0.01, 3))
def test_nearest_equals_brute_force(cloud, x, y, rx, ry):
    distance = ((cloud[:, 0].astype(float) - x) / rx) ** 2 + ((cloud[:, 1].astype(float) - y) / ry) ** 2
    visible = np.arange(len(cloud)) % 2 == 0
    grid = GridIndex.build(cloud)
    for mask in (None, visible):
        candidates = distance if mask is None else np.where(mask, distance, np.nan)
        found = grid.nearest(x, y, rx, ry, mask)
        if np.nanmin(candidates) < 1:
            assert candidates[found] == np.nanmin(candidates)
        else:
            assert found is None or candidates[found] <= 1


@pytest.mark.parametrize("xy", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.ones((5, 2)), np.array([[1.0, 2]])])
def test_odd_maps_work(xy):
    grid = GridIndex.build(xy.astype(np.float32))
    n = int(np.isfinite(xy).all(axis=1).sum())
    assert len(grid.lasso(np.array([-9, 9, 9, -9.0]), np.array([-9, -9, 9, 9.0]))) == n
    assert len(grid.box(-9, 9, -9, 9)) == n
    assert (grid.nearest(1, 2, 5, 5) is None) == (n == 0)
    assert len(grid.bounds) == 4


@pytest.mark.parametrize("vertices", [[], [(0, 0), (1, 1)], [(0, 0), (1, 1), (np.nan, 0)]])
def test_no_polygon_is_reported(vertices):
    px, py = np.array(vertices, float).reshape(-1, 2).T
    with pytest.raises(InputError, match="3 finite vertices"):
        GridIndex.build(np.zeros((2, 2), np.float32)).lasso(px, py)


def test_a_wrong_shape_is_reported():
    with pytest.raises(ShapeError):
        GridIndex.build(np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("new", [2, 3]), ("add", [1, 2, 3]), ("subtract", [1]), ("intersect", [2])],
)
def test_combine(mode, expected):
    assert combine(np.array([1, 2]), np.array([2, 3]), mode).tolist() == expected


@given(st.sampled_from(LassoMode), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_combine_equals_set_arithmetic(mode, a, b):
    expected = {"new": b, "add": a | b, "subtract": a - b, "intersect": a & b}[mode]
    assert combine(np.array(sorted(a), np.int64), np.array(sorted(b), np.int64), mode).tolist() == sorted(expected)


def test_a_lasso_far_outside_or_all_around_is_exact(cloud):
    grid, everything = GridIndex.build(cloud), np.flatnonzero(np.isfinite(cloud).all(axis=1)).tolist()
    assert grid.lasso(np.array([-1e100, 1e100, 0]), np.array([-1e100, -1e100, 1e100])).tolist() == everything
    assert grid.lasso(np.array([50.0, 60, 55]), np.array([50.0, 50, 60])).tolist() == []


def test_an_edge_through_a_pile_of_copies_is_exact():
    pile = np.repeat(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32), 20_000, axis=0)
    px, py = np.array([0.3, 1.0, 1.0, 0.3]), np.array([0.0, 0.0, 1.0, 1.0])
    assert GridIndex.build(pile).lasso(px, py).tolist() == list(range(20_000))


def test_positions_around_a_view_hold_every_kept_point_in_it(cloud):
    grid, keep = GridIndex.build(cloud), np.arange(len(cloud)) % 3 > 0
    around = grid.rows[grid.positions((-0.5, 0.7, -1.0, 0.2), keep)]
    assert keep[around].all()
    assert set(grid.box(-0.5, 0.7, -1.0, 0.2)) & set(np.flatnonzero(keep)) <= set(around)
    assert len(around) < keep.sum()


def test_a_point_of_the_map_takes_sixteen_bytes(cloud):
    grid = GridIndex.build(cloud)
    assert sum(column.itemsize for column in (grid.rows, grid.xs, grid.ys, grid._at)) == 16


def test_places_are_the_positions_and_nan_for_a_row_without_one(cloud):
    x, y = GridIndex.build(cloud).places(np.array([0, 1, 2]))
    assert np.isnan(x[0])
    assert np.stack([x, y], axis=1)[1:].tolist() == cloud[1:3].astype(float).tolist()


def test_an_index_of_more_rows_finds_the_same_and_knows_them_as_not_on_the_map(cloud):
    grid = GridIndex.build(cloud)
    more = np.concatenate([cloud, np.full((3, 2), np.nan, np.float32)])
    grown, anew = grid.grown(len(more)), GridIndex.build(more)
    assert grown.n == anew.n == len(more)
    np.testing.assert_array_equal(grown.box(*grown.whole), anew.box(*anew.whole))
    assert np.isnan(grown.places(np.array([len(cloud)]))[0]).all()


def test_a_map_is_longer_only_if_nothing_else_has_changed():
    here, gone = np.ones((2, 2), np.float32), np.full((2, 2), np.nan, np.float32)
    xy = np.concatenate([here, gone])
    assert is_longer(xy, xy.copy())
    assert is_longer(np.concatenate([xy, gone]), xy)
    assert not is_longer(xy, np.concatenate([xy, gone]))
    assert not is_longer(np.concatenate([xy, gone, here]), xy)
    assert not is_longer(np.concatenate([gone, here, gone]), xy)
    assert not is_longer(np.concatenate([2 * here, gone, gone]), xy)
