"""What was seen is counted as it was on the screen, and a blurred picture is a blurred file."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from core.wellbeing.store import exposure, exposures
from core.workspace import Workspace
from tests.ui.driver import LEFT, drag, facts

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]

SOURCES = """() => { const all = []; const walk = root => { for (const node of root.querySelectorAll('*')) {
  if (node.tagName === 'IMG' && node.getAttribute('src')) all.push(node.getAttribute('src'));
  if (node.shadowRoot) walk(node.shadowRoot); } }; walk(document); return all; }"""


def seen(server, analyst):
    with Workspace(server.folder, read_only=True) as space:
        return exposure(space, analyst)


def sharpness(content: bytes) -> float:
    """Return the mean square of the Laplacian: a blur takes it away."""
    x = np.asarray(Image.open(io.BytesIO(content)).convert("L"), float)
    return float(((4 * x[1:-1, 1:-1] - x[:-2, 1:-1] - x[2:, 1:-1] - x[1:-1, :-2] - x[1:-1, 2:]) ** 2).mean())


def test_views_and_seconds_are_counted_by_what_was_on_the_screen(open_page, server):
    page = open_page()
    name = page.get_by_placeholder("analyst").input_value()
    before = seen(server, name)
    drag(page, LEFT)
    tiles = page.locator(".tile")
    expect(tiles.nth(5)).to_be_visible()
    page.wait_for_timeout(4_000)
    now = seen(server, name)
    on_screen = now.views["blurred"] - before.views.get("blurred", 0)
    assert 6 <= on_screen < int(facts(page).get_attribute("data-selected"))  # what is scrolled away was not seen
    assert now.views.get("clear", 0) == before.views.get("clear", 0)

    tiles.nth(2).hover()
    page.keyboard.down("r")
    page.wait_for_timeout(1_500)
    assert sum("/clear/" in source for source in page.evaluate(SOURCES)) == 1
    page.keyboard.up("r")
    page.wait_for_timeout(2_600)
    clear = seen(server, name)
    assert clear.views["clear"] == before.views.get("clear", 0) + 1
    assert 0.7 < clear.seconds["clear"] - before.seconds.get("clear", 0.0) < 2.5
    expect(page.get_by_text(re.compile(rf"^Today: {clear.views['clear']} of 200 clear views"))).to_be_visible()

    with Workspace(server.folder, read_only=True) as space:
        for source in [s for s in page.evaluate(SOURCES) if s.startswith("thumb/")][:12]:
            assert source.split("/")[1] == "blurred"
            blurred = page.request.get(f"{server.url}/{source}").body()
            assert sharpness(blurred) < 0.05 * sharpness(space.thumbnail(source.split("/")[2], "clear"))

    page.reload()
    expect(page.get_by_text(re.compile(rf"^Today: {clear.views['clear']} of 200 clear views"))).to_be_visible()
    page.get_by_role("button", name="History").click()
    row = page.get_by_role("row").filter(has_text=name).filter(has_text=f"{clear.views['clear']} in")
    expect(row.first).to_be_visible()


def test_a_budget_is_mentioned_gently_and_another_analyst_starts_at_nothing(open_page, server):
    page = open_page()
    analyst = page.get_by_placeholder("analyst")
    analyst.fill("bea")
    analyst.press("Enter")
    expect(page.get_by_text("Today: 0 of 200 clear views")).to_be_visible()
    page.get_by_role("button", name="History").click()
    budget = page.get_by_label("Clear views a day").first
    budget.fill("1")
    budget.press("Enter")
    page.get_by_role("button", name="Map").click()
    expect(page.get_by_text("Today: 0 of 1 clear views")).to_be_visible()
    drag(page, LEFT)
    tiles = page.locator(".tile")
    expect(tiles.nth(1)).to_be_visible()
    tiles.nth(1).hover()
    page.keyboard.down("r")
    page.wait_for_timeout(2_600)
    page.keyboard.up("r")
    expect(page.get_by_text("which is your budget of 1")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_text("which is your budget of 1")).not_to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert [found.views["clear"] for found in exposures(space) if found.analyst == "bea"] == [1]
