"""A score column under a real mouse: it colours the map, starts suggestions, is opened, and stands beside the probe."""

import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

from core.catalog.score_columns import NewColumn
from core.evidence import queues
from core.labels.actions import history, label, undo
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import Server, load

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


@pytest.fixture
def page(prepared, browser, tmp_path):
    """The map of a workspace with a score column, taught and read, whose check set is closed."""
    folder = shutil.copytree(prepared, tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock", "server.log"))
    with Workspace(folder) as space:
        for action, stands in history(space):
            if stands and action.kind == "label":
                undo(space, action.seq, analyst="test")
        truth = space.gold("label")
        taught = np.flatnonzero(~space.is_check & (truth >= 0))[:60]
        read = [queues.queue(space, purpose, 120, analyst="ann") for purpose in ("promise", "live")]
        for rows, source in ((taught, "lasso"), *((rows, "check") for rows in read)):
            for code, name in enumerate(space.class_names):
                if len(mine := rows[truth[rows] == code]):
                    label(space, mine, name, analyst="ann", source=source)
        scores = (truth == space.class_names.index("footwear")) + np.random.default_rng(0).normal(size=len(truth))
        space.catalog.score_columns.put([NewColumn("vendor", True, "v.csv", -scores)])
        refit(space)
    server = Server(folder)
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    load(page, server.url)
    yield page
    page.context.close()
    server.kill()
    assert errors == []


def test_a_column_is_seen_suggested_opened_and_compared(page):
    expect(page.get_by_text("'vendor' on the check half")).to_be_visible(timeout=20_000)
    page.get_by_role("combobox", name="Colour by").click()
    page.get_by_role("listbox").get_by_text("score:vendor", exact=True).click()
    expect(page.get_by_text("more likely flagged")).to_be_visible()
    page.get_by_role("tab", name="Suggestions").click()
    page.get_by_role("combobox", name="Strategy").click()
    page.get_by_role("listbox").get_by_text("score:vendor", exact=True).click()
    page.get_by_role("button", name="New round").click()
    expect(page.get_by_text("1 of 10 · score:vendor")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Operating point").click()
    expect(page.get_by_text("If you will open this set for 'vendor' too, do that first")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="vendor", exact=True).click()
    expect(page.get_by_text("If you will open this set")).not_to_be_visible()
    page.get_by_role("button", name="Open: look 1").click()
    expect(page.get_by_text("scores of 'vendor' ≤").first).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="probe", exact=True).click()
    expect(page.get_by_text("The check set is closed.")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Open: look 1").click()
    expect(page.get_by_text("that both were opened with, 'probe' is better than 'vendor'")).to_be_visible(timeout=20_000)
