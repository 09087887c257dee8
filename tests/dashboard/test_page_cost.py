"""What is worked out once is what Panel, param and Bokeh work out for each page, and no change reaches another object."""

import bokeh.document.document
import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.core.has_props import HasProps, Local, _default_resolver
from bokeh.core.properties import Bool, Dict, Either, Int, List, Nullable, Percent, String
from bokeh.core.property.validation import validate
from bokeh.core.serialization import Serializer
from bokeh.document import Document
from bokeh.model import DataModel
from bokeh.models import Column, ColumnDataSource, Div, LinearAxis, TextInput, WheelZoomTool

from dashboard.adaptations import adapt_panel


@pytest.fixture(autouse=True)
def adapted():
    adapt_panel()


@pytest.mark.parametrize("kind", [Div, Column, ColumnDataSource, LinearAxis, TextInput, WheelZoomTool])
def test_remembered_defaults_are_those_that_bokeh_works_out(kind):
    first, again = kind(), kind()
    plain = 0
    for name in sorted(kind.properties() - {"id"}):
        worked_out = kind.lookup(name).property.themed_default(kind, name, None)
        if worked_out is None or isinstance(worked_out, bool | int | float | str):
            plain += 1
            assert (getattr(first, name), getattr(again, name)) == (worked_out, worked_out), name
    assert plain > 1


def test_a_remembered_default_gives_way_to_a_value():
    first, second = Div(), Div()
    assert first.text == second.text == ""
    first.text = "new"
    assert (first.text, second.text, Div().text) == ("new", "", "")


class Owner(HasProps, Local):
    names = List(String)
    sizes = Dict(String, Int)
    flag = Bool(False)
    share = Nullable(Percent)
    mixed = Either(Bool, Int, List(String))


def test_an_empty_list_or_dict_is_each_objects_own_and_tells_that_object():
    Owner().names, Owner().sizes  # worked out
    first, second = Div(), Div()
    heard = []
    first.on_change("css_classes", lambda attr, old, new: heard.append((list(old), list(new))))
    first.css_classes.append("wide")
    assert heard == [([], ["wide"])]
    assert (first.css_classes, second.css_classes, Div().css_classes) == (["wide"], [], [])
    one, other = Owner(), Owner()
    one.sizes["a"] = 1
    assert (one.sizes, other.sizes) == ({"a": 1}, {})
    with pytest.raises(ValueError, match="invalid values for keys: b"):
        one.sizes["b"] = "large"


def test_what_was_valid_once_lets_nothing_pass_that_is_not():
    owner = Owner()
    for _ in range(3):
        owner.update(flag=True, share=1, mixed=1)
        owner.update(share=None, mixed=True)
    for name, wrong in (("flag", 1), ("flag", 1.0), ("share", 1.5), ("share", "1"), ("mixed", "a"), ("mixed", None)):
        with pytest.raises(ValueError, match=f"failed to validate .*{name}"):
            setattr(owner, name, wrong)
    with validate(False):
        owner.share = 7
    owner.share = None
    with pytest.raises(ValueError, match="share"):
        owner.share = 7
    assert Div(text="a", width=10).width == 10
    with pytest.raises(ValueError, match="width"):
        Div(width=-10)


def test_pages_begin_with_the_definitions_that_bokeh_writes_and_share_nothing_else():
    kinds = (pn.widgets.Select(options=["a", "b"]), pmui.Button(label="Press"), pmui.Switch(value=True))
    documents = [Document(), Document()]
    for document in documents:
        for widget in kinds:
            document.add_root(widget.get_root(document))
    ours = [document.to_json(deferred=False) for document in documents]
    adapted_serializer, bokeh.document.document.Serializer = bokeh.document.document.Serializer, Serializer
    try:
        plain = [document.to_json(deferred=False) for document in documents]
    finally:
        bokeh.document.document.Serializer = adapted_serializer
    assert ours[0]["defs"] == ours[1]["defs"] == plain[0]["defs"] != []
    assert [page["roots"] for page in ours] == [page["roots"] for page in plain]
    assert ours[0]["roots"] != ours[1]["roots"]


def test_a_new_kind_of_data_is_defined_on_the_next_page():
    Document().to_json()

    class Late(DataModel):
        size = Int()

    name = Late.__qualified_model__
    try:
        assert name in [definition["name"] for definition in Document().to_json(deferred=False)["defs"]]
    finally:
        _default_resolver.remove(Late)  # pages look for the files of every kind that Bokeh knows


@pytest.mark.parametrize("build", [lambda: pmui.Button(label="Press"), lambda: pn.Column(sizing_mode="stretch_width")])
def test_a_component_is_drawn_without_copies_of_its_parameters_and_may_have_its_own(build):
    component, other = build(), build()
    before = set(component._param__private.params)
    component.get_root()
    assert set(component._param__private.params) - before <= {"loading"}
    component.param["visible"].doc = "its own"
    assert other.param["visible"].doc == type(component).param["visible"].doc != "its own"


def test_what_a_component_synchronises_is_what_panel_finds():
    component = pn.Column("text", name="room", margin=3, css_classes=["a"])
    plain = {name: getattr(component, name) for name in component.param if name in component._synced_params}
    assert component._init_params() == {name: value for name, value in plain.items() if value is not None}
    assert component._init_params()["margin"] == 3


def test_each_component_in_a_component_has_the_tag_of_its_page():
    inner = pmui.Button(label="Press")
    document = Document()
    root = pmui.Paper(pn.Column(inner)).get_root(document)
    models = [model for model in root.references() if hasattr(model, "data") and hasattr(model, "esm")]
    assert len(models) == 2
    assert [model.data.tags for model in models] == [[f"__ref:{root.id}"]] * 2
