"""The first run of a workspace without a map: choose an encoder by what it costs here, then embed and lay out the map."""

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui
import param

from core.encoders.chosen import other_encoder
from core.workspace import Workspace
from dashboard.actions import Actions
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.words import words

if TYPE_CHECKING:
    from core.encoders.offers import Offer

MEASURING = "Measuring what the encoders on this machine cost…"
FIRST = "An encoder turns every picture into a vector; pictures that it finds alike are near each other on the map."
CONTINUE = "The images are embedded by {encoder}; the map is still to be laid out."
INTERRUPTED = "Embedding by {encoder} was interrupted; it continues where it stopped."


def wants_first_run(workspace: Workspace) -> bool:
    """Tell whether a workspace has images, no map, and room for one."""
    return workspace.writable and bool(workspace.n_here) and not workspace.has_map


class FirstRun(pn.viewable.Viewer):
    """A card above the tabs until there is a map. The hub is asked only when a person presses the button for it."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._offers: list[Offer] = []
        self._begun, self._measures = "", False
        self._words = words(FIRST, margin=0)
        self._choice = pmui.RadioBoxGroup(label="Encoder", options=[], size="small", visible=False, margin=(0, 8))
        self._ask = pmui.Button(
            label="Look for public weights",
            description="Ask the Hugging Face hub for MSN weights trained on ImageNet; nothing of this workspace is sent",
            variant="text",
            size="small",
            margin=0,
            on_click=lambda _: self._look(),
        )
        self._start = pmui.Button(
            label="Embed and lay out the map", size="small", margin=(4, 0), disabled=True, on_click=lambda _: self._go()
        )
        self._progress = words(margin=(4, 0))
        self._layout = pn.Column(
            self._words,
            self._choice,
            pn.Row(self._ask, pn.layout.HSpacer(), self._start, sizing_mode="stretch_width", margin=0),
            self._progress,
            sizing_mode="stretch_width",
            margin=(4, 8),
            **styled("card"),
        )
        self.state.param.watch(self._follow, ["embedding", "encoder", "grid"])
        self._follow()

    def _find_begun(self) -> None:
        """Find out in a thread whether embedding has begun with an encoder that is not in use."""
        if self.state.encoder:
            self._offer(self.state.encoder)
        else:
            self.actions.fetch(partial(other_encoder, self.state.workspace), self._offer, failed=lambda: self._offer(None))

    def _offer(self, begun: str | None) -> None:
        """Offer to go on with an encoder that has begun: nothing is left to choose. Else measure what there is, once."""
        if self.state.embedding or self.state.workspace.has_map:  # meanwhile
            return
        self._begun = self.state.encoder or begun or self._begun
        if self._begun:
            embedded = bool(self.state.encoder)  # and stopped before the map was laid out
            self._words.object = html.escape((CONTINUE if embedded else INTERRUPTED).format(encoder=self._begun))
            self._start.label = "Lay out the map" if embedded else "Continue and lay out the map"
            self._ask.visible = self._choice.visible = False
        elif not self._measures:
            self._measures = True
            self._words.object = f"{FIRST}<br>{MEASURING}"
            self.actions.load_offers(self._show, failed=self._unmeasured)
        self._allow()

    def _show(self, offers: list["Offer"]) -> None:
        chosen = self._choice.value
        self._offers = offers
        if self._begun:  # meanwhile, from another window or by a command
            return
        usable = self._usable()
        n_images = self.state.workspace.n_here
        told = "".join(f"<li>{html.escape(offer.sentence(n_images))}</li>" for offer in offers)
        self._words.object = f"<b>Choose an encoder</b><br>{FIRST}<ul>{told}</ul>"
        self._choice.param.update(options=usable, value=chosen if chosen in usable else usable[0], visible=len(usable) > 1)
        self._follow()

    def _unmeasured(self) -> None:
        """Offer the shipped encoder although nothing is known about its cost."""
        from core.encoders.encoder import DEFAULT_ENCODER
        from core.encoders.offers import Offer

        self._show([Offer(DEFAULT_ENCODER, "shipped")])

    def _look(self) -> None:
        self._ask.param.update(disabled=True, label="Asking the hub…")
        self.actions.ask_for_public(self._found, failed=self._asked)

    def _asked(self) -> None:
        self._ask.param.update(disabled=False, label="Look for public weights")

    def _found(self, offer: "Offer") -> None:
        self._ask.visible = False
        self._show([*self._offers, offer])

    def _go(self) -> None:
        self._start.disabled = True
        # A browser may send any value; only what was offered is loaded.
        chosen = None if self._begun else next((name for name in self._usable() if name == self._choice.value), None)
        self.actions.start_embedding(chosen, failed=self._follow)

    def _usable(self) -> list[str]:
        return [offer.encoder for offer in self._offers if not offer.trouble]

    def _follow(self, *_: Any) -> None:
        running, done = self.state.embedding, self.state.workspace.has_map
        if not running and not done:
            self._find_begun()
        self._layout.visible = not done
        self._progress.object = html.escape(running)
        self._allow()

    def _allow(self) -> None:
        """Let buttons be pressed that have something to do."""
        running = self.state.embedding
        self._ask.disabled = self._choice.disabled = bool(running)
        self._start.disabled = bool(running) or not (self._offers or self._begun)

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
