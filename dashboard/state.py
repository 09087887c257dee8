"""The state of one browser tab: what it shows and what is chosen. Shared data is in the `Workspace`; nothing is global."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import param

from core.catalog.jobs import JobRecord, JobState
from core.catalog.models import layout_version
from core.evidence.decisions import NOT_SCORED, REVIEW
from core.evidence.queues import Queue
from core.filters.conditions import Conditions
from core.images.decode import PrivacyView
from core.jobs.inboxes import InboxState
from core.jobs.kinds import KINDS, Lane
from core.labels.bulk import BulkLabel, SpotCheck
from core.map.colourings import GRAIN
from core.map.density import GRAINS
from core.map.grid import GridIndex, LassoMode, View
from core.map.outlines import Outline
from core.map.raster import Colouring
from core.maths.halves import Half
from core.missing import missing_for_map
from core.overview import describe, original_note
from core.probe.curves import NamedCurve
from core.probe.learning_curve import LearningCurve
from core.study.run import BrokenRun, Experiment
from core.training.runs import RunRecord
from core.wellbeing.exposure import Exposure, Limits
from core.wording import signed
from core.workspace import Workspace
from dashboard.address import Address, on_map_of
from dashboard.changes import progress_words
from dashboard.choices import ASKING_TABS, GOLD_COLUMN, ColourBy, Order, PageName, Room, Tab, What, When
from dashboard.shared import Shared
from dashboard.times import UTC
from dashboard.webhook import Trouble

NO_ROWS = np.array([], np.int64)
PROGRESS_OF = {"clusters": "finding", "embed": "embedding", "project": "embedding"}  # by kind of job
BEGINNINGS = ("begin", "demo")  # kinds of jobs that make the first map


def is_of_images(job: JobRecord) -> bool:
    """Tell whether a job may place images on the map."""
    kind = KINDS.get(job.kind)
    return kind is not None and kind.lane == Lane.IMAGES


class Begin(StrEnum):
    """How far a new workspace is."""

    NOT = "not"  # it has a map, or work on one is for the desk
    ASKS = "asks"  # for classes and images; nothing is embedded
    WORKS = "works"  # on the first map


def layout_of(workspace: Workspace) -> tuple[str, int]:
    """Return the encoder and the version of the current map: positions of another one are not comparable."""
    map_ = workspace.projection
    return workspace.encoder_name or "", 0 if map_ is None else layout_version(map_)


class SessionState(param.Parameterized):
    """One per tab; views watch and set its parameters, and never access another view."""

    workspace: Workspace = param.ClassSelector(class_=Workspace, doc="The shared data.")
    shared: Shared = param.ClassSelector(class_=Shared, doc="Results shown in all tabs, computed once.")
    analyst: str = param.String(default="analyst", doc="Analyst saved with labels given in this tab.")
    analyst_is_set: bool = param.Boolean(default=False, constant=True, doc="The settings of the server name the analyst.")
    signed_in: bool = param.Boolean(
        default=False, constant=True, doc="The analyst is the one who logged in and cannot be changed."
    )

    encoder: str = param.String(default="", doc="The encoder shown in this tab.")
    grid: GridIndex | None = param.Parameter(doc="Index over the map's positions.")
    colouring: Colouring | None = param.Parameter(doc="What point colour shows now.")
    colour_by: str = param.Selector(
        default=ColourBy.LABEL, objects=list(ColourBy), doc="What point colour shows: one of `Shared.colours`."
    )
    colour_turn: int = param.Integer(default=0, doc="Increases when a thread has to read what point colour shows.")
    grain: str = param.Selector(default=GRAIN, objects=list(GRAINS), doc="Of the clusters that are listed and coloured.")
    hidden: frozenset[int] = param.Parameter(default=frozenset(), doc="Legend codes that are not drawn.")
    filters: Conditions = param.Parameter(default=(), doc="Conditions that the images shown fulfil.")
    kept: np.ndarray | None = param.Parameter(doc="(N,) bool, which images pass the filters; None = all.")
    filter_turn: int = param.Integer(default=0, doc="Increases when a thread has to read which images pass.")
    filters_read: int = param.Integer(default=0, doc="The `filter_turn` that `kept` is of; another one: it is being read.")
    order: Order = param.Selector(default=Order.UNCERTAINTY, objects=list(Order), doc="Order of the selection's pictures.")
    places: np.ndarray | None = param.Parameter(doc="(N,) numbers that order the pictures, lower first; None: see `order`.")
    lasso_mode: LassoMode = param.Selector(
        default=LassoMode.NEW, objects=list(LassoMode), doc="How a lasso changes the selection."
    )
    selected: np.ndarray = param.Parameter(
        default=NO_ROWS, doc="Rows under the lasso that the legend leaves on, ascending: what a key labels."
    )
    whole: np.ndarray = param.Parameter(default=NO_ROWS, doc="Rows under the lasso, shown or not, ascending.")
    highlighted: np.ndarray = param.Parameter(
        default=NO_ROWS,
        doc="Rows of the selection while the map dims the others: not where another tab's work is on the screen.",
    )
    last_polygon: list[list[float]] | None = param.Parameter(doc="The lasso that made the selection, map units.")
    cluster: str = param.String(default="", doc="Name of the cluster that made the selection, '' if none did.")
    opening: int | None = param.Parameter(doc="Number of the opening that the Operating point page shows; None = the newest.")
    outlines: list[Outline] = param.List(default=[], item_type=Outline, doc="Clusters outlined on the map.")
    clusters: int = param.Integer(default=0, doc="Increases when clusters were found again.")
    images: int = param.Integer(default=0, doc="Increases when images were added, or something came with them.")
    layout: tuple[str, int] = param.Parameter(default=("", 0), doc="Encoder and version of the map that is shown.")
    webhook: Trouble | None = param.Parameter(doc="Why the receiver of decisions takes none; None while it does.")
    inboxes: list[InboxState] = param.List(default=[], item_type=InboxState, doc="Watched folders.")
    jobs: list[JobRecord] = param.List(default=[], item_type=JobRecord, doc="Jobs that are open and the newest others.")
    begin: Begin = param.Selector(default=Begin.NOT, objects=list(Begin), doc="How far a new workspace is.")
    finding: str = param.String(doc="Progress of finding clusters, in words; '' while it is not running.")
    embedding: str = param.String(doc="Progress of embedding and map, in words; '' while nothing is running.")
    picked: list[int] = param.List(default=[], item_type=int, doc="Rows picked inside the gallery.")
    pinned: int | None = param.Parameter(doc="Row whose picture is pinned open.")
    looked_at: int | None = param.Parameter(
        doc="Row of the picture asked for, hovered in a gallery or in the lightbox; ringed on the map."
    )
    pointed_at: int | None = param.Parameter(doc="Row under the mouse on the map; ringed in the gallery.")
    view: View | None = param.Parameter(doc="(x0, x1, y0, y1) in view on the map, map units; set by the map, which follows it.")

    turn: int = param.Integer(default=0, doc="Increases when what a class key would label has changed.")
    asked: str = param.String(doc="Place of what the open queue asks for, '' for nothing.")
    place: str = param.String(doc="What a class key acts on now, '' for nothing; a key pressed elsewhere is refused.")
    undone: tuple[int, ...] = param.Parameter(default=(), doc="Rows whose label this tab has just undone.")

    copies: bool = param.Boolean(default=True, doc="Near-duplicates are shown as one and labelled together.")
    spot_check: SpotCheck | None = param.ClassSelector(class_=SpotCheck, doc="The spot check in progress.")
    bulk: BulkLabel | None = param.ClassSelector(class_=BulkLabel, doc="The bulk label given or spot-checked last in this tab.")

    blur: bool = param.Boolean(default=True, doc="Pictures are blurred until revealed.")
    grey: bool = param.Boolean(default=False, doc="Pictures are shown without colour.")
    reveal: bool = param.Boolean(default=False, doc="The reveal key is held: the picture under the mouse is clear.")
    privacy_view: PrivacyView = param.Selector(
        default=PrivacyView.BLURRED, objects=list(PrivacyView), doc="The privacy view of every picture, from blur and grey."
    )
    dark: bool = param.Boolean(default=False, doc="The page is shown dark.")
    page: PageName = param.Selector(default=PageName.MAP, objects=list(PageName), doc="The page shown.")
    tab: Tab = param.Selector(default=Tab.SELECTION, objects=list(Tab), doc="The tab on the right.")
    room: Room = param.Selector(default=Room.BOTH, objects=list(Room), doc="What has the stage now.")
    zone: str = param.String(default=UTC, doc="The reader's time zone.")
    history_who: str = param.String(doc="Whose actions History lists, '' for anybody's.")
    history_what: What = param.Selector(default=What.ANYTHING, objects=list(What), doc="The kind of actions it lists.")
    history_class: str = param.String(doc="The class of the actions it lists, '' for any.")
    history_when: When = param.Selector(default=When.ANY, objects=list(When), doc="How far back it goes.")
    device: str = param.String(default="cpu", doc="Where probes are fitted.")

    exposure: Exposure | None = param.ClassSelector(class_=Exposure, doc="What the analyst has seen today.")
    limits: Limits = param.ClassSelector(class_=Limits, default=Limits(), doc="The analyst's own limits.")
    reminder: str = param.String(doc="A reminder about exposure, '' for none.")
    guide: bool = param.Boolean(default=False, doc="The guide of a first visit is shown.")
    message: str = param.String(doc="Last sentence shown to the person.")
    message_is_error: bool = param.Boolean(default=False)
    message_rows: tuple[int, ...] = param.Parameter(default=(), doc="Rows of the images the sentence is about.")
    fitting: bool = param.Boolean(default=False, doc="A slow refit is running.")
    labels_version: int = param.Integer(default=0, doc="Newest action this tab has drawn.")
    probe_version: int = param.Integer(default=0, doc="Newest probe this tab has drawn.")
    openings: int = param.Integer(default=0, doc="Increases when check sets or operating points have changed.")
    read_for: Queue = param.Selector(default=Queue.PROMISE, objects=list(Queue), doc="What the Check tab reads for.")
    reading: str = param.String(doc="How many check images are read of those that a promise needs, in words.")
    show_gold: bool = param.Boolean(default=True, doc="Judge curves by known answers, where the images came with some.")
    random_curves: Mapping[str | None, NamedCurve] = param.Parameter(
        default={}, doc="The curves of random labels, by gold column; that of None is by check labels."
    )
    learning: LearningCurve | None = param.ClassSelector(class_=LearningCurve, doc="Past probes on today's check labels.")
    training: list[RunRecord] | None = param.Parameter(doc="Training runs, newest first; None before they are read.")
    studying: bool = param.Boolean(default=False, doc="This server runs a study.")
    studies: list[Experiment | BrokenRun] | None = param.Parameter(doc="Studies, newest first; None before they are read.")
    curves: list[NamedCurve] = param.List(default=[], item_type=NamedCurve, doc="The curves of the newest probe.")

    def __init__(self, **params: Any) -> None:
        self._is_leaving_out = False
        self._both: tuple[Any, ...] = ()
        super().__init__(**params)
        self.param.analyst.constant = self.signed_in
        self._rooms = {tab: Room.WORK if tab in ASKING_TABS else Room.BOTH for tab in Tab}
        self.param.colour_by.objects = self.shared.colours()
        self.layout = layout_of(self.workspace)
        awaited = not self.workspace.has_map or any(job.is_open and is_of_images(job) for job in self.jobs)  # the stage says it
        missing = "" if awaited else missing_for_map(self.workspace)
        self.param.update(message=missing, message_is_error=bool(missing), encoder=self.workspace.encoder_name or "")
        self.follow(labels=True, fit=True)
        self._find_place()
        self._follow_jobs()

    @property
    def ids(self) -> np.ndarray:
        """Return the id of every row, (N,) S32."""
        return self.workspace.ids

    def shows(self, page: PageName, tab: Tab | None = None) -> bool:
        """Tell whether a page, and on it a tab, is on the screen."""
        return self.page == page and tab in (None, self.tab)

    def describe(self, row: int) -> list[str]:
        """Describe one image in short lines; reads the catalog."""
        known = describe(self.workspace, row)
        label = known["label"] or ("unsure" if known["unsure"] else "unlabelled")
        if known["labelled_by"]:
            label += f" (by {known['labelled_by']})"
        lines = [known["file"], f"{known['width']} × {known['height']} px", label]
        if known["score"] is not None:
            lines.append(f"score {signed(known['score'])}")
        for rule in self.shared.rules_in_force():
            if (decision := rule.decision(row)) != NOT_SCORED:
                lines.append(f"{rule.policy}: {'review' if decision == REVIEW else 'leave up'} ({rule.point})")
        if known["half"] == Half.CHECK:
            lines.append("check half: never learned from")
        return lines

    def original_note(self, row: int) -> str:
        """Return why a large view shows an image's thumbnail, "" if it does not; may fetch the original, for some seconds."""
        return original_note(self.workspace, row)

    # -- what a key acts on --

    @param.depends("page", "tab", "pinned", "turn", "asked", "spot_check", "room", watch=True)
    def _find_place(self) -> None:
        """Set the place that a class key acts on."""
        if self.page != PageName.MAP:
            self.place = ""
        elif self.spot_check is not None:
            self.place = f"spot_check/{self.turn}"
        elif self.pinned is not None:
            self.place = self.pinned_place
        else:
            self.place = self.asked if self.asks else self.selection_place

    @param.depends("page", "tab", watch=True)
    def _look_elsewhere(self) -> None:
        """Forget the picture looked at: it is no longer on the screen. A queue that comes now names its own."""
        self.looked_at = None

    @property
    def asks(self) -> bool:
        """Tell whether a picture is asked for on the screen."""
        return self.tab in ASKING_TABS and self.room != Room.MAP

    @property
    def ringed(self) -> int | None:
        """Return the row of `looked_at` if the map may ring it: Check and Review ask without sight of what the model says."""
        asked = self.tab in (Tab.CHECK, Tab.REVIEW)
        blind = self.page == PageName.MAP and asked and self.colour_by != ColourBy.LABEL
        return None if blind else self.looked_at

    @property
    def pinned_place(self) -> str:
        """Return the place of the pinned picture, "" without one."""
        return "" if self.pinned is None else f"pinned/{self.workspace.image_id(self.pinned)}"

    @property
    def selection_place(self) -> str:
        """Return the place of the selection as it stands."""
        return f"selection/{self.turn}"

    @param.depends("selected", watch=True)
    def _take_selection(self) -> None:
        """Keep a new selection whole; what the legend hides of it is not labelled, and returns with it."""
        if not self._is_leaving_out:
            self.whole = self.selected
            self._leave_out()
        self.highlighted = self.selected

    @param.depends("filters", "colour_by", "labels_version", "probe_version", "clusters", "openings", "images", watch=True)
    def _read_filters(self) -> None:
        if self.filters or self.kept is not None:
            self.filter_turn += 1

    def select(self, rows: np.ndarray, *, cluster: str = "", polygon: list[list[float]] | None = None) -> None:
        """Select rows, ascending, and say what chose them: a label given to them says it too."""
        self.param.update(selected=rows, cluster=cluster, last_polygon=polygon)

    @param.depends("hidden", "colouring", "kept", watch=True)
    def _leave_out(self) -> None:
        shown = self.shown()
        if shown is not None and self.picked:
            self.picked = [row for row in self.picked if shown[row]]
        left = self.whole if shown is None else self.whole[shown[self.whole]]
        if not np.array_equal(left, self.selected):
            self._is_leaving_out = True
            try:
                self.selected = left
            finally:
                self._is_leaving_out = False

    @param.depends("tab", "room", watch=True)
    def _highlight(self) -> None:
        self.highlighted = NO_ROWS if self.asks else self.selected

    def shown(self) -> np.ndarray | None:
        """Return which rows the legend leaves on and the filters let pass, (N,) bool; None if all.

        Map, gallery and labels ask here, so nothing that is not shown is labelled.
        """
        colouring, kept = self.colouring, self.kept
        if colouring is None or len(colouring) != self.workspace.n_images:
            return kept
        visible = colouring.visible(self.hidden)
        if kept is None or visible is None:
            return visible if kept is None else kept
        if self._both[:2] != (id(visible), id(kept)):  # asked with every move of the mouse
            self._both = (id(visible), id(kept), (visible, kept), visible & kept)
        both: np.ndarray = self._both[3]
        return both

    @param.depends("selected", "spot_check", watch=True)
    def next_turn(self) -> None:
        """Start a new turn, so that keys pressed before it are refused."""
        self.turn += 1

    @param.depends("selected", watch=True)
    def _forget_error(self) -> None:
        if self.message_is_error:  # it was about the selection
            self.forget_message()

    @param.depends("page", watch=True)
    def forget_message(self) -> None:
        """Clear the message: it was about something no longer on the screen."""
        self.param.update(message="", message_is_error=False, message_rows=())

    @param.depends("blur", "grey", watch=True)
    def _follow_privacy(self) -> None:
        self.privacy_view = {
            (True, True): PrivacyView.BLURRED_GREY,
            (True, False): PrivacyView.BLURRED,
            (False, True): PrivacyView.GREY,
            (False, False): PrivacyView.CLEAR,
        }[self.blur, self.grey]

    # -- what has the stage --

    def turn_room(self) -> None:
        """Give the stage to the work, to the map, to both, one after the other."""
        order = list(Room)
        self.give_room(order[(order.index(self.room) + 1) % len(order)])

    def give_room(self, room: Room) -> None:
        """Give the stage to the work, to the map, or to both; each tab keeps its own choice."""
        self._rooms[self.tab] = self.room = room

    @param.depends("tab", watch=True)
    def _follow_tab(self) -> None:
        self.room = self._rooms[self.tab]

    @param.depends("spot_check", watch=True)
    def _show_spot_check(self) -> None:
        if self.spot_check is not None and self.room == Room.MAP:  # it is asked beside the map
            self.room = Room.BOTH

    # -- following --

    @param.depends("colour_by", watch=True)
    def _follow_colour_by(self) -> None:
        self.param.update(hidden=frozenset(), colouring=self.shared.newest_colouring(self.colour_by, self.grain))
        self._read_colouring()

    @param.depends("grain", watch=True)
    def _follow_grain(self) -> None:
        if self.colour_by == ColourBy.CLUSTER:
            self._follow_colour_by()

    def _read_colouring(self) -> None:
        if not self.shared.is_quick(self.colour_by):
            self.colour_turn += 1

    def show_images(self, address: Address) -> bool:
        """Show the images that a link or a named view is about; tell whether the map can be coloured as it says."""
        colours = self.param.colour_by
        is_known = address.colour in colours.objects
        colour_by = address.colour if is_known else colours.default
        self.param.update(colour_by=colour_by, grain=address.grain)  # first: it shows what was hidden
        self.param.update(hidden=frozenset(address.hide), filters=address.filter, order=address.order)
        return is_known

    def images_shown(self) -> Address:
        """Return which images are shown and how, as `show_images` takes it."""
        hide = tuple(sorted(self.hidden))
        return Address(
            colour=self.colour_by,
            grain=self.grain,
            hide=hide,
            filter=self.filters,
            order=self.order,
            encoder=self.encoder,
        )

    def on_this_map(self, address: Address) -> tuple[Address, str]:
        """Return what of a link or a named view can be shown with the encoder in use, and a sentence on what cannot."""
        return on_map_of(address, self.encoder, {known["name"] for known in self.shared.encoders() if known["mapped"]})

    def take_colouring(self, found: Colouring) -> None:
        """Show what a thread has read; what was hidden is shown again where codes mean something else now."""
        before = self.colouring
        if before is not None and before is not found:
            renamed = bool(before.names) and before.names != found.names
            self.param.update(colouring=found, **({"hidden": frozenset()} if renamed else {}))

    @property
    def gold_column(self) -> str | None:
        """Return the gold column that curves are judged by, None for check labels."""
        return GOLD_COLUMN if self.show_gold and GOLD_COLUMN in self.shared.newest_gold_columns() else None

    @param.depends("jobs", watch=True)
    def _follow_jobs(self) -> None:
        """Say beside what a job is about how far it is."""
        found = {"finding": "", "embedding": ""}
        for job in self.jobs:
            if job.is_open and (name := PROGRESS_OF.get(job.kind)):
                found[name] = progress_words(job) or "Waiting for another job to end…"
        studying = any(job.kind == "experiment" and job.state == JobState.RUNNING for job in self.jobs)
        self.param.update(studying=studying, **found)
        self._find_begin()

    @param.depends("images", "layout", watch=True)
    def _find_begin(self) -> None:
        """Find out whether the page has to ask for images, or to show how the first map is made."""
        space, begins = self.workspace, any(job.is_open and job.kind in BEGINNINGS for job in self.jobs)
        asks = space.n_images == 0 or (self.begin == Begin.ASKS and space.matrix is None)  # images may be dropped on the form
        if space.has_map or not space.writable or not (begins or asks):
            self.begin = Begin.NOT
        else:
            self.begin = Begin.WORKS if begins else Begin.ASKS

    def follow_images(self, grid: GridIndex) -> None:
        """Show which images there are now; selection, lasso and queues stay. A new one passes no filter until it is read."""
        kept, n = self.kept, self.workspace.n_images
        if kept is not None and len(kept) < n:
            kept = np.concatenate([kept, np.zeros(n - len(kept), bool)])
        self._follow_colours()
        colouring = self.shared.newest_colouring(self.colour_by, self.grain)
        self.param.update(**self._map(grid), kept=kept, colouring=colouring, places=None, images=self.images + 1)
        self._read_colouring()
        if len(self.workspace.columns.removed_rows):
            self._let_go(self.workspace.removed)

    def _follow_colours(self) -> None:
        """Offer the columns that there are now."""
        colours, offered = self.param.colour_by, self.shared.newest_colours()
        if offered and self.colour_by not in offered:  # a score column that is removed
            self.colour_by = colours.default
        if offered and offered != colours.objects:
            colours.objects = offered

    def _let_go(self, removed: np.ndarray) -> None:
        """Select, pick, pin and look at none of the images that were removed."""
        picked = [row for row in self.picked if not removed[row]]
        if removed[self.whole].any():
            self.whole = self.whole[~removed[self.whole]]
            self._leave_out()
        if picked != self.picked:  # another selection has cleared them
            self.picked = picked
        for name in ("pinned", "looked_at", "pointed_at"):
            row = getattr(self, name)
            if row is not None and removed[row]:
                setattr(self, name, None)

    def _map(self, grid: GridIndex) -> dict[str, object]:
        """Return what changes with the map: a lasso and a view belong to one layout."""
        layout = layout_of(self.workspace)
        other = {} if layout == self.layout else {"last_polygon": None, "view": None}  # the map tells what it then shows
        return {"grid": grid, "layout": layout, **other}

    def follow_encoder(self, grid: GridIndex) -> None:
        """Show another map; the selected images stay, and the lasso if it belongs to this map."""
        encoder = self.workspace.encoder_name or ""
        if grid is not self.grid:
            self.param.update(**self._map(grid))
        if encoder != self.encoder:
            self.encoder = encoder
            self.follow(fit=True)

    def follow(self, *, labels: bool = False, fit: bool = False, **others: Any) -> None:
        """Show the current labels, scores and curves, in one update."""
        fitted = self.workspace.fitted
        if labels:
            others["labels_version"] = self.workspace.labels.version
        if fit:
            others["probe_version"] = fitted.version if fitted else 0
        if fit or "learning" in others:  # with what was judged later than the scores
            others["curves"] = self.shared.newest_curves(self.gold_column)
        others["colouring"] = self.shared.newest_colouring(self.colour_by, self.grain)
        for name in ("curves", "colouring"):  # param cannot compare them, and would report a change
            if others.get(name) is getattr(self, name):
                del others[name]
        self.param.update(**others)
        if labels or fit or "clusters" in others:
            self._read_colouring()

    def examples(self) -> np.ndarray:
        """Return the rows that "more like this" starts from: the pinned picture, or else what a class button would label."""
        return np.array([self.pinned], np.int64) if self.pinned is not None else self.targets()

    def targets(self) -> np.ndarray:
        """Return the rows a class button labels: the picked pictures, or else the whole selection."""
        return np.array(sorted(self.picked), np.int64) if self.picked else self.selected
