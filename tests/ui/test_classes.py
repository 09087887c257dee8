"""Classes are renamed, merged and retired in the page: labels are kept, the other window follows, History says who did what."""

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.labels.actions import label
from core.labels.class_edits import counts_of
from core.workspace import Workspace
from tests.ui.driver import Server, copied

pytestmark = pytest.mark.ui
LABELLED = {"neutral": 10, "footwear": 8, "copyright": 6}


@pytest.fixture
def server(prepared, tmp_path):
    with Workspace(copied(prepared, tmp_path / "w")) as space:
        teach, truth = ~space.is_check, space.gold("label")
        for code, (name, n) in enumerate(LABELLED.items()):
            label(space, np.flatnonzero(teach & (truth == code))[:n], name, analyst="eve")
    server = Server(tmp_path / "w")
    yield server
    server.kill()


def call_oneself(page: Page, name: str) -> None:
    page.get_by_placeholder("analyst").fill(name)
    page.get_by_placeholder("analyst").press("Enter")


def edit(page: Page) -> Locator:
    page.get_by_role("button", name="Edit classes…").click()
    dialog = page.get_by_role("dialog", name="Classes and guideline")
    expect(dialog).to_be_visible()
    return dialog


def save(dialog: Locator) -> None:
    dialog.get_by_role("button", name="Save").click()


def expect_buttons(pages: tuple[Page, Page], **shown: bool) -> None:
    """Expect a button that labels as a class, or none."""
    for page in pages:
        for name, there in shown.items():
            button = page.get_by_role("button", name=f"Label as {name}")
            expect(button).to_have_count(1 if there else 0, timeout=60_000)


def test_classes_are_renamed_merged_and_retired_in_the_page_and_every_window_follows(server, open_page):
    mine, other = both = open_page(server.url), open_page(server.url)
    for page, name in zip(both, ("ann", "ben"), strict=True):
        call_oneself(page, name)

    dialog = edit(mine)
    dialog.get_by_label("Name of class 2").fill("shoes")
    dialog.get_by_label("Name of class 2").press("Tab")
    dialog.get_by_label("What happens to copyright").select_option("merge into neutral")
    dialog.get_by_role("button", name="Add a class").click()
    dialog.get_by_label("Name of class 4").fill("spam")
    save(dialog)
    expect_buttons(both, neutral=True, shoes=True, spam=True, footwear=False, copyright=False)
    for page in both:
        expect(page.get_by_role("button", name="neutral 1 16")).to_be_visible()  # the legend, with the key and the labels
        expect(page.get_by_role("button", name="shoes flagged 2 8")).to_be_visible()

    dialog = edit(other)
    dialog.get_by_label("Name of class 3").fill("footwear")
    save(dialog)  # its labels of that time are those of 'shoes'
    refused = "'footwear' was the name of 'shoes', which has the labels of that time; choose another."
    expect(dialog.get_by_role("alert")).to_have_text(refused)
    dialog.get_by_label("Name of class 3").fill("spam")
    dialog.get_by_label("What happens to shoes").select_option("retire: no new labels")
    save(dialog)
    expect_buttons(both, neutral=True, shoes=False, spam=True)
    for page in both:
        expect(page.get_by_role("button", name="shoes retired 8")).to_be_visible()

    for page in both:
        page.get_by_role("button", name="History").click()
        page.get_by_text("Changes of the classes, the guideline and the name").click()
        told = page.get_by_role("listitem").filter(has_text="Classes changed")
        expect(told.nth(0)).to_contain_text("ben · Classes changed: 'shoes' retired.")
        expect(told.nth(1)).to_contain_text(
            "ann · Classes changed: 'copyright' merged into 'neutral'; 'footwear' renamed to 'shoes'; 'spam' added."
        )
        for what in ("6 images → copyright (now neutral)", "8 images → footwear (now shoes)", "10 images → neutral"):
            expect(page.get_by_text(what, exact=True)).to_be_visible()
        page.get_by_role("button", name="Map", exact=True).first.click()
    with Workspace(server.folder, read_only=True) as space:
        assert counts_of(space) == {"neutral": 16, "shoes": 8, "spam": 0}

    dialog = edit(mine)
    dialog.get_by_label("What happens to shoes").select_option("8 labels: take it back into use")
    save(dialog)
    expect_buttons(both, shoes=True)
    expect(other.get_by_role("button", name="shoes flagged 2 8")).to_be_visible()
