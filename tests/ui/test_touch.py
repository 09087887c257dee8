"""A tablet, 1024 × 700, and a finger: what is pressed is on the screen and large enough; lasso, tiles, bars and queues work."""

from contextlib import suppress
from itertools import pairwise

import pytest
from playwright.sync_api import TimeoutError, expect

from tests.ui.driver import box_of, facts, load, on_map, takes_key

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]
LEAST = 32  # px, the height of what a finger presses

# Controls on the screen that are too low or cut off by the window; those of a part that scrolls may be below its edge. Terms
# lie in running text, and their touch target is larger than their letters.
WRONG = """least => {
  const found = [], all = "button, a[href], select, textarea, input:not([type=checkbox], [type=range]), [role=button], "
    + "[role=tab], [role=combobox], [role=radio]";
  const up = node => node.parentElement ?? node.getRootNode().host;
  const scrolls = node => {
    for (let other = up(node); other; other = up(other)) {
      const way = getComputedStyle(other).overflowY;
      if ((way === "auto" || way === "scroll") && other.scrollHeight > other.clientHeight + 1) return true;
    }
    return false;
  };
  const walk = root => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) walk(node.shadowRoot);
      if (!node.matches(all) || node.matches(".term, [aria-hidden=true], a:not([class])")) continue;
      if (!node.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true })) continue;
      const field = node.closest(".MuiInputBase-root") ?? node, box = field.getBoundingClientRect();
      if (!box.width || !box.height) continue;
      const name = (node.getAttribute("aria-label") || node.textContent || node.title || node.outerHTML).trim().slice(0, 60);
      if (box.height < least) found.push(`${name}: ${Math.round(box.height)} px high`);
      if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1) found.push(`${name}: cut off`);
      else if (box.bottom > innerHeight + 1 && !scrolls(node)) found.push(`${name}: below the window`);
    }
  };
  walk(document);
  return found;
}"""


# How many tiles stand in the first row.
ABOVE = "tiles => tiles.filter(tile => tile.offsetTop === tiles[0].offsetTop).length"


class Finger:
    """Touches the screen at points, px, and leaves it."""

    def __init__(self, page):
        self.page, self.tools = page, page.context.new_cdp_session(page)

    def _tell(self, kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        # Chromium never answers for a finger that moves after what a busy machine made a long press.
        with suppress(TimeoutError):
            self.tools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}, timeout=2_000)

    def drag(self, *places, steps=6):
        self.press(places[0])
        for (x0, y0), (x1, y1) in pairwise(places):
            for step in range(1, steps + 1):
                self._tell("touchMove", (x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps))
        self.leave()

    def press(self, place):
        self._tell("touchStart", place)

    def leave(self):
        self._tell("touchEnd")


def tap(locator):
    """Tap when the page is at rest: the tool lifts its finger only once the page has heard of it, and late is a long press.

    After two seconds at the latest: Chromium may call no page idle after a drag.
    """
    locator.page.evaluate("() => new Promise(done => requestIdleCallback(() => done(), { timeout: 2000 }))")
    locator.tap()


def tap_till(locator, found, n):
    """Tap until there are n found: on a busy machine the tool's finger may stay so long that it is a long press."""
    for _ in range(4):
        tap(locator)
        locator.page.wait_for_timeout(2_000)  # two taps near each other are a double tap, too
        if found.count() == n:
            break
    expect(found).to_have_count(n)


def middle(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def pick_several(page, finger, tiles, picked):
    """Pick from tile 1 on by Range, then what a sideways drag covers."""
    picks_none, picks_range = (page.get_by_role("button", name=name) for name in ("Pick none", "Range"))
    tap_till(picks_range, page.get_by_text("press the last picture of the range"), 1)
    tap_till(tiles.nth(5), picked, 5)
    tap_till(picks_none, picked, 0)
    expect(picks_range).to_be_hidden()
    (x0, y0), (x1, _) = middle(tiles.nth(0)), middle(tiles.nth(1))
    _, below = middle(tiles.nth(columns := tiles.evaluate_all(ABOVE)))
    finger.drag((x0, y0), (x1, y0), (x1, below))
    expect(picked).to_have_count(4)
    assert [tiles.nth(n).get_attribute("aria-checked") for n in (0, 1, columns, columns + 1)] == ["true"] * 4
    tap_till(picks_none, picked, 0)
    tap_till(tiles.nth(1), picked, 1)


def test_a_tablet_reaches_everything_and_a_finger_lassoes_picks_enlarges_reveals_and_moves_bars(browser, server):
    context = browser.new_context(viewport={"width": 1024, "height": 700}, has_touch=True)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    load(page, server.url)
    finger, wrong = Finger(page), {}
    finger.drag(*on_map(page, box_of(0.08, 0.02, 0.5, 0.98)))
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    tiles, picked = page.locator(".tile"), page.locator('.tile[aria-checked="true"]')
    expect(tiles.nth(4)).to_be_visible()
    page.wait_for_timeout(700)
    wrong["Selection"] = page.evaluate(WRONG, LEAST)
    tap_till(tiles.nth(1), picked, 1)
    x, y = middle(tiles.nth(3))
    finger.drag((x, y), (x, y - 80))  # scrolls, and picks nothing
    finger.drag((x, y - 80), (x, y))
    page.wait_for_timeout(700)
    expect(picked).to_have_count(1)
    pick_several(page, finger, tiles, picked)
    finger.press(middle(tiles.nth(0)))
    expect(page.locator('.tile[data-view="clear"]')).to_have_count(1)
    finger.leave()
    expect(page.locator('.tile[data-view="clear"]')).to_have_count(0)
    expect(picked).to_have_count(1)
    place = middle(tiles.nth(0))
    page.touchscreen.tap(*place)
    page.touchscreen.tap(*place)
    box = page.get_by_role("dialog", name="The picture, enlarged")
    expect(box).to_be_visible()
    wrong["enlarged"] = page.evaluate(WRONG, LEAST)
    tap(box.get_by_role("button", name="Close [Esc]"))
    bar = page.get_by_role("separator", name="Room for the pictures beside the map")
    for room in ("Map", "Pictures", "Both"):
        tap(page.get_by_role("group", name="What has the stage").get_by_role("button", name=room))
        expect(tiles.first).to_be_visible(visible=room != "Map")
        expect(bar).to_be_visible(visible=room == "Both")
    before = int(bar.get_attribute("aria-valuenow"))
    x, y = middle(bar)
    finger.drag((x + 8, y), (x - 62, y))  # beside its line
    expect(bar).to_have_attribute("aria-valuenow", str(before + 70))
    for tab in ("Suggestions", "Clusters", "Check"):
        tap(page.get_by_role("tab", name=tab))
        if tab != "Clusters":
            takes_key(page)
        page.wait_for_timeout(700)
        wrong[tab] = page.evaluate(WRONG, LEAST)
    large = page.locator(".picture:visible")
    finger.press(middle(large))
    expect(large.locator("img")).to_have_attribute("data-view", "clear")
    finger.leave()
    expect(large.locator("img")).to_have_attribute("data-view", "blurred")
    for name, words in (
        ("Operating point", "Teach the model"),
        ("Training", "No training yet"),
        ("Experiment", "No study yet"),
        ("History", "Pictures seen"),
    ):
        tap(page.get_by_role("button", name=name, exact=True))
        expect(page.get_by_text(words).filter(visible=True).first).to_be_visible()
        page.wait_for_timeout(700)
        wrong[name] = page.evaluate(WRONG, LEAST)
    context.close()
    assert {where: found for where, found in wrong.items() if found} == {}
    assert errors == []
