"""The address of a view: a link shows what it was made from, and nothing in it can do more than that."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.filters.conditions import text_of
from core.filters.views import save_view
from core.map.grid import GridIndex
from dashboard.address import LONGEST, TROUBLE, Address, address_of, on_map_of, query_of
from dashboard.choices import ColourBy, PageName, Tab, What, When
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.components.address import AddressBar
from tests.dashboard.direct import Direct
from tests.worlds import made

numbers = st.integers(-10_000, 10_000).map(lambda n: n / 100)
views = st.tuples(numbers, st.integers(1, 9_999), numbers, st.integers(1, 9_999)).map(
    lambda v: tuple(float(f"{part:.6g}") for part in (v[0], v[0] + v[1] / 10, v[2], v[2] + v[3] / 10))
)
addresses = st.builds(
    Address,
    page=st.sampled_from(PageName),
    tab=st.sampled_from(Tab),
    colour=st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()),
    hide=st.sets(st.integers(-1, 63), max_size=8).map(lambda codes: tuple(sorted(codes))),
    zoom=st.none() | views,
    cluster=st.just("") | st.from_regex(r"[A-Z][0-9]{1,6}", fullmatch=True),
    opening=st.none() | st.integers(1, 10_000),
    who=st.text(max_size=20).filter(lambda text: text.isprintable()),
    what=st.sampled_from(What),
    label=st.text(max_size=20).filter(lambda text: text.isprintable()),
    when=st.sampled_from(When),
    image=st.just("") | st.text("0123456789abcdef", min_size=32, max_size=32),
    encoder=st.text(max_size=30).filter(lambda text: text.isprintable()),
)


@given(addresses)
def test_an_address_comes_back_from_its_query(address):
    assert address_of(query_of(address)) == (address, True)


@given(st.text(max_size=3_000))
def test_no_query_is_an_error(query):
    for text in (query, *(f"{name}={query}" for name in ("page", "zoom", "hide", "image", "cluster", "opening"))):
        address, _ = address_of(text)
        assert isinstance(address, Address)


def test_the_usual_view_has_no_query():
    assert query_of(Address()) == ""
    assert address_of("") == (Address(), True)


@pytest.mark.parametrize(
    "query",
    [
        "page=nowhere", "tab=none", "hide=1,x", "hide=-2", "hide=999", "zoom=1,2,3", "zoom=nan,1,0,1", "zoom=2,1,0,1",
        "zoom=0,inf,0,1", "image=../../etc", f"image={'A' * 32}", f"colour={'x' * 300}", "page=map&" * LONGEST,
        "cluster=no such", "opening=0", "opening=two", "what=all", "when=now", f"who={'x' * 300}",
    ],
)  # fmt: skip
def test_what_is_no_view_is_the_usual_one_and_known_to_be(query):
    assert address_of(query) == (Address(), False)


def test_what_could_be_read_before_stays():
    address, is_whole = address_of("page=history&zoom=what")
    assert (address.page, address.zoom, is_whole) == (PageName.HISTORY, None, False)


def test_names_of_others_are_ignored():
    assert address_of("utm_source=mail&page=history") == (Address(page=PageName.HISTORY), True)


@given(addresses, st.sampled_from(["", "made", "other"]))
def test_what_is_not_of_a_map_is_shown_with_any_encoder(address, encoder):
    found, told = on_map_of(address, encoder, {"made", "other"})
    if address.encoder in ("", encoder):
        assert (found, told) == (address, "")
        return
    of_a_map = {"zoom": None, "cluster": "", "encoder": encoder}
    if address.colour == ColourBy.CLUSTER:
        of_a_map["hide"] = ()
    assert found == address.model_copy(update=of_a_map)
    assert bool(told) == bool(encoder)


def test_what_is_of_another_map_is_left_out_and_one_sentence_says_whose_is_shown():
    query = "colour=cluster&hide=1,2&filter=cluster:M3;class:explicit;cluster:F1&zoom=0,1,0,1&cluster=M3&encoder=made"
    address, _ = address_of(query)
    found, told = on_map_of(address, "other", {"made", "other"})
    assert (found.zoom, found.cluster, found.hide, text_of(found.filter)) == (None, "", (), "class:explicit")
    assert (
        told
        == "This link was made with the encoder made, and other is in use: map, clusters and scores are those of other. To see "
        "what was meant, choose made as the encoder and open the link again."
    )
    by_label = address.model_copy(update={"colour": "label"})
    assert on_map_of(by_label, "other", {"other"})[0].hide == (1, 2)
    gone = on_map_of(address.model_copy(update={"encoder": "Call 555 now"}), "other", {"other"})[1]
    assert "555" not in gone  # anybody can write a link
    assert gone.startswith("This link was made with an encoder that this workspace does not have, and other is in use")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """60 images on the map of the encoder "made"."""
    with made(tmp_path_factory.mktemp("address") / "w", n=60) as space:
        yield space


def grid_of(seed):
    return GridIndex.build(np.random.default_rng(seed).normal(size=(60, 2)))


@pytest.fixture
def tab(space, monkeypatch):
    """A tab's state, what keeps its address, and the clusters that were asked for."""
    shared = Shared(space)
    monkeypatch.setattr(shared, "encoders", lambda: [{"name": name, "mapped": 60} for name in ("made", "other")])
    state = SessionState(workspace=space, shared=shared, grid=grid_of(0))
    asked = []
    return SimpleNamespace(state=state, bar=AddressBar(state=state, soon=lambda do: do(), on_cluster=asked.append), asked=asked)


def switch(tab, name, monkeypatch):
    monkeypatch.setattr(type(tab.state.workspace), "encoder_name", name)
    tab.state.follow_encoder(grid_of(len(name)))


def test_a_link_names_its_encoder_and_the_usual_view_needs_none(tab, monkeypatch):
    state, bar = tab.state, tab.bar
    state.view = state.grid.whole
    assert bar.entry["query"] == ""
    state.view = (0.0, 1.0, 0.0, 1.0)
    assert bar.entry["query"] == "zoom=0,1,0,1&encoder=made"
    state.tab = Tab.CLUSTERS
    switch(tab, "other", monkeypatch)
    assert bar.entry["query"] == "tab=clusters&encoder=other"  # the place was one of the other map
    state.view = state.grid.whole
    assert bar.entry["query"] == "tab=clusters&encoder=other"


def test_a_link_made_with_another_encoder_shows_the_rest_and_says_so(tab, space):
    state, bar = tab.state, tab.bar
    image = space.image_id(7)
    bar.go(f"tab=clusters&colour=half&filter=half:teach;cluster:M1&zoom=0,1,0,1&cluster=M1&image={image}&encoder=other")
    assert (state.tab, state.colour_by, text_of(state.filters), state.pinned) == (Tab.CLUSTERS, "half", "half:teach", 7)
    assert (state.view, state.cluster, tab.asked) == (state.grid.whole, "", [])
    assert state.message.startswith("This link was made with the encoder other, and made is in use")
    assert TROUBLE not in state.message
    assert bar.entry["query"] == f"tab=clusters&colour=half&filter=half:teach&image={image}&encoder=made"
    state.forget_message()
    bar.go("tab=clusters&zoom=0,1,0,1&cluster=M1&encoder=made")
    assert (state.view, state.message, tab.asked) == ((0.0, 1.0, 0.0, 1.0), "", ["M1"])


def test_a_named_view_made_with_another_encoder_leaves_out_its_clusters(tab, space):
    state = tab.state
    actions = Direct(state, SimpleNamespace())
    for name, query in (("old", "filter=half:teach;cluster:M1&encoder=other"), ("any", "filter=half:teach&encoder=other")):
        save_view(space, name, query, analyst="ann")
    actions.show_view("old")
    assert text_of(state.filters) == "half:teach"
    assert state.message == (
        "Showing the view 'old'. Its clusters are left out: they are of the map of other, and made is in use."
    )
    actions.show_view("any")
    assert state.message == "Showing the view 'any'."
