"""What a newcomer does until the first label, the first precision-recall curve and a promise: clicks, keys and seconds.

python -m benchmarks.newcomer FOLDER

FOLDER is a workspace with a map, known answers and no labels, as `lassoscope demo --prepare-only -w FOLDER` makes it; the run
works on a copy. The hands follow what the page itself leads to and answer a quarter of a second after a picture has come, so
the seconds are nearly the product's own, without reading or thinking. Prints a Markdown table.
"""

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, TimeoutError, expect, sync_playwright

from benchmarks.million import FLAGS, open_page
from benchmarks.serving import ROOT, serve
from core.workspace import Workspace

PATIENCE = 60_000  # ms
AGAIN = 3_000  # ms without a next picture, after which a person presses again
REACTION = 250  # ms; the page takes no answer to a picture that nobody can have seen
SHOWN = "() => [...(window.lassoscopeShown?.values() ?? [])].at(-1) ?? ''"


@dataclass
class Hands:
    """A mouse and a keyboard that count, and the true class of every picture."""

    page: Page
    keys_by_id: dict[str, str]
    clicks: int = 0
    keys: int = 0
    began: float = field(default_factory=time.perf_counter)

    def click(self, target: Locator) -> None:
        """Click what the page offers."""
        target.first.click(timeout=PATIENCE)
        self.clicks += 1

    def answer(self) -> None:
        """Answer the picture on the screen truly until the next one is there: a page that has just changed takes no key."""
        self.page.wait_for_function(f"() => ({SHOWN})()", timeout=PATIENCE)
        before = after = self.page.evaluate(SHOWN)
        while after == before:
            self.page.wait_for_timeout(REACTION)
            self.page.keyboard.press(self.keys_by_id[before])
            self.keys += 1
            with suppress(TimeoutError):
                self.page.wait_for_function(f"before => ({SHOWN})() !== before", arg=before, timeout=AGAIN)
            after = self.page.evaluate(SHOWN)

    def row(self, what: str) -> str:
        """Return a row of the table: what was done so far."""
        return f"| {what} | {self.clicks} | {self.keys} | {time.perf_counter() - self.began:.0f} |"


def measure(page: Page, keys_by_id: dict[str, str]) -> Iterator[str]:
    """Go from the open page to a promise; yield the rows of the table."""
    hands = Hands(page, keys_by_id)
    hands.click(page.get_by_role("tab", name="Suggestions"))
    hands.answer()
    yield hands.row("first label")
    curve = page.get_by_text("active: your labels")
    while not curve.is_visible():
        hands.answer()
    yield hands.row("first precision-recall curve")
    hands.click(page.get_by_role("button", name="Operating point", exact=True))
    hands.click(page.get_by_role("button", name="Read check images"))
    wanted = page.get_by_text(re.compile(r"read [\d,]+ of [\d,]+ for a promise")).first
    expect(wanted).to_be_visible(timeout=PATIENCE)
    before = hands.keys
    while wanted.is_visible():
        hands.answer()
    hands.click(page.get_by_role("button", name="Operating point", exact=True))
    hands.click(page.get_by_role("button", name="Open the check set"))
    hands.click(page.get_by_role("button", name="Open: look 1"))
    expect(page.locator(".promise:visible")).to_have_text(re.compile("are caught"), timeout=PATIENCE)
    yield hands.row(f"promise ({hands.keys - before} check images read)")
    yield f"\n{page.locator('.promise:visible').inner_text()}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    with Workspace(arguments.folder, read_only=True) as space:
        gold = space.gold("label")
        keys_by_id = {space.image_id(row): space.classes[int(gold[row])].key for row in range(space.n_images)}
    print("| from the open page to | clicks | keys | seconds |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        server, url = serve(Path(shutil.copytree(arguments.folder, Path(temporary) / "workspace")), ROOT)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
                _, page = open_page(browser, url)
                for row in measure(page, keys_by_id):
                    print(row, flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
