"""What the browser gets of a window's changes: everything together, in order, and nothing it cannot know."""

import asyncio
import threading
from functools import partial
from types import SimpleNamespace

import panel as pn
import panel.io.server
import param
import pytest
from bokeh.document import Document
from bokeh.models import Column, Div
from bokeh.protocol import Protocol
from bokeh.server.session import ServerSession
from panel.io.resources import Resources
from panel.io.state import set_curdoc

from dashboard.adaptations import adapt_panel
from dashboard.documents import one_message, when_drawn
from dashboard.views.shown import Steps


class Connection:
    """Where a session writes to; keeps what would go over the socket."""

    def __init__(self):
        self.protocol, self.sent = Protocol(), []
        self._socket = SimpleNamespace(send_message=self.send)

    async def send(self, message):
        self.sent.append(message.content["events"])

    def send_patch_document(self, event):
        return self._socket.send_message(self.protocol.create("PATCH-DOC", [event]))


def opened(root):
    """Return a window of a document with one root, all of which the browser has."""
    document, connection = root.document or Document(), Connection()
    if root not in document.roots:
        document.add_root(root)
    document.models.flush_synced()
    session = ServerSession("one", document)
    document._session_context = lambda: SimpleNamespace(session=session, id="one")
    session.subscribe(connection)
    return SimpleNamespace(document=document, session=session, connection=connection, room=root)


@pytest.fixture
def window():
    return opened(Column(Div(text="old"), name="room"))


def do(window, change):
    """Do it as a callback of the document does."""

    async def locked():
        await window.session.with_document_locked(change)

    asyncio.run(locked())
    return window.connection.sent


def test_changes_of_one_callback_are_one_message_in_their_order(window):
    def change():
        with one_message(window.document):
            window.room.children = [Div(text="new", name="new")]
            window.room.margin = 3

    [events] = do(window, change)
    assert [event["attr"] for event in events] == ["children", "margin"]


def test_what_was_put_in_and_taken_out_at_once_is_not_mentioned(window):
    def change():
        with one_message(window.document):
            first, second = Div(text="first"), Div(text="second")
            window.room.children = [first]
            first.text = "nobody will see this"  # a browser that is told of a model it does not have drops the whole message
            window.room.children = [second]

    [events] = do(window, change)
    assert [(event["model"]["id"], event["attr"]) for event in events] == [(window.room.id, "children")]
    assert events[0]["new"][0]["attributes"]["text"] == "second"


@pytest.fixture
def page(monkeypatch):
    """A window of a Panel page, as far as Panel knows loaded and connected: a slider, and a pane that follows it."""
    adapt_panel()
    document, pane, slider = Document(), pn.pane.HTML("old"), pn.widgets.IntSlider(value=1)
    slider.param.watch(lambda event: setattr(pane, "object", f"now {event.new}"), "value")
    root = pn.Column(slider, pane).get_root(document)
    document.add_root(root)
    window = opened(root)
    for what in (pn.state._connected, pn.state._loaded):
        monkeypatch.setitem(what, document, True)
    monkeypatch.setitem(pn.state._thread_id_, document, threading.get_ident())
    window.slider, window.pane, window.past_the_queue = slider, pane, []
    for name in ("dispatch_tornado", "dispatch_django"):  # Panel's own ways to the socket
        monkeypatch.setattr(f"panel.io.document.{name}", lambda *what, **how: window.past_the_queue.append(what) or [])
    return window


def written(window, change):
    """Do it as a callback; return the words that the pane's messages carry, in the order in which they were sent."""
    events = [event for events in do(window, change) for event in events]
    return [event["new"] for event in events if event["attr"] == "text"]


def test_what_follows_from_a_widget_goes_through_the_same_queue(page):
    def change():
        page.slider._events = {"value": 5}
        page.slider._change_event(page.document)

    assert ["now 5" in text for text in written(page, change)] == [True]
    assert page.past_the_queue == []


def test_what_panel_writes_does_not_overtake_what_bokeh_sends(page):
    def change():
        text = page.room.children[1]
        with set_curdoc(page.document):
            text.text = "first"
            page.pane.object = "second"  # Panel writes this one itself
            text.text = "third"

    assert written(page, change) == ["first", "second", "third"]
    assert page.past_the_queue == []


@pytest.mark.parametrize("method", ["_change_coroutine", "_event_coroutine"])
def test_what_follows_from_the_browser_waits_for_the_lock(page, method, monkeypatch):
    scheduled = []
    monkeypatch.setattr(page.document, "add_next_tick_callback", scheduled.append)
    with set_curdoc(page.document):
        pn.state.execute(partial(getattr(page.slider, method), page.document), schedule=True)
    assert [getattr(callback, "nolock", False) for callback in scheduled] == [False]  # Bokeh takes the lock for all others


def test_what_the_server_changes_does_not_come_back_as_a_change_of_the_browser(window):
    heard = []
    old = window.room.children[0]
    old.on_change("text", lambda attr, before, now: heard.append(now))

    def change():
        with one_message(window.document):
            old.text = "new"

    assert [event["attr"] for events in do(window, change) for event in events] == ["text"]
    assert heard == []
    typed = {"events": [{"kind": "ModelChanged", "model": old.ref, "attr": "text", "new": "typed"}]}
    do(window, lambda: window.document.apply_json_patch(typed, setter=window.session))
    assert heard == ["typed"]


def test_new_text_of_a_pane_is_sent_alone(page):
    sheets = page.room.children[1].stylesheets

    def change():
        with set_curdoc(page.document):
            page.pane.object = "now this"

    assert ["now this" in text for text in written(page, change)] == [True]
    assert page.room.children[1].stylesheets is sheets


class Fields(param.Parameterized):
    a = param.Integer(1)
    b = param.Integer(2)


def test_scripts_and_styles_are_worked_out_once_for_all_pages_and_are_those_that_panel_works_out():
    adapt_panel()
    at = Resources("server", root_url="/desk/")
    first, second = (panel.io.server.bundle_resources([Div(text=words)], at) for words in ("one", "two"))
    assert first is second
    elsewhere = panel.io.server.bundle_resources([Div()], Resources("server", root_url="/other/"))
    assert elsewhere is not first
    fresh = panel.io.server.bundle_resources.__wrapped__([Div(text="three")], at)
    assert (first.js_files, first.css_files, first.js_raw, first.css_raw) == (
        fresh.js_files, fresh.css_files, fresh.js_raw, fresh.css_raw,
    )  # fmt: skip


def test_what_is_put_on_a_page_is_not_searched_for_panes_to_link(monkeypatch):
    adapt_panel()
    searched, room = [], pn.Column()
    root = room.get_root(Document())
    monkeypatch.setattr(pn.Column, "select", lambda self, *_: searched.append(self) or [])
    room.append(pn.pane.HTML("new"))
    assert len(root.children) == 1
    assert searched == []


def test_what_param_sets_together_is_heard_together_and_given_back():
    adapt_panel()
    fields, heard = Fields(), []
    fields.param.watch(lambda *events: heard.append([event.name for event in events]), ["a", "b"])
    with fields.param.update({"a": 5}, b=6):
        assert (fields.a, fields.b) == (5, 6)
    assert (fields.a, fields.b) == (1, 2)
    assert heard == [["a", "b"], ["a", "b"]]
    assert fields.param.values() == {"a": 1, "b": 2, "name": fields.name}
    with pytest.raises(ValueError, match="'c' is not a parameter of Fields"):
        fields.param.update(c=1)


def test_a_model_that_the_browser_knows_is_sent_by_its_id_and_a_new_one_whole(window):
    known, new = window.room.children[0], Div(text="new")

    def change():
        with one_message(window.document):
            window.room.children = [known, new]

    [[event]] = do(window, change)
    assert event["new"][0] == {"id": known.id}
    assert event["new"][1]["attributes"]["text"] == "new"

    def swap():
        with one_message(window.document):
            window.room.children = [new, known]

    [event] = do(window, swap)[-1]
    assert event["new"] == [{"id": new.id}, {"id": known.id}]


def a_page_in_steps(*panes):
    """Return a page's room, and what its document has been asked to do in its next ticks."""
    waiting, frozen = [], []
    document = SimpleNamespace(
        session_context=True,
        callbacks=SimpleNamespace(hold_value=True),
        add_next_tick_callback=waiting.append,
        models=SimpleNamespace(_push_freeze=lambda: frozen.append(True), _pop_freeze=frozen.pop),
    )
    room, steps = pn.Row(), Steps(document)
    steps.put(room, *panes)
    steps.start()
    return room, waiting, frozen


def test_panes_are_put_on_a_page_one_after_the_other_with_room_for_others_in_between():
    room, waiting, frozen = a_page_in_steps(lambda: pn.pane.Str("a"), lambda: pn.pane.Str("b"))
    assert len(room) == 0  # the page is answered first
    for n in (1, 2):
        waiting.pop()()
        assert len(room) == n
        assert frozen  # the models of all steps are counted once
    waiting.pop()()
    assert not waiting
    assert not frozen


def test_a_step_that_fails_leaves_the_document_as_it_was():
    _, waiting, frozen = a_page_in_steps(lambda: 1 / 0, lambda: pn.pane.Str("b"))
    with pytest.raises(ZeroDivisionError):
        waiting.pop()()
    assert not waiting
    assert not frozen


def test_without_a_browser_all_panes_are_there_at_once():
    room, steps = pn.Row(), Steps(None)
    steps.put(room, lambda: pn.pane.Str("a"), lambda: pn.pane.Str("b"))
    steps.start()
    assert [pane.object for pane in room] == ["a", "b"]


def test_a_change_waits_while_the_browser_draws_what_it_has_fetched(window):
    document, (old,) = window.document, window.room.children

    def change(text):
        with set_curdoc(document):
            do(window, lambda: when_drawn(document, lambda: setattr(old, "text", text)))

    change("early")
    assert old.text == "old"  # Panel would keep it from the browser
    do(window, lambda: pn.state._on_load(document))
    assert old.text == "early"
    change("now")
    assert old.text == "now"
    assert [event["new"] for sent in window.connection.sent for event in sent] == ["early", "now"]


def test_a_change_that_fails_while_the_page_is_drawn_keeps_no_other_from_being_made(window, caplog):
    (old,) = window.room.children
    with set_curdoc(window.document):
        do(window, lambda: when_drawn(window.document, lambda: old.no_such_thing.fail()))
        do(window, lambda: when_drawn(window.document, lambda: setattr(old, "text", "new")))
    do(window, lambda: pn.state._on_load(window.document))
    assert old.text == "new"
    assert "no_such_thing" in caplog.text


def test_a_change_before_the_browser_has_fetched_anything_is_made_at_once(window):
    window.session.unsubscribe(window.connection)
    (old,) = window.room.children
    do(window, lambda: when_drawn(window.document, lambda: setattr(old, "text", "new")))
    assert old.text == "new"
