"""What a tab shows is in its address: reload, back, forward, and a link opened by somebody else show the same."""

import re

import pytest
from playwright.sync_api import expect

from tests.ui.driver import facts, on_map

pytestmark = pytest.mark.ui


def test_reload_back_forward_and_a_link_show_the_same_view(open_page, server):
    page = open_page()
    page.get_by_role("combobox", name="Colour by").first.click()
    page.get_by_role("listbox").get_by_text("uncertainty").click()
    expect(page).to_have_url(re.compile(r"\?colour=uncertainty&encoder=msn-demo-\w+$"))
    page.get_by_role("tab", name="Clusters").click()
    expect(page).to_have_url(re.compile("tab=clusters"))
    page.get_by_role("button", name="History").click()
    expect(page).to_have_url(re.compile("page=history"))
    history = page.get_by_role("button", name="History")

    page.go_back()
    expect(history).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("tab", name="Clusters")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.get_by_role("tab", name="Selection")).to_have_attribute("aria-selected", "true")
    page.go_forward()
    expect(page.get_by_role("tab", name="Clusters")).to_have_attribute("aria-selected", "true")

    view = facts(page).get_attribute("data-view")
    page.mouse.move(*on_map(page, [(0.5, 0.5)])[0])
    page.mouse.wheel(0, -240)
    expect(facts(page)).not_to_have_attribute("data-view", view)
    expect(page).to_have_url(re.compile("zoom="))
    page.wait_for_timeout(1_000)
    zoomed, link = [float(part) for part in facts(page).get_attribute("data-view").split(",")], page.url

    page.reload()
    colleague = open_page(link)
    for shown in (page, colleague):
        expect(shown.get_by_role("tab", name="Clusters")).to_have_attribute("aria-selected", "true")
        expect(shown.get_by_role("combobox", name="Colour by").first).to_have_text("uncertainty")
        shown.wait_for_timeout(1_500)
        assert [float(part) for part in facts(shown).get_attribute("data-view").split(",")] == pytest.approx(zoomed, rel=0.02)

    broken = open_page(f"{server.url}/?page=nowhere&zoom=1&image={'0' * 32}")
    expect(broken.get_by_text("Part of this link could not be used")).to_be_visible()
    expect(broken.get_by_role("tab", name="Selection")).to_have_attribute("aria-selected", "true")
