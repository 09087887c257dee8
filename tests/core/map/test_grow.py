"""A selection grows by what is next to it on the map, and shrinks from its border."""

import numpy as np

from core.map.grow import grown, shrunk

LINE = np.column_stack([np.arange(100.0), np.zeros(100)])


def test_a_selection_grows_by_its_nearest_neighbours_and_shrinks_from_its_border():
    middle = np.arange(40, 60)
    assert grown(LINE, middle).tolist() == list(range(37, 62))
    inner = shrunk(LINE, np.arange(30, 70))
    assert inner.tolist() == list(range(34, 66))


def test_growing_ends_with_all_images_on_the_map_and_shrinking_with_one():
    xy = LINE.copy()
    xy[99] = np.nan
    assert grown(xy, np.arange(98)).tolist() == list(range(99))
    assert len(shrunk(LINE, np.arange(4))) == 1
    assert shrunk(LINE, np.array([7])).tolist() == [7]
