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
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Open the check set").click()
    expect(dialog.get_by_text("Open the check set for the policy 'footwear'?")).to_be_visible()
    expect(dialog.get_by_text("It spends 40% of the 5% chance of error")).to_be_visible()
    dialog.get_by_role("button", name="Open: look 1").click()
    expect(page.locator(".promise:visible", has_text="at least 70% of footwear images are caught")).to_be_visible()
    chosen["garments"].click()
    expect(page.get_by_text("The check set is closed.")).to_be_visible()
    page.get_by_role("button", name="Open the check set").click()
    dialog.get_by_role("button", name="Open: look 1").click()
    expect(page.locator(".promise:visible", has_text="at least 50% of neutral images are caught")).to_be_visible()
    page.get_by_role("button", name="Choose the threshold").click()
    dialog.get_by_role("button", name="Save").click()  # without a name: the dialog stays, and says so
    expect(dialog.get_by_role("alert")).to_have_text("Name of this point: type one first.")
    dialog.get_by_label("Name of this point").fill("x" * 80)
    expect(dialog.get_by_role("alert")).to_be_hidden()
    dialog.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Choose the threshold").click()
    dialog.get_by_label("Name of this point").fill("some")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved 'some'.")).to_be_visible()
    page.get_by_role("button", name="Put it in force").click()
    expect(dialog.get_by_role("radio")).to_have_count(2)
    assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth"), "a long name goes beyond the dialog"
    dialog.get_by_role("radio", name="some").check()
    dialog.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("'some' is in force now.")).to_be_visible()
    page.get_by_role("button", name="Export the bundle").click()
    expect(dialog.get_by_text("All policies: footwear: the promise of opening 1")).to_be_visible()
    expect(dialog.get_by_text("garments: operating point 'some', in force, score ≥")).to_be_visible()
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog.get_by_role("progressbar")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The export was cancelled; nothing was written.")).to_be_visible(timeout=90_000)
    assert list((tmp_path / "w" / "exports").iterdir()) == []
    page.get_by_role("button", name="Export the bundle").click()
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("Score new uploads with 'lassoscope score'")).to_be_visible(timeout=90_000)
    (file,) = (tmp_path / "w" / "exports").glob("*.zip")
    with zipfile.ZipFile(file) as packed:
        assert b'"policy garments"' in packed.read("bundle.json")
    expect(page.locator("li.done")).to_have_count(6)
