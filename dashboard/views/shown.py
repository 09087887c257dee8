"""Panes are built when first shown, and drawn only while shown: hidden ones cost nothing."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import panel as pn
from bokeh.document import Document

from dashboard.choices import PageName, Tab
from dashboard.documents import one_message
from dashboard.state import SessionState


def draw_when_shown(
    state: SessionState, draw: Callable[[], None], on: Sequence[str], *, page: PageName = PageName.MAP, tab: Tab | None = None
) -> None:
    """Call `draw` now, and when one of the state's parameters `on` changes; later, where the pane is not on the screen."""
    stale = True

    def draw_if_stale(changed: bool) -> None:
        nonlocal stale
        stale = stale or changed
        if stale and state.shows(page, tab):
            stale = False
            draw()

    state.param.watch(lambda *_: draw_if_stale(True), list(on))
    state.param.watch(lambda *_: draw_if_stale(False), ["page", "tab"])
    draw_if_stale(True)


class Later(pn.viewable.Viewer):
    """A placeholder for a pane that is built when it is first needed."""

    def __init__(
        self,
        state: SessionState,
        build: Callable[[], pn.viewable.Viewer],
        *,
        wanted: Callable[[], bool],
        on: Sequence[str] = ("page", "tab"),
        **layout: Any,
    ) -> None:
        """Reserve the space.

        Args:
            build: makes the pane, once.
            wanted: asked now and when one of the state's parameters `on` changes.
        """
        super().__init__()
        self._build, self._wanted = build, wanted
        self.pane: pn.viewable.Viewer | None = None
        self.room = pn.Column(**{"sizing_mode": "stretch_both", "margin": 0, **layout})
        state.param.watch(self._follow, list(on))
        self._follow()

    def _follow(self, *_: Any) -> None:
        if self.pane is None and self._wanted():
            self.pane = self._build()
            self.room.objects = [self.pane]

    def __panel__(self) -> pn.viewable.Viewable:
        return self.room


class Steps:
    """Puts panes on a page one after the other: between two of them the event loop is free for the keys of other windows.

    The skeleton is seen meanwhile; the rest of the page is sent after the last step.
    """

    def __init__(self, document: Document | None) -> None:
        self._document = document
        self._steps: deque[Callable[[], None]] = deque()

    def put(self, room: pn.layout.base.ListLike, *panes: Callable[[], Any]) -> None:
        """Append panes to a layout, each in a step of its own.

        Args:
            panes: each makes one.
        """
        self._steps.extend(partial(self._append, room, build) for build in panes)

    def start(self) -> None:
        """Take the first step soon; all steps now if the document belongs to no browser."""
        document = self._document
        if document is not None and document.session_context is not None:
            # Else every step walks all models that the page has by then. No browser knows the document yet.
            document.models._push_freeze()
            document.add_next_tick_callback(partial(self._step, document))
            return
        while self._steps:
            self._steps.popleft()()

    def _append(self, room: pn.layout.base.ListLike, build: Callable[[], Any]) -> None:
        room.append(build())

    def _step(self, document: Document) -> None:
        try:
            with one_message(document):
                self._steps.popleft()()
        except BaseException:
            document.models._pop_freeze()
            raise
        # What a step puts on the page gets its models in a tick of its own, before the next step.
        document.add_next_tick_callback(partial(self._step, document) if self._steps else document.models._pop_freeze)
