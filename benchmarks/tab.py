"""One browser tab as the server sees it: a websocket session that answers a queue as the page's own scripts do.

It opens the page, receives every message, reports the size of its map, opens Suggestions and sends presses of class keys for
the picture that its queue's card would show. It draws nothing, so what it costs is the server alone.
"""

import asyncio
import html
import json
import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

MAP_SIZE = (590, 620)  # CSS px, of the map in a window of 1,280 x 720
SUGGESTIONS = 1  # place of its tab
SAVED = re.compile(r"\bLabelled \d")  # more than one with near-duplicates
COUNTS = {
    "taught": re.compile(r"([\d,]+) teach"),
    "learned": re.compile(r'series active"?>[^<]*</th><td>([\d,]+)</td>'),  # in the row of the active probe
}
PATIENCE = 300.0  # s


@dataclass(frozen=True)
class Seen:
    """What a window shows after a message, or from a frame on."""

    at: float  # s, by the window's own clock
    said: str = ""  # the last message about a saved label
    taught: int = 0  # labels of the teach half, as the header counts them
    learned: int = 0  # labels that the curves on the screen come from
    picture: str = ""  # that is asked for


def read(words: str) -> dict[str, Any]:
    """Return the fields of `Seen` that a text of the page tells."""
    counts = {name: found for name, pattern in COUNTS.items() if (found := pattern.search(words)) is not None}
    said = {"said": words} if SAVED.search(words) else {}
    return said | {name: int(found[1].replace(",", "")) for name, found in counts.items()}


def plain(value: Any) -> Any:
    """Return what Bokeh has written as a map or a list."""
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict) and value.get("type") == "map":
        return {key: plain(inner) for key, inner in value.get("entries", [])}
    return value


@dataclass
class Tab:
    """One tab, and all it has shown."""

    url: str
    socket: WebSocketClientConnection = field(init=False)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: list[Seen] = field(default_factory=lambda: [Seen(time.perf_counter())])
    pressed: list[tuple[float, str]] = field(default_factory=list)  # when, and the key
    heard: list[float] = field(default_factory=list)  # when the server's list included a further press
    _number: int = 0  # of the last press; a queue's card counts them
    _done: dict[str, int] = field(default_factory=dict)  # picture -> number of the press that the server has not heard of
    _now: dict[str, Any] = field(default_factory=dict)  # what the next `Seen` will have that differs
    _listener: asyncio.Task[None] = field(init=False)

    async def open(self) -> None:
        """Load the page and its document, and send a browser's first messages."""
        page = await AsyncHTTPClient().fetch(HTTPRequest(self.url, request_timeout=PATIENCE))
        [token] = re.findall(r'"token":"([^"]+)"', page.body.decode())
        address = self.url.replace("http", "ws", 1) + "ws"
        self.socket = await websocket_connect(
            HTTPRequest(address, request_timeout=PATIENCE), subprotocols=["bokeh", token], max_message_size=2**30
        )
        await self._receive()  # the acknowledgement
        await self._send("PULL-DOC-REQ", {})
        kind, content = await self._receive()
        while kind != "PULL-DOC-REPLY":
            kind, content = await self._receive()
        self._learn(content)
        self._see()
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        figure = max(self._named("Figure"), key=lambda model: "LassoSelectTool" in json.dumps(model))
        for side, length in zip(("inner_width", "inner_height"), MAP_SIZE, strict=True):
            await self._change(figure["id"], side, length)
        await self._event("document_ready", {})

    async def suggestions(self) -> None:
        """Open the Suggestions tab and wait for its first picture."""
        [tabs] = self._components("Tabs")
        await self._change(tabs["attributes"]["data"]["id"], "active", SUGGESTIONS)
        await self.wait_for_picture()

    async def wait_for_picture(self) -> None:
        """Wait until there is a picture to answer.

        Raises:
            TimeoutError: if none comes.
        """
        until = time.perf_counter() + PATIENCE
        while not self.asked:
            if time.perf_counter() > until:
                raise TimeoutError("expected a picture in Suggestions, got none; look at the server's log")
            await asyncio.sleep(0.02)

    @property
    def asked(self) -> dict[str, Any] | None:
        """Return the queue's entry that the card shows now, None where it waits for the server."""
        cards = self._components("QueueCard")
        if not cards:
            return None
        waiting = plain(self.models[cards[0]["attributes"]["data"]["id"]]["attributes"].get("waiting", []))
        return next((entry for entry in waiting if entry["id"] not in self._done), None)

    async def press(self, key: str) -> None:
        """Press a class key on the picture that is shown; the card goes on by itself."""
        [keys] = self._components("Keys")
        asked = self.asked
        if asked is None:
            raise RuntimeError("expected a picture, got none; wait for one before a press")
        self.pressed.append((time.perf_counter(), key))
        self._number += 1
        self._done[asked["id"]] = self._number
        press = {"key": key, "code": f"Digit{key}", "shift": False, "ctrl": False, "alt": False}
        seen = {"place": asked["place"], "shown": [asked["id"]]}
        for down in (True, False):
            data = {**press, **seen, "down": down, "number": self._number if down else 0}
            await self._event("data_event", {"model": {"id": keys["id"]}, "data": data})

    async def close(self) -> None:
        """Close the tab, and report it as the page does."""
        [keeper] = self._components("Connection")
        await self._event("data_event", {"model": {"id": keeper["id"]}, "data": {"closing": True}})
        self._listener.cancel()
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
                    known = self.models.get(event["model"]["id"])
                    if known is not None:
                        known["attributes"][event["attr"]] = event["new"]
                    self._notice(event["attr"], event["new"])
            self._see()

    def _notice(self, attr: str, new: Any) -> None:
        if attr == "heard":
            self.heard += [time.perf_counter()] * (new - len(self.heard))
            self._done = {picture: press for picture, press in self._done.items() if press > new}
        elif isinstance(new, str):
            self._now |= read(html.unescape(html.unescape(new)))  # Panel escapes what is HTML, with our own escapes in it

    def _see(self) -> None:
        seen = replace(self.shown[-1], at=time.perf_counter(), **self._now)
        if replace(seen, at=self.shown[-1].at) != self.shown[-1]:
            self.shown.append(seen)
