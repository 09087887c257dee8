"""Measure response times at 1,000,000 images, and the refit against its references, in one run; print a Markdown table.

python benchmarks/generate.py FOLDER && python benchmarks/million.py FOLDER
"""

import argparse
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, ElementHandle, Page, sync_playwright
from sklearn.linear_model import LogisticRegression

from core.embeddings.matrix import linear_scores
from core.labels.actions import history, label, undo
from core.labels.bulk import BULK
from core.map.grid import GridIndex
from core.maths.logistic import fit_logistic
from core.probe.live import refit
from core.probe.live_curves import curves
from core.workspace import Workspace

REPEATS = 5
COLOURS = ("score", "predicted", "uncertainty", "label", "score", "predicted", "uncertainty")
PORT = 5099
FRAME, WORDS = "node.dataset.frame", "node.shadowRoot.textContent"  # read to see that the page has changed
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def median_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of `work` after one warm-up call."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def core_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Measure lasso, fit, scoring and everything from a label to its curves."""
    with Workspace(folder) as space:
        for action in [action for action, stands in history(space) if stands]:  # an earlier run's labels
            undo(space, action.seq, analyst="bench")
        grid = GridIndex.build(space.xy)
        angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
        radius = 8 + np.random.default_rng(0).random(200)
        px, py = radius * np.cos(angle), radius * np.sin(angle)
        lasso = median_ms(lambda: grid.lasso(px, py))
        rows = np.flatnonzero(~space.is_check)[:1000]
        gold = space.gold("label")
        x = space.embedded(space.encoder_name).standardisation.apply(space.matrix.take(rows)).astype(np.float64)
        y = gold[rows] == 1
        few = np.concatenate([np.flatnonzero(y)[:15], np.flatnonzero(~y)[:15]])
        fits = [(f"{len(some):,} labels", *fit_times(x[some], y[some])) for some in (few, np.arange(len(rows)))]
        weights, bias = np.random.default_rng(1).normal(size=(space.matrix.dim, 1)), np.zeros(1)
        scoring = median_ms(lambda: linear_scores(space.matrix, weights, bias))
        bare = bare_product(space, weights)
        for code in (0, 1):  # both classes have labels before the clock starts
            label(space, rows[gold[rows] == code][:50], space.class_names[code], analyst="bench")
        turn = median_ms(lambda: label_turn(space, rows, gold))
    return [
        ("lasso of 200 vertices to rows", f"{lasso:.0f} ms", "goal 50 ms"),
        *[
            (f"refit, {n}, 384-d", f"{ours:.1f} ms", f"{ours / theirs:.2f} x newton-cholesky ({theirs:.0f} ms)")
            for n, ours, theirs in fits
        ],
        ("scores of all images", f"{scoring:.0f} ms", f"{scoring / bare:.2f} x torch.mv in float32 ({bare:.0f} ms)"),
        ("label 1,000, refit, rescore, curves", f"{turn:.0f} ms", "goal 1,500 ms"),
    ]


def fit_times(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the median ms of our fit and of scikit-learn's."""
    theirs = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    return median_ms(lambda: fit_logistic(x, y)), median_ms(lambda: theirs.fit(x, y))


def bare_product(space: Workspace, weights: np.ndarray) -> float:
    """Return the median ms of one `torch.mv` over all embeddings, in memory and converted to float32 beforehand."""
    whole = torch.from_numpy(space.matrix.take(np.arange(space.matrix.rows)))
    vector = torch.from_numpy(weights[:, 0].astype(np.float32))
    return median_ms(lambda: torch.mv(whole, vector))


def label_turn(space: Workspace, rows: np.ndarray, gold: np.ndarray) -> None:
    """Label 1,000 images with one class and update everything that follows."""
    label(space, rows[gold[rows] == 0], "neutral", analyst="bench", source="lasso")
    refit(space)
    curves(space, gold_column="label")


def browser_rows(folder: Path) -> list[tuple[str, str, str]]:
    """Measure first picture, zoom and recolour in Chromium, from the request to new pixels."""
    command = [sys.executable, "-m", "dashboard", "serve", "--no-browser", "-w", str(folder), "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{PORT}/liveness")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
                return measure(browser)
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    """Wait until the server answers."""
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


def measure(browser: Browser) -> list[tuple[str, str, str]]:
    """Drive the page."""
    first = []
    for _ in range(REPEATS):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        start = time.perf_counter()
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.locator("[data-frame]").first.wait_for(state="attached", timeout=60_000)
        first.append(time.perf_counter() - start)
        if len(first) < REPEATS:
            page.close()
    page.wait_for_timeout(3_000)
    frame = page.locator("[data-frame]").first.element_handle()
    curves = page.locator(".curve-words").first.element_handle()
    zooms, colours, labels = [], [], []
    for i in range(REPEATS + 1):
        page.mouse.move(560, 380)
        zooms.append(ms_until_change(page, frame, FRAME, lambda i=i: page.mouse.wheel(0, -120 if i % 2 else 120)))
    for name in COLOURS:
        page.get_by_role("combobox", name="Colour by").click()
        option = page.get_by_role("listbox").get_by_text(name, exact=True)
        colours.append(ms_until_change(page, frame, FRAME, option.click))
    tries = [drag_lasso(page, frame, side) for side in (10, 12, 14)]
    n = tries[-1]
    if not n:
        raise RuntimeError(f"expected the lassos to select some images, got {tries}")
    for i in range(REPEATS + 2):
        key = "12"[i % 2]
        if n > BULK:
            start_spot_check(page, key)
        if i == 0:  # an earlier run may have given this label, so that no curve changes
            page.keyboard.press(key)
            page.wait_for_timeout(5_000)
        else:
            labels.append(ms_until_change(page, curves, WORDS, lambda key=key: page.keyboard.press(key)))
    return [
        ("page request to first picture", f"{statistics.median(first):.1f} s", "goal 5 s"),
        ("wheel tick to new pixels", f"{statistics.median(zooms[1:]):.0f} ms", "goal 500 ms"),
        ("colour by another quantity to new pixels", f"{statistics.median(colours[1:]):.0f} ms", "goal 500 ms"),
        (f"key on a selection of {n:,} to curves drawn", f"{statistics.median(labels[1:]):.0f} ms", "goal 1,500 ms"),
    ]


def start_spot_check(page: Page, key: str) -> None:
    """Press a class key on a large selection, and wait for the spot check that the same key then ends."""
    page.keyboard.press(key)
    page.get_by_role("button", name="Without a spot check").wait_for(timeout=30_000)
    page.wait_for_timeout(900)  # the page ignores a key that comes too soon after the first


def drag_lasso(page: Page, frame: ElementHandle, side: int) -> int:
    """Lasso a square of the given size in px in the middle of the map; return how many images it selects."""
    page.mouse.move(560, 380)
    page.mouse.down()
    for x, y in ((560 + side, 380), (560 + side, 380 + side), (560, 380 + side)):
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    page.wait_for_timeout(1_500)
    return int(frame.evaluate("node => node.dataset.selected"))


def ms_until_change(page: Page, node: ElementHandle, read: str, act: Callable[[], None]) -> float:
    """Return ms from the last input event to the animation frame where `read` of the node has changed, by the page's clock."""
    page.wait_for_timeout(900)
    page.evaluate(
        """([node, read]) => {
          const value = new Function("node", "return " + read), before = value(node);
          window.__took = window.__start = null;
          const begin = () => { window.__start = performance.now(); };
          const once = { capture: true, once: true };
          for (const name of ["click", "wheel", "keydown"]) document.addEventListener(name, begin, once);
          const poll = () => value(node) !== before
            ? requestAnimationFrame(() => { window.__took = performance.now() - window.__start; })
            : requestAnimationFrame(poll);
          poll(); }""",
        [node, read],
    )
    act()
    page.wait_for_function("() => window.__took !== null", timeout=30_000)
    return float(page.evaluate("() => window.__took"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print("| what | median | beside |\n| --- | --- | --- |")
    for row in (*core_rows(options.folder), *browser_rows(options.folder)):
        print("| " + " | ".join(row) + " |")
