"""The whole story in Chromium, from an empty folder to two windows that agree: no terminal after `serve`.

Marked slow: it answers 141 pictures by keys. With PICTURES=FOLDER in the environment it leaves pictures of its steps there, for
docs/images.
"""

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.demo.datasets import write_demo_images
from core.duplicates.search import copies_of
from core.evidence import openings, points
from core.evidence.frozen import score_subject
from core.workspace import Workspace
from tests.ui.driver import LEFT, PLACE_OF_MAP, Server, drag, drop, facts, names_of_classes, promise_terms, takes_key

pytestmark = pytest.mark.slow

DROPPED, LATER = 300, 50
TAUGHT, READ = 40, 100
LONG = 120_000  # ms, for what embeds and lays out
PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
def there(tmp_path_factory):
    """Make the pictures: 300 to drop and 50 for later, four in ten of them footwear, which stands in for what is flagged."""
    folder = tmp_path_factory.mktemp("uploads")
    listed = pd.read_csv(write_demo_images(folder / "demo", n_images=600))
    is_flagged = listed["label"] == "footwear"
    for name, n, skipped in (("june", DROPPED, 0), ("later", LATER, DROPPED)):
        (folder / name).mkdir()
        for kind, wanted, share in (("shoe", is_flagged, 0.4), ("other", ~is_flagged, 0.6)):
            first = round(skipped * share)
            for path in listed["path"][wanted][first : first + round(n * share)]:
                shutil.copy(folder / "demo" / path, folder / name / f"{kind}-{Path(path).name}")
    (folder / "inbox").mkdir()
    return folder


@pytest.fixture
def server(there):
    server = Server(there / "moderation", log=there / "server.log", LASSOSCOPE_INTAKE=str(there))
    yield server
    server.kill()


@pytest.fixture
def windows(browser, server):
    """Open windows; at the end none may have logged an error."""
    pages, errors = [], []

    def open_(url: str, analyst: str = "") -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(url)
        if analyst:
            page.get_by_placeholder("analyst").fill(analyst)
            page.get_by_placeholder("analyst").press("Enter")
        return page

    yield open_
    for page in pages:
        page.context.close()
    assert errors == []


def take(name: str, *pages: Page, soon: bool = False) -> None:
    """Take a picture for the documents if somebody asked for them, of several pages their upper parts.

    Args:
        soon: do not wait until no message covers the page.
    """
    if not PICTURES:
        return
    shots = []
    for page in pages:
        page.mouse.move(5, 450)
        if not soon:
            expect(page.locator(".message .said[role=status]:visible")).to_have_count(0)
        page.wait_for_timeout(1_000)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shots.append(shot if len(pages) == 1 else shot.crop((0, 0, 1_100, 262)))
    width, height = shots[0].size
    picture = Image.new("RGB", (width, (height + 8) * len(shots) - 8), "white")
    for at, shot in enumerate(shots):
        picture.paste(shot, (0, (height + 8) * at))
    few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)  # a third of the bytes
    few.save(Path(PICTURES) / f"{name}.png", optimize=True)


def images(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return the images' ids and places on the map, and by id the key that is right for it."""
    with Workspace(folder, read_only=True) as space:
        names = (Path(space.catalog.images.record(row)["path"]).name for row in range(space.n_images))
        keys = {space.image_id(row): "2" if name.startswith("shoe") else "1" for row, name in enumerate(names)}
        return space.ids.copy(), np.array(space.xy), keys


def answer(page: Page, keys: dict[str, str], n: int) -> set[str]:
    """Answer so many pictures of the open queue by their keys; return their ids."""
    shown, answered = "", set()
    while len(answered) < n:
        shown = takes_key(page, but=shown)
        page.keyboard.press(keys[shown])
        answered.add(shown)
    return answered


def with_copies(folder: Path, ids: set[str]) -> int:
    """Return how many images these are with their near-duplicates, which are labelled with them."""
    with Workspace(folder, read_only=True) as space:
        rows = space.catalog.images.rows_of_ids(sorted(ids)).values()
        return len(copies_of(space, np.array(sorted(rows))))


def begin(page: Page, there: Path) -> None:
    """Drop the pictures on the form of a new workspace, say what they are labelled as, and wait for the map."""
    expect(page.get_by_text("This workspace is new")).to_be_visible()
    drop(page, there / "june")
    expect(page.get_by_text(re.compile(f"^{DROPPED} files sent")).filter(visible=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_text(f"{DROPPED} images added. Say what you label")).to_be_visible(timeout=LONG)
    form = page.get_by_role("form", name="New workspace")
    names_of_classes(form).nth(1).fill("footwear")
    take("begin", page)
    with page.expect_event("load"):  # a page is built from its classes
        form.get_by_role("button", name="Begin").click()
    if PICTURES:
        expect(page.locator("html[data-connection=ok]")).to_be_attached()
        expect(page.locator('.strip img[src^="thumb/blurred/"]').first).to_be_visible()
        take("assembling", page, soon=True)
    expect(page.get_by_text("Images read")).to_be_hidden(timeout=LONG)
    expect(page.get_by_text(f"{DROPPED} images on the map, ")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Label as footwear (flagged)")).to_be_visible()
    expect(page.get_by_placeholder("analyst")).to_have_value("ann")


def teach_and_promise(page: Page, keys: dict[str, str], folder: Path) -> None:
    """Answer suggestions and check images, open the check set, and put its point in force."""
    page.get_by_role("tab", name="Suggestions").click()
    n_taught = with_copies(folder, answer(page, keys, TAUGHT))
    expect(page.get_by_text(f"{n_taught} labelled ({n_taught} teach, 0 check)")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^average precision"))).to_be_visible()
    page.get_by_role("tab", name="Check").click()
    n_read = with_copies(folder, answer(page, keys, READ))
    expect(page.get_by_text(f"{n_taught + n_read} labelled ({n_taught} teach, {n_read} check)")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ of \d+ check images read"))).to_be_visible()
    promise_terms(page, "0.8")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Open the check set").click()
    dialog.get_by_role("button", name="Open: look 1").click()
    expect(page.locator(".promise:visible", has_text="at least 80% of footwear images are caught (95% sure)")).to_be_visible()
    page.get_by_role("button", name="Choose the threshold").click()
    dialog.get_by_label("Name of this point").fill("daily")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Put it in force").click()
    dialog.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("'daily' is in force now.")).to_be_visible()
    page.get_by_role("button", name="Map", exact=True).click()


def watch(page: Page, inbox: Path) -> None:
    """Name a folder in the Jobs drawer to be watched."""
    page.get_by_role("button", name=re.compile("^Jobs")).click()
    drawer = page.get_by_role("dialog", name="Jobs")
    drawer.get_by_text("Watch a folder…").click()
    drawer.get_by_label("Folder on the server").fill(str(inbox))
    drawer.get_by_label("Folder on the server").press("Enter")
    expect(drawer.get_by_text("Watched: images that arrive are added.")).to_be_visible()
    drawer.get_by_role("button", name="Close").click()


def test_an_empty_folder_becomes_a_workspace_at_work_without_a_terminal(windows, server, there):
    mine = windows(server.url, "ann")
    begin(mine, there)
    _, _, keys = images(server.folder)
    teach_and_promise(mine, keys, server.folder)
    other = windows(server.url, "ben")
    expect(facts(other)).not_to_have_attribute("data-frame", "0")
    mine.get_by_role("tab", name="Selection").click()
    mine.evaluate(PLACE_OF_MAP)
    drag(mine, LEFT)
    expect(facts(mine)).not_to_have_attribute("data-selected", "0")
    before = [facts(mine).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")]
    old_ids, old_xy, _ = images(server.folder)

    watch(mine, there / "inbox")
    for file in sorted((there / "later").iterdir()):
        shutil.copy(file, there / "inbox")
    for page in (mine, other):
        expect(page.get_by_text(f"{DROPPED + LATER} images")).to_be_visible(timeout=LONG)
    mine.get_by_role("button", name=re.compile("^Jobs")).click()
    drawer = mine.get_by_role("dialog", name="Jobs")
    expect(drawer.get_by_text(re.compile("placed on the map; nothing else moved")).first).to_be_visible(timeout=LONG)
    expect(mine.get_by_role("button", name="Jobs", exact=True)).to_be_attached(timeout=LONG)  # all are done
    take("inbox", mine)
    drawer.get_by_role("button", name="Close").click()
    assert [facts(mine).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")] == before
    ids, xy, keys = images(server.folder)
    assert len(set(ids.tolist())) == len(ids) == DROPPED + LATER
    assert ids[:DROPPED].tolist() == old_ids.tolist()
    np.testing.assert_array_equal(xy[:DROPPED], old_xy)
    assert np.isfinite(xy).all()

    for page in (mine, other):
        page.get_by_role("tab", name="Review").click()
        takes_key(page)
    shown = takes_key(mine)
    with Workspace(server.folder, read_only=True) as space:
        (opened,), (point,) = openings.openings(space), points.points(space)
        flagged = score_subject(space, opened.subject, opened.encoder, opened.probe) >= point.threshold
        waiting = flagged & (space.labels.codes < 0)
        answered = copies_of(space, np.array(list(space.catalog.images.rows_of_ids([shown]).values())))
    assert flagged[DROPPED:].any()
    for page in (mine, other):
        expect(page.get_by_text(f"{waiting.sum()} flagged images wait")).to_be_visible()
    take("flagged", mine)
    mine.keyboard.press(keys[shown])
    takes_key(mine, but=shown)
    waiting[answered] = False
    for page in (mine, other):
        expect(page.get_by_text(f"{waiting.sum()} flagged images wait")).to_be_visible()
    take("two-windows", mine, other)
