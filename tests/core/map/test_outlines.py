import numpy as np

from core.map.grid import GridIndex
from core.map.outlines import outline


def test_an_outline_holds_nearly_all_members_and_leaves_the_others_out():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 3_000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.normal(5, 0.2, (3_000, 1)) + 20
    middle = rng.normal(20, 0.5, (500, 2))  # in the hole of the ring
    found = outline("M1", ring.astype(np.float32))
    grid = GridIndex.build(np.concatenate([ring, middle]).astype(np.float32))
    inside = np.zeros(3_500, int)
    for line in found.lines:
        inside[grid.lasso(line[:, 0], line[:, 1])] += 1
    inside = inside % 2 == 1  # the inner line cuts the hole out
    assert inside[:3_000].mean() > 0.95
    assert inside[3_000:].mean() < 0.02
    assert all((line[0] == line[-1]).all() for line in found.lines)
    assert found.top[1] > 24


def test_one_place_has_an_outline_too():
    found = outline("M1", np.ones((5, 2), np.float32))
    assert np.isfinite(found.lines[0]).all()
