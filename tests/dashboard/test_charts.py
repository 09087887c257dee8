"""Charts that pages share by copies."""

import numpy as np
import pytest

from core.palette import GREY
from dashboard.charts import Chart, line, upright


@pytest.fixture
def drawn():
    layers = {"line": line("x", "y", colour=GREY), "at": upright(colour=GREY, width=1)}
    return Chart(layers, x="x", y="y", xlim=(0, 1), ylim=(0, 1), height=100)


def test_a_copied_chart_looks_the_same_and_shares_no_model(drawn):
    twin = drawn.copy()
    ours, theirs = drawn.figure.references(), twin.figure.references()
    assert {model.id for model in ours}.isdisjoint(model.id for model in theirs)
    assert sorted(type(model).__name__ for model in ours) == sorted(type(model).__name__ for model in theirs)
    assert twin.source("line") in theirs
    assert twin.span("at") in theirs
    assert (twin.figure.x_range.start, twin.figure.x_range.end) == (0, 1)
    [axis], [of_twin] = drawn.figure.xaxis, twin.figure.xaxis
    assert axis.axis_label == of_twin.axis_label == "x"


def test_what_a_copy_shows_is_its_own(drawn):
    twin = drawn.copy()
    twin.show("line", {"x": np.array([0.0, 1.0]), "y": np.array([0.25, 0.75])})
    twin.zoom(x=(0, 2))
    twin.span("at").location = 3
    assert twin.source("line").data["y"].tolist() == [0.25, 0.75]
    assert len(drawn.source("line").data["y"]) == 0
    assert drawn.figure.x_range.end == 1
    assert drawn.span("at").location == 0
