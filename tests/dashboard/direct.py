"""Actions of one tab without a server: each is done at once, on the calling thread."""

import re
from types import SimpleNamespace

from core.errors import AppError
from dashboard.actions import Actions


class Direct(Actions):
    """Does everything at once, on this thread."""

    def __init__(self, state, openings):
        self.state, self.workspace = state, state.workspace
        hub, refits = SimpleNamespace(publish=lambda *_, **__: None), SimpleNamespace(request=lambda *_: None)
        pools = {"slow_pool": None, "opening_pool": None, "draw_pool": None, "look_pool": None}
        self._server = SimpleNamespace(openings=openings, shared=state.shared, hub=hub, refits=refits, **pools)

    def run(self, verb, done, *, on=None, failed=lambda: None):
        try:
            done(verb())
        except AppError as error:
            failed()
            self.say(str(error), error=True)

    def soon(self, draw):
        draw()


def unmarked(text):
    """Return HTML without the buttons of terms, whose words stay."""
    return re.sub(r"</?button\b[^>]*>", "", text)
