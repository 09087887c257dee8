"""The picture that a queue asks for, its answers, what is known of it, and its neighbours in the queue."""

from collections.abc import Callable
from typing import ClassVar, NotRequired, TypedDict

import panel as pn
import param

from dashboard.inputs import Press
from dashboard.theme import css
from dashboard.views.components.answer_buttons import Button, Click
from dashboard.views.components.source import source


class Asked(TypedDict):
    """One picture of the queue, asked for or answered."""

    id: str
    place: str  # of a press on it
    html: str  # what is said about it, safe to show as it is
    label: str  # its class now; "" = none
    colour: str  # of that class
    ahead: bool  # an answer may be followed by the next picture at once; else the server may ask again
    unsaved: NotRequired[bool]  # its answer could not be saved


class QueueCard(pn.custom.JSComponent):
    """One large picture of `image/<view>/<id>`, buttons under it, and a strip of the pictures before and after it.

    It goes on to the next picture by itself, loaded beforehand, and tells the server which picture each press was for and the
    number of the press. The server's list, with the number that it has `heard`, takes the place of the card's own; presses of
    higher numbers are repeated on it. A picture that comes back that way, or because of another analyst, takes no key for the
    first 150 ms: nobody can have meant it. `window.lassoscopeShown` has the picture on the screen, as for a `PictureCard`.
    """

    tab = param.String(doc="First word of its places.")
    answered: list[Asked] = param.List(default=[], item_type=dict, doc="The last ones, oldest first.")
    waiting: list[Asked] = param.List(default=[], item_type=dict, doc="The next ones, in their order.")
    current = param.String(doc="Id of the picture that is asked for, or looked at again; empty for none.")
    heard = param.Integer(default=0, doc="Number of the last press that these lists include.")
    html = param.String(doc="What is said under every picture, safe to show as it is.")
    rest = param.String(doc="What is said while there is no picture, safe to show as it is.")
    buttons: list[Button] = param.List(default=[], item_type=dict, doc="The answers, in their order.")
    verbs: list[str] = param.List(default=[], item_type=str, doc="Verbs after which the next picture is shown.")
    view = param.String(default="blurred", doc="Privacy view while not revealed.")
    reveal = param.Boolean(default=False, doc="The reveal key is held.")
    on_answer: Callable[[Press, str, str | None], None] = param.Parameter(doc="Called with a press, its verb and its value.")

    _rename: ClassVar[dict[str, str | None]] = {"on_answer": None}  # stays in Python
    _esm = source("parts.js", "queue_card.js")
    _stylesheets = [css("term"), source("queue_card.css")]

    def _handle_msg(self, msg: object) -> None:
        click = Click.read(msg)
        if click is not None and self.on_answer is not None:
            self.on_answer(click, click.verb, click.value or None)
