"""Review in Chromium: flagged images by keys, two windows that agree, undo, and what is told after an answer."""

import re
import time

import numpy as np
import pytest
from playwright.sync_api import expect

from core.evidence import check_sets, openings, points
from core.labels.actions import history
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import Server, copied, load, takes_key, teach_and_read

pytestmark = pytest.mark.ui


@pytest.fixture
def server(prepared, tmp_path):
    folder = copied(prepared, tmp_path / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=120, read=(("promise", 110),))
        refit(space)
        opened = check_sets.open_check_set(space, analyst="ann")
        points.save_point(space, "daily", opened.threshold or 0.0, opened, analyst="ann")  # so few readings may promise nothing
        points.put_in_force(space, "daily", analyst="ann")
    server = Server(folder)
    yield server
    server.kill()


def flagged(space):
    """Return which images the point flags, (N,) bool."""
    (opened,), (point,) = openings.openings(space), points.points(space)
    return openings.frozen_scores(space, opened) >= point.threshold


def expect_told(pages, server, n_answers):
    """Every page says what the answers make of the flagged images.

    One picture in some is drawn at random from what is left up, and an answer to it says nothing of what is flagged.
    """
    until = time.monotonic() + 20
    while True:
        with Workspace(server.folder, read_only=True) as space:
            given = [action for action, stands in history(space) if stands and action.criterion.point == "daily"]
            rows = np.unique([row for action in given for row in action.rows]).astype(int)
            codes = space.labels.codes[rows[flagged(space)[rows]]]
        if len(given) == n_answers or time.monotonic() > until:
            break
        time.sleep(0.1)
    assert len(given) == n_answers
    n_right = (codes == space.class_names.index("footwear")).sum()
    said = f"({n_right} of {len(codes)} answered)" if len(codes) else "no flagged image is answered yet"
    for page in pages:
        expect(page.get_by_text(said)).to_be_attached()


def test_flagged_images_are_answered_by_keys_and_two_windows_agree(browser, server):
    pages = [browser.new_context(viewport={"width": 1280, "height": 720}).new_page() for _ in range(2)]
    errors = []
    for page, name in zip(pages, ("ann", "bob"), strict=True):
        page.on("pageerror", lambda error: errors.append(str(error)))
        load(page, server.url)
        page.get_by_placeholder("analyst").fill(name)
        page.get_by_placeholder("analyst").press("Enter")
        page.get_by_role("tab", name="Review").click()
    mine, other = pages
    first, theirs = (takes_key(page) for page in pages)
    assert first != theirs
    expect(mine.get_by_text(re.compile(r"\d+ flagged images wait; \d+ came in today"))).to_be_visible()
    assert "/blurred/" in mine.locator(".picture:visible img").get_attribute("src")
    mine.keyboard.press("2")
    second = takes_key(mine, but=first)
    expect_told(pages, server, 1)
    other.keyboard.press("1")
    takes_key(other, but=theirs)
    expect_told(pages, server, 2)
    mine.keyboard.press("z")
    assert takes_key(mine, but=second) == first
    expect_told(pages, server, 1)
    mine.keyboard.press("u")
    takes_key(mine, but=first)
    mine.keyboard.press("Backspace")
    with Workspace(server.folder, read_only=True) as space:
        row = space.catalog.images.rows_of_ids([first])[first]
        why = "Flagged by 'daily': score" if flagged(space)[row] else "A sample, drawn at random: 'daily' leaves it up"
        expect(mine.get_by_text(why)).to_be_visible()
        (unsure, _), (_, undone_stands), (label, _), *_ = [
            pair for pair in history(space, 4) if pair[0].kind == "label" or pair[0].kind == "undo"
        ]
        assert (unsure.source, unsure.criterion.point) == ("unsure", "daily")
        assert undone_stands is None
        assert (label.source, label.class_name, label.criterion.point) == ("review", "neutral", "daily")
    assert errors == []
    for page in pages:
        page.context.close()
