"""Analysts at once on one server, one key every three seconds each: time to the next picture and to the curves, CPU, memory.

python -m benchmarks.windows FOLDER [--checkout OTHER] [--windows 10] [--seconds 60]

FOLDER is a workspace with a map, known answers and no labels yet; the run works on a copy of it. One of the windows is in
Chromium, timed from the key to the animation frame with the change; the others are websocket sessions (`benchmarks/tab.py`)
that answer suggestions as it does. The second half of the run is the same while somebody opens a page, again and again.
`--checkout` serves the workspace with the code of another checkout first, so that one run compares two versions. Prints a
Markdown table.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from benchmarks.serving import ROOT, cpu_and_memory, serve
from benchmarks.tab import Seen, Tab, read
from core.workspace import Workspace

EVERY = 3.0  # s between two keys of one window
STUCK = 60.0  # s without a next picture, after which the key is pressed again
FORGOTTEN = 40.0  # s after which a server has discarded closed tabs; it checks every 17 s
PATIENCE = 60.0  # s after the last key in which a window may still follow
VISIT = 5.0  # s that somebody looks at a page before they open another
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# What the page shows, read in every animation frame, and the keys, by the page's clock.
WATCH = """parts => {
  const log = window.benchmarkLog = [], last = {}, now = () => performance.timeOrigin + performance.now();
  const note = (name, value) => { if (last[name] !== value) log.push([now(), name, last[name] = value]); };
  document.addEventListener("keydown", event => log.push([now(), "key", event.key]), { capture: true });
  const frame = () => {
    if (window.benchmarkLog !== log) return;
    note("picture", [...(window.lassoscopeShown?.values() ?? [])].at(-1) ?? "");
    for (const [name, part] of Object.entries(parts)) note(name, part.shadowRoot.innerHTML);
    requestAnimationFrame(frame);
  };
  frame(); }"""
PARTS = {"header": ".gives-way", "curves": ".curve-words", "message": ".message"}


@dataclass
class Screen:
    """The window in Chromium."""

    page: Page
    shown: list[Seen] = field(default_factory=list)
    pressed: list[tuple[float, str]] = field(default_factory=list)  # when, and the key
    reloads: int = 0
    _now: dict[str, Any] = field(default_factory=dict)

    async def suggestions(self) -> None:
        """Open the Suggestions tab, wait for its first picture, and watch what the page shows from now on."""
        await self.page.get_by_role("tab", name="Suggestions").click()
        await self.wait_for_picture()
        await self.page.evaluate(
            WATCH, {name: await self.page.wait_for_selector(part, state="attached") for name, part in PARTS.items()}
        )

    async def wait_for_picture(self) -> None:
        """Wait until there is a picture to answer."""
        await self.page.wait_for_function("() => window.lassoscopeShown?.size > 0", timeout=1e3 * PATIENCE)

    async def press(self, key: str) -> None:
        """Press a class key."""
        await self.read_log()
        await self.page.keyboard.press(key)

    async def read_log(self) -> None:
        """Take over what the page has noted; watch a page that was loaded anew, which loses its connection where all stands."""
        noted = await self.page.evaluate("() => window.benchmarkLog?.splice(0)")
        if noted is None:
            self.reloads += 1
            await self.suggestions()
        for at, name, value in noted or []:
            if name == "key":
                self.pressed.append((at / 1e3, value))
                continue
            self._now |= {"at": at / 1e3} | ({"picture": value} if name == "picture" else read(value))
            self.shown.append(Seen(**self._now))


Window = Tab | Screen


@dataclass(frozen=True)
class Key:
    """How long after a press its effects were shown, s; None for never."""

    picture: float | None
    saved: float | None
    curves: float | None
    total: int  # labels of the teach half in the whole workspace, as the header counted them then


def keys_of(window: Window, names: dict[str, str]) -> list[Key]:
    """Return the effects of each press of a window, given the class of each key."""
    keys = []
    for pressed, key in window.pressed:
        before = [seen for seen in window.shown if seen.at <= pressed][-1]
        after = [seen for seen in window.shown if seen.at > pressed]
        picture = next((seen for seen in after if seen.picture != before.picture), None)
        told = [seen for last, seen in pairwise([before, *after]) if seen.said != last.said and f"'{names[key]}'" in seen.said]
        if not told:
            keys.append(Key(since(pressed, picture), None, None, 0))
            continue
        taught = max(seen.taught for seen in after if seen.at <= told[0].at)
        curves = next((seen for seen in after if seen.learned >= taught), None)
        keys.append(Key(since(pressed, picture), since(pressed, told[0]), since(pressed, curves), taught))
    return keys


def since(pressed: float, seen: Seen | None) -> float | None:
    """Return the seconds from a press to what was shown."""
    return None if seen is None else seen.at - pressed


def followed(tabs: Sequence[Tab], names: dict[str, str]) -> list[float]:
    """Return how long after its key a label showed in each other window."""
    took = []
    for tab in tabs:
        for (pressed, _), key in zip(tab.pressed, keys_of(tab, names), strict=True):
            for other in tabs:
                if key.total and other is not tab:
                    moment = next((seen.at for seen in other.shown if seen.taught >= key.total), pressed + PATIENCE)
                    took.append(max(0.0, moment - pressed))
    return took


async def work(window: Window, rng: random.Random, seconds: float) -> None:
    """Answer the queue's pictures, one every three seconds, by turns with two classes: a repeated message is not sent."""
    await asyncio.sleep(rng.random() * EVERY)
    start = due = time.perf_counter()
    turn = 0
    while time.perf_counter() - start < seconds:
        await window.wait_for_picture()
        await window.press("12"[turn % 2])
        turn, due = turn + 1, due + EVERY
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def visit(url: str) -> None:
    """Open a page and close it, again and again."""
    while True:
        tab = Tab(url)
        await tab.open()
        try:
            await asyncio.sleep(VISIT)
        finally:
            await tab.close()


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[Page]:
    """Open the page in Chromium."""
    async with async_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(url)
        await page.locator("[data-frame]").first.wait_for(state="attached", timeout=1e3 * PATIENCE)
        yield page


async def load(url: str, pid: int, names: dict[str, str], *, n_windows: int, seconds: float, memory: bool) -> dict[str, str]:
    """Open the windows, press keys, watch, close."""
    warm = await warm_up(url)
    before, memory_before = cpu_and_memory(pid)
    tabs: list[Tab] = []
    for _ in range(n_windows - 1):
        tabs.append(Tab(url))
        await tabs[-1].open()
    await asyncio.sleep(5)
    opened, _ = cpu_and_memory(pid)
    rows = {"windows": f"{n_windows}", "CPU s per page": f"{(opened - before) / len(tabs):.2f}" if tabs else ""}
    async with chromium(url) as page:
        for name, visited in (("", False), (", while somebody opens pages", True)):
            windows: list[Window] = [Screen(page), *tabs]
            for tab in tabs:
                tab.pressed, tab.shown = [], tab.shown[-1:]
            for window in windows:
                await window.suggestions()
            await asyncio.sleep(2)
            rows |= await phase(windows, url, pid, names, seconds=seconds, visited=visited, name=name)
    _, memory_busy = cpu_and_memory(pid)
    for tab in (*tabs, warm):
        await tab.close()
    if memory:
        rows |= await memory_rows(url, pid, n_windows, memory_before, memory_busy)
    return rows


async def warm_up(url: str) -> Tab:
    """Open the first window and let a probe be fitted, so that the others start with curves."""
    tab = Tab(url)
    await tab.open()
    await tab.suggestions()
    for key in "12":
        await tab.wait_for_picture()
        await tab.press(key)
        await asyncio.sleep(5)
    await asyncio.sleep(5)
    return tab


async def phase(
    windows: list[Window], url: str, pid: int, names: dict[str, str], *, seconds: float, visited: bool, name: str
) -> dict[str, str]:
    """Let every window work for some time; return what it took."""
    rng, tabs = random.Random(0), [window for window in windows if isinstance(window, Tab)]
    start, (used, _) = time.perf_counter(), cpu_and_memory(pid)
    visitor = asyncio.create_task(visit(url)) if visited else None
    await asyncio.gather(*(work(window, rng, seconds) for window in windows))
    elapsed, share = time.perf_counter() - start, cpu_and_memory(pid)[0] - used
    if visitor is not None:
        visitor.cancel()
        await asyncio.gather(visitor, return_exceptions=True)
    await wait_for_all(windows)
    screens = [window for window in windows if isinstance(window, Screen)]
    here = [key for screen in screens for key in keys_of(screen, names)]
    there = [key for tab in tabs for key in keys_of(tab, names)]
    everyone = [*here, *there]
    lost = sum(key.saved is None for key in everyone)
    times = {
        "key to next picture, in Chromium": [key.picture for key in here],
        "key to curves, in Chromium": [key.curves for key in here],
        "key to saved label, in any window": [key.saved for key in everyone],
        "key to curves, in the other windows": [key.curves for key in there],
        "key to other windows' counts": followed(tabs, names),
    }
    return {
        f"keys{name}": f"{len(everyone)} in {elapsed:.0f} s ({lost} not saved)",
        f"times Chromium's page was loaded anew{name}": f"{sum(screen.reloads for screen in screens)}",
        **{f"{what}{name}, p50 / p95": spread(took) for what, took in times.items()},
        f"server's CPU{name}": f"{100 * share / elapsed:.0f}%",
        f"load of the machine at the end{name}": f"{os.getloadavg()[0]:.1f}",
    }


def spread(times: Sequence[float | None]) -> str:
    """Return the median and the 95th percentile in ms, and how many never came."""
    came = [1e3 * took for took in times if took is not None]
    if not came:
        return "never" if times else "not asked"
    late = statistics.quantiles(came, n=20, method="inclusive")[-1] if len(came) > 1 else came[0]
    never = f" ({len(times) - len(came)} of {len(times)} never)" if len(came) < len(times) else ""
    return f"{statistics.median(came):,.0f} / {late:,.0f} ms{never}"


async def wait_for_all(windows: Sequence[Window]) -> None:
    """Wait until every window shows the curves of the last label, or `PATIENCE` is over."""
    until, behind = time.perf_counter() + PATIENCE, True
    while behind and time.perf_counter() < until:
        await asyncio.sleep(0.2)
        for window in windows:
            if isinstance(window, Screen):
                await window.read_log()
        last = max((window.shown[-1].taught for window in windows), default=0)
        behind = any(window.shown[-1].learned < last for window in windows)


async def memory_rows(url: str, pid: int, n_windows: int, before: float, busy: float) -> dict[str, str]:
    """Return what the server holds when all windows are closed, and after as many more."""
    await asyncio.sleep(FORGOTTEN)
    _, closed = cpu_and_memory(pid)
    more = [Tab(url) for _ in range(n_windows)]
    for tab in more:
        await tab.open()
        await tab.suggestions()
    for tab in more:
        await tab.close()
    await asyncio.sleep(FORGOTTEN)
    _, after = cpu_and_memory(pid)
    return {
        "memory MB before, busy, closed": f"{before:,.0f}, {busy:,.0f}, {closed:,.0f}",
        "memory MB per page closed after that": f"{(after - closed) / n_windows:.2f}",
    }


def measure(folder: Path, checkout: Path, *, n_windows: int, seconds: float, memory: bool) -> dict[str, str]:
    """Run the load on a copy of a workspace."""
    with Workspace(folder, read_only=True) as space:
        names = {known.key: known.name for known in space.classes}
    with tempfile.TemporaryDirectory() as temporary:
        server, url = serve(Path(shutil.copytree(folder, Path(temporary) / "workspace")), checkout)
        try:
            return asyncio.run(load(url, server.pid, names, n_windows=n_windows, seconds=seconds, memory=memory))
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    """Print the table: one column per checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkout", type=Path, help="another checkout, measured first")
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60, help="of each half of the run")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="what closed pages leave behind")
    options = parser.parse_args()
    checkouts = [path.resolve() for path in (options.checkout, ROOT) if path is not None]
    columns = [
        measure(options.folder, path, n_windows=options.windows, seconds=options.seconds, memory=options.memory)
        for path in checkouts
    ]
    print("| " + " | ".join(["what", *(["before"] if len(columns) > 1 else []), "now"]) + " |")
    print("| --- " * (1 + len(columns)) + "|")
    for name in columns[0]:
        print("| " + " | ".join([name, *(column[name] for column in columns)]) + " |")


if __name__ == "__main__":
    main()
