"""How the room is shared between the map and the pictures: by the mouse, by keys, remembered, and given back."""

import pytest
from playwright.sync_api import Page, expect

from core.workspace import Workspace
from tests.ui.driver import CANVAS, LEFT, drag, expect_selected, inside, load

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


def room(page: Page) -> int:
    return int(page.get_by_role("separator").get_attribute("aria-valuenow") or 0)


def map_width(page: Page) -> float:
    return float(page.evaluate(CANVAS)["width"])


def pull(page: Page, by: int) -> None:
    bar = page.get_by_role("separator").bounding_box()
    assert bar is not None
    x, y = bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=5)
    page.mouse.up()


def test_the_room_of_the_pictures_is_dragged_remembered_and_given_back(open_page, prepared):
    page = open_page()
    before = map_width(page)
    assert room(page) == 390
    pull(page, -150)
    assert room(page) == pytest.approx(540, abs=2)
    load(page, page.url)
    expect(page.get_by_role("separator")).to_have_attribute("aria-valuenow", "540", timeout=30_000)
    with Workspace(prepared, read_only=True) as space:
        xy = space.xy
    page.wait_for_timeout(2_000)  # the map is drawn again for its new size
    assert map_width(page) == pytest.approx(before - 150, abs=4)
    expect_selected(page, inside(xy, drag(page, LEFT)))
    pull(page, 2_000)
    assert room(page) == 320  # no less
    page.get_by_role("separator").press("ArrowLeft")
    assert room(page) == 344
    pull(page, -2_000)
    assert 600 < room(page) < 1280 - 290 - 240  # and the map never goes
    page.get_by_role("separator").dblclick()
    assert room(page) == 390


def test_f_makes_room_for_the_pictures_then_for_the_map_then_for_both(open_page):
    page = open_page()
    selection = page.get_by_role("tab", name="Selection")
    page.keyboard.press("f")
    expect(page.get_by_role("separator")).not_to_have_attribute("aria-valuenow", "390")
    assert room(page) > 600
    page.keyboard.press("f")
    expect(page.get_by_role("separator")).to_have_attribute("aria-valuenow", "0")
    expect(selection).to_be_hidden()
    page.keyboard.press("f")
    expect(page.get_by_role("separator")).to_have_attribute("aria-valuenow", "390")
    expect(selection).to_be_visible()


def test_the_size_of_the_pictures_is_chosen_and_remembered(open_page):
    page = open_page()
    drag(page, LEFT)
    tile = page.get_by_role("checkbox").first
    expect(tile).to_be_visible(timeout=30_000)
    slider = page.get_by_role("slider", name="Size of the pictures").first

    def width() -> float:
        box = page.locator(".tile").first.bounding_box()
        assert box is not None
        return box["width"]

    before = width()
    slider.fill("200")
    assert width() > before + 40
    load(page, page.url)
    drag(page, LEFT)
    expect(page.locator(".tile").first).to_be_visible(timeout=30_000)
    assert width() > before + 40
