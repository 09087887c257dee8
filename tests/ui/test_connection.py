"""An open page in Chromium when its line is cut, and when the server is restarted or stays away."""

import re
import time

import pytest
from playwright.sync_api import expect

from core.workspace import Workspace
from dashboard.skeleton import skeleton
from tests.ui.driver import (
    KEEPS_NOTHING,
    LEFT,
    MIDDLE,
    RECORD_SELECTIONS,
    RIGHT,
    Line,
    Server,
    drag,
    expect_selected,
    facts,
    inside,
    takes_key,
    undo_all,
    without_copies,
)

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]

KNOWS_ITS_PLACE = "location.search.includes('page=history')"


@pytest.fixture
def lines():
    lines = [Line(), Line()]
    yield lines
    for line in lines:
        line.cut()
        line.door.close()


@pytest.fixture
def server(prepared, lines):
    """A server that is reached over two lines, each with an address of its own; no label stands at first."""
    with Workspace(prepared) as space:
        undo_all(space)
    server = Server(prepared, LASSOSCOPE_ORIGINS=",".join(f"127.0.0.1:{line.port}" for line in lines))
    for line in lines:
        line.to = server.port
    yield server
    server.kill()


def expect_connection(page, state):
    expect(page.locator("html")).to_have_attribute("data-connection", state, timeout=40_000)


def test_after_a_lost_connection_the_page_continues_and_shows_what_happened_since(open_page, lines):
    first, second = (open_page(line.url) for line in lines)
    loads = []
    for page in (first, second):
        page.may_lose_server = True
        page.on("load", lambda _: loads.append(1))
        without_copies(page)
    second.get_by_role("tab", name="Suggestions").click()
    for n, how in enumerate((lines[0].cut, lines[0].swallow), start=1):
        idsum = facts(first).get_attribute("data-idsum")
        drag(first, (LEFT, RIGHT)[n - 1])
        expect(facts(first)).not_to_have_attribute("data-idsum", idsum)
        selected = [facts(first).get_attribute(name) for name in ("data-selected", "data-idsum")]
        how()
        expect_connection(first, "lost")
        expect(first.get_by_role("status").get_by_text("Connection lost; your work is saved")).to_be_visible()
        expect(second.get_by_text(f"{n} of 10")).to_be_visible()
        takes_key(second)
        second.keyboard.press("1")
        expect(second.get_by_text(f"{n} labelled (")).to_be_visible()
        lines[0].mend()
        expect_connection(first, "ok")
        expect(first.get_by_role("status").get_by_text("Connection lost")).not_to_be_visible()
        expect(first.get_by_text(f"{n} labelled (")).to_be_visible()
        expect(facts(first)).to_have_attribute("data-selected", selected[0])
        expect(facts(first)).to_have_attribute("data-idsum", selected[1])
        first.evaluate(RECORD_SELECTIONS)
    drag(first, MIDDLE)
    expect(facts(first)).not_to_have_attribute("data-idsum", selected[1])
    expect_connection(second, "ok")
    assert loads == []


def test_after_a_restart_the_page_loads_once_and_shows_the_same_place(open_page, lines, server):
    page = open_page(lines[0].url)
    page.may_lose_server = True
    loads = []
    page.on("load", lambda _: loads.append(1))
    page.get_by_role("tab", name="Check").click()
    page.get_by_role("combobox", name="Colour by").first.click()
    page.get_by_role("listbox").get_by_text("uncertainty").click()
    page.get_by_role("button", name="History").click()
    page.wait_for_function(KNOWS_ITS_PLACE)
    server.kill()
    expect_connection(page, "lost")
    page.wait_for_timeout(4_000)
    assert loads == []  # nobody answers: the page stays as it is
    server.start()
    expect_connection(page, "ok")
    assert len(loads) == 1
    expect(page.get_by_role("button", name="History")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Map").click()
    expect(page.get_by_role("tab", name="Check")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("combobox", name="Colour by").first).to_have_text("uncertainty")
    page.get_by_role("tab", name="Selection").click()  # the map has its place beside the work again
    page.wait_for_timeout(1_500)
    page.evaluate(RECORD_SELECTIONS)
    with Workspace(server.folder, read_only=True) as space:
        expect_selected(page, inside(space.xy, drag(page, LEFT)))
    page.wait_for_timeout(12_000)  # two signs of life
    assert len(loads) == 1


def test_a_browser_that_keeps_no_data_of_a_site_loads_the_page_again_and_not_over_and_over(open_page, server):
    page, loads = open_page(first=KEEPS_NOTHING), []
    page.may_lose_server = True
    page.on("load", lambda _: loads.append(time.monotonic()))
    for _ in range(2):
        server.kill()
        expect_connection(page, "lost")
        with page.expect_event("load", timeout=60_000):
            server.start()
        expect_connection(page, "ok")
    assert len(loads) == 2
    assert loads[1] - loads[0] > 20  # 30 s from one load to the next, and this browser cannot note when the first one was


def test_a_restart_that_ends_the_login_leads_through_it_to_the_same_place(browser, prepared):
    server = Server(prepared, LASSOSCOPE_PASSWORD="secret words")
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    try:
        page.goto(server.url)
        for turn in range(2):
            page.get_by_label("Your name").fill("Ann Example")
            page.get_by_label("Password").fill("secret words")
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_text("Ann Example")).to_be_visible()
            if turn == 0:
                page.wait_for_timeout(1_000)
                page.get_by_role("button", name="History").click()
                page.wait_for_function(KNOWS_ITS_PLACE)
                server.kill()
                server.start()
                expect(page).to_have_url(re.compile("/login"), timeout=40_000)
        expect(page.get_by_role("button", name="History")).to_have_attribute("aria-pressed", "true")
        page.get_by_role("link", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()
    finally:
        page.context.close()
        server.kill()


def test_a_page_that_is_opened_while_the_server_starts_goes_on_by_itself(browser, prepared):
    server, page = Server(prepared, cold=True, waits=False), browser.new_context().new_page()
    try:
        server.wait(f"{server.url}/", 503)
        page.goto(f"{server.url}/?page=history")
        expect(page.get_by_role("heading", name="Lassoscope is starting")).to_be_visible()
        expect(page.get_by_role("button", name="History", pressed=True)).to_be_visible(timeout=90_000)
        height = page.get_by_role("banner").first.bounding_box()["height"]
        first = page.context.new_page()
        first.set_content(skeleton())
        bar = first.get_by_role("status").get_by_text("Lassoscope", exact=True)
        assert bar.bounding_box()["height"] == pytest.approx(height, abs=0.5)  # nothing moves when the page is there
        assert (prepared / "server.log").read_text().rpartition("lassoscope WARNING starting")[2].count("serving") == 1
    finally:
        page.context.close()
        server.kill()
