"""A question that stands before the page until it is answered; Cancel has the focus."""

from collections.abc import Callable, Sequence
from typing import TypedDict

import panel as pn
import param

from dashboard.messages import Message
from dashboard.views.components.source import source


class Paragraph(TypedDict):
    """A heading and what is said under it."""

    heading: str  # "" = none
    sentences: list[str]


class Option(TypedDict):
    """One of several things that may be done."""

    value: str
    label: str


class Answer(Message):
    """An answer to the question of a number."""

    number: int
    go: bool
    option: str = ""
    text: str = ""


class Ask(pn.custom.JSComponent):
    """A dialog of the browser: Escape cancels, Tab stays inside. One question at a time."""

    number = param.Integer(default=0, doc="Of the question; an answer to an older one is ignored.")
    open = param.Boolean(default=False, doc="The question is shown.")
    heading = param.String(doc="The question.")
    paragraphs: list[Paragraph] = param.List(default=[], item_type=dict, doc="What to know before the answer.")
    options: list[Option] = param.List(
        default=[], item_type=dict, doc="What to choose from, the first is chosen; none if empty."
    )
    field = param.String(doc="Name of a text field, '' for none.")
    needed = param.Boolean(default=False, doc="Without words in the text field there is no answer but no.")
    text = param.String(doc="What the text field holds at first.")
    go = param.String(doc="The words on the button that does it.")
    progress = param.Number(default=-1.0, bounds=(-1, 1), doc="Share of the work that is done; -1 while it has not begun.")

    _esm = source("parts.js", "ask.js")
    _stylesheets = [source("ask.css")]

    _then: Callable[[str, str], None] | None = None
    _stop: Callable[[], None] | None = None

    def ask(
        self,
        heading: str,
        paragraphs: Sequence[Paragraph],
        *,
        go: str,
        then: Callable[[str, str], None],
        options: Sequence[Option] = (),
        field: str = "",
        needed: bool = False,
        text: str = "",
    ) -> None:
        """Ask.

        Args:
            go: the words on the button that does it.
            needed: the dialog stays until there are words in the field.
            then: called with the option chosen ("" = none) and the text, unless the answer is no.
        """
        self._then, self._stop = then, None
        self.param.update(
            number=self.number + 1, heading=heading, paragraphs=list(paragraphs), options=list(options), field=field,
            needed=needed, text=text, go=go, progress=-1.0, open=True,
        )  # fmt: skip

    def work(self, stop: Callable[[], None]) -> None:
        """Show a bar until `close`; cancelling calls `stop`."""
        self._stop = stop
        self.param.update(progress=0.0, open=True)

    def close(self) -> None:
        """Take the question away."""
        self._then = self._stop = None
        self.param.update(open=False, progress=-1.0)

    def _handle_msg(self, msg: object) -> None:
        answer = Answer.read(msg)
        if answer is None or answer.number != self.number or not self.open:
            return
        then, stop = self._then, self._stop
        if stop is not None:
            if not answer.go:
                stop()
            return
        self.close()
        if answer.go and then is not None:
            known = [option["value"] for option in self.options]
            if answer.option in known or not known:
                then(answer.option, answer.text)
