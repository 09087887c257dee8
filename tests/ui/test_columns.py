"""A score column under a real mouse: it colours the map, starts suggestions, is opened, and stands beside the probe."""

import numpy as np
import pytest
from playwright.sync_api import expect

from core.catalog.score_columns import NewColumn
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import copied, served, teach_and_read

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


@pytest.fixture
def page(prepared, browser, tmp_path):
    """The map of a workspace with a score column, taught and read, whose check set is closed."""
    folder = copied(prepared, tmp_path / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=60, read=[("promise", 120), ("live", 120)])
        truth = space.gold("label")
        scores = (truth == space.class_names.index("footwear")) + np.random.default_rng(0).normal(size=len(truth))
        space.catalog.score_columns.put([NewColumn("vendor", True, "v.csv", -scores)])
        refit(space)
    with served(browser, folder) as page:
        yield page


def test_a_column_is_seen_suggested_opened_and_compared(page):
    expect(page.get_by_text("'vendor' on the check half")).to_be_visible()
    page.get_by_role("combobox", name="Colour by").click()
    page.get_by_role("listbox").get_by_text("score:vendor", exact=True).click()
    expect(page.get_by_text("more likely flagged")).to_be_visible()
    page.get_by_role("tab", name="Suggestions").click()
    page.get_by_role("combobox", name="Strategy").click()
    page.get_by_role("listbox").get_by_text("score:vendor", exact=True).click()
    page.get_by_role("button", name="New round").click()
    expect(page.get_by_text("1 of 10 · score:vendor")).to_be_visible()
    page.get_by_role("button", name="Operating point").click()
    expect(page.get_by_text("If you will open this set for 'vendor' too, do that first")).to_be_visible()
    page.get_by_role("button", name="vendor", exact=True).click()
    expect(page.get_by_text("If you will open this set")).not_to_be_visible()
    page.get_by_role("button", name="Open the check set").click()
    page.get_by_role("dialog").get_by_role("button", name="Open: look 1").click()
    expect(page.get_by_text("scores of 'vendor' ≤").first).to_be_visible()
    page.get_by_role("button", name="probe", exact=True).click()
    expect(page.get_by_text("The check set is closed.")).to_be_visible()
    page.get_by_role("button", name="Open the check set").click()
    page.get_by_role("dialog").get_by_role("button", name="Open: look 1").click()
    page.get_by_role("button", name="Details").click()
    page.get_by_role("tab", name="Evidence").click()
    expect(page.get_by_text("that both were opened with, 'probe' is better than 'vendor'")).to_be_visible()
