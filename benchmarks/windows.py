"""Twenty analysts at once: real websocket sessions on a real server, one key every three seconds each. Prints a Markdown table.

python -m benchmarks.windows FOLDER [--checkout OTHER] [--windows 20] [--seconds 60]

FOLDER is a workspace with a map and no labels yet; the run works on a copy of it. `--checkout` serves it with the code of
another checkout, so that one run compares two versions of the code. To the server a window here looks like a browser: it
opens the page, receives every message, reports the size of its map, opens Suggestions and answers with the class keys. It
draws nothing, so the figures are those of the server alone.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

ROOT = Path(__file__).resolve().parent.parent
EVERY = 3.0  # s between two keys of one window
MAP_SIZE = (590, 620)  # CSS px, of the map in a window of 1,280 x 720
LABELLED = re.compile(r"· ([\d,]+) labelled")
SAVED = re.compile(r"\bLabelled \d")  # more than one with near-duplicates
STUCK = 60.0  # s without a next picture, after which the key is pressed again
FORGOTTEN = 40.0  # s after which a server has discarded closed tabs; it checks every 17 s
PATIENCE = 120.0  # s after the last key in which a window may still follow


@dataclass
class Key:
    """One key press, and when its effects arrived."""

    pressed: float
    acknowledged: float | None = None
    shown: float | None = None
    total: int | None = None  # labels in the workspace, as the window's own header then shows


@dataclass
class Window:
    """One browser tab, as the server sees it."""

    url: str
    socket: WebSocketClientConnection = field(init=False)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    picture: str = ""  # image that the queue shows
    place: str = ""  # what class keys act on, as the page reports it
    keys: list[Key] = field(default_factory=list)
    totals: list[tuple[float, int]] = field(default_factory=list)  # times at which the header showed a number of labels
    frames: int = 0

    async def open(self) -> None:
        """Load the page and its document, and send a browser's first messages."""
        page = await AsyncHTTPClient().fetch(HTTPRequest(self.url, request_timeout=300))
        token = found(r'"token":"([^"]+)"', page.body.decode())
        address = self.url.replace("http", "ws", 1) + "ws"
        self.socket = await websocket_connect(
            HTTPRequest(address, request_timeout=300), subprotocols=["bokeh", token], max_message_size=2**30
        )
        await self._receive()  # the acknowledgement
        await self._send("PULL-DOC-REQ", {})
        kind, content = await self._receive()
        while kind != "PULL-DOC-REPLY":
            kind, content = await self._receive()
        self._learn(content)
        asyncio.get_running_loop().create_task(self._listen())
        figure = max(self._named("Figure"), key=lambda m: "LassoSelectTool" in json.dumps(m))
        for side, length in zip(("inner_width", "inner_height"), MAP_SIZE, strict=True):
            await self._change(figure["id"], side, length)
        await self._event("document_ready", {})

    async def suggestions(self) -> None:
        """Open the Suggestions tab and wait for its first picture."""
        [tabs] = self._components("Tabs")
        await self._change(tabs["attributes"]["data"]["id"], "active", 1)
        for _ in range(3_000):
            if self.picture:
                return
            await asyncio.sleep(0.1)
        raise TimeoutError("no suggestion came")

    async def press(self, key: str) -> None:
        """Press a class key on the picture that is shown."""
        [keys] = self._components("Keys")
        self.keys.append(Key(time.perf_counter()))
        press = {"key": key, "code": f"Digit{key}", "shift": False, "ctrl": False, "alt": False}
        seen = {"place": self.place, "shown": [self.picture]}
        for down in (True, False):
            data = {**press, **seen, "down": down}
            await self._event("data_event", {"model": {"id": keys["id"]}, "data": data})

    async def close(self) -> None:
        """Close the tab, and report it as the page does."""
        for keeper in self._components("Connection"):  # older code has none
            await self._event("data_event", {"model": {"id": keeper["id"]}, "data": {"closing": True}})
        self.socket.close()

    # -- the protocol --

    def _named(self, name: str) -> list[dict[str, Any]]:
        return [model for model in self.models.values() if model["name"] == name]

    def _components(self, class_name: str) -> list[dict[str, Any]]:
        return [model for model in self.models.values() if model["attributes"].get("class_name") == class_name]

    def _learn(self, value: Any) -> None:
        """Store every model of a message by its id, and the text it shows."""
        if isinstance(value, dict):
            if value.get("type") == "object" and "id" in value:
                self.models[value["id"]] = {"attributes": {}, **value}
                for attr, new in value.get("attributes", {}).items():
                    self._notice(attr, new)
            for inner in value.values():
                self._learn(inner)
        elif isinstance(value, list):
            for inner in value:
                self._learn(inner)

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        for part in ({"msgid": os.urandom(8).hex(), "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))

    async def _change(self, model: str, attr: str, new: Any) -> None:
        event = {"kind": "ModelChanged", "model": {"id": model}, "attr": attr, "new": new}
        await self._send("PATCH-DOC", {"events": [event]})

    async def _event(self, name: str, values: dict[str, Any]) -> None:
        data = {"type": "event", "name": name, "values": values}
        await self._send("PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data}]})

    async def _receive(self) -> tuple[str, dict[str, Any]]:
        parts = [await self.socket.read_message() for _ in range(3)]
        if None in parts:
            raise ConnectionError("the server closed the connection")
        header, content = json.loads(parts[0]), json.loads(parts[2])
        for _ in range(2 * header.get("num_buffers", 0)):
            await self.socket.read_message()
        self.frames += bool(header.get("num_buffers", 0))
        return header["msgtype"], content

    async def _listen(self) -> None:
        while True:
            try:
                kind, content = await self._receive()
            except ConnectionError:
                return
            if kind != "PATCH-DOC":
                continue
            for event in content["events"]:
                self._learn(event.get("new"))
                if event["kind"] == "ModelChanged":
                    self._notice(event["attr"], event["new"])

    def _notice(self, attr: str, new: Any) -> None:
        now, open_ = time.perf_counter(), self.keys[-1] if self.keys else None
        if attr == "image_id" and new and new != self.picture:
            self.picture = new
            if open_ is not None and open_.shown is None:
                open_.shown = now
        elif attr == "place" and isinstance(new, str) and new.startswith("suggestions/"):
            self.place = new
        elif isinstance(new, str) and SAVED.search(new):
            if open_ is not None and open_.acknowledged is None:
                open_.acknowledged = now
        elif isinstance(new, str) and (said := LABELLED.search(new)):
            self.totals.append((now, int(said[1].replace(",", ""))))
            if open_ is not None and open_.acknowledged is not None and open_.total is None:
                open_.total = self.totals[-1][1]


def found(pattern: str, text: str) -> str:
    """Return the first group of a pattern; raise ValueError if the text does not match."""
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"there is no {pattern} in {text[:200]}")
    return match[1]


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """Return the CPU seconds used by a process, and its resident MB."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = found(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"), int(resident) / 1024


def p95(values: list[float]) -> float:
    """Return the 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


async def load(url: str, pid: int, *, n_windows: int, seconds: float) -> dict[str, str]:
    """Open the windows, press keys, watch, close."""
    warm = Window(url)
    await warm.open()
    await warm.suggestions()
    await warm.press("1")
    await asyncio.sleep(5)
    await warm.press("2")
    await asyncio.sleep(10)
    before, memory_before = cpu_and_memory(pid)
    windows = []
    for _ in range(n_windows):
        windows.append(Window(url))
        await windows[-1].open()
    await asyncio.sleep(5)
    opened, _ = cpu_and_memory(pid)
    for window in windows:
        await window.suggestions()
    await asyncio.sleep(2)
    working, _ = cpu_and_memory(pid)
    rng, start = random.Random(0), time.perf_counter()

    async def work(window: Window) -> None:
        await asyncio.sleep(rng.random() * EVERY)
        due = time.perf_counter()
        while time.perf_counter() - start < seconds:
            await window.press("12"[len(window.keys) % 2])  # another class each time: a repeated message is not sent
            due += EVERY
            patience = time.perf_counter() + STUCK
            while time.perf_counter() < due or (window.keys[-1].shown is None and time.perf_counter() < patience):
                await asyncio.sleep(0.02)

    await asyncio.gather(*map(work, windows))
    worked, memory_busy = cpu_and_memory(pid)
    elapsed = time.perf_counter() - start
    await wait_for_all(windows)
    keys = [key for window in windows for key in window.keys]
    follows = followed(windows)
    for window in (*windows, warm):
        await window.close()
    await asyncio.sleep(FORGOTTEN)
    _, memory_closed = cpu_and_memory(pid)
    more = [Window(url) for _ in range(n_windows)]
    for window in more:
        await window.open()
        await window.suggestions()
    for window in more:
        await window.close()
    await asyncio.sleep(FORGOTTEN)
    _, memory_after = cpu_and_memory(pid)
    lost = sum(key.acknowledged is None for key in keys)
    times = {
        "acknowledged": [key.acknowledged - key.pressed for key in keys if key.acknowledged is not None],
        "next picture": [key.shown - key.pressed for key in keys if key.shown is not None],
        "other windows follow": follows,
    }
    words = {
        name: f"{1000 * statistics.median(took):,.0f} / {1000 * p95(took):,.0f} ms" if took else "never"
        for name, took in times.items()
    }
    return {
        "windows": f"{n_windows}",
        "CPU s per page": f"{(opened - before) / n_windows:.2f}",
        "keys": f"{len(keys)} in {elapsed:.0f} s ({lost} not acknowledged)",
        **{f"{name}, median / p95": value for name, value in words.items()},
        "server's CPU": f"{100 * (worked - working) / elapsed:.0f}%",
        "memory MB before, busy, closed": f"{memory_before:,.0f}, {memory_busy:,.0f}, {memory_closed:,.0f}",
        "memory MB per page closed after that": f"{(memory_after - memory_closed) / n_windows:.2f}",
    }


async def wait_for_all(windows: list[Window]) -> None:
    """Wait until every window shows the last label, or `PATIENCE` is over."""
    last = max((key.total or 0 for window in windows for key in window.keys), default=0)
    for _ in range(int(PATIENCE)):
        if all(window.totals and window.totals[-1][1] >= last for window in windows):
            return
        await asyncio.sleep(1)


def followed(windows: list[Window]) -> list[float]:
    """Return how long after its key a label showed in each other window."""
    took = []
    for window in windows:
        for key in window.keys:
            for other in windows:
                if key.total is None or other is window:
                    continue
                moment = next((at for at, total in other.totals if total >= key.total), None)
                took.append((moment - key.pressed) if moment is not None else PATIENCE)
    return took


def serve(folder: Path, checkout: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server with the code of a checkout, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard", "serve", "--no-browser", "-w", str(folder), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    server = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}liveness", timeout=2).close()
            return server, url
        except OSError:
            time.sleep(0.2)
    server.kill()
    raise TimeoutError(url)


def measure(folder: Path, checkout: Path, *, n_windows: int, seconds: float) -> dict[str, str]:
    """Run the load on a copy of a workspace."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(folder, Path(temporary) / "workspace"))
        server, url = serve(copy, checkout)
        try:
            return asyncio.run(load(url, server.pid, n_windows=n_windows, seconds=seconds))
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    """Print the table: one column per checkout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkout", type=Path, help="another checkout, measured first")
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    checkouts = [path.resolve() for path in (options.checkout, ROOT) if path is not None]
    columns = [measure(options.folder, path, n_windows=options.windows, seconds=options.seconds) for path in checkouts]
    print("| " + " | ".join(["what", *(["before"] if len(columns) > 1 else []), "now"]) + " |")
    print("| --- " * (1 + len(columns)) + "|")
    for name in columns[0]:
        print("| " + " | ".join([name, *(column[name] for column in columns)]) + " |")


if __name__ == "__main__":
    main()
