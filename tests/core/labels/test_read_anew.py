"""A reading is changed by the analyst who gave it, in one step, and not where it belongs together with others."""

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.errors import InputError
from core.evidence.queues import check_queue
from core.evidence.second_reading import change_second, read_again, waiting_for_second
from core.labels.actions import history, label, read_anew, read_together
from tests.worlds import made

WAY = Criterion(order="hash")


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=200) as space:
        yield space


def test_a_reading_is_undone_and_read_anew_and_the_history_has_both(space):
    row = int(check_queue(space, 1)[0])
    first, second = space.class_names[:2]
    label(space, np.array([row]), first, analyst="ann", source="check")
    result = read_anew(space, row, second, analyst="ann", criterion=WAY)
    assert (result.action.class_name, result.action.source) == (second, "check")
    assert space.class_names[space.labels.codes[row]] == second
    assert space.evidence()[row]
    assert [(action.kind, stands) for action, stands in history(space)] == [
        ("label", True),
        ("undo", None),
        ("label", False),
    ]


def test_a_reading_of_somebody_else_or_of_a_grid_stays(space):
    one, *grid = check_queue(space, 3).tolist()
    first, second = space.class_names[:2]
    label(space, np.array([one]), first, analyst="bea", source="check")
    read_together(space, {first: np.array(grid)}, analyst="ann", criterion=WAY)
    with pytest.raises(InputError, match="was not read by ann"):
        read_anew(space, one, second, analyst="ann", criterion=WAY)
    with pytest.raises(InputError, match="saved together with others"):
        read_anew(space, grid[0], second, analyst="ann", criterion=WAY)
    assert {space.class_names[code] for code in space.labels.codes[[one, *grid]]} == {first}


def test_a_second_reading_is_changed_or_taken_back_by_its_analyst_only(space):
    flagged, other = space.flagged_names[0], next(n for n in space.class_names if n not in space.flagged_names)
    row = int(check_queue(space, 1)[0])
    label(space, np.array([row]), flagged, analyst="ann", source="check")
    read_again(space, row, flagged, analyst="bea")
    change_second(space, row, other, analyst="bea")
    assert [r["class_name"] for r in space.catalog.evidence.second_readings()] == [other]
    with pytest.raises(InputError, match="no second reading of yours"):
        change_second(space, row, flagged, analyst="ann")
    change_second(space, row, None, analyst="bea")
    assert row in waiting_for_second(space, "bea")
