"""Two policies under a real mouse: each is chosen, opened and given a point; then one bundle of both is exported."""

import zipfile

import pytest
from playwright.sync_api import expect

from core.labels.classes import parse_classes, set_classes
from core.labels.policies import set_policy
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import copied, served, teach_and_read

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


@pytest.fixture
def page(prepared, browser, tmp_path):
    """The Operating point page of a workspace with two policies that are read and not opened."""
    folder = copied(prepared, tmp_path / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=80, read=[("promise", 120)])
        set_classes(space, parse_classes("neutral*,footwear*,copyright"))
        set_policy(space, "footwear", recall=0.7)
        set_policy(space, "garments", classes=["neutral"], recall=0.5)
        refit(space)
    with served(browser, folder) as page:
        page.get_by_role("button", name="Operating point").click()
        yield page


def test_each_policy_is_opened_and_one_bundle_holds_both(page, tmp_path):
    chosen = {name: page.get_by_role("button", name=name, exact=True).first for name in ("footwear", "garments")}
    expect(page.get_by_text("look at this check set for the policy 'footwear'")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Open: look 1").click()
    expect(page.get_by_text("At least 70% of footwear images are caught")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("The policy 'garments' has no promise and no operating point in force")).to_be_visible()
    chosen["garments"].click()
    expect(page.get_by_text("The check set is closed.")).to_be_visible()
    expect(page.get_by_label("Recall", exact=True)).to_have_value("0.5")
    page.get_by_role("button", name="Open: look 1").click()
    expect(page.get_by_text("At least 50% of neutral images are caught")).to_be_visible(timeout=20_000)
    page.get_by_label("Name of this point").fill("some")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Put in force").click()
    export = page.get_by_role("button", name="Export the bundle of all policies: footwear ≥")
    expect(export).to_be_visible()
    chosen["footwear"].click()
    expect(page.get_by_text("At least 70% of footwear images are caught")).to_be_visible()
    export.click()
    expect(page.get_by_text("Score new uploads with 'lassoscope score'")).to_be_visible(timeout=90_000)
    file = max((tmp_path / "w" / "exports").glob("*.zip"), key=lambda path: path.stat().st_mtime)
    with zipfile.ZipFile(file) as packed:
        assert b'"policy garments"' in packed.read("bundle.json")
