"""Components hand what a browser sends to Python; what is no message of theirs is dropped and logged, without its values."""

import math

import pytest

from dashboard.address import TROUBLE
from dashboard.inputs import Press
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.components.address import AddressBar
from dashboard.views.components.answer_buttons import AnswerButtons
from dashboard.views.components.cluster_list import ClusterList
from dashboard.views.components.connection import Connection
from dashboard.views.components.exposure_watch import ExposureWatch
from dashboard.views.components.gallery import Gallery
from dashboard.views.components.history_list import HistoryList
from dashboard.views.components.keys import Keys
from tests.worlds import made

COMPONENTS = {
    "answer": lambda note: AnswerButtons(on_answer=note),
    "cluster": lambda note: ClusterList(on_pick=note),
    "exposure": lambda note: ExposureWatch(on_seen=note),
    "gallery": lambda note: Gallery(on_pin=note, on_more=note),
    "history": lambda note: HistoryList(on_verb=note),
    "keys": lambda note: Keys(on_key=note),
}


@pytest.fixture
def received():
    return []


@pytest.fixture
def component(request, received):
    return COMPONENTS[request.param](lambda *values: received.append(values))


@pytest.mark.parametrize(
    ("component", "message", "values"),
    [
        ("cluster", {"pick": "M1"}, ("M1",)),
        ("exposure", {"views": {"clear": 2}, "seconds": {"clear": 1}}, ({"clear": 2}, {"clear": 1.0})),
        ("gallery", {"pin": 0}, (0,)),
        ("gallery", {"more": True}, ()),
        ("history", {"verb": "spot_check", "seq": 7}, ("spot_check", 7)),
        ("keys", {}, (Press(),)),
        ("keys", {"key": "1", "shown": ["aa"], "of a newer page": 1}, (Press(key="1", shown=frozenset({"aa"})),)),
    ],
    indirect=["component"],
)
def test_a_message_reaches_the_callback(component, message, values, received, caplog):
    component._handle_msg(message)
    assert received == [values]
    assert not caplog.records


def test_a_click_on_an_answer_is_a_press_with_a_verb_and_a_value(received):
    buttons = AnswerButtons(on_answer=lambda *values: received.append(values))
    buttons._handle_msg({"verb": "label", "value": "neutral", "place": "suggestions/aa", "shown": ["aa"]})
    ((press, verb, value),) = received
    assert (verb, value) == ("label", "neutral")
    assert isinstance(press, Press)
    assert (press.place, press.shown) == ("suggestions/aa", frozenset({"aa"}))


@pytest.mark.parametrize(
    ("component", "message", "wrong"),
    [
        ("answer", {"value": "neutral"}, "verb: missing"),
        ("cluster", {"pick": ["secret"]}, "pick: string_type"),
        ("exposure", {"views": {"secret": "many"}, "seconds": {}}, "views: int_parsing"),
        ("exposure", {"views": {}, "seconds": {"clear": math.nan}}, "seconds: finite_number"),
        ("gallery", {"pin": "secret"}, "pin: int_parsing"),
        ("history", {"verb": "secret", "seq": 7}, "verb: literal_error"),
        ("history", {"verb": "undo"}, "seq: missing"),
        ("keys", {"key": 1, "shown": "secret"}, "key: string_type, shown: frozen_set_type"),
        ("keys", "secret", "all of it: model_type"),
    ],
    indirect=["component"],
)
def test_anything_else_is_dropped_and_logged_without_its_values(component, message, wrong, received, caplog):
    component._handle_msg(message)
    assert not received
    (record,) = caplog.records
    assert (record.levelname, record.wrong) == ("WARNING", wrong)
    assert "secret" not in str(vars(record))


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with made(tmp_path_factory.mktemp("messages") / "w", n=60) as found:
        yield found


@pytest.fixture
def state(space):
    return SessionState(workspace=space, shared=Shared(space))


@pytest.fixture
def address(state):
    return AddressBar(state=state, soon=lambda go: go(), on_cluster=lambda _: None)


@pytest.mark.parametrize(
    ("query", "page", "tab", "is_whole"),
    [
        ("?page=history&tab=clusters", "history", "clusters", True),
        ("?page=history&tab=no+such+tab", "history", "selection", False),
        ("?page=no+such+page", "map", "selection", False),
        ("?page=3", "map", "selection", False),
    ],
)
def test_a_page_loaded_again_goes_where_there_is_such_a_place(address, state, query, page, tab, is_whole):
    address._handle_msg({"query": query})
    assert (state.page, state.tab, state.colour_by, state.message != TROUBLE) == (page, tab, "label", is_whole)


@pytest.mark.parametrize("message", [{"query": 3}, {"query": "x" * 40_000}, {"page": "history"}, "page=history"])
def test_what_is_no_address_leads_nowhere(address, state, message, caplog):
    before = state.message
    address._handle_msg(message)
    assert (state.page, state.tab, state.colour_by, state.message) == ("map", "selection", "label", before)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.fixture
def connection(monkeypatch):
    monkeypatch.setattr("panel.state.onload", lambda call: call())
    return Connection()


def test_a_beat_is_answered(connection, monkeypatch):
    sent = []
    monkeypatch.setattr(connection, "_send_msg", sent.append)
    connection._handle_msg({"beat": True})
    assert sent == [{"beat": True}]
