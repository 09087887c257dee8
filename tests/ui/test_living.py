"""Images come while people work: two windows, commands beside the server, its drawer of jobs, and its death in between."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.workspace import Workspace
from tests.shared import photo
from tests.ui.driver import LEFT, N_IMAGES, Server, copied, drag, facts, load

pytestmark = pytest.mark.ui
NEW, LATER = 40, 120


@pytest.fixture
def server(prepared, tmp_path):
    server = Server(copied(prepared, tmp_path / "w"))
    yield server
    server.kill()


def photos(folder: Path, n: int, first: int) -> Path:
    folder.mkdir()
    for i in range(n):
        photo(first + i).save(folder / f"p{i:03d}.png")
    return folder


def begin(server: Server, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "dashboard", *map(str, words), "-w", str(server.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ends_well(command: "subprocess.Popen[str]") -> str:
    said, _ = command.communicate(timeout=300)
    assert command.returncode == 0, said
    return said


def height_of_header(page: Page) -> float:
    return page.get_by_role("banner").first.bounding_box()["height"]


def remove_some(mine: Page, other: Page, n: int) -> None:
    """Remove what a lasso selects: Cancel does nothing, and every window lets go of what was removed."""
    mine.keyboard.press("Escape")
    drag(mine, LEFT)
    expect(facts(mine)).not_to_have_attribute("data-selected", "0")
    n_selected = int(facts(mine).get_attribute("data-selected") or 0)
    dialog = mine.get_by_role("dialog").filter(has_text=f"Remove {n_selected} images for good?")
    for answer in ("Cancel", "Remove"):
        mine.get_by_role("button", name="Remove…").click()
        expect(dialog).to_contain_text("There is no undo.")
        dialog.get_by_role("button", name=answer, exact=True).click()
        expect(dialog).to_have_count(0)
        expect(other.get_by_text(f"{n} images" if answer == "Cancel" else f"{n - n_selected} images")).to_be_visible()
    expect(facts(mine)).to_have_attribute("data-selected", "0")


def test_images_come_to_every_window_and_move_nothing_and_a_killed_server_goes_on(browser, server, tmp_path):
    pages = [browser.new_context(viewport={"width": 1280, "height": 720}).new_page() for _ in range(2)]
    for page in pages:
        load(page, server.url)
    mine, other = pages
    height = height_of_header(other)
    drag(mine, LEFT)
    expect(facts(mine)).not_to_have_attribute("data-selected", "0")
    before = [facts(mine).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")]
    said = ends_well(begin(server, "ingest", photos(tmp_path / "new", NEW, 5_000)))
    assert f"{NEW} images ingested" in said
    for page in pages:
        expect(page.get_by_text(f"{N_IMAGES + NEW} images")).to_be_visible()
    mine.get_by_role("button", name=re.compile("^Jobs")).click()
    drawer = mine.get_by_role("dialog", name="Jobs")
    for title in ("Add images", "Embed images", "Place images on the map"):
        card = drawer.get_by_role("listitem").filter(has_text=title)
        expect(card.locator(".state")).to_have_text("done", timeout=120_000)
    expect(drawer.get_by_text(f"{NEW} images placed on the map; nothing else moved.")).to_be_visible()
    drawer.get_by_role("button", name="Close").click()
    assert [facts(mine).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")] == before

    command = begin(server, "ingest", photos(tmp_path / "later", LATER, 7_000))
    expect(other.get_by_role("button", name=re.compile(r"^Jobs \(1\)"))).to_be_visible(timeout=60_000)
    assert height_of_header(other) == height
    server.kill()
    server.start()
    ends_well(command)
    for page in pages:  # of a reload, or of a session that went on
        expect(page.get_by_text(f"{N_IMAGES + NEW + LATER} images")).to_be_visible(timeout=120_000)
    with Workspace(server.folder, read_only=True) as space:
        assert len(set(space.ids.tolist())) == space.n_images == N_IMAGES + NEW + LATER
        again = space.catalog.jobs.get(4)
    assert (again.kind, again.state) == ("ingest", "done")
    for page in pages:  # what a lasso sends is recorded of a page that was loaded, not of one that went on
        load(page, server.url, N_IMAGES + NEW + LATER)
    remove_some(mine, other, N_IMAGES + NEW + LATER)
    for page in pages:
        page.context.close()
    shutil.rmtree(tmp_path / "later")
