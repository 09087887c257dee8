"""Results that windows show for a state of labels and probe, computed once and shared. Safe to call from any thread."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.catalog.label_book import UNLABELLED
from core.catalog.score_columns import ScoreColumn
from core.embeddings.scores import Fitted
from core.encoders.chosen import KnownEncoder, encoders
from core.evidence.decisions import RuleInForce, rules_in_force
from core.evidence.points import points
from core.filters.conditions import Condition, Conditions
from core.filters.masks import added, all_of, longer_sides, made_of, mask
from core.filters.orders import likeness, places_by_name
from core.labels.gold import gold_columns, gold_values, gold_version
from core.map import colourings
from core.map.clusters import stored_clusters
from core.map.grid import GridIndex, is_longer
from core.map.raster import Colouring
from core.overview import LabelCounts, label_counts
from core.probe.curves import NamedCurve
from core.probe.live_curves import curves, gold_curve
from core.score_columns.files import header_of
from core.score_columns.keep import flagged_scores, readable_columns
from core.workspace import Workspace
from dashboard.choices import GOLD_COLUMN, GOLD_PREFIX, MODEL_COLOURS, QUICK_COLOURS, ColourBy, Order

if TYPE_CHECKING:
    from core.encoders.offers import Offer

T = TypeVar("T")
LONGEST_COLOUR = 200  # characters of a colour's name: it stands in the page's address
KEPT = 4  # results per kind, so that windows slightly behind need no new computation


class Once:
    """Results by their inputs: the first caller computes one while others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[str, OrderedDict[Hashable, _Cell]] = {}

    def once(self, kind: str, key: Hashable, work: Callable[[], T]) -> T:
        """Return `work()` for a key, computed now or earlier."""
        with self._lock:
            known = self._kinds.setdefault(kind, OrderedDict())
            cell = known.setdefault(key, _Cell())
            while len(known) > KEPT:
                known.popitem(last=False)
        with cell.lock:  # a cell's own: work for one key does not wait for another's
            if not cell.is_done:
                cell.result, cell.is_done = work(), True
            found: T = cell.result
            return found


class Shared(Once):
    """Shared results of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._newest_curves: dict[str | None, list[NamedCurve]] = {None: []}
        self._newest_colourings: dict[tuple[str, str], Colouring] = {}
        self._newest_colours: list[str] = []
        self._newest_gold: list[str] | None = None
        self._newest_grid: tuple[FloatArray, GridIndex] | None = None  # and the map that it is of
        self._taken = 0  # how often images came, or something with them
        self._columns = 0  # how often score columns were changed

    def take_images(self) -> None:
        """Forget what was read of the images there were: more have come, or something with them."""
        self._taken += 1

    def take_columns(self) -> None:
        """Forget what was read of the score columns there were: some have come, have other scores, or are removed."""
        self._columns += 1

    def _keep(self, kind: str, key: Hashable, work: Callable[[], T]) -> T:
        """Keep what may be of score columns until they are changed."""
        return self.once(kind, (key, self._columns), work)

    @property
    def _images(self) -> Hashable:
        """Return what changes whenever images come, or something with them."""
        return self._workspace.n_images, self._taken

    def grid(self) -> GridIndex:
        """Return the index over the current map."""
        xy = self._workspace.xy
        return self.once("grid", Same(xy), lambda: self._built(xy))

    def _built(self, xy: FloatArray) -> GridIndex:
        """Return the index over a map, from the newest one if there are only more images, which are not on it."""
        known = self._newest_grid
        grid = known[1].grown(len(xy)) if known is not None and is_longer(xy, known[0]) else GridIndex.build(xy)
        self._newest_grid = xy, grid
        return grid

    def counts(self) -> LabelCounts:
        """Return how many images are labelled, by class and half."""
        space = self._workspace
        return self.once("counts", (space.labels.version, Same(space.is_check)), partial(label_counts, space))

    def encoders(self) -> list[KnownEncoder]:
        """Return the encoders."""
        return self.once("encoders", Same(self._workspace.current), partial(encoders, self._workspace))

    def offers(self) -> list["Offer"]:
        """Return what the encoders on this machine cost; measuring takes seconds."""
        from core.encoders.offers import offers_here

        space = self._workspace
        return self.once("offers", space.device, lambda: list(offers_here(space, device=space.device)))

    def rules_in_force(self) -> list[RuleInForce]:
        """Return what the points in force decide, for the declared policies; [] while none is declared."""
        space = self._workspace
        if not space.policies:
            return []
        force = tuple((point.policy, point.name, point.opening, point.threshold) for point in points(space) if point.in_force)
        key = (tuple(space.policies), Same(space.current), force)
        return self.once("rules in force", key, partial(rules_in_force, space))

    def gold_columns(self) -> list[str]:
        """Return the names of the gold columns, which come with images."""
        space = self._workspace
        found = self.once("gold columns", gold_version(space), partial(gold_columns, space))  # a pass over all gold values
        self._newest_gold = found
        return found

    def newest_gold_columns(self) -> list[str]:
        """Return the gold columns that were read last: `Changes` reads them anew before windows hear that some have come."""
        return self.gold_columns() if self._newest_gold is None else self._newest_gold

    def gold_values(self, column: str) -> list[str]:
        """Return the different values of a gold column; reads it whole."""
        return self.once("gold values", (column, self._images), partial(gold_values, self._workspace, column))

    def newest_curves(self, gold_column: str | None) -> list[NamedCurve]:
        """Return the curves that were worked out last, none before the first time; the event loop works out none."""
        return self._newest_curves.get(gold_column, [])

    def refresh_curves(self, *, paired: bool = False) -> None:
        """Work out the curves of the newest probe, with and without known answers.

        Args:
            paired: compare score columns with the probe, too; nobody waits for that at every label.
        """
        if not paired or self.score_columns():
            for column in self.bases():
                self.curves(column, paired=paired)

    def bases(self) -> list[str | None]:
        """Return what windows may judge curves by: check labels (None), and the gold columns."""
        if GOLD_COLUMN in self.gold_columns():
            self._newest_curves.setdefault(GOLD_COLUMN, [])
        return [*self._newest_curves]

    def curves(self, gold_column: str | None, *, paired: bool = False) -> list[NamedCurve]:
        """Return the precision-recall curves of the newest probe."""
        space = self._workspace
        key = (Same(space.fitted), space.labels.version, Same(space.sealed), self._columns)
        found = self.once("curves", (*key, paired), lambda: curves(space, paired=paired))
        if gold_column is not None:
            exact = self.once("exact curve", (*key, gold_column), lambda: gold_curve(space, gold_column))
            found = self.once("curves and exact", (*key, paired, gold_column), lambda: [*found, *exact])
        self._newest_curves[gold_column] = found
        return found

    def mask(self, condition: Condition) -> BoolArray:
        """Return which images fulfil a condition, (N,) bool; reads files and the catalog."""
        space = self._workspace
        of = tuple(part if isinstance(part, str | int | tuple) else Same(part) for part in made_of(space, condition))
        return self._keep(f"mask {condition.kind}", (condition, of), lambda: mask(space, condition, keep=self._keep))

    def kept(self, conditions: Conditions, colour_by: str) -> BoolArray | None:
        """Return which images pass all filters, (N,) bool, None for all; reads files and the catalog."""
        if not conditions:
            return None
        space, beside = self._workspace, self.shows_model(colour_by)
        masks = [self.mask(condition) for condition in conditions]
        of = (conditions, tuple(map(Same, masks)), Same(space.sealed), beside)
        return self.once("kept", of, lambda: all_of(space, conditions, masks, beside_model=beside))

    def shows_model(self, colour_by: str) -> bool:
        """Tell whether colours show what a model says, of sealed images, too."""
        return colour_by in MODEL_COLOURS or colour_by in self.score_columns()

    def places(self, order: Order, examples: IntArray) -> FloatArray | IntArray | None:
        """Return a number for every image by which the pictures are ordered, (N,), lower first; None where none is read.

        Args:
            examples: rows that the others are compared with.
        """
        space = self._workspace
        if order == Order.NAME:
            return self.once("places by name", self._images, lambda: places_by_name(space))
        return -likeness(space, examples) if order == Order.LIKENESS else None

    def legend_counts(self, colouring: Colouring, kept: BoolArray | None) -> dict[int, int]:
        """Return how many images that pass the filters have each code, -1 included; empty if continuous."""
        known = colouring.counts()
        if -1 in known:  # removed images have no colour, and are not counted
            known = known | {-1: known[-1] - len(self._workspace.columns.removed_rows)}
        if kept is None or not known or len(kept) != len(colouring):
            return known

        def count() -> dict[int, int]:
            found = np.bincount(colouring.codes[kept] + 1, minlength=len(colouring.palette) + 1)
            return {code: int(found[code + 1]) for code in known}

        return self.once("legend counts", (Same(colouring), Same(kept)), count)

    def score_columns(self) -> dict[str, ScoreColumn]:
        """Return the score columns by what the page calls them; they come with images and with labels."""
        return self._keep(
            "score columns", self._taken, lambda: {header_of(c.name): c for c, _ in readable_columns(self._workspace)}
        )

    def colour_columns(self) -> None:
        """Read every score column for its colouring, so that no event loop does."""
        for name in self.score_columns():
            self.colouring(name)

    def colours(self) -> list[str]:
        """Return what the map can be coloured by; reads the catalog."""
        gold = [GOLD_PREFIX + name for name in self.gold_columns()]
        columns = (name for name in (*self.score_columns(), *gold) if len(name) <= LONGEST_COLOUR)
        self._newest_colours = [*ColourBy, *columns]
        return self._newest_colours

    def newest_colours(self) -> list[str]:
        """Return what `colours` has found last."""
        return self._newest_colours

    def is_quick(self, colour_by: str) -> bool:
        """Tell whether the event loop may ask for a colouring: nothing has to be read or worked out for it."""
        return colour_by in QUICK_COLOURS or colour_by in self.score_columns()

    def newest_colouring(self, colour_by: str, grain: str = colourings.GRAIN) -> Colouring:
        """Return a colouring that is quick, else the one that was read last; before the first time, one that says so."""
        if self.is_quick(colour_by):
            return self.colouring(colour_by)
        n = self._workspace.n_images
        found = self._newest_colourings.get((colour_by, grain))
        if found is not None and len(found) < n:
            found = self.once("colouring of more", (Same(found), n), partial(found.grown, n))
        return found if found is not None and len(found) == n else self.once("unread", n, lambda: colourings.unread(n))

    def colouring(self, colour_by: str, grain: str = colourings.GRAIN) -> Colouring:
        """Return the colouring of points by one of `colours`; reads the catalog where it is not quick.

        Args:
            grain: of clusters.
        """
        found = self._colouring(colour_by, grain)
        if not self.is_quick(colour_by):
            found.counts()  # for the legend, here, so that no event loop counts
            self._newest_colourings[colour_by, grain] = found
        return found

    def _colouring(self, colour_by: str, grain: str) -> Colouring:
        space, kind = self._workspace, f"colouring {colour_by}"
        labels, fitted, classes, n = space.labels, space.fitted, tuple(space.classes), space.n_images
        images = self._images
        if colour_by in (columns := self.score_columns()):
            return self._keep(kind, images, lambda: colourings.by_column(flagged_scores(space, columns[colour_by])))
        if colour_by.startswith(GOLD_PREFIX):
            column = colour_by.removeprefix(GOLD_PREFIX)
            return self.once(kind, (images, Same(space.sealed)), lambda: colourings.by_gold(space, column))
        match ColourBy(colour_by):
            case ColourBy.LABEL:
                gone = len(space.columns.removed_rows)  # their labels go without another action
                return self.once(kind, (labels.version, classes, n, gone), lambda: colourings.by_class(labels.codes, classes))
            case ColourBy.PREDICTED:
                return self.once(kind, (Same(fitted), classes, n), lambda: colourings.by_class(_predicted(fitted, n), classes))
            case ColourBy.SCORE:
                return self.once(kind, (Same(fitted), n), lambda: colourings.by_score(_values(fitted, "score", n)))
            case ColourBy.UNCERTAINTY:
                return self.once(kind, (Same(fitted), n), lambda: colourings.by_uncertainty(_values(fitted, "uncertainty", n)))
            case ColourBy.DISAGREEMENT:
                of = (labels.version, Same(fitted), Same(space.sealed), n)
                return self.once(kind, of, lambda: colourings.by_disagreement(space))
            case ColourBy.CLUSTER:
                stored = stored_clusters(space)
                found = (stored.file if stored is not None else "", Same(space.current), n, grain)
                return self.once(kind, found, lambda: colourings.by_cluster(space, grain))
            case ColourBy.HALF:
                return self.once(kind, (Same(space.is_check), n), lambda: colourings.by_half(space))
            case ColourBy.ADDED:
                return self.once(kind, n, lambda: colourings.by_time(added(space)))
            case ColourBy.COPIES:
                return self.once(kind, (Same(space.groups), n), lambda: colourings.by_copies(space))
            case ColourBy.SIZE:
                return self.once(kind, n, lambda: colourings.by_column(longer_sides(space, keep=self._keep)))


def _predicted(fitted: Fitted | None, n_images: int) -> IntArray:
    return np.full(n_images, UNLABELLED, np.int16) if fitted is None else fitted.predicted


def _values(fitted: Fitted | None, name: str, n_images: int) -> FloatArray:
    return np.full(n_images, np.nan, np.float32) if fitted is None else getattr(fitted, name)


@dataclass
class _Cell:
    """One result, possibly not computed yet."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    is_done: bool = False
    result: Any = None


class Same:
    """A key that equals another only for the same object, which it keeps alive."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)
