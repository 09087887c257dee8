"""The analyst's story in Chromium, on a small real workspace: lasso, label, undo, two windows, reload, kill -9."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.demo import write_demo_images
from core.workspace import Workspace
from dashboard.cli import _parse_classes

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-quic",
]
N_IMAGES = 600


class Server:
    """`lassoscope serve` as a user starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "dashboard", "serve", "--no-browser", "-w", str(self.folder), "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/liveness", timeout=2).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.25)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ui") / "workspace"
    with Workspace.create(folder, classes=_parse_classes("neutral,footwear*,copyright"), salt="ui") as space:
        space.ingest(write_demo_images(folder / "images", n_images=N_IMAGES))
        space.embed(device="cpu")
        space.project()
    server = Server(folder)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)


def open_page(browser: Browser, server: Server) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.errors = []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.port}/")
    expect(page.get_by_text(f"{N_IMAGES} images")).to_be_visible(timeout=30_000)
    expect(facts(page)).not_to_have_attribute("data-frame", "0", timeout=30_000)
    page.wait_for_timeout(800)
    return page


def facts(page: Page):
    return page.locator("[data-frame]").first


def lasso(page: Page, shape: list[tuple[float, float]]) -> None:
    box = page.locator("[data-frame]").first.locator("xpath=..").bounding_box()
    box = page.evaluate(
        """() => { const all = []; const walk = root => { for (const node of root.querySelectorAll('*')) {
          if (node.tagName === 'CANVAS') all.push(node.getBoundingClientRect().toJSON());
          if (node.shadowRoot) walk(node.shadowRoot); } }; walk(document);
          return all.filter(r => r.width > 300).sort((a, b) => b.width * b.height - a.width * a.height)[0]; }"""
    )
    points = [(box["x"] + fx * box["width"], box["y"] + fy * box["height"]) for fx, fy in shape]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in [*points[1:], points[0]]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


LEFT = [(0.02, 0.02), (0.48, 0.02), (0.48, 0.98), (0.02, 0.98)]
ALL = [(0.005, 0.005), (0.9, 0.005), (0.9, 0.995), (0.005, 0.995)]


def slow_lasso(xy, polygon):
    px, py = polygon.T
    before_x, before_y = np.roll(px, 1), np.roll(py, 1)
    found = []
    for row, (x, y) in enumerate(xy.astype(float)):
        with np.errstate(all="ignore"):
            crosses = ((py > y) != (before_y > y)) & (x < (before_x - px) * (y - py) / (before_y - py) + px)
        if crosses.sum() % 2:
            found.append(row)
    return found


def n_selected(page: Page) -> int:
    return int(facts(page).get_attribute("data-selected"))


def test_lasso_label_undo_two_windows_reload_and_kill(server, browser):
    first, second = open_page(browser, server), open_page(browser, server)
    lasso(first, LEFT)
    expect(facts(first)).not_to_have_attribute("data-selected", "0", timeout=10_000)
    n = n_selected(first)
    assert 0 < n < N_IMAGES
    first.keyboard.press("1")
    expect(first.get_by_text(f"{n} labelled")).to_be_visible(timeout=5_000)
    expect(second.get_by_text(f"{n} labelled")).to_be_visible(timeout=5_000)
    lasso(first, ALL)
    expect(facts(first)).not_to_have_attribute("data-selected", str(n), timeout=10_000)
    everything = n_selected(first)
    assert everything > n
    first.keyboard.press("z")
    expect(second.get_by_text("0 labelled")).to_be_visible(timeout=5_000)
    first.keyboard.press("2")
    expect(second.get_by_text(f"{everything} labelled")).to_be_visible(timeout=5_000)
    assert first.errors == second.errors == []
    server.kill()
    with Workspace(server.folder, read_only=True) as space:
        assert space.labels.n_labelled == everything
        for action, _ in space.history():
            if action.kind == "label":  # the polygon that Chromium sent, against a slow test of every image
                assert action.rows.tolist() == slow_lasso(space.xy, np.array(action.criterion["polygon"]))
    server.start()
    third = open_page(browser, server)
    expect(third.get_by_text(f"{everything} labelled")).to_be_visible(timeout=10_000)
    third.keyboard.press("Escape")
    assert third.errors == []
    for page in (first, second, third):
        page.context.close()


def test_two_classes_give_a_probe_and_pictures_are_blurred(server, browser):
    page = open_page(browser, server)
    lasso(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0", timeout=10_000)
    page.keyboard.press("1")
    expect(page.get_by_text("probe ", exact=False).first).to_be_visible(timeout=15_000)
    expect(page.get_by_text("Training labels, flattering: AP")).to_be_visible(timeout=15_000)
    tile = page.locator("img[src^='thumb/']").first
    expect(tile).to_have_attribute("src", re.compile(r"^thumb/blurred/"))
    page.locator("label", has_text="Blur").first.click()
    expect(page.locator("img[src^='thumb/clear/']").first).to_be_visible(timeout=5_000)
    with Workspace(server.folder, read_only=True) as space:
        assert {0, 1} <= set(space.labels.codes.tolist())
    assert page.errors == []
    page.context.close()
