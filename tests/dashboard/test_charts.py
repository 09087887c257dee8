"""Charts that pages share by copies."""

import numpy as np
import pytest

from core.palette import GREY
from dashboard.charts import Chart, band, bar_columns, bars, dots, line, tick_columns, ticks, upright


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


A, B, C = np.array([0.0, 0.5, 1.0]), np.array([1.0, 1.5, 3.0]), np.array([2.0, 2.5, 4.0])


@pytest.mark.parametrize(
    ("layer", "data", "as_element"),
    [
        (line("x", "y", colour=GREY, more=["z"], tips=[("z", "@z")]), {"x": A, "y": B, "z": C}, None),
        (line("x", "y", colour=GREY, more=["z"]), {"x": A, "y": B, "z": C}, None),
        (dots("x", "y", colour=GREY, more=["z"], tips=[("z", "@z")]), {"x": A, "y": B, "z": C}, None),
        (band("x", "low", "high", colour=GREY), {"x": A, "low": B, "high": C}, None),
        (ticks(colour=GREY), tick_columns(A, B, C), None),
        (bars("x", "y"), bar_columns(A, B[:2]), (A, B[:2])),
    ],
)
def test_new_data_are_drawn_as_holoviews_draws_them(layer, data, as_element):
    chart = Chart({"layer": layer}, x="x", y="y", height=100)
    chart.show("layer", data)
    plot = chart._plots["layer"]
    wanted = plot.get_data(layer.clone(data if as_element is None else as_element), {}, {})[0]
    found = chart.source("layer").data
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_band_begins_where_it_has_limits():
    chart = Chart({"layer": band("x", "low", "high", colour=GREY)}, x="x", y="y", height=100)
    chart.show("layer", {"x": A, "low": np.array([np.nan, 1.0, 1.0]), "high": np.array([np.nan, 2.0, 2.0])})
    assert chart.source("layer").data["x"].tolist() == [0.5, 1.0, 1.0, 0.5]
    assert chart.source("layer").data["y"].tolist() == [2.0, 2.0, 1.0, 1.0]
