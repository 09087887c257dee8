"""A real keyboard with quick fingers: a key acts on the picture that is shown, on the page that is shown, or on nothing."""

import os
import re
import signal
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from playwright.sync_api import expect

from core.evidence.queues import check_queue
from core.labels.actions import history, label
from core.workspace import Workspace
from tests.ui.driver import LEFT, drag, facts, takes_key, without_copies

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
    expect(page.get_by_text(words)).to_be_visible()
    shown(page)


def shown(page):
    """Return the id of the picture in the card, once it has loaded."""
    page.wait_for_function("() => window.lassoscopeShown?.size > 0")
    return page.evaluate("() => [...window.lassoscopeShown.values()].at(-1)")


def test_quick_presses_label_no_more_than_was_shown_undo_brings_a_picture_back_and_another_window_has_others(open_page, server):
    page = open_page()
    open_tab(page, "Suggestions", "1 of 10")
    page.evaluate(WATCH_KEYS)
    for _ in range(4):
        page.keyboard.press("1")  # faster than most answers
    n = 0
    for _ in range(10):  # until no more answers arrive
        page.wait_for_timeout(2_000)
        before, n = n, len(actions(server))
        if n and n == before:
            break
    pictures = set(page.evaluate("() => window.picturesAtKeys.flat()"))
    with Workspace(server.folder, read_only=True) as space:
        labelled = {space.image_id(int(row)) for action in actions(server) for row in action.rows}
    assert 1 <= len(labelled) == len(actions(server))
    assert labelled <= pictures
    count = len(labelled)
    expect(page.get_by_text(f"{count + 1} of 10")).to_be_visible()
    second = shown(page)
    page.keyboard.press("2")
    expect(page.get_by_text(f"{count + 2} of 10")).to_be_visible()
    assert shown(page) != second
    page.keyboard.press("z")
    expect(page.get_by_text(f"{count + 1} of 10")).to_be_visible()
    assert shown(page) == second
    assert len(actions(server)) == count
    other = open_page()
    open_tab(other, "Suggestions", "1 of 10")
    assert shown(other) != shown(page)


def test_a_reading_is_changed_and_undone_in_check_and_a_class_key_elsewhere_labels_a_pinned_picture_or_nothing(
    open_page, server
):
    page = open_page()
    open_tab(page, "Check", re.compile(r"^0 of \d+ check images read"))
    first = shown(page)
    page.keyboard.press("1")
    expect(page.get_by_text(re.compile(r"^1 of \d+ check images read"))).to_be_visible()
    page.keyboard.press("Backspace")
    expect(page.get_by_text("Your answer was 'neutral'")).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text("1 check-half image read as 'footwear'")).to_be_visible()
    assert labels_by_id(server) == {first: "footwear"}
    assert shown(page) != first
    page.keyboard.press("z")
    expect(page.get_by_text(re.compile(r"^0 of \d+ check images read"))).to_be_visible()
    assert (labels_by_id(server), shown(page)) == ({}, first)

    page.get_by_role("button", name="Operating point").click()
    expect(page.get_by_text("The check set is closed")).to_be_visible()
    for key in "1zs":
        page.keyboard.press(key)
    page.wait_for_timeout(2_000)
    assert actions(server) == []
    page.get_by_role("button", name="Map").click()
    page.get_by_role("tab", name="Selection").click()
    drag(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    page.get_by_role("group").get_by_role("checkbox").nth(2).dblclick()
    expect(page.get_by_role("dialog", name="The picture, enlarged")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Unpin")).to_be_visible()
    pinned = shown(page)
    page.keyboard.press("2")
    expect(page.get_by_text("1 labelled (")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert [space.image_id(int(row)) for action in actions(server) for row in action.rows] == [pinned]


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
    expect(page.get_by_role("button", name="Save these readings")).to_be_disabled()
    expect(page.get_by_text("Choose a class for all others").first).to_be_visible()
    page.get_by_role("combobox", name="All others are").click()
    page.get_by_role("listbox").get_by_text("neutral", exact=True).click()
    save = page.get_by_role("button", name="Save these readings")
    expect(save).to_be_enabled()
    save.click()
    expect(page.get_by_text("2 labelled 'copyright' are read as 'neutral'")).to_be_visible()
    assert len(actions(server)) == 1  # asked, not done
    save.click()
    expect(page.get_by_text("25 check images read: 25 'neutral'.")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("Undone: 25 images, 'neutral'.")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        codes = space.labels.codes[queue]
        assert np.flatnonzero(codes >= 0).tolist() == [0, 1]  # ann's labels stand again


PICTURES = """() => { const all = []; const walk = root => { for (const node of root.querySelectorAll("*")) {
  if (node.tagName === "IMG" && node.checkVisibility()) all.push(node.getAttribute("src") ?? "");
  if (node.shadowRoot) walk(node.shadowRoot); } }; walk(document); return all; }"""
# Waits, in the browser, from a key until another large picture is on the screen.
PRESS_AND_WAIT = """key => new Promise((resolve, reject) => {
  const before = [...window.lassoscopeShown.values()].at(-1);
  setTimeout(() => reject(new Error("no other picture in 5 s")), 5000);
  const look = () => [...window.lassoscopeShown.values()].at(-1) === before ? requestAnimationFrame(look)
    : requestAnimationFrame(resolve);
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code: "Digit" + key, bubbles: true, composed: true }));
  document.body.dispatchEvent(new KeyboardEvent("keyup", { key, code: "Digit" + key, bubbles: true, composed: true }));
  look();
})"""


def labels_by_id(server):
    """Return the class of each labelled image."""
    with Workspace(server.folder, read_only=True) as space:
        codes = space.labels.codes
        return {space.image_id(int(row)): space.class_names[codes[row]] for row in np.flatnonzero(codes >= 0)}


def test_a_queue_goes_on_while_the_server_is_busy_and_four_quick_keys_label_the_pictures_they_were_pressed_on(
    open_page, server
):
    page = open_page()
    without_copies(page)
    open_tab(page, "Suggestions", "1 of 10")
    page.wait_for_timeout(1_500)  # the pictures ahead have loaded
    wanted = {}
    os.kill(server.process.pid, signal.SIGSTOP)  # nothing that is seen now comes from it
    try:
        for key, name in (("1", "neutral"), ("2", "footwear"), ("3", "copyright"), ("1", "neutral")):
            wanted[shown(page)] = name
            page.evaluate(PRESS_AND_WAIT, key)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    expect(page.get_by_text("4 labelled (")).to_be_visible()
    assert labels_by_id(server) == wanted
    assert len(wanted) == 4
    assert shown(page) not in wanted
    for _ in range(16):  # over the end of the round: the next one is there before, unless the machine is busy
        takes_key(page)
        page.evaluate(PRESS_AND_WAIT, "1")
        page.wait_for_timeout(250)
    expect(page.get_by_text("20 labelled (")).to_be_visible()


def press_on(page, key, code):
    """Press a key of a keyboard of another language."""
    devtools = page.context.new_cdp_session(page)
    for kind in ("rawKeyDown", "keyUp"):
        devtools.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code})


def test_other_keyboards_work_a_held_key_answers_once_backspace_changes_an_answer_and_undo_brings_its_picture_back(
    open_page, server
):
    page = open_page()
    open_tab(page, "Suggestions", "1 of 10")
    first = shown(page)
    press_on(page, "&", "Digit1")  # French
    expect(page.get_by_text("1 labelled (")).to_be_visible()
    press_on(page, "я", "KeyZ")  # Russian
    expect(page.get_by_text("0 labelled (")).to_be_visible()
    expect(page.get_by_text("1 of 10")).to_be_visible()
    assert takes_key(page) == first
    page.wait_for_timeout(300)
    for _ in range(5):
        page.keyboard.down("2")  # as often as the keyboard repeats it
    page.keyboard.up("2")
    expect(page.get_by_text("2 of 10")).to_be_visible()
    expect(page.get_by_text("1 labelled (")).to_be_visible()
    assert labels_by_id(server) == {first: "footwear"}
    second = shown(page)
    page.keyboard.press("Backspace")
    expect(page.get_by_text("Your answer was 'footwear'")).to_be_visible()
    assert shown(page) == first
    expect(page.get_by_role("button", name="Label as footwear (flagged)").last).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("3")
    expect(page.get_by_text("2 of 10")).to_be_visible()
    page.wait_for_timeout(1_000)
    assert (labels_by_id(server), shown(page)) == ({first: "copyright"}, second)
    page.keyboard.press("z")  # the change
    expect(page.get_by_text("Your answer was 'footwear'")).to_be_visible()
    assert (labels_by_id(server), shown(page)) == ({first: "footwear"}, first)
    page.keyboard.press("z")  # the answer
    expect(page.get_by_text("1 of 10")).to_be_visible()
    assert (labels_by_id(server), shown(page)) == ({}, first)
    page.wait_for_timeout(300)
    page.keyboard.press("1")
    expect(page.get_by_text("2 of 10")).to_be_visible()
    strip = page.get_by_role("group", name="Pictures before and after this one")
    assert all("/blurred/" in src for src in page.evaluate(PICTURES) if src.startswith(("thumb/", "image/")))
    strip.get_by_role("button", name="Go back to this picture: neutral").click()
    expect(page.get_by_text("Your answer was 'neutral'")).to_be_visible()
    assert shown(page) == first


def test_an_answer_that_cannot_be_saved_comes_back_with_its_picture_and_says_which(open_page, server):
    page = open_page()
    open_tab(page, "Suggestions", "1 of 10")
    first = shown(page)
    page.wait_for_timeout(1_000)
    refuse_writes(server.folder)
    page.keyboard.press("1")
    expect(page.get_by_text("Your answer for picture 1 of 10 was not saved; the picture comes back next.")).to_be_visible()
    assert page.locator(".said img").get_attribute("src") == f"thumb/blurred/{first}"
    second = shown(page)
    assert second != first
    refuse_writes(server.folder, on=False)
    page.keyboard.press("2")
    expect(page.get_by_text("Your answer 'neutral' was not saved: answer again.")).to_be_visible()
    assert shown(page) == first
    page.wait_for_timeout(300)
    page.keyboard.press("3")
    expect(page.get_by_text("2 labelled (")).to_be_visible()
    assert labels_by_id(server) == {second: "footwear", first: "copyright"}


def test_a_key_that_does_nothing_says_why_at_once_and_a_picture_that_cannot_be_loaded_is_skipped(open_page, server):
    page, asked = open_page(), []

    def first_only(route):
        asked.append(route)
        if len(asked) == 1:
            route.continue_()

    page.route("**/image/blurred/*", first_only)
    open_tab(page, "Suggestions", "1 of 10")
    first, large = takes_key(page), page.locator(".picture:visible")
    page.keyboard.press("1")
    expect(large).to_have_attribute("aria-busy", "true")
    page.keyboard.press("2")
    expect(page.get_by_role("alert").get_by_text("The picture is still on its way")).to_be_visible()
    second = asked[1].request.url.rsplit("/", 1)[1]
    page.may_lose_server = True  # the browser logs what it cannot load
    asked[1].abort()
    expect(page.get_by_text("This picture cannot be loaded")).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("s")
    for route in asked[2:]:
        route.continue_()
    page.unroute("**/image/blurred/*")
    third = takes_key(page)
    page.keyboard.press("3")
    expect(page.get_by_text("2 labelled (")).to_be_visible()
    assert second not in (first, third)
    assert labels_by_id(server) == {first: "neutral", third: "copyright"}
    fourth = takes_key(page, but=third)
    os.kill(server.process.pid, signal.SIGSTOP)  # it has not heard that another tab is open
    try:
        page.get_by_role("tab", name="Selection").click()
        expect(large).to_have_count(0)
        page.keyboard.press("1")
        expect(page.get_by_role("alert").get_by_text("The page had just changed")).to_be_visible()
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    page.wait_for_timeout(1_000)
    assert fourth not in labels_by_id(server)


def refuse_writes(folder, *, on=True):
    """Let the catalog take no action, as a full disk would, or take them again."""
    with closing(sqlite3.connect(folder / "catalog.sqlite", timeout=20)) as catalog, catalog:
        if on:
            catalog.execute("CREATE TRIGGER refuse BEFORE INSERT ON actions BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        else:
            catalog.execute("DROP TRIGGER refuse")
