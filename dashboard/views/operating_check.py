"""How the evidence is made, in the details of the Operating point page: the check set, its terms and its openings."""

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from core.evidence.focus import is_offered
from core.evidence.preview import costs, gains
from core.evidence.sentences import closed
from core.wording import counted
from dashboard.actions import Actions
from dashboard.openings import OpeningView
from dashboard.views.components.ask import Ask
from dashboard.views.echoes import RARELY, Echoes
from dashboard.views.number_field import asked_number, number_field, written
from dashboard.views.operating_words import SIDE, paragraphs, small, title
from dashboard.views.terms import explained
from dashboard.views.words import words

FOCUS = 50  # labels a focus draw asks for
NOT_OPENED = "not opened yet"  # stands in the list of openings while it holds only those of other subjects


class CheckColumn(pn.viewable.Viewer):
    """The check set for the policy that is shown."""

    actions = param.ClassSelector(class_=Actions)
    load: Callable[[int | None], None] = param.Callable(doc="Called with the number of the opening to show.")
    ask = param.ClassSelector(class_=Ask, doc="What asks before anything is done.")
    reload: Callable[[], None] = param.Callable(doc="Called when what is shown has to be loaded again.")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._view: OpeningView | None = None
        terms = self.actions.workspace.check_set
        self._closed = words(margin=(0, 8))
        self._closed.object = "Loading…"
        self._recall = number_field("Recall", width=106, value=terms.recall)
        self._confidence = number_field("Confidence", width=106, value=terms.confidence)
        self._size = number_field("Plan to read", width=110, value=terms.size)
        self._live = pmui.Switch(label="Watch live", value=terms.live, size="small", margin=(14, 8))
        terms_of = {"recall": self._recall, "confidence": self._confidence, "size": self._size, "live": self._live}
        self._terms = {name: Echoes(widget, seconds=RARELY) for name, widget in terms_of.items()}
        for name, widget in terms_of.items():
            widget.param.watch(lambda event, term=name: self._on_term(term, event.new), "value")
        self._open = pmui.Button(label="Open", size="small", on_click=lambda _: self.ask_open())
        self._new_set = pmui.Button(
            label="New check set",
            size="small",
            variant="outlined",
            color="default",
            on_click=lambda _: self.actions.begin_set(),
        )
        self._focus = pmui.Button(
            label=f"Request {FOCUS} focus labels",
            description="Images where the model is uncertain: for a sharper precision, never for the promise",
            size="small",
            variant="outlined",
            color="default",
            on_click=lambda _: self.actions.draw_focus(FOCUS),
        )
        self._history = pmui.Select(label="Opening", options={}, size="small", width=SIDE - 10, visible=False)
        self._openings = Echoes(self._history, seconds=RARELY)
        self._history.param.watch(lambda event: self._on_opening(event.new), "value")
        self._footer = words(margin=(4, 8))
        self._rest = pn.Column(  # empty fields and a button that does nothing yet would be pressed
            pn.Row(self._recall, self._confidence, self._size, margin=0),
            self._live,
            pn.Row(self._open, self._new_set, margin=0),
            self._focus,
            self._history,
            width=SIDE + 16,
            margin=0,
            visible=False,
        )
        told = pn.Column(self._closed, self._footer, sizing_mode="stretch_width", margin=0)
        self._layout = pn.Row(told, self._rest, sizing_mode="stretch_width", margin=4)

    def show(self, view: OpeningView) -> None:
        """Show the state of the check set and the list of its openings."""
        self._view, status = view, view.status
        told = [*closed(status, status.policy.classes), *(said for said in (view.advice, status.missing) if said)]
        head = f"<b>{counted(status.n, 'image')} read, {status.planned:,} planned</b>"
        if status.check_set.number > 1:
            head += f" (check set {status.check_set.number})"
        self._closed.object = explained(f"<div>{head}</div>" + paragraphs(told))
        self._rest.visible = True
        again = status.known is not None
        self._open.label = "Opened" if again else f"Open: look {status.look}"
        self._open.disabled = bool(status.missing) or again
        self._new_set.visible = view.set_opened
        self._confidence.disabled = self._live.disabled = view.set_opened
        self._focus.visible = is_offered(status.n, status.n_flagged) and view.set_opened
        options: dict[str, int | None] = {}
        if view.opened is None and view.history:  # a select without a value takes its first option
            options[NOT_OPENED] = None
        options |= {title(opened, status.policy.name, self.actions.state.zone): opened.number for opened in view.history}
        terms = vars(status.check_set) | {"recall": status.policy.recall}
        for name, echoes in self._terms.items():
            echoes.write(terms[name] if name == "live" else written(terms[name]))
        shown = view.opened.number if view.opened else None
        self._openings.write(shown, options=options, visible=len(options) > 0)

    def conclude(self, sentences: list[str]) -> None:
        """Show what is true of the opening as a whole."""
        self._footer.object = small(sentences)

    def ask_open(self) -> None:
        """Say what opening the set costs and what it would give, and ask."""
        if self._view is None:
            return
        status = self._view.status
        if status.missing or status.known is not None:
            self.actions.say(status.missing or "The set is open with this model and these labels; nothing is new.", error=True)
            return
        about = f" for the policy '{status.policy.name}'" if status.policy.name else ""
        self.ask.ask(
            f"Open the check set{about}?",
            [
                {
                    "heading": "What it costs",
                    "sentences": [*costs(status), *([self._view.advice] if self._view.advice else [])],
                },
                {"heading": "What it would give", "sentences": gains(status, status.policy.classes)},
            ],
            go=f"Open: look {status.look}",
            then=lambda *_: self.actions.open_check_set(status, self.load),
        )

    def _on_opening(self, number: int | None) -> None:
        if self._openings.is_persons(number):
            self.load(number)
        else:
            self._openings.restore()

    def _on_term(self, term: str, value: Any) -> None:
        echoes = self._terms[term]
        if not echoes.is_persons(value) or self._view is None:
            echoes.restore()
            return
        self.actions.forget_error()
        wanted = value if term == "live" else asked_number(self.actions, value)
        if wanted is None:
            self.reload()  # shows the terms in force again
        else:
            wanted = int(wanted) if term == "size" else wanted
            self.actions.change_terms(term, wanted, self._view.status.policy.name, self.reload)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
