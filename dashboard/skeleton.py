"""The page until its panes are there: the server sends it at once, before it builds the rest of its answer.

Imports bokeh, tornado and the theme.
"""

import asyncio
import time
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

from bokeh.document import Document
from bokeh.server.callbacks import NextTickCallback
from tornado.web import RequestHandler

from dashboard.theme import css, tokens

LONGEST = 60.0  # s that a page may take to be built
PAUSE = 0.005  # s between two looks whether it is
TEMPLATES = Path(__file__).parent / "templates"


@cache
def skeleton() -> str:
    """Return the beginning of the page's HTML: static, with its style, and without anything of the workspace."""
    text = (TEMPLATES / "skeleton.html").read_text(encoding="utf-8")
    return text.replace("{style}", tokens() + css("skeleton"))


@cache
def template() -> str:
    """Return the template of the whole page, the skeleton first."""
    return f"{{% raw %}}{skeleton()}{{% endraw %}}" + (TEMPLATES / "page.html").read_text(encoding="utf-8")


def send_skeleton_first(handler: type[RequestHandler]) -> None:
    """Let the handler of the page send the skeleton before it builds the page, which takes a moment; call once."""
    get: Callable[..., Any] = handler.get
    if getattr(get, "sends_skeleton", False):
        return

    @wraps(get)
    async def stream(self: RequestHandler, *args: Any, **kwargs: Any) -> None:
        if self.current_user:
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.set_header("Cache-Control", "no-store")
            write = self.write
            write(skeleton())
            await self.flush()
            self.write = lambda chunk: write(chunk.removeprefix(skeleton()) if isinstance(chunk, str) else chunk)  # type: ignore[method-assign]
            self.get_session = _whole(self.get_session)  # type: ignore[attr-defined]
        await get(self, *args, **kwargs)

    stream.sends_skeleton = True  # type: ignore[attr-defined]
    handler.get = stream


def _whole(get_session: Callable[..., Any]) -> Callable[..., Any]:
    """Wait until the panes of a new session are there, which are put on the page in its next ticks.

    A browser that came earlier would get changes of models that it does not know yet, and drop them.
    """

    async def whole(*args: Any, **kwargs: Any) -> Any:
        session, until = await get_session(*args, **kwargs), time.monotonic() + LONGEST
        while time.monotonic() < until and _is_building(session.document):
            await asyncio.sleep(PAUSE)
        return session

    return whole


def _is_building(document: Document) -> bool:
    return any(isinstance(callback, NextTickCallback) for callback in document.session_callbacks)
