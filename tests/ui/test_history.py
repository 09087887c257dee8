"""What only a browser shows of the History page and of the map's colours."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from core.labels.actions import history
from core.workspace import Workspace
from tests.ui.driver import LEFT, drag, facts, load

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]
TOKYO = "Asia/Tokyo"


def test_history_shows_blurred_pictures_and_the_readers_time_and_the_map_its_colours(browser, server):
    page = browser.new_context(viewport={"width": 1280, "height": 720}, timezone_id=TOKYO).new_page()
    load(page, f"{server.url}/?colour=half")
    rail = page.locator(".row .name")
    expect(rail).to_have_text(["teach", "check"])
    expect(page.get_by_role("combobox", name="Colour by").first).to_have_text("half")
    drag(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    page.locator(".tile").first.click()
    page.get_by_role("button", name="Label as footwear").first.click()
    expect(page.get_by_text("1 labelled (")).to_be_visible()
    page.locator(".tile .badge:visible").first.wait_for()
    for size in (48, 96):  # a name is whole or not there
        page.locator(".head input[type=range]").evaluate(
            "(e, size) => { e.value = size; e.dispatchEvent(new Event('input')); }", size
        )
        badge = page.locator(".tile .badge:visible")
        if size == 48:
            expect(badge).to_have_count(0)
            continue
        assert badge.first.evaluate("e => e.scrollWidth <= e.clientWidth + 1 && e.scrollHeight <= e.clientHeight + 1")
    page.get_by_role("button", name="History").click()
    pictures = page.locator(".picture img")
    expect(pictures.first).to_have_attribute("src", re.compile("^thumb/blurred/"))
    with Workspace(server.folder, read_only=True) as space:
        at = history(space, 1)[0][0].at
    there = dt.datetime.fromisoformat(at).astimezone(ZoneInfo(TOKYO))
    expect(page.locator("time").first).to_have_text(f"{there:%Y-%m-%d %H:%M}")
    page.keyboard.down("r")
    page.locator(".picture").first.hover()
    expect(pictures.first).to_have_attribute("src", re.compile("^thumb/clear/"))
    page.keyboard.up("r")
    expect(pictures.first).to_have_attribute("src", re.compile("^thumb/blurred/"))
    page.get_by_role("combobox", name="What").click()
    page.get_by_role("listbox").get_by_text("imported", exact=True).click()
    expect(page.get_by_text("No action fits these filters")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    page.locator(".picture").first.click()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    page.context.close()
