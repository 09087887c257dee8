"""The table of keys, the enlarged picture, picks by dragging, a selection changed by keys, and the way of the Tab key."""

import re

import pytest
from playwright.sync_api import expect

from core.labels.actions import history
from core.workspace import Workspace
from tests.ui.driver import LEFT, drag, facts

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]

# The stop of the Tab key: its name for a screen reader, and whether anything shows that it has the focus.
STOP = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  if (!node || node === document.body) return null;
  const root = node.getRootNode(), style = getComputedStyle(node);
  const ids = (node.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
  const names = [node.getAttribute("aria-label"), node.title, node.placeholder, node.textContent,
    ...ids.map(id => root.getElementById(id)?.textContent), ...[...(node.labels ?? [])].map(label => label.textContent)];
  return { name: names.find(name => name?.trim())?.trim().slice(0, 40) ?? "", html: node.outerHTML.slice(0, 200),
    here: node.checkVisibility(), seen: style.outlineStyle !== "none" || style.boxShadow !== "none"
      || !!node.closest(".Mui-focusVisible, .Mui-focused") };
}"""

# Controls of the page without a name for a screen reader.
NAMELESS = """() => { const found = []; const walk = root => { for (const node of root.querySelectorAll("*")) {
  const role = node.getAttribute("role") ?? "", stop = node.hasAttribute("tabindex") && node.tabIndex >= 0;
  const control = ["BUTTON", "A", "INPUT", "SELECT", "TEXTAREA"].includes(node.tagName) || stop
    || ["button", "radio", "checkbox", "tab", "combobox", "slider", "switch"].includes(role);
  if (control && node.getAttribute("aria-hidden") !== "true" && node.checkVisibility({ checkVisibilityCSS: true })) {
    const ids = (node.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const by = ids.map(id => node.getRootNode().getElementById(id)?.textContent);
    const names = [node.getAttribute("aria-label"), node.title, node.placeholder, node.textContent, ...by,
      ...[...(node.labels ?? [])].map(label => label.textContent)];
    if (!names.some(name => name?.trim())) found.push(node.outerHTML.slice(0, 200));
  }
  if (node.shadowRoot) walk(node.shadowRoot); } }; walk(document); return found; }"""


def test_the_gallery_enlarges_picks_by_dragging_and_the_selection_grows_by_key(open_page, server):
    page = open_page()
    drag(page, LEFT)
    tiles = page.locator(".tile")
    expect(tiles.nth(5)).to_be_visible()
    page.keyboard.press("?")
    table = page.get_by_role("dialog", name="Keys")
    expect(table).to_be_visible()
    for words in ("label as neutral", "Backspace", "undo my last action", "25 at once"):
        expect(table).to_contain_text(words)
    page.keyboard.press("1")  # nothing behind it
    page.keyboard.press("Escape")
    expect(table).not_to_be_visible()
    n = int(facts(page).get_attribute("data-selected"))
    assert n > 0
    page.get_by_role("button", name="Keys [?]").click()
    expect(table).to_be_visible()
    table.get_by_role("button", name="Close").click()

    tiles.nth(1).dblclick()
    box = page.get_by_role("dialog", name="The picture, enlarged")
    expect(box.get_by_role("status")).to_contain_text("2 of")
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("status")).to_contain_text("3 of")
    page.wait_for_function("() => window.lassoscopeShown?.size > 0")
    third = page.evaluate("() => [...window.lassoscopeShown.values()].at(-1)")
    assert third == tiles.nth(2).get_attribute("data-id")
    assert "/blurred/" in box.locator("img").get_attribute("src")
    page.keyboard.press("2")
    expect(page.get_by_text(re.compile(r"Labelled \d+ 'footwear'"))).to_be_attached()
    with Workspace(server.folder, read_only=True) as space:
        ((action, _),) = [pair for pair in history(space) if pair[1]]
        assert third in {space.image_id(int(row)) for row in action.rows}
    page.keyboard.press("Escape")
    expect(box).not_to_be_visible()
    assert int(facts(page).get_attribute("data-selected")) == n  # Escape closed what was on top, and nothing else

    first, fourth = tiles.nth(0).bounding_box(), tiles.nth(2).bounding_box()
    page.mouse.move(first["x"] + 8, first["y"] + 8)
    page.mouse.down()
    page.mouse.move(fourth["x"] + 12, fourth["y"] + 20, steps=6)
    page.mouse.up()
    picked = page.locator('.tile[aria-checked="true"]')
    expect(picked).to_have_count(3)
    page.get_by_role("button", name="Pick none").click()

    page.keyboard.press("+")
    expect(facts(page)).not_to_have_attribute("data-selected", str(n))
    assert int(facts(page).get_attribute("data-selected")) > n
    page.keyboard.press("-")
    expect(facts(page)).to_have_attribute("data-selected", str(n))


def test_every_control_has_a_name_and_every_stop_of_the_tab_key_shows_that_it_has_the_focus(open_page):
    page = open_page()
    drag(page, LEFT)
    expect(page.locator(".tile").first).to_be_visible()
    for tab in ("Selection", "Suggestions", "Clusters", "Check", "Review"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(1_500)
        assert page.evaluate(NAMELESS) == []
        page.evaluate("() => { document.activeElement?.blur(); window.getSelection()?.removeAllRanges(); }")
        stops, wrong = [], []
        for _ in range(70):
            page.keyboard.press("Tab")
            stop = page.evaluate(STOP)
            if stop is None or (stops and stop["html"] == stops[0]["html"]):
                break
            stops.append(stop)
            if not stop["name"] or not stop["here"] or not stop["seen"]:
                wrong.append(stop)
        assert len(stops) > 3
        assert wrong == []
    for name in ("Operating point", "Training", "Experiment", "History"):
        page.get_by_role("button", name=name).click()
        page.wait_for_timeout(1_000)
        assert page.evaluate(NAMELESS) == []
