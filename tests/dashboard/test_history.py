"""What the History page lists, for a person who looks for something."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from core.catalog.records import ActionDraft, ActionKind, Source
from core.errors import DamageError
from core.labels.actions import history, label, undo
from dashboard.choices import PageName, What
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.history import FAILED, NOTHING_FITS, NOTHING_YET, HistoryPage
from tests.dashboard.direct import Direct
from tests.worlds import made


class Tab(Direct):
    def load_exposures(self, show):
        show([])


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=60) as found:
        yield found


def open_history(space):
    state = SessionState(workspace=space, shared=Shared(space), page=PageName.HISTORY)
    return state, HistoryPage(state=state, actions=Tab(state, None))


def listed(page):
    return [entry["seq"] for entry in page._list.entries]


@pytest.fixture
def busy(space):
    """Labels: 1 by ann long ago, 2 by ann with the lasso, 3 by bob, and bob's undo 4 of it."""
    draft = ActionDraft(ActionKind.LABEL, "ann", Source.SINGLE, np.array([1]), "neutral", at="2020-01-01T00:00:00.000000+00:00")
    space.append([draft])
    label(space, np.arange(10, 30), "explicit", analyst="ann", source="lasso")
    label(space, np.array([5]), "explicit", analyst="bob", source="single")
    undo(space, 3, analyst="bob")
    return space


def test_history_is_narrowed_by_who_what_class_and_when(busy):
    _, page = open_history(busy)
    assert listed(page) == [4, 3, 2, 1]
    assert list(page._who.options) == ["anybody", "ann", "bob"]
    assert list(page._class.options) == ["any class", "explicit", "neutral"]
    for choice, value, found in (
        (page._who, "bob", [4, 3]),
        (page._what, "by lasso", [2]),
        (page._what, "single pictures", [3, 1]),
        (page._what, "undone or redone", [4]),
        (page._class, "explicit", [3, 2]),
        (page._when, "in the last hour", [4, 3, 2]),
    ):
        choice.value = value
        assert listed(page) == found
        page._on_all(None)
    page._who.value, page._what.value = "ann", "by lasso"
    assert listed(page) == [2]


def test_a_filter_looks_beyond_the_page_of_what_is_newest(busy, monkeypatch):
    monkeypatch.setattr("dashboard.views.history.PAGE", 1)
    _, page = open_history(busy)
    assert (listed(page), page._older.visible) == ([4], True)
    page._class.value = "neutral"
    assert (listed(page), page._older.visible) == ([1], False)


def test_what_is_not_there_is_said_in_a_sentence(space, monkeypatch):
    state, page = open_history(space)
    assert page._empty.object == NOTHING_YET
    label(space, np.array([5]), "explicit", analyst="bob", source="single")
    state.follow(labels=True)
    assert (listed(page), page._empty.visible) == ([1], False)
    page._what.value = "imported"
    assert (page._empty.object, page._empty.visible) == (NOTHING_FITS, True)

    def broken(*_, **__):
        raise DamageError("it is damaged")

    with monkeypatch.context() as patch:
        patch.setattr("dashboard.views.history.history", broken)
        page._on_all(None)
        assert (page._empty.object, page._empty.visible) == (FAILED, True)
    page._on_all(None)
    assert (listed(page), page._empty.visible) == ([1], False)


def test_pictures_of_an_action_come_from_all_over_it_and_an_undo_shows_those_of_its_label(busy):
    _, page = open_history(busy)
    entries = {entry["seq"]: entry for entry in page._list.entries}
    rows = [busy.row_of(picture) for picture in entries[2]["pictures"]]
    assert (rows[0], rows[-1], len(rows)) == (10, 29, 4)
    assert entries[4]["pictures"] == entries[3]["pictures"] == [busy.image_id(5)]
    assert page._list.view == "blurred"


def test_times_are_shown_on_the_readers_clock_once_the_browser_has_told_its_zone(busy):
    state, page = open_history(busy)
    found = [action.at for action, _ in history(busy)]
    assert [entry["when"] for entry in page._list.entries] == [f"{at[:16].replace('T', ' ')} UTC" for at in found]
    state.zone = "Asia/Tokyo"
    there = [dt.datetime.fromisoformat(at).astimezone(ZoneInfo("Asia/Tokyo")) for at in found]
    assert [entry["when"] for entry in page._list.entries] == [f"{at:%Y-%m-%d %H:%M}" for at in there]
    assert [entry["at"] for entry in page._list.entries] == found


def test_a_click_on_a_picture_shows_it_on_the_map_and_a_strange_one_does_nothing(busy):
    state, page = open_history(busy)
    for strange in ({"picture": "../x"}, {"picture": "0" * 32}, {"picture": 3}):
        page._list._handle_msg(strange)
    assert (state.page, state.pinned) == (PageName.HISTORY, None)
    page._list._handle_msg({"picture": busy.image_id(7)})
    assert (state.page, state.pinned) == (PageName.MAP, 7)


def test_the_filters_are_those_of_the_address_and_a_name_nobody_has_finds_nothing(busy):
    state, page = open_history(busy)
    state.param.update(history_who="bob", history_what=What.BACK)
    assert (page._who.value, page._what.value, listed(page)) == ("bob", What.BACK, [4])
    page._class.value = "explicit"
    assert (state.history_class, listed(page)) == ("explicit", [])
    page._on_all(None)
    assert (state.history_who, state.history_what, listed(page)) == ("", What.ANYTHING, [4, 3, 2, 1])
    state.history_who = "nobody"
    assert (page._who.value, listed(page), page._empty.object) == ("nobody", [], NOTHING_FITS)
