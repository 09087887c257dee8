"""Measure response times and memory at a million images or more, with references in the same run; print a Markdown table.

python -m benchmarks.million FOLDER [--images 1000000]

FOLDER is a workspace of `benchmarks.generate`; if it is not there, it is made, of that size.
"""

import argparse
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, ElementHandle, Page, sync_playwright
from sklearn.linear_model import LogisticRegression

from benchmarks.generate import generate
from benchmarks.handle import CANVAS, HANDLE
from benchmarks.serving import ROOT, serve
from core.embeddings.products import linear_scores
from core.evidence import check_sets, queues
from core.labels.actions import history, label, undo
from core.labels.bulk import BULK
from core.map.clusters import cluster
from core.map.grid import GridIndex
from core.maths.logistic import fit_logistic
from core.probe.live import refit
from core.probe.live_curves import curves
from core.probe.suggest import suggest
from core.workspace import Workspace

REPEATS = 5
COLOURS = ("score", "predicted", "uncertainty", "label", "score", "predicted", "uncertainty")
PATIENCE = 120_000  # ms until a change that does not come is an error
FIVE = 4_000_000  # images from which the goals of five million hold
FRAME, WORDS, TIP = "node.dataset.frame", "node.shadowRoot.textContent", "node.dataset.id"  # read to see a change
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: str
    beside: str = ""  # the reference of the same run
    goals: tuple[str, str] = ("", "")  # at one million images, at five


def median_ms(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time of `work` after one warm-up call."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def core_rows(folder: Path, *, with_clusters: bool) -> Iterator[Row]:
    """Measure opening, lasso, fit, scoring, everything from a label to its curves, suggestions and clusters."""
    yield Row("opening the workspace", f"{median_ms(lambda: Workspace(folder).close()):.0f} ms")
    with Workspace(folder) as space:
        for action in [action for action, stands in history(space) if stands]:  # an earlier run's labels
            undo(space, action.seq, analyst="bench")
        yield Row("index of the map", f"{median_ms(lambda: GridIndex.build(space.xy)):.0f} ms")
        grid = GridIndex.build(space.xy)
        angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
        radius = 8 + np.random.default_rng(0).random(200)
        px, py = radius * np.cos(angle), radius * np.sin(angle)
        lasso, n_inside = median_ms(lambda: grid.lasso(px, py)), len(grid.lasso(px, py))
        yield Row(f"lasso of 200 vertices to {n_inside:,} rows", f"{lasso:.0f} ms", goals=("50 ms", "60 ms"))
        rows = np.flatnonzero(~space.is_check)[:1000]
        gold = space.gold("label")
        x = space.current.standardised(rows).numpy().astype(np.float64)
        y = gold[rows] == 1
        few = np.concatenate([np.flatnonzero(y)[:15], np.flatnonzero(~y)[:15]])
        for some in (few, np.arange(len(rows))):
            ours, theirs = fit_times(x[some], y[some])
            beside = f"{ours / theirs:.2f} x newton-cholesky ({theirs:.0f} ms)"
            yield Row(f"refit, {len(some):,} labels, 384-d", f"{ours:.1f} ms", beside)
        weights = np.random.default_rng(1).normal(size=(space.matrix.dim, 1))
        columns = torch.from_numpy(weights), torch.zeros(1, dtype=torch.float64)
        scoring = median_ms(lambda: linear_scores(space.current.on_device, *columns))
        bare = bare_product(space, weights)
        yield Row("scores of all images", f"{scoring:.0f} ms", f"{scoring / bare:.2f} x torch.mv in float32 ({bare:.0f} ms)")
        for code in (0, 1):  # both classes have labels before the clock starts
            label(space, rows[gold[rows] == code][:50], space.class_names[code], analyst="bench")
        turn = median_ms(lambda: label_turn(space, rows, gold))
        yield Row("label 1,000, refit, rescore, curves", f"{turn:.0f} ms", goals=("250 ms", "900 ms"))
        for name, goal in (("diverse", "1,500 ms"), ("uncertain", "")):
            took = median_ms(lambda name=name: suggest(space, 10, strategy=name))
            yield Row(f"suggestions, {name}, 10 images", f"{took:.0f} ms", goals=(goal, ""))
        if with_clusters:
            yield Row("clusters at three grains", f"{once_s(lambda: cluster(space)):.0f} s")
        open_a_check_set(space, gold)


def once_s(work: Callable[[], object]) -> float:
    """Return the seconds of one call, for work that takes minutes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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


def open_a_check_set(space: Workspace, gold: np.ndarray) -> None:
    """Read 400 check images and open the check set, so that the Operating point page has a threshold to move."""
    sealed = queues.check_queue(space, 400)
    for code in (0, 1):
        label(space, sealed[gold[sealed] == code], space.class_names[code], analyst="bench", source="check")
    refit(space)
    check_sets.change_terms(space, recall=0.8)
    check_sets.open_check_set(space, analyst="bench")


def browser_rows(folder: Path, xy: np.ndarray) -> Iterator[Row]:
    """Measure the page in Chromium, from the request or the input event to new pixels, and the server's memory."""
    server, url = serve(folder, ROOT)
    try:
        with sync_playwright() as playwright:
            yield Row("memory of the server, matrix not counted: opened", f"{memory(server.pid):,.0f} MB")
            path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            yield from measure(browser, url, server.pid, xy)
            second, page = open_page(browser, url)
            page.wait_for_timeout(3_000)
            held = memory(server.pid)
            yield Row("a second analyst's window to its first picture", f"{second:.1f} s", goals=("5 s", "5 s"))
            beside = f"{held / (len(xy) / 1e6):,.0f} MB a million images"
            yield Row("memory after all of this, with the second window", f"{held:,.0f} MB", beside, goals=("", "4,000 MB"))
    finally:
        server.terminate()
        server.wait()


def memory(pid: int) -> float:
    """Return the MB that a process holds, without the pages of files it has mapped: those the system takes back at will."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(kb) for kb in re.findall(r"(?:RssAnon|RssShmem):\s+(\d+)", status)) / 1024


def open_page(browser: Browser, url: str) -> tuple[float, Page]:
    """Open the page as another person; return the seconds until its first picture."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    start = time.perf_counter()
    page.goto(url)
    page.locator("[data-frame]").first.wait_for(state="attached", timeout=PATIENCE)
    return time.perf_counter() - start, page


def measure(browser: Browser, url: str, pid: int, xy: np.ndarray) -> Iterator[Row]:
    """Drive one person's page."""
    first = []
    for _ in range(REPEATS):
        seconds, page = open_page(browser, url)
        first.append(seconds)
        if len(first) < REPEATS:
            page.context.close()
    yield Row("page request to first picture", f"{statistics.median(first):.1f} s", goals=("5 s", "5 s"))
    page.wait_for_timeout(3_000)
    yield Row("memory with the first window", f"{memory(pid):,.0f} MB")
    frame = page.locator("[data-frame]").first.element_handle()
    zooms, colours = [], []
    for i in range(REPEATS + 1):
        page.mouse.move(*middle(page))
        zooms.append(ms_until_change(page, frame, FRAME, lambda i=i: page.mouse.wheel(0, -120 if i % 2 else 120)))
    yield Row("wheel tick to new pixels", f"{statistics.median(zooms[1:]):.0f} ms", goals=("500 ms", "200 ms"))
    for name in COLOURS:
        page.get_by_role("combobox", name="Colour by").click()
        option = page.get_by_role("listbox").get_by_text(name, exact=True)
        colours.append(ms_until_change(page, frame, FRAME, option.click))
    recolour = f"{statistics.median(colours[1:]):.0f} ms"
    yield Row("colour by another quantity to new pixels", recolour, goals=("500 ms", "400 ms"))
    start = crowded(page, frame, xy)
    yield Row("mouse over an image to its tip", f"{statistics.median(hover_times(page, start)):.0f} ms")
    n, labels = label_times(page, frame, start)
    drawn = f"{statistics.median(labels):.0f} ms"
    yield Row(f"key on a selection of {n:,} to curves drawn", drawn, goals=("1,500 ms", "3,000 ms"))
    yield Row("threshold's handle moved to its words", f"{statistics.median(handle_times(page)):.0f} ms")


def middle(page: Page) -> tuple[float, float]:
    """Return the middle of the map."""
    box = page.evaluate(CANVAS)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def crowded(page: Page, frame: ElementHandle, xy: np.ndarray) -> tuple[float, float]:
    """Return where the map has most images, so that a small one has some under the mouse, too."""
    x0, x1, y0, y1 = map(float, frame.evaluate("node => node.dataset.view").split(","))
    counts, xs, ys = np.histogram2d(*xy.T, bins=(20, 20), range=((x0, x1), (y0, y1)))
    counts[[0, -1]] = counts[:, [0, -1]] = 0  # beside the edge a lasso would leave the map
    column, row = np.unravel_index(counts.argmax(), counts.shape)
    box = page.evaluate(CANVAS)
    right, up = (xs[column] - x0) / (x1 - x0), (ys[row] - y0) / (y1 - y0)
    return box["x"] + right * box["width"], box["y"] + (1 - up) * box["height"]


def hover_times(page: Page, start: tuple[float, float]) -> list[float]:
    """Move the mouse from image to image, and time each until the tip names another one."""
    tip, times = page.locator(".map-facts ~ .tip").first.element_handle(), []
    page.mouse.move(*start)
    for i in range(REPEATS):
        place = start[0] + 9 + 9 * i, start[1] - 8 * i
        times.append(ms_until_change(page, tip, TIP, lambda place=place: page.mouse.move(*place)))
    return times


def label_times(page: Page, frame: ElementHandle, start: tuple[float, float]) -> tuple[int, list[float]]:
    """Lasso some images, label them by turns with two classes, and time each until the curves are drawn."""
    curves_ = page.locator(".curve-words").first.element_handle()
    tries = [drag_lasso(page, frame, start, side) for side in (24, 28, 32)]
    n = tries[-1]
    if not n:
        raise RuntimeError(f"expected the lassos to select some images, got {tries}")
    times = []
    for i in range(REPEATS + 2):
        key = "12"[i % 2]
        if n > BULK:
            start_spot_check(page, key)
        if i == 0:  # an earlier run may have given this label, so that no curve changes
            page.keyboard.press(key)
            page.wait_for_timeout(5_000)
        else:
            times.append(ms_until_change(page, curves_, WORDS, lambda key=key: page.keyboard.press(key)))
        page.get_by_text("fitting…").wait_for(state="hidden", timeout=PATIENCE)
    return n, times[1:]


def start_spot_check(page: Page, key: str) -> None:
    """Press a class key on a large selection, and wait for the spot check that the same key then ends."""
    page.keyboard.press(key)
    page.get_by_role("button", name="Without a spot check").wait_for(timeout=PATIENCE)
    page.wait_for_timeout(900)  # the page ignores a key that comes too soon after the first


def handle_times(page: Page) -> list[float]:
    """Drag the threshold's handle by a few pixels, and time each move until the words about it change."""
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.get_by_role("button", name="Operating point").click()
    page.get_by_role("button", name="Details").click(timeout=PATIENCE)
    said = page.get_by_text("At scores ≥").first
    said.wait_for(timeout=PATIENCE)
    page.get_by_role("textbox", name="Threshold").first.scroll_into_view_if_needed()
    page.wait_for_timeout(3_000)
    root, times = said.evaluate_handle("node => node.getRootNode().host").as_element(), []
    for i in range(REPEATS):
        handle = page.evaluate(HANDLE)
        page.mouse.move(handle["x"], handle["y"])
        times.append(ms_until_change(page, root, WORDS, partial(pull, page, handle, 20 if i % 2 else -20)))
        page.mouse.up()
    return times


def pull(page: Page, handle: dict[str, float], by: float) -> None:
    """Press the button on the handle and move it by some px at once: a button that rests is no drag."""
    page.mouse.down()
    page.mouse.move(handle["x"] + by, handle["y"], steps=5)


def drag_lasso(page: Page, frame: ElementHandle, start: tuple[float, float], side: int) -> int:
    """Lasso a square of the given size in px where the map has most images; return how many images it selects."""
    x, y = start
    page.mouse.move(x, y)
    page.mouse.down()
    for right, down in ((side, 0), (side, side), (0, side)):
        page.mouse.move(x + right, y + down, steps=5)
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
          for (const name of ["click", "wheel", "keydown", "mousemove"]) document.addEventListener(name, begin, once);
          const poll = () => value(node) !== before
            ? requestAnimationFrame(() => { window.__took = performance.now() - window.__start; })
            : requestAnimationFrame(poll);
          poll(); }""",
        [node, read],
    )
    act()
    page.wait_for_function("() => window.__took !== null", timeout=PATIENCE)
    return float(page.evaluate("() => window.__took"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clusters", action="store_true", help="find clusters, too: minutes")
    parser.add_argument("--images", type=int, default=1_000_000, help="of the workspace that is made if there is none")
    options = parser.parse_args()
    if not options.folder.exists():
        generate(options.folder, n_images=options.images)
    with Workspace(options.folder, read_only=True) as space:
        n_images, xy = space.n_images, space.xy.copy()
    print(f"{n_images:,} images; load of the machine at the start: {os.getloadavg()[0]:.1f}\n")
    print("| what | median | beside | goal |\n| --- | --- | --- | --- |")
    parts = core_rows(options.folder, with_clusters=options.clusters), browser_rows(options.folder, xy)
    for row in chain(*parts):
        print(f"| {row.what} | {row.value} | {row.beside} | {row.goals[n_images >= FIVE]} |", flush=True)


if __name__ == "__main__":
    main()
