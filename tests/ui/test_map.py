"""The map in Chromium with a real mouse: what a lasso or a box selects, hover, zoom, legend, privacy."""

import re

import pytest
from playwright.sync_api import expect

from core.workspace import Workspace
from tests.ui.driver import (
    LEFT,
    MIDDLE,
    N_IMAGES,
    PLACE_OF_IMAGE,
    RIGHT,
    box_of,
    drag,
    expect_selected,
    facts,
    inside,
    label_many,
    on_map,
    without_copies,
)

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


@pytest.fixture
def xy(prepared):
    with Workspace(prepared, read_only=True) as space:
        return space.xy


def test_lasso_keys_and_box_select_exactly_what_is_inside(open_page, xy):
    page = open_page()
    selected = inside(xy, drag(page, LEFT, waits=600))  # a hand that waits draws a lasso, too
    assert 0 < len(selected) < len(xy)
    expect_selected(page, selected)
    selected |= inside(xy, drag(page, RIGHT, "Shift"))
    expect_selected(page, selected)
    selected -= inside(xy, drag(page, MIDDLE, "Alt"))
    expect_selected(page, selected)
    selected &= inside(xy, drag(page, LEFT, "Control"))
    expect_selected(page, selected)
    page.get_by_role("combobox", name="A lasso makes").click()
    page.get_by_role("listbox").get_by_text("the selection smaller").click()
    selected -= inside(xy, drag(page, box_of(0.02, 0.02, 0.3, 0.98)))
    expect_selected(page, selected)
    page.keyboard.press("Escape")
    expect_selected(page, set())
    page.get_by_role("combobox", name="A lasso makes").click()
    page.get_by_role("listbox").get_by_text("a new selection").click()
    page.get_by_title(re.compile("^Box")).first.click()
    selected = inside(xy, drag(page, [(0.1, 0.1), (0.6, 0.8)]))
    assert 0 < len(selected) < len(xy)
    expect_selected(page, selected)


def test_a_hidden_class_is_neither_drawn_nor_selected(open_page, xy):
    page = open_page()
    everything = inside(xy, drag(page, box_of(0.005, 0.005, 0.9, 0.995)))
    half = inside(xy, drag(page, LEFT))
    without_copies(page)
    label_many(page, "1")
    expect(page.get_by_text(f"{len(half)} labelled (")).to_be_visible()
    page.locator("button.row", has_text="neutral").click()
    expect(facts(page)).to_have_attribute("data-hidden", "0")
    drag(page, box_of(0.005, 0.005, 0.9, 0.995))
    expect_selected(page, everything - half)


def test_hover_reveal_zoom_and_the_switches_of_privacy(open_page, xy):
    page = open_page()
    tip = page.locator(".tip")
    on_map(page, [])  # once it rests
    page.mouse.move(*page.evaluate(PLACE_OF_IMAGE, xy[N_IMAGES // 2].tolist()))
    expect(tip).to_be_visible()
    expect(tip).to_have_attribute("data-view", "blurred")
    expect(tip.locator("img")).to_have_attribute("src", re.compile(r"^thumb/blurred/[0-9a-f]{32}$"))
    page.keyboard.down("r")
    expect(tip.locator("img")).to_have_attribute("src", re.compile(r"^thumb/clear/"))
    page.keyboard.up("r")
    expect(tip.locator("img")).to_have_attribute("src", re.compile(r"^thumb/blurred/"))
    page.mouse.down()
    page.mouse.up()
    page.get_by_role("button", name="Unpin").click()

    before = facts(page).get_attribute("data-view")
    page.mouse.move(*on_map(page, [(0.5, 0.5)])[0])
    page.mouse.wheel(0, -120)
    expect(facts(page)).not_to_have_attribute("data-view", before)
    page.wait_for_timeout(500)
    zoomed, frame = facts(page).get_attribute("data-view"), facts(page).get_attribute("data-frame")
    page.get_by_role("combobox", name="Colour by").click()
    page.get_by_role("listbox").get_by_text("uncertainty", exact=True).click()
    drag(page, LEFT)  # a menu that faded out swallowed this one, and every one after it
    expect(facts(page)).not_to_have_attribute("data-frame", frame)
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    assert facts(page).get_attribute("data-view") == zoomed

    tile = page.locator(".tile img").first
    expect(tile).to_have_attribute("src", re.compile(r"^thumb/blurred/"))
    assert page.locator("img[src*='/clear/']").count() == 0
    for label, view in (("Grey", "blurred-grey"), ("Blur", "grey"), ("Grey", "clear")):
        page.locator("label", has_text=label).first.click()
        expect(tile).to_have_attribute("src", re.compile(f"^thumb/{view}/"))
