"""How the room is shared between the map and the pictures: by the mouse, by keys, remembered, and given back."""

import re

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from core.workspace import Workspace
from tests.ui.driver import KEEPS_NOTHING, LEFT, RIGHT, choose, drag, expect_selected, inside, label_many, load

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


WORK = "Room for the pictures beside the map"


def room(page: Page) -> int:
    return int(page.get_by_role("separator", name=WORK).get_attribute("aria-valuenow") or 0)


def map_width(page: Page) -> float:
    box = page.locator(".map").bounding_box()
    assert box is not None
    return box["width"]


def tile_width(page: Page) -> float:
    box = page.locator(".tile").first.bounding_box()
    assert box is not None
    return box["width"]


def pull(page: Page, by: int) -> None:
    bar = page.get_by_role("separator", name=WORK).bounding_box()
    assert bar is not None
    x, y = bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=5)
    page.mouse.up()


def test_room_and_size_of_the_pictures_are_chosen_remembered_and_given_back(open_page, prepared):
    page = open_page()
    drag(page, LEFT)
    expect(page.locator(".tile").first).to_be_visible()
    small = tile_width(page)
    page.get_by_role("slider", name="Size of the pictures").first.fill("200")
    assert tile_width(page) > small + 40
    before, half = map_width(page), room(page)
    assert half == pytest.approx(before, abs=8)  # side by side
    pull(page, -100)
    assert room(page) == pytest.approx(half + 100, abs=2)
    wide = room(page)
    load(page, page.url)
    expect(page.get_by_role("separator", name=WORK)).to_have_attribute("aria-valuenow", str(wide))
    with Workspace(prepared, read_only=True) as space:
        xy = space.xy
    page.wait_for_timeout(2_000)  # the map is drawn again for its new size
    assert map_width(page) == pytest.approx(before - 100, abs=4)
    expect_selected(page, inside(xy, drag(page, LEFT)))
    expect(page.locator(".tile").first).to_be_visible()
    assert tile_width(page) > small + 40
    pull(page, 2_000)
    assert room(page) == 240  # no less
    page.get_by_role("separator", name=WORK).press("ArrowLeft")
    assert room(page) == 264
    pull(page, -2_000)
    page.wait_for_timeout(1_000)
    assert map_width(page) == pytest.approx(240, abs=8)  # the map never goes
    page.get_by_role("separator", name=WORK).dblclick()
    assert room(page) == half


def test_a_browser_that_keeps_no_data_of_a_site_shares_the_room_and_folds_until_the_page_is_closed(open_page):
    page = open_page(first=KEEPS_NOTHING)
    with pytest.raises(Error, match="Access is denied"):
        page.evaluate("localStorage.length")
    drag(page, LEFT)
    expect(page.locator(".tile").first).to_be_visible()
    small, half = tile_width(page), room(page)
    page.get_by_role("slider", name="Size of the pictures").first.fill("200")
    assert tile_width(page) > small + 40
    pull(page, -100)
    assert room(page) == pytest.approx(half + 100, abs=2)
    page.get_by_role("separator", name=WORK).dblclick()
    assert room(page) == half
    label_many(page, "1")
    choose(page, RIGHT)
    label_many(page, "2")  # evidence stands beside the map once there is a model
    page.get_by_role("button", name="Put it away").click()
    page.get_by_role("button", name="Show the evidence").click()
    expect(page.get_by_role("button", name="Put it away")).to_be_visible()
    page.get_by_role("button", name="Operating point").click()
    details = page.get_by_role("button", name="Details")
    for shown in ("true", "false", "true"):
        details.click()
        expect(details).to_have_attribute("aria-expanded", shown)


def test_f_gives_the_stage_to_the_pictures_then_to_the_map_then_to_both(open_page, prepared):
    page = open_page()
    selection = page.get_by_role("tab", name="Selection")
    before = map_width(page)
    expect_room(page, "work")
    page.wait_for_timeout(1_000)
    assert map_width(page) < 240  # in the corner
    expect_room(page, "map")
    page.wait_for_timeout(1_000)
    assert map_width(page) > before + 200
    expect(selection).to_be_hidden()
    with Workspace(prepared, read_only=True) as space:
        xy = space.xy
    expect_selected(page, inside(xy, drag(page, LEFT)))
    page.keyboard.press("2")  # what is asked is on the screen: both are shown again
    expect(page.get_by_text("Spot check before")).to_be_visible()
    expect(page.locator(".bk-Row.desk")).not_to_have_class(re.compile("in-map"))


def test_words_are_light_in_the_dark_and_a_key_over_the_map_alone_does_not_answer_for_a_hidden_queue(open_page, prepared):
    page = open_page()
    said = page.get_by_text("Drag a lasso around")
    assert shade(said) < 100
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_timeout(1_500)
    assert shade(said) > 200
    page.get_by_role("tab", name="Suggestions").click()
    expect(page.get_by_text("1 of 10")).to_be_visible()
    expect_room(page, "map")
    page.keyboard.press("1")
    expect(page.get_by_text("Nothing is selected")).to_be_visible()
    with Workspace(prepared, read_only=True) as space:
        assert space.labels.n_labelled == 0


def shade(words: Locator) -> float:
    """Return how light the words are, 0 to 255."""
    found = re.findall(r"\d+", words.evaluate("node => getComputedStyle(node).color"))
    return sum(map(int, found[:3])) / 3


def expect_room(page: Page, room: str) -> None:
    page.keyboard.press("f")
    expect(page.locator(".bk-Row.desk")).to_have_class(re.compile(f"in-{room}"))
