"""Two ways to add up the points of a pixel are each other's judge."""

import numpy as np
import pytest

from core.map import sums
from core.map.sums import Sum, sums_by_datashader, sums_of_few

WANTED = {"r": (Sum.SUM, "r"), "value": (Sum.MEAN, "value"), "own": (Sum.COUNT, "value")}


def some_points(n, seed=0):
    rng = np.random.default_rng(seed)
    # coordinates in eighths meet the edges of pixels and of the view
    xy = (rng.integers(0, 81, (2, n)) / 8).astype(np.float32)
    values = np.where(rng.random(n) < 0.3, np.nan, rng.random(n)).astype(np.float32)
    return {"x": xy[0], "y": xy[1], "r": rng.integers(0, 256, n).astype(np.uint8), "value": values}


@pytest.mark.parametrize("view", [(0.0, 10.0, 0.0, 10.0), (2.0, 4.5, 1.0, 9.0), (-5.0, 30.0, 3.0, 5.0), (40.0, 50.0, 0.0, 1.0)])
def test_numpy_and_datashader_agree_to_the_last_point(view):
    points = some_points(3_000)
    few, many = (way(points, view, 37, 23, WANTED) for way in (sums_of_few, sums_by_datashader))
    assert few[0].dtype == many[0].dtype
    np.testing.assert_array_equal(few[0], many[0])
    for name in WANTED:
        np.testing.assert_array_equal(few[1][name], many[1][name])


def test_many_points_are_drawn_while_datashader_still_compiles(monkeypatch):
    points = some_points(400)
    monkeypatch.setattr(sums, "FEW", 100)
    waiting = sums.Future()
    monkeypatch.setattr(sums, "datashader_ready", lambda: waiting)
    ways = []
    for name in ("sums_of_few", "sums_by_datashader"):
        way = getattr(sums, name)
        monkeypatch.setattr(sums, name, lambda *asked, way=way, name=name: (ways.append(name), way(*asked))[1])
    before, _ = sums.sums(points, (0.0, 10.0, 0.0, 10.0), 20, 20, WANTED)
    waiting.set_result(None)
    after, _ = sums.sums(points, (0.0, 10.0, 0.0, 10.0), 20, 20, WANTED)
    assert ways == ["sums_of_few", "sums_by_datashader"]
    np.testing.assert_array_equal(before, after)
