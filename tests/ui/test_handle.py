"""The threshold's handle under a real mouse: it stays where it is dropped, and slider, field and words say the same."""

import re
import time

import pytest
from playwright.sync_api import expect

from benchmarks.handle import HANDLE
from core.evidence import check_sets
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import copied, served, teach_and_read

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


@pytest.fixture
def page(prepared, browser, tmp_path):
    """The Operating point page of a workspace with one opening."""
    folder = copied(prepared, tmp_path / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=60, read=[("promise", 110)])
        refit(space)
        check_sets.change_terms(space, recall=0.8)
        check_sets.open_check_set(space, analyst="ann")
    with served(browser, folder, width=1440, height=1000) as page:
        page.get_by_role("button", name="Operating point").click()
        page.get_by_role("button", name="Details").click()
        expect(page.get_by_text("At scores ≥").first).to_be_visible()
        page.get_by_role("textbox", name="Threshold").first.scroll_into_view_if_needed()
        page.wait_for_timeout(1_000)
        yield page


def drag(page, score, *, steps=20):
    handle = page.evaluate(HANDLE)
    x = handle["left"] + (score - handle["low"]) / (handle["high"] - handle["low"]) * (handle["right"] - handle["left"])
    page.mouse.move(handle["x"], handle["y"])
    page.mouse.down()
    page.mouse.move(x, handle["y"], steps=steps)
    page.mouse.up()


def said(page):
    """Return the threshold of handle, words, slider and field."""
    words = re.search(r"≥ (-?[\d.]+),", page.get_by_text("At scores ≥").first.inner_text())[1]
    slider = page.get_by_role("slider", name="Threshold").first.get_attribute("aria-valuenow")
    return [
        page.evaluate(HANDLE)["at"],
        *map(float, (words, slider, page.get_by_role("textbox", name="Threshold").first.input_value().replace(",", "."))),
    ]


def expect_all_at(page, score, *, within=0.06):
    """Everything that shows the threshold shows this one, and still does after the last echo."""
    wanted = pytest.approx([score] * 4, abs=within)
    until = time.monotonic() + 15
    while said(page) != wanted and time.monotonic() < until:
        page.wait_for_timeout(200)
    page.wait_for_timeout(1_200)
    assert said(page) == wanted


def test_the_handle_stays_where_the_mouse_drops_it_and_all_say_the_same(page):
    for score in (1.0, 5.0, -2.0, 0.5):
        drag(page, score)
        expect_all_at(page, score)
    for score, steps in ((3.0, 40), (4.0, 3), (2.0, 60)):  # one after the other, before the fields have followed
        drag(page, score, steps=steps)
        page.wait_for_timeout(150)  # until it is painted where it is: nobody takes hold of what he does not see
    expect_all_at(page, 2.0)
    slider = page.get_by_role("slider", name="Threshold").first
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect_all_at(page, 2.2)
    typed = page.get_by_role("textbox", name="Threshold").first
    for text, score in (("1,25", 1.25), ("-3", -3.0)):  # twice, without leaving the field
        typed.click()
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect_all_at(page, score)
    drag(page, 0.7)
    expect_all_at(page, 0.7)
    expect(page.get_by_text(re.compile(r"Review images that score ≥ 0\.(69|70|71)$"))).to_be_visible()
