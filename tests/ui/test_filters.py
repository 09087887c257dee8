"""The bar of filters: chips, what follows them, the address, named views; by mouse and by keyboard."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.filters.conditions import conditions_of
from core.filters.masks import mask
from core.labels.actions import history
from core.workspace import Workspace
from tests.ui.driver import N_IMAGES, box_of, drag, expect_selected, facts, inside, without_copies

pytestmark = pytest.mark.ui


def test_filters_act_on_map_gallery_and_labels_and_are_in_the_address_and_in_a_view(open_page, server):
    with Workspace(server.folder, read_only=True) as space:
        shoes = np.flatnonzero(mask(space, conditions_of("value:label,footwear")[0]))
        xy = space.xy
    page = open_page()
    without_copies(page)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Filter by").select_option(label="label (column)")
    page.get_by_role("checkbox", name="footwear").check()
    page.keyboard.press("Enter")  # the form takes it
    chip = page.get_by_role("button", name="Remove the filter: label is 'footwear'")
    expect(chip).to_be_visible()
    shown = f"{len(shoes)} of {N_IMAGES} images"
    expect(page.get_by_text(shown)).to_be_visible()
    expect(page.get_by_text("pass the filters; none is selected")).to_be_visible()
    expect(page).to_have_url(re.compile("filter=value:label,footwear"))

    frame = drag(page, box_of(0.01, 0.01, 0.9, 0.99))  # around all of the map: only what is shown is taken
    expect_selected(page, inside(xy, frame) & set(shoes.tolist()))
    page.keyboard.press("Escape")
    expect(facts(page)).to_have_attribute("data-selected", "0")
    first = page.locator(".tile").first
    row = int(first.get_attribute("data-row"))
    first.click()
    expect(page.get_by_text("To label: 1")).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text("1 labelled (").first).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert history(space)[0][0].rows.tolist() == [row]

    page.get_by_role("button", name="Views", exact=True).click()
    page.get_by_label("Name of this view").fill("shoes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the view shoes")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Order").first.click()
    page.get_by_role("listbox").get_by_text("file name").click()
    expect(page).to_have_url(re.compile("order=name"))

    page.reload()
    expect(chip).to_be_visible()
    expect(page.get_by_text(shown)).to_be_visible()
    page.get_by_role("tab", name="Check").click()
    expect(page.get_by_text("Check ignores filters")).to_be_visible()
    page.get_by_role("tab", name="Selection").click()
    chip.focus()
    page.keyboard.press("Delete")
    expect(chip).to_have_count(0)
    expect(page.get_by_text("all images", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Filter", exact=True)).to_be_focused()
    page.go_back()
    expect(chip).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    expect(chip).to_have_count(0)

    expect(page.get_by_label("Find words in pictures")).to_have_js_property("maxLength", 200)  # more would be lost in silence
    page.get_by_label("Find words in pictures").fill("nobody says this")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No image passes these filters")).to_be_visible()
    page.get_by_role("button", name="Views", exact=True).click()
    page.get_by_role("button", name="shoes", exact=True).click()
    expect(page.get_by_text("Showing the view 'shoes'.")).to_be_visible()
    expect(page.get_by_text(shown)).to_be_visible()
    page.get_by_role("button", name="Views", exact=True).click()
    page.get_by_role("button", name="Remove the view shoes").click()
    expect(page.get_by_text("No view was saved yet.")).to_be_visible()
