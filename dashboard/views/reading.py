"""Queues of images, one key per answer. Here are the suggestions, each with its reason; `views.check` has the blind queues."""

import html
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from core.catalog.criterion import Criterion
from core.catalog.records import Source
from core.missing import missing_for_suggestions, missing_side
from core.probe.offered import FIRST_ROUND, OFFERED
from core.probe.suggest import Suggestion
from dashboard.actions import Actions
from dashboard.actions.runner import Unsaved
from dashboard.choices import PageName, Tab
from dashboard.inputs import ANSWERS, Inputs, Press, Verb
from dashboard.state import SessionState
from dashboard.theme import styled
from dashboard.views.class_buttons import answers_of
from dashboard.views.components.queue_card import Asked, QueueCard
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import explained, hint

REMEMBERED = 200  # answers that can be looked at again, and that an undo can bring back
AHEAD, BEHIND = 12, 12  # neighbours in the queue that the browser knows
FEW = 4  # left to answer, when more are fetched: nobody waits for the next round
SKIP = ("skip", "Skip  [S]", "Skip this picture")
UNSURE = (Verb.UNSURE, "Unsure  [U]", "Mark it as unsure: the model does not learn from it, and it is not suggested again")
BACK = (Verb.BACK, "Back  [⌫]", "Go back to the picture before, to change its label")


class QueuePane(pn.viewable.Viewer):
    """One picture at a time: an answer labels it, an undo shows it again, and an answered one can be looked at again."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)
    inputs = param.ClassSelector(class_=Inputs)

    tab: Tab
    more_answers: tuple[tuple[str, str, str], ...] = (SKIP, BACK)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._waiting: list[Suggestion] = []
        self._answered: list[Suggestion] = []  # the last ones, in order; their labels may be on their way
        self._given: dict[int, str] = {}  # row -> the answer given here, "" for skipped
        self._again: Suggestion | None = None  # an answered one that is looked at again
        self._returned: list[Suggestion] = []  # brought back by an undo, and not answered again
        self._unsaved: dict[int, str] = {}  # row -> what could not be saved
        self._numbers: dict[int, tuple[int, int]] = {}  # row -> its number in its round, and how many that has
        self._heard = 0
        self._fetching = False
        self._turn = 0  # increases with every new queue
        self._card = QueueCard(
            tab=self.tab,
            buttons=answers_of(self.state.workspace.classes, *self.more_answers),
            verbs=[verb for verb in ANSWERS if verb in (Verb.LABEL, *(verb for verb, *_ in self.more_answers))],
            view=self.state.privacy_view,
            on_answer=self.inputs.click,
            sizing_mode="stretch_both",
            min_height=380,
            margin=(2, 8),
        )
        self._layout = pn.Column(
            *self._head(), self._card, sizing_mode="stretch_both", margin=8, scroll="y-auto", **styled("below-label")
        )
        self.state.param.watch(self._bring_back, "undone")
        self.state.param.watch(self._on_place, ["page", "tab"])
        self.inputs.add(self.tab, self, follow=self._follow, undo=self.undo)
        on = ["privacy_view", "reveal", "labels_version", "images"]
        draw_when_shown(self.state, self.draw, on, tab=self.tab)

    def _head(self) -> list[Any]:
        return []

    @property
    def current(self) -> Suggestion | None:
        """Return the image to answer for now."""
        return self._again or (self._waiting[0] if self._waiting else None)

    @property
    def needs_refill(self) -> bool:
        """Tell whether the queue is empty."""
        return not self._waiting

    @property
    def place(self) -> str:
        """Return the place of the current image, or of the end of the queue; "" where nothing was asked for yet."""
        if self.current is not None:
            return self._place_of(self.current)
        return f"{self.tab}/end" if self._answered else ""

    def _place_of(self, asked: Suggestion) -> str:
        return f"{self.tab}/{asked.id}"

    @property
    def picture(self) -> str:
        """Return the id of the picture that must be on the screen before an answer counts."""
        return self.current.id if self.current else ""

    def _follow(self, press: Press) -> None:
        """Make the picture that was pressed on the current one: the browser goes on before the server does."""
        if press.number <= self._heard:
            return
        self._heard = press.number
        wanted = press.place.split("/")[1]
        if wanted != (self.current.id if self.current else "end"):
            self._again = next((asked for asked in self._answered if asked.id == wanted), None)
            here = [asked for asked in self._waiting if asked.id == wanted]
            self._waiting = [*here, *(asked for asked in self._waiting if asked not in here)]
            self.draw()
        self._card.heard = self._heard

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer for the current image, or look at another one."""
        if verb == Verb.LABEL and class_name is not None:
            self.answer(class_name)
        elif verb == Verb.SKIP:
            self._go_on("")
            self._top_up()
        elif verb == Verb.BACK:
            self._go_back()
        elif verb == Verb.GOTO:
            self._again = next((asked for asked in self._answered if asked.id == class_name), None)
            self.draw()

    def _go_back(self) -> None:
        """Look at the image again that was answered before this one."""
        before = self._answered[: self._answered.index(self._again)] if self._again in self._answered else self._answered
        if before:
            self._again = before[-1]
        self.draw()

    def answer(self, class_name: str) -> None:
        """Label the current image and show the next; one that is looked at again gets another class."""
        asked = self.current
        if asked is None:
            return
        if asked is not self._again:
            self._give(asked, class_name)
        elif self._given.get(asked.row) != class_name:
            self._change(asked, class_name)
        self._go_on(class_name)  # the next round is chosen once the label is kept

    def _give(self, asked: Suggestion, class_name: str | None, *, source: Source = Source.SINGLE) -> None:
        self.actions.label_rows(
            np.array([asked.row]),
            class_name,
            source=source,
            criterion=self._why(asked),
            done=lambda: self._kept(asked),
            failed=lambda: self._not_saved(asked, class_name or "unsure"),
            unsaved=self._lost([asked]),
        )

    def _kept(self, asked: Suggestion) -> None:
        """Follow an answer that is on disk."""
        self._top_up()

    def _change(self, asked: Suggestion, class_name: str) -> None:
        """Give another class to an image that was answered here."""
        self._give(asked, class_name)

    def _lost(self, asked: Sequence[Suggestion]) -> Unsaved:
        rows = tuple(one.row for one in asked)
        if len(rows) > 1:
            return Unsaved("Your readings were not saved, and their pictures are back.", rows)
        number, of = self._numbers.get(asked[0].row, (0, 0))
        which = f"picture {number} of {of}" if of else "this picture"
        return Unsaved(f"Your answer for {which} was not saved; the picture comes back next.", rows)

    def _why(self, asked: Suggestion) -> Criterion:
        return Criterion(strategy=asked.strategy)

    def _go_on(self, answer: str) -> None:
        asked = self.current
        if asked is not None:
            if asked is self._again:
                if answer:
                    self._given[asked.row] = answer
            else:
                self._given[asked.row] = answer
                self._answered = [*self._answered[-REMEMBERED:], asked]
                self._waiting.remove(asked)
            self._unsaved.pop(asked.row, None)
        self._again = None
        self.draw()

    def undo(self) -> bool:
        """Undo what only this queue can; False where it is the analyst's last action."""
        return False

    # -- pictures that come back --

    def _bring_back(self, event: Any) -> None:
        """Show the images again whose answers this tab has undone, in their old places."""
        rows = set(event.new)
        self._take_back([asked for asked in self._answered if asked.row in rows])

    def _not_saved(self, asked: Suggestion, answer: str) -> None:
        """Ask again for an image whose answer could not be saved, after the one that is on the screen."""
        self._unsaved[asked.row] = answer
        self._forget([asked])
        back = self._still_open([asked])
        self._waiting = [*self._waiting[:1], *back, *(w for w in self._waiting[1:] if w not in back)]
        self.draw()

    def _take_back(self, asked: list[Suggestion]) -> None:
        if not asked:
            return
        open_ = self._still_open(asked)
        self._forget(open_)
        self._waiting = [*open_, *(w for w in self._waiting if w not in open_)]
        self._returned += open_
        closed = [a for a in asked if a not in open_]  # what was undone was a change; the first answer stands again
        for one in closed:
            self._given[one.row] = self._class_of(one.row)
        self._again = closed[-1] if closed and not open_ else None
        self.draw()

    def _forget(self, asked: list[Suggestion]) -> None:
        self._answered = [a for a in self._answered if a not in asked]
        self._again = None if self._again in asked else self._again
        for one in asked:
            self._given.pop(one.row, None)

    def _class_of(self, row: int) -> str:
        code = int(self.state.workspace.labels.codes[row])
        return self.state.workspace.class_names[code] if code >= 0 else ""

    # -- more of them --

    def _top_up(self) -> None:
        """Fetch the next images before the last ones are answered, so that nobody waits; all anew where none is left."""
        if not self._waiting:
            self.refill()
        elif len(self._waiting) <= FEW and not self._fetching:
            self._fetching = True
            turn = self._turn

            def add(round_: list[Suggestion]) -> None:
                if turn == self._turn:  # else this was for another queue
                    self.add(round_)

            self.fetch_more(self._rows(self._waiting), self._rows(self._answered), add)

    @staticmethod
    def _rows(asked: Sequence[Suggestion]) -> list[int]:
        return [one.row for one in asked]

    def refill(self) -> None:
        """Fetch images anew."""
        raise NotImplementedError

    def fetch_more(self, mine: list[int], without: list[int], done: Callable[[list[Suggestion]], None]) -> None:
        """Fetch images that come after those that wait (`mine`), then call `done`, or `_fetched` after an error."""
        raise NotImplementedError

    def _fetched(self) -> None:
        self._fetching = False

    def take(self, round_: list[Suggestion]) -> None:
        """Show a new round, after the images that an undo has brought back."""
        returned = [w for w in self._waiting if w in self._returned]
        self._again, self._returned, self._waiting = None, [], returned
        self._turn += 1
        self.add([s for s in round_ if s not in returned])

    def add(self, round_: list[Suggestion]) -> None:
        """Ask for a further round after what waits."""
        self._fetching = False
        known = {*self._rows(self._waiting)}
        fresh = [s for s in round_ if s.row not in known]
        self._numbers |= {s.row: (number, len(fresh)) for number, s in enumerate(fresh, start=1)}
        self._forget([a for a in self._answered if a.row in {s.row for s in fresh}])  # skipped, and asked for again
        self._waiting = [*self._waiting, *fresh]
        self.draw()

    # -- drawing --

    def _on_place(self, *_: Any) -> None:
        if self.state.shows(PageName.MAP, self.tab):
            self._ask()
        else:
            self._again = None

    def _ask(self) -> None:
        """Let class keys act on the current image, and the map ring it."""
        self.state.param.update(asked=self.place, looked_at=self.current.row if self.current else None)

    def draw(self) -> None:
        """Show the current image and its neighbours."""
        before, removed = self.current, self.state.workspace.removed
        self._forget([asked for asked in self._answered if removed[asked.row]])
        self._waiting = self._still_open(self._waiting)
        if before is not None and before != self.current:
            self._say_who_was_faster(before)
        self._card.param.update(
            answered=[self._entry(asked) for asked in self._answered[-BEHIND:]],
            waiting=[self._entry(asked) for asked in self._waiting[:AHEAD]],
            current=self.current.id if self.current else "",
            heard=self._heard,
            html=explained(_safe(self._say())),
            rest=explained(_safe(self._rest())),
            view=self.state.privacy_view,
            reveal=self.state.reveal,
        )
        if self.state.tab == self.tab:
            self._ask()
            self.actions.hold(self._rows(self._waiting))

    def _entry(self, asked: Suggestion) -> Asked:
        answer = self._given.get(asked.row)
        label = "skipped" if answer == "" else answer or ""
        colour = next((c.colour for c in self.state.workspace.classes if c.name == label), "")
        if asked is self._again or (asked in self._answered and answer is not None):
            told = (
                f"Your answer was '{label}'. Another class changes it; Skip leaves it." if answer else "You skipped this one."
            )
        else:
            told = self._tell(asked)
        if answer:
            told += self._tell_after(asked)
        if asked.row in self._unsaved:
            told = f"Your answer '{self._unsaved[asked.row]}' was not saved: answer again.\n{told}"
        entry: Asked = {
            "id": asked.id,
            "place": self._place_of(asked),
            "html": _safe(told),
            "label": label,
            "colour": colour,
            "ahead": self._goes_ahead(asked),
        }
        return entry | {"unsaved": True} if asked.row in self._unsaved else entry

    def _goes_ahead(self, asked: Suggestion) -> bool:
        """Tell whether an answer is followed by the next image without asking again."""
        return True

    def _say_who_was_faster(self, asked: Suggestion) -> None:
        space, row = self.state.workspace, asked.row
        who, code = space.labelled_by(row), int(space.labels.codes[row])
        if who not in (None, self.state.analyst) and code >= 0:
            name = space.class_names[code]
            self.actions.say(f"{who} has just labelled the image that was here as '{name}'. This is the next one.")

    def _still_open(self, waiting: list[Suggestion]) -> list[Suggestion]:
        """Drop the images that somebody else has labelled in the meantime, or removed."""
        codes, removed = self.state.workspace.labels.codes, self.state.workspace.removed
        return [s for s in waiting if codes[s.row] < 0 and not removed[s.row]]

    def _tell(self, asked: Suggestion) -> str:
        """Say what is known of one image that waits."""
        raise NotImplementedError

    def _tell_after(self, asked: Suggestion) -> str:
        """Say what is told of an image once it is answered."""
        return ""

    def _say(self) -> str:
        """Say what holds for every image of the queue."""
        raise NotImplementedError

    def _rest(self) -> str:
        """Say why there is no image."""
        raise NotImplementedError

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _safe(words: str) -> str:
    return html.escape(words).replace("\n", "<br>")


class SuggestionsPane(QueuePane):
    """Images that teach the model most, each with its reason."""

    tab = Tab.SUGGESTIONS
    more_answers = (SKIP, UNSURE, BACK)

    def _head(self) -> list[Any]:
        self._strategy = pmui.Select(
            label="Strategy",
            options=self._offered(),
            value="auto",
            size="small",
            width=150,
            margin=(4, 6),
        )
        self._size = pmui.Select(label="Round", options=[10, 20, 30], value=FIRST_ROUND, size="small", width=90, margin=(4, 6))
        self._next = pmui.Button(
            label="New round", variant="outlined", size="small", align="center", margin=(4, 6), on_click=lambda _: self.refill()
        )
        return [pn.Row(self._strategy, hint("strategy"), self._size, self._next, sizing_mode="stretch_width", margin=0)]

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.state.param.watch(self._follow_encoder, ["encoder", "filters"])
        self.state.param.watch(self._follow_columns, "images")

    def _offered(self) -> list[str]:
        return ["auto", *OFFERED, *self.state.shared.score_columns()]

    def _follow_columns(self, *_: Any) -> None:
        """Offer the score columns that there are now; one that is removed gives way to 'auto'."""
        offered = self._offered()
        if offered != self._strategy.options:
            value = self._strategy.value
            self._strategy.param.update(options=offered, value=value if value in offered else "auto")

    def _follow_encoder(self, *_: Any) -> None:
        self._returned = []
        self.take([])  # they were asked for by the other encoder, or pass other filters
        if self.state.tab == "suggestions":
            self.refill()

    def act(self, verb: Verb, class_name: str | None) -> None:
        """Answer for the current image; here it may also be marked as unsure."""
        if verb == Verb.UNSURE and self.current is not None:
            self._give(self.current, None, source=Source.UNSURE)
            self._go_on("unsure")
        else:
            super().act(verb, class_name)

    def refill(self) -> None:
        """Ask the workspace for a round with the labels as they are."""
        self.actions.suggest(self._size.value, self._strategy.value, self.take)

    def fetch_more(self, mine: list[int], without: list[int], done: Callable[[list[Suggestion]], None]) -> None:
        """Ask for a round with the labels as they are, while the last images of this one are answered."""
        self.actions.suggest(self._size.value, self._strategy.value, done, mine=mine, without=without, failed=self._fetched)

    def _tell(self, asked: Suggestion) -> str:
        number, of = self._numbers.get(asked.row, (0, 0))
        return f"{number} of {of} · {asked.strategy}\nWhy: {asked.reason}."

    def _say(self) -> str:
        words, missing = "Hold R, or a finger on it, to see it clear.", missing_side(self.state.workspace)
        if missing:
            side = "flagged image" if missing == "flagged" else "image that is not flagged"
            words += f"\nNo {side} among the labels yet. If you know one, click it on the map and press M for more like it."
        return words

    def _rest(self) -> str:
        how = "Suggestions are the images that teach the model most: first 10 diverse ones, then uncertain ones."
        missing, kept, space = missing_for_suggestions(self.state.workspace), self.state.kept, self.state.workspace
        if not missing and kept is not None and not (kept & (space.labels.codes < 0) & space.is_teach).any():
            return "No unlabelled image of the teach half passes the filters; remove one of them above."
        return missing or how
