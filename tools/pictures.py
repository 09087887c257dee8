"""Take the pictures of the documents from the page as it is: docs/images and docs/images/desk.

python -m tools.pictures FOLDER [WORDS]

FOLDER is a workspace with a map, known answers and no labels, as `lassoscope demo --prepare-only -w FOLDER` makes it; copies
of it are shown. WORDS limit the pictures to those whose names contain one. Look at each before it is committed. Takes half an
hour, most of it for the study on the Experiment page.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from benchmarks.handle import CANVAS
from benchmarks.million import FLAGS
from benchmarks.serving import ROOT, serve
from core.evidence import check_sets, openings, points, queues
from core.labels.actions import label
from core.probe.live import refit
from core.workspace import Workspace

IMAGES = ROOT / "docs" / "images"
SMALL, WIDE = (1280, 720), (1920, 1080)
THEMES = ("light", "dark")
NOTICES = ((0.55, 0.72), (0.99, 0.72), (0.99, 0.99), (0.55, 0.99), (0.55, 0.72))  # where the demo's lie, in shares of the map
PATIENCE = 120_000  # ms
REST = 2_500  # ms until what follows a click has been drawn
ROWS_SHOWN = 7  # of the run on the Training page, so that its charts have lines
PAGES = {
    "Operating point": "Details",
    "Training": "Encoders",
    "Experiment": "New study",
    "History": "Pictures seen",
}  # words there


def prepare(folder: Path) -> None:
    """Label as two analysts would, open the check set, and put a point in force."""
    with Workspace(folder) as space:
        truth, rng = space.gold("label"), np.random.default_rng(0)
        for purpose, n in ((queues.Queue.PROMISE, 120), (queues.Queue.LIVE, 60)):
            read = queues.queue(space, purpose, n, analyst="ann")
            for code, name in enumerate(space.class_names):
                if len(mine := read[truth[read] == code]):
                    label(space, mine, name, analyst="ann", source="check")
        for code, name in enumerate(space.class_names):
            mine = np.flatnonzero(~space.is_check & (truth == code))
            label(space, rng.choice(mine, 30, replace=False), name, analyst="ben", source="lasso")
        refit(space)
        check_sets.open_check_set(space, analyst="ann")
        opened = openings.openings(space)[0]
        points.save_point(space, "careful", opened.threshold, opened, analyst="ann")
        points.put_in_force(space, "careful", analyst="ann")


@dataclass
class Camera:
    """A browser, and the pictures that are wanted."""

    browser: Browser
    words: Sequence[str]

    def wants(self, *names: str) -> bool:
        """Tell if one of these pictures is wanted."""
        return not self.words or any(word in name for word in self.words for name in names)

    def save(self, page: Page, name: str) -> None:
        """Take a picture if it is wanted: as PNG, or in a folder of pictures as WebP."""
        if not self.wants(name):
            return
        page.mouse.move(5, 450)  # over nothing
        page.wait_for_timeout(600)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        if "/" in name:
            picture.save(IMAGES / f"{name}.webp", quality=60, method=6)
        else:
            picture.save(IMAGES / f"{name}.png", optimize=True)
        print(name, flush=True)

    @contextmanager
    def page(self, url: str, size: tuple[int, int] = SMALL, theme: str = "light", *, guided: bool = False) -> Iterator[Page]:
        """Open the page as somebody new; the guide is dismissed unless it belongs to the picture."""
        width, height = size
        context = self.browser.new_context(viewport={"width": width, "height": height})
        context.add_cookies([{"name": "lassoscope-theme", "value": theme, "url": url}])
        page = context.new_page()
        page.goto(url)
        page.locator("[data-frame]").first.wait_for(state="attached", timeout=PATIENCE)
        page.wait_for_timeout(2 * REST)
        dismiss = page.get_by_role("button", name="Dismiss")
        if not guided and dismiss.is_visible():
            dismiss.click()
            page.wait_for_timeout(REST)
        yield page
        context.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a workspace; yield its address."""
    server, url = serve(folder)
    try:
        yield url
    finally:
        server.terminate()
        server.wait()


def lasso(page: Page, shape: Sequence[tuple[float, float]] = NOTICES) -> None:
    """Drag over the map through points in shares of its width and height."""
    canvas = page.evaluate(CANVAS)
    places = [(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"]) for x, y in shape]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.get_by_text(" selected").filter(visible=True).first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(2 * REST)


def seen(found: Locator) -> Locator:
    """Wait until one of these is on the screen, and settled; return it."""
    first = found.filter(visible=True).first
    first.wait_for(timeout=PATIENCE)
    first.page.wait_for_timeout(REST)
    return first


def turn_to(page: Page, heading: str) -> None:
    """Show a page, or a tab of the map's."""
    if heading in PAGES:
        page.get_by_role("button", name=heading, exact=True).click(timeout=PATIENCE)
        seen(page.locator(".promise") if heading == "Operating point" else page.get_by_text(PAGES[heading]))
        if heading == "History":
            seen(page.get_by_role("button", name="Undo"))
        return
    page.get_by_role("tab", name=heading, exact=True).click()
    if heading == "Clusters":
        page.wait_for_timeout(REST)
        find = page.get_by_role("button", name="Find clusters")
        if find.is_visible():  # nobody has yet
            find.click()
        seen(page.get_by_text("Copyright notices"))
    else:
        seen(page.locator('.picture[aria-busy="false"] img:not([src$="/"])'))


def take_first(camera: Camera, fresh: Path, empty: Path) -> None:
    """Take a first visit, an error, and a workspace without images."""
    with served(fresh) as url, camera.page(url, guided=True) as page:
        camera.save(page, "first-run")
    with served(fresh) as url, camera.page(f"{url}?tab=nowhere", guided=True) as page:
        camera.save(page, "error")
    with served(empty) as url, camera.page(url) as page:
        camera.save(page, "empty")


def take_desk(camera: Camera, url: str) -> None:
    """Take every page, at both sizes, light and dark, for docs/explanation/desk.md; some of them for other pages, too."""
    for size in (SMALL, WIDE):
        for theme in THEMES:
            at = f"{size[0]}-{theme}"
            alone = {
                f"selection-{SMALL[0]}-light": "map",
                f"selection-{WIDE[0]}-light": "wide",
                f"suggestions-{SMALL[0]}-dark": "dark",
                f"operating-point-{SMALL[0]}-light": "operating",
            }
            headings = ["Selection", "Suggestions", "Clusters", "Check", *PAGES]
            names = {heading: f"{heading.lower().replace(' ', '-')}-{at}" for heading in headings}
            wanted = {h: [f"desk/after-{n}", *([alone[n]] if n in alone else [])] for h, n in names.items()}
            if not camera.wants(*(name for found in wanted.values() for name in found)):
                continue
            with camera.page(url, size, theme) as page:
                for heading, found in wanted.items():
                    if not camera.wants(*found):
                        continue
                    if heading == "Selection":
                        lasso(page)
                    else:
                        page.keyboard.press("Escape")
                        turn_to(page, heading)
                    for name in found:
                        camera.save(page, name)


def take_review(camera: Camera, url: str) -> None:
    """Take the copyright notices among the clusters."""
    with camera.page(url) as page:
        turn_to(page, "Clusters")
        page.get_by_text("Copyright notices").first.click()
        page.wait_for_timeout(REST)
        camera.save(page, "review")


def take_training(camera: Camera, folder: Path, url: str) -> None:
    """Take the Training page while an encoder is trained, and when its weights are there."""
    with camera.page(url) as page:
        turn_to(page, "Training")
        page.get_by_role("combobox", name="Preset").click()
        page.get_by_role("listbox").get_by_text("tiny-32").click()
        page.wait_for_timeout(REST)  # until the preset's number of passes is there
        passes = page.get_by_label("Passes over the images")
        passes.fill("4")
        passes.press("Tab")
        page.get_by_role("button", name="Train on these images").click()
        while not any(log.read_text().count("\n") > ROWS_SHOWN for log in folder.glob("training/*/metrics.csv")):
            page.wait_for_timeout(REST)
        page.wait_for_timeout(2 * REST)
        camera.save(page, "training")
        page.get_by_role("button", name="Embed with these weights…").wait_for(timeout=10 * PATIENCE)
    with camera.page(url) as page:  # another one: a message lies over the first
        turn_to(page, "Training")
        seen(page.get_by_role("button", name="Embed with these weights…"))
        camera.save(page, "trained")


def take_experiment(camera: Camera, folder: Path) -> None:
    """Take the Experiment page with a study of the demo's footwear."""
    command = ["experiment", "-w", str(folder), "--gold", "label", "--flagged", "footwear"]
    subprocess.run([sys.executable, "-m", "dashboard", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with served(folder) as url, camera.page(url) as page:
        turn_to(page, "Experiment")
        camera.save(page, "experiment")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    os.environ["LASSOSCOPE_ANALYST"] = "ann"
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        camera = Camera(playwright.chromium.launch(executable_path=path, args=FLAGS), options.words)

        def copied(name: str, *, make: Callable[[Path], None] = lambda _: None) -> Path:
            folder = shutil.copytree(options.folder, Path(temporary) / name / "demo")
            make(folder)
            return folder

        if camera.wants("first-run", "error", "empty"):
            empty = Path(temporary) / "empty"
            Workspace.create(empty).close()
            take_first(camera, copied("fresh"), empty)
        if not options.words or set(options.words) - {"first-run", "error", "empty"}:
            labelled = copied("labelled", make=prepare)
            with served(labelled) as url:
                take_desk(camera, url)
                if camera.wants("review"):
                    take_review(camera, url)
                if camera.wants("training", "trained"):
                    take_training(camera, labelled, url)
        if camera.wants("experiment"):
            take_experiment(camera, copied("study"))


if __name__ == "__main__":
    main()
