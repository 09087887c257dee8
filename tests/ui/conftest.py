"""A small real workspace, a server on it, Chromium, and pages that must stay without console errors."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from core.demo.datasets import write_demo_images
from core.encoders.embed import embed
from core.intake.ingest import ingest
from core.labels.classes import parse_classes
from core.map.project import project
from core.workspace import Workspace
from tests.ui.driver import N_IMAGES, Server, load, undo_all

N_COPIES = 3
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-quic",
    # The last of these switches counts, so this names what Playwright's own does, too. Each new window would load Chromium's
    # pages for its address bar, which nobody sees here: a quarter of the processor's time that one of our pages takes.
    "--disable-features="
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "PreloadTopChromeWebUI,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]

expect.set_options(timeout=30_000)  # of a machine that does much besides; a wait ends as soon as what is waited for is there
OF_A_LOST_SERVER = ("WebSocket", "websocket", "Failed to load resource", "not connected so cannot send")

# The files that take longest come first, or at the end one process would work on them and the other wait for it. The second
# and third do without the workspace that the first one builds meanwhile.
ORDER = ("story", "begin", "first_run", "inputs", "connection", "review", "looks", "living", "inbox", "touch", "map", "handle")


def pytest_collection_modifyitems(items):
    ranks = {Path(__file__).with_name(f"test_{name}.py"): rank for rank, name in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="module")
def prepared(built_once):
    """A workspace with a map and no labels, for one file of tests: what they open in it no other file sees."""
    return built_once("ui", prepare)


def prepare(folder: Path) -> None:
    """Build the workspace of the browser tests."""
    with Workspace.create(folder, classes=parse_classes("neutral,footwear*,copyright"), salt="ui") as space:
        manifest = write_demo_images(folder / "images", n_images=N_IMAGES - N_COPIES)
        ingest(space, manifest)
        again = folder / "again"
        again.mkdir()
        for row in np.flatnonzero(~space.is_check & (space.gold("label") == 2))[:N_COPIES]:  # notices, uploaded once more
            with Image.open(space.catalog.images.record(int(row))["path"]) as opened:
                opened.convert("RGB").save(again / f"{row}.webp", quality=70)
        ingest(space, again)
        for encoder in ("pixels-pca", "msn-demo"):  # the newest is in use
            embed(space, encoder, device="cpu")
            project(space)


@pytest.fixture
def server(prepared):
    """A server on the workspace; labels of earlier tests are undone."""
    with Workspace(prepared) as space:
        undo_all(space)
    server = Server(prepared)
    yield server
    server.kill()
    records = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d )", (prepared / "server.log").read_text())
    # A tab that closes while the server writes to it is no fault of ours; tornado logs it all the same.
    assert [r for r in records if "Traceback" in r and "WebSocketClosedError" not in r] == []


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)


@pytest.fixture
def open_page(browser, server):
    """Open a tab of its own; at the end no tab may have logged an error."""
    pages = []

    def open_(url: str = "", first: str = "") -> Page:
        """Open an address, the server's if none is named; a script is run `first`, before those of the page."""
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.add_init_script(first)
        page.errors, page.may_lose_server = [], False
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        pages.append(page)
        load(page, url or server.url)
        return page

    yield open_
    for page in pages:
        page.context.close()
        lost = page.may_lose_server  # the browser and Bokeh log a lost connection as errors
        assert [error for error in page.errors if not (lost and any(word in error for word in OF_A_LOST_SERVER))] == []
