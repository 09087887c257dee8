"""What the browser tests share: a server, and a mouse that tells what it selected."""

import os
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.handle import CANVAS
from core.evidence import queues
from core.labels.actions import history, label, undo
from core.workspace import Workspace
from tests.forked import forking

N_IMAGES = 600
# Every polygon and box that Chromium sends, so that a test needs no pixel arithmetic; also of a document that comes later,
# after a lost connection.
RECORD_SELECTIONS = """() => {
  if (window.sent) return;
  window.sent = [];
  const managers = Object.getPrototypeOf(window.Bokeh.documents[0].event_manager), send = managers.send_event;
  managers.send_event = function(event) {
    if (event.geometry && event.final) window.sent.push(event.geometry);
    return send.call(this, event);
  };
}"""
# A browser that keeps no data of any site throws when a script touches the storage.
KEEPS_NOTHING = """for (const kind of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, kind, { get() { throw new DOMException("Access is denied", "SecurityError"); } });"""
# Where the map is, px of the window, once it is shown and has kept its place for a while: a page that was hidden is laid out
# anew, and bars move. A busy machine paints seldom, so frames count beside the time.
PLACE_OF_MAP = f"""() => new Promise((resolve, reject) => {{
  const find = {CANVAS}, start = performance.now();
  let before = "", frames = 0, since = 0;
  const look = now => {{
    const box = find(), place = JSON.stringify(box);
    if (now - start > 30_000) return reject(new Error("the map did not come to rest in 30 s: " + place));
    if (!box || place !== before) [before, frames, since] = [place, 0, now];
    else if (++frames >= 5 && now - since >= 200) return resolve(box);
    requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
}})"""


# Where an image lies, px of the window, by its place on the map: of the figure that is shown largest.
PLACE_OF_IMAGE = """([x, y]) => {
  const area = view => view.canvas_view.el.clientWidth * view.canvas_view.el.clientHeight, views = [];
  for (const document of window.Bokeh.documents) for (const model of document._all_models.values()) {
    const view = model.type === 'Figure' && window.Bokeh.index.find_one(model);
    if (view) views.push(view);
  }
  const [map] = views.sort((a, b) => area(b) - area(a)), box = map.canvas_view.el.getBoundingClientRect();
  return [box.x + map.frame.x_scale.compute(x), box.y + map.frame.y_scale.compute(y)];
}"""


class Server:
    """`lassoscope serve` as a user starts it; unless it starts cold, the imports are done before."""

    def __init__(
        self, folder: Path, *, cold: bool = False, waits: bool = True, log: Path | None = None, **environment: str
    ) -> None:
        self.folder, self.cold, self.environment = folder, cold, environment
        self.log = log or folder / "server.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start(waits=waits)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, waits: bool = True) -> None:
        words = ["serve", "--no-browser", "-w", str(self.folder), "--port", str(self.port)]
        self.process = forking("tests.ui.warm").Process(target=_command, args=(words, self.log, self.environment, self.cold))
        self.process.start()
        if waits:
            self.wait(f"{self.url}/liveness")

    def wait(self, url: str, status: int = 200) -> None:
        """Wait until the server answers with that status: 503 says that it is starting."""
        for _ in range(1_200):
            try:
                urllib.request.urlopen(url, timeout=2).close()
                found = 200
            except urllib.error.HTTPError as refused:
                found = refused.code
                refused.close()
            except OSError:
                found = None
            if found == status:
                return
            assert self.process.is_alive(), self.log.read_text()
            time.sleep(0.05)
        self.kill()  # else the test process would wait for it at its end
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def _command(words: list[str], log: Path, environment: dict[str, str], cold: bool) -> None:
    """Run `lassoscope` in this new process, with a log file for a terminal."""
    from dashboard.cli import app

    os.environ |= environment
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if cold:
        os.execv(sys.executable, [sys.executable, "-m", "dashboard", *words])
    app(words)


class Line:
    """The way between a browser and a server; `cut` ends it and `mend` opens it again, `swallow` loses all that is sent."""

    def __init__(self, to: int = 0) -> None:
        self.to, self.state, self.ends = to, "open", []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        self.state = "cut"
        for end in self.ends:
            self._end(end)
        self.ends = []

    def swallow(self) -> None:
        self.state = "swallowing"

    def mend(self) -> None:
        self.cut()  # what was under way is lost
        self.state = "open"

    def _accept(self) -> None:
        while True:
            try:
                near = self.door.accept()[0]
            except OSError:  # closed
                return
            try:
                if self.state == "cut":
                    raise OSError
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            self.ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, from_: socket.socket, to: socket.socket) -> None:
        try:
            while data := from_.recv(65_536):
                if self.state == "open":
                    to.sendall(data)
        except OSError:
            pass
        for end in (from_, to):
            self._end(end)
        from_.close()  # the other direction closes the other end

    def _end(self, end: socket.socket) -> None:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def facts(page: Page):
    return page.locator("[data-frame]").first


def on_map(page: Page, shape: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points of the map, given in shares of its width and height, in px of the window."""
    box = page.evaluate(PLACE_OF_MAP)
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shape]


def drag(page: Page, shape: list[tuple[float, float]], *keys: str, waits: int = 0) -> dict:
    """Drag over the map through points in shares of its width and height; return the geometry that Chromium sent.

    `waits` is how long the button is down before the mouse moves, ms.
    """
    page.evaluate(RECORD_SELECTIONS)  # of a page that has loaded itself again, too
    points, before = on_map(page, shape), page.evaluate("window.sent.length")
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*points[0])
    page.mouse.down()
    page.wait_for_timeout(waits)
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)
    page.wait_for_function(f"window.sent.length > {before}")
    return page.evaluate("window.sent[window.sent.length - 1]")


def choose(page: Page, shape: list[tuple[float, float]]) -> dict:
    """Drag, and wait until the page shows another selection, as a person does before the next key; return the geometry."""
    before = facts(page).get_attribute("data-idsum")
    geometry = drag(page, shape)
    expect(facts(page)).not_to_have_attribute("data-idsum", before)
    n = int(facts(page).get_attribute("data-selected"))
    expect(page.get_by_text(f"{n:,} selected")).to_be_visible()
    return geometry


def box_of(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]


LEFT, MIDDLE, RIGHT = box_of(0.02, 0.02, 0.5, 0.98), box_of(0.25, 0.1, 0.7, 0.9), box_of(0.5, 0.02, 0.9, 0.98)


def inside(xy: np.ndarray, geometry: dict) -> set[int]:
    """Return the rows inside, by the slowest and most obvious test there is."""
    if geometry["type"] == "rect":
        x0, x1, y0, y1 = (geometry[key] for key in ("x0", "x1", "y0", "y1"))
        return {row for row, (x, y) in enumerate(xy) if x0 <= x <= x1 and y0 <= y <= y1}
    px, py = np.array(geometry["x"]), np.array(geometry["y"])
    before_x, before_y = np.roll(px, 1), np.roll(py, 1)
    found = set()
    for row, (x, y) in enumerate(xy.astype(float)):
        with np.errstate(all="ignore"):
            crosses = ((py > y) != (before_y > y)) & (x < (before_x - px) * (y - py) / (before_y - py) + px)
        if (crosses & (py > y)).sum() != (crosses & (py <= y)).sum():  # upward edges against downward ones
            found.add(row)
    return found


def expect_selected(page: Page, rows: set[int]) -> None:
    expect(facts(page)).to_have_attribute("data-selected", str(len(rows)))
    expect(facts(page)).to_have_attribute("data-idsum", str(sum(rows)))


def drop(page: Page, *files: Path) -> None:
    """Drop files as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 500, "y": 400, "data": data})


def names_of_classes(form: Locator) -> Locator:
    """Return the fields of a form of classes that name them."""
    return form.locator(".line .name")


def label_many(page: Page, key: str) -> None:
    """Label the selection by its key: more than 20 images ask for a spot check first, and the same key says all is right."""
    page.keyboard.press(key)
    expect(page.get_by_text("Spot check before")).to_be_visible()
    page.wait_for_timeout(800)  # a double press is no answer
    page.keyboard.press(key)
    expect(page.get_by_text("Spot check before")).not_to_be_visible()


def takes_key(page: Page, *, but: str = "") -> str:
    """Wait until the large picture of the queue takes a key, and is another one than `but`; return its id."""
    picture = page.locator(f'.picture[aria-busy="false"]:visible img:not([src$="/{but}"])')
    expect(picture).to_be_visible()
    return picture.get_attribute("src").rsplit("/", 1)[1]


def without_copies(page: Page) -> None:
    """Label what is selected and nothing else; otherwise near-duplicates outside of a lasso come along."""
    page.get_by_label("Near-duplicates as one").first.click()
    page.wait_for_timeout(300)


def load(page: Page, url: str, n_images: int = N_IMAGES) -> None:
    page.goto(url)
    expect(page.get_by_text(f"{n_images} images")).to_be_visible()
    expect(page.locator("[data-frame]").first).not_to_have_attribute("data-frame", "0")
    page.evaluate(PLACE_OF_MAP)
    page.evaluate(RECORD_SELECTIONS)


def copied(prepared: Path, folder: Path) -> Path:
    """Copy the workspace as it was prepared, for a file of tests that serves copies only."""
    return shutil.copytree(prepared, folder)


def undo_all(space: Workspace) -> None:
    """Undo what earlier tests did."""
    for action, stands in history(space):
        if stands:
            undo(space, action.seq, analyst="test")


def teach_and_read(space: Workspace, *, taught: int, read: Sequence[tuple[str, int]]) -> None:
    """Undo everything, then give the true ones to some images of the teach half, and to those queued to be read.

    Args:
        read: purposes of queues, and how many images each is asked for.
    """
    undo_all(space)
    truth = space.gold("label")
    teach = np.flatnonzero(~space.is_check & (truth >= 0))[:taught]
    asked = [queues.queue(space, purpose, n, analyst="ann") for purpose, n in read]
    for rows, source in ((teach, "lasso"), *((rows, "check") for rows in asked)):
        for code, name in enumerate(space.class_names):
            if len(mine := rows[truth[rows] == code]):
                label(space, mine, name, analyst="ann", source=source)


@contextmanager
def served(browser: Browser, folder: Path, *, width: int = 1280, height: int = 720) -> Iterator[Page]:
    """Serve a workspace to one window; at the end its page must have had no error."""
    server, errors = Server(folder), []
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    load(page, server.url)
    yield page
    page.context.close()
    server.kill()
    assert errors == []


def promise_terms(page: Page, recall: str) -> None:
    """Go to the evidence of the Operating point page, and type a recall that what is read is enough to promise."""
    page.get_by_role("button", name="Operating point").click()
    page.get_by_role("button", name="Details").click()
    page.get_by_role("tab", name="Evidence").click()
    target = page.get_by_label("Recall", exact=True).first
    target.fill(recall)
    target.press("Enter")
    expect(page.get_by_text(f"That is enough to promise {float(recall):.0%} recall")).to_be_visible()
