"""A real keyboard with quick fingers: a key acts on the picture that is shown, on the page that is shown, or on nothing."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.evidence.queues import check_queue
from core.labels.actions import history, label
from core.workspace import Workspace
from tests.ui.driver import LEFT, drag, facts

WATCH_KEYS = """() => {
  window.picturesAtKeys = [];
  document.addEventListener("keydown", () => window.picturesAtKeys.push(
    [...document.querySelectorAll("*")].flatMap(pictures)), true);
  function pictures(node) {
    const inside = node.shadowRoot ? [...node.shadowRoot.querySelectorAll("*")].flatMap(pictures) : [];
    const src = node.tagName === "IMG" && node.complete && node.naturalWidth && node.checkVisibility() ? node.src : "";
    return src.includes("image/") ? [src.split("/").at(-1), ...inside] : inside;
  }
}"""

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


def actions(server):
    """Return the actions that stand, the newest first."""
    with Workspace(server.folder, read_only=True) as space:
        return [action for action, stands in history(space) if stands]


def open_tab(page, name, words):
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_text(words)).to_be_visible(timeout=20_000)
    shown(page)


def shown(page):
    """Return the id of the picture in the card, once it has loaded."""
    page.wait_for_function("() => window.lassoscopeShown?.size > 0", timeout=20_000)
    return page.evaluate("() => [...window.lassoscopeShown.values()].at(-1)")


def test_four_quick_presses_label_no_more_pictures_than_were_shown_and_undo_brings_the_picture_back(open_page, server):
    page = open_page()
    open_tab(page, "Suggestions", "1 of 10")
    page.evaluate(WATCH_KEYS)
    for _ in range(4):
        page.keyboard.press("1")  # faster than most answers
    page.wait_for_timeout(3_000)
    pictures = set(page.evaluate("() => window.picturesAtKeys.flat()"))
    with Workspace(server.folder, read_only=True) as space:
        labelled = {space.image_id(int(row)) for action in actions(server) for row in action.rows}
    assert 1 <= len(labelled) == len(actions(server))
    assert labelled <= pictures
    count = len(labelled)
    expect(page.get_by_text(f"{count + 1} of 10")).to_be_visible()
    second = shown(page)
    page.keyboard.press("2")
    expect(page.get_by_text(f"{count + 2} of 10")).to_be_visible(timeout=10_000)
    assert shown(page) != second
    page.keyboard.press("z")
    expect(page.get_by_text(f"{count + 1} of 10")).to_be_visible(timeout=10_000)
    assert shown(page) == second
    assert len(actions(server)) == count


def test_a_class_key_on_another_page_labels_nothing_and_on_a_pinned_picture_labels_that(open_page, server):
    page = open_page()
    open_tab(page, "Check", re.compile(r"^0 of \d+ check images read"))
    page.get_by_role("button", name="Operating point").click()
    expect(page.get_by_text("The check set is closed")).to_be_visible(timeout=15_000)
    for key in "1zs":
        page.keyboard.press(key)
    page.wait_for_timeout(2_000)
    assert actions(server) == []
    page.get_by_role("button", name="Map").click()
    page.get_by_role("tab", name="Selection").click()
    drag(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0", timeout=10_000)
    page.get_by_role("group").get_by_role("checkbox").nth(2).dblclick()
    expect(page.get_by_role("button", name="Unpin")).to_be_visible(timeout=10_000)
    pinned = shown(page)
    page.keyboard.press("2")
    expect(page.get_by_text("1 labelled (")).to_be_visible(timeout=10_000)
    with Workspace(server.folder, read_only=True) as space:
        assert [space.image_id(int(row)) for action in actions(server) for row in action.rows] == [pinned]


def test_digits_of_a_french_and_letters_of_a_russian_keyboard_work(open_page, server):
    page = open_page()
    devtools = page.context.new_cdp_session(page)
    open_tab(page, "Suggestions", "1 of 10")

    def press(key, code):
        for kind in ("rawKeyDown", "keyUp"):
            devtools.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code})

    press("&", "Digit1")
    expect(page.get_by_text("1 labelled (")).to_be_visible(timeout=10_000)
    press("я", "KeyZ")
    expect(page.get_by_text("0 labelled (")).to_be_visible(timeout=10_000)


def test_a_grid_is_one_action_names_the_rest_by_choice_and_asks_where_a_label_says_otherwise(open_page, server):
    server.kill()
    with Workspace(server.folder) as space:
        queue = check_queue(space, 25)
        label(space, queue[:2], "copyright", analyst="ann", source="lasso")
    server.start()
    page = open_page()
    open_tab(page, "Check", re.compile(r"^0 of \d+ check images read"))
    page.get_by_role("combobox", name="How").click()
    page.get_by_role("listbox").get_by_text("25 at once").click()
    expect(page.get_by_role("button", name="Save these readings")).to_be_disabled(timeout=10_000)
    expect(page.get_by_text("Choose a class for all others").first).to_be_visible(timeout=10_000)
    page.get_by_role("combobox", name="All others are").click()
    page.get_by_role("listbox").get_by_text("neutral", exact=True).click()
    save = page.get_by_role("button", name="Save these readings")
    expect(save).to_be_enabled(timeout=10_000)
    save.click()
    expect(page.get_by_text("2 labelled 'copyright' are read as 'neutral'")).to_be_visible(timeout=10_000)
    assert len(actions(server)) == 1  # asked, not done
    save.click()
    expect(page.get_by_text("25 check images read: 25 'neutral'.")).to_be_visible(timeout=15_000)
    page.keyboard.press("z")
    expect(page.get_by_text("Undone: 25 images, 'neutral'.")).to_be_visible(timeout=10_000)
    with Workspace(server.folder, read_only=True) as space:
        codes = space.labels.codes[queue]
        assert np.flatnonzero(codes >= 0).tolist() == [0, 1]  # ann's labels stand again


def test_two_windows_are_asked_for_different_pictures(open_page):
    first, second = open_page(), open_page()
    for page in (first, second):
        open_tab(page, "Suggestions", "1 of 10")
    assert shown(first) != shown(second)
