"""Clusters in Chromium: stepped through, notices in five actions, bulk labels spot-checked, near-duplicates."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.duplicates.search import copies_of
from core.labels.actions import history
from core.labels.purity import Purity
from core.notices.find import notices
from core.wording import counted
from core.workspace import Workspace
from tests.ui.driver import LEFT, N_IMAGES, box_of, drag, facts, label_many, without_copies

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


def step_and_label(page, server):
    """Step through the clusters that another window has found by keys, label one as a whole, and undo that."""
    page.get_by_role("tab", name="Clusters").click()
    without_copies(page)
    items = page.get_by_role("radiogroup", name="Clusters").get_by_role("radio")
    expect(items.first).to_contain_text("Copyright notices")
    expect(items.nth(2)).to_be_visible()
    expect(facts(page)).not_to_have_attribute("data-outlines", "0")
    assert all("/blurred/" in img.get_attribute("src") for img in items.first.locator("img").all())
    for item, step in ((items.nth(0), None), (items.nth(1), "ArrowDown")):
        size = re.search(r"· ([\d,]+) images", item.inner_text())[1].replace(",", "")
        if step:
            page.keyboard.press(step)
        else:
            item.click()
        expect(facts(page)).to_have_attribute("data-selected", size)
    label_many(page, "2")
    expect(page.get_by_text(f"{size} labelled (")).to_be_visible()
    expect(items.nth(1).get_by_text("100% labelled: footwear")).to_be_visible()
    page.keyboard.press("ArrowDown")  # the list was redrawn, and the keys continue where they were
    size = re.search(r"· ([\d,]+) images", items.nth(2).inner_text())[1].replace(",", "")
    expect(facts(page)).to_have_attribute("data-selected", size)
    with Workspace(server.folder, read_only=True) as space:
        newest = history(space)[0][0]
        assert newest.source == "cluster"
        assert newest.criterion.cluster.startswith("M")
    page.keyboard.press("z")
    expect(page.get_by_text("0 labelled (")).to_be_visible()


def test_clusters_are_labelled_as_one_and_notices_end_in_one_group_that_is_labelled_in_five_actions(open_page, server):
    page, other = open_page(), open_page()
    page.get_by_role("tab", name="Clusters").click()  # 1
    page.get_by_role("button", name=re.compile("^Find (clusters|again)$")).click()  # 2
    expect(other.get_by_text("Clusters found:")).to_be_visible(timeout=150_000)  # another window hears of it
    step_and_label(other, server)
    with Workspace(server.folder, read_only=True) as space:
        rows = notices(space).rows
        truth = space.gold("label") == space.class_names.index("copyright")
        truth[space.groups != np.arange(space.n_images)] |= truth[space.groups][space.groups != np.arange(space.n_images)]
        assert truth[rows].mean() >= 0.95
        assert truth[rows].sum() >= 0.95 * truth.sum()
    page.get_by_role("radio").filter(has_text=f"Copyright notices · {len(rows)} images").click()  # 3
    expect(facts(page)).to_have_attribute("data-selected", str(len(rows)))
    page.keyboard.press("3")  # 4
    expect(page.get_by_text(f"Spot check before {len(rows)} become 'copyright'")).to_be_visible()
    page.wait_for_timeout(800)
    page.keyboard.press("3")  # 5
    worth = Purity("copyright", len(rows), 12, 12).sentence
    expect(page.get_by_text(f"{len(rows)} labelled 'copyright': {worth}")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert (space.labels.codes[rows] == space.class_names.index("copyright")).all()
        assert history(space)[0][0].criterion.cluster == "Copyright notices"
    page.get_by_label("Find words in pictures").first.fill("©")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the filter: picture says '©'")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"\d+ of {N_IMAGES} images"))).to_be_visible()
    expect(page.get_by_role("radio").filter(has_text=re.compile(r"\d+ of \d+ images")).first).to_be_visible()


def test_a_bulk_label_is_spot_checked_raised_flipped_and_undone_as_one(open_page, server):
    page = open_page()
    without_copies(page)
    drag(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    n = int(facts(page).get_attribute("data-selected"))
    page.keyboard.press("3")
    asked = page.get_by_text(f"Spot check before {n} become 'copyright'")
    expect(asked).to_be_visible()
    page.keyboard.press("Escape")
    expect(asked).not_to_be_visible()
    expect(facts(page)).to_have_attribute("data-selected", str(n))  # the lasso is still there
    page.keyboard.press("3")
    expect(asked).to_be_visible()
    page.keyboard.press("1")  # another class is no answer
    expect(asked).to_be_visible()
    shown = page.locator(".tile[aria-label*=' of 12,']")
    assert all("/blurred/" in img.get_attribute("src") for img in shown.locator("img").all())
    shown.last.click()
    said = page.get_by_text(f"Then: {Purity('copyright', n, 12, 11).sentence}")
    expect(said).to_be_visible()
    page.get_by_role("button", name=re.compile(f"Label {n - 1} 'copyright'")).click()
    expect(page.get_by_text(f"{n} labelled (")).to_be_visible()
    expect(page.get_by_text(f"{n - 1} labelled 'copyright': {Purity('copyright', n, 12, 11).sentence}")).to_be_visible()
    page.get_by_role("button", name=re.compile("Spot-check 12 more")).click()
    page.get_by_role("button", name=re.compile("Save this spot check")).click()
    expect(page.get_by_text(Purity("copyright", n, 24, 23).sentence).first).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert sorted(np.bincount(space.labels.codes + 1, minlength=4)[1:].tolist()) == [0, 1, n - 1]
    page.get_by_role("button", name="History").click()
    expect(page.get_by_text(f"{n - 1} images → copyright; at least").first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Undo action")).last.click()
    expect(page.get_by_text("0 labelled (")).to_be_visible()


def test_near_duplicates_are_one_picture_with_a_count_and_labelled_together(open_page, server):
    with Workspace(server.folder, read_only=True) as space:
        sizes = np.bincount(space.groups, minlength=space.n_images)
        first = int(sizes.argmax())
        group = copies_of(space, np.array([first])).tolist()
    assert len(group) > 1  # the fixture's copy of the first image
    page = open_page()
    drag(page, box_of(0.005, 0.005, 0.9, 0.995))
    expect(page.get_by_text(re.compile(r"\d+ different pictures"))).to_be_visible()
    shown = page.locator(".tile", has=page.get_by_text(f"×{len(group)}", exact=True)).first
    row = int(shown.get_attribute("data-row"))
    with Workspace(server.folder, read_only=True) as space:
        together = copies_of(space, np.array([row])).tolist()
    shown.click()
    expect(page.get_by_text("1 picked")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_text(f"Included {counted(len(together) - 1, 'near-duplicate')}")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert history(space)[0][0].rows.tolist() == together
    page.keyboard.press("z")
    expect(page.get_by_text("0 labelled (")).to_be_visible()
    page.get_by_label("Near-duplicates as one").first.click()
    expect(page.locator(".stack:visible")).to_have_count(0)
    page.locator(f'.tile[data-row="{row}"]').click()
    expect(page.get_by_text("1 picked")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_text("1 labelled (")).to_be_visible()


def test_a_first_visit_is_guided_and_the_guide_stays_dismissed(open_page):
    page = open_page()
    analyst = page.get_by_placeholder("analyst")
    page.get_by_role("button", name="Show the five steps again").click()  # an earlier test may have done all five
    expect(page.get_by_text("Step 1 of 5")).to_be_visible()
    drag(page, LEFT)
    expect(page.get_by_text("Step 2 of 5")).to_be_visible()
    label_many(page, "1")
    expect(page.get_by_text("Step 3 of 5")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Step 3 of 5")).not_to_be_visible()
    name = analyst.input_value()
    page.reload()
    expect(page.get_by_placeholder("analyst")).to_have_value(name)
    page.wait_for_timeout(1_500)
    expect(page.get_by_text(re.compile(r"Step \d of 5"))).to_have_count(0)
    page.get_by_role("button", name="Show the five steps again").click()
    expect(page.get_by_text(re.compile(r"Step \d of 5"))).to_be_visible()
