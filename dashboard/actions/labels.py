"""Labels: give, spot-check, undo, redo; and images like these."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from bokeh.document import Document

from core.catalog.criterion import NO_CRITERION, Criterion
from core.catalog.label_book import EVIDENCE_SOURCES
from core.catalog.records import Source
from core.duplicates.search import copies_of
from core.labels import bulk
from core.labels.actions import LabelResult, Reversal, label, redo, undo
from core.labels.bulk import BULK, BulkLabel, SpotCheckResult
from core.map.clusters import cluster_of, members
from core.map.grow import grown, shrunk
from core.probe.suggest import more_like
from core.wording import counted
from dashboard.actions.runner import NOTHING_UNSAVED, Runner, Unsaved
from dashboard.choices import ASKING_TABS, PageName
from dashboard.hub import Topic
from dashboard.state import SessionState

if TYPE_CHECKING:
    from dashboard.server import Server

MORE = 60  # images that "more like this" selects: two screens of the gallery


class LabelActions(Runner):
    """Labels: give, spot-check, undo, redo; and images like these."""

    def __init__(self, state: SessionState, server: "Server", document: Document) -> None:
        super().__init__(state, server, document)
        self._bulk_origin: tuple[Source, Criterion] = (Source.LASSO, NO_CRITERION)

    def label(self, class_name: str | None) -> None:
        """Give the class to the picked pictures, or to the whole selection; many images need a spot check first."""
        rows = self.state.targets()
        wanted = self._with_copies(rows)
        if self.state.spot_check is not None:
            self.say(
                f"First end the spot check of '{self.state.spot_check.class_name}': label, or cancel with Escape.", error=True
            )
        elif class_name is not None and len(wanted) > BULK:
            self._bulk_origin = self._origin()
            self.start_spot_check(wanted, class_name)
        else:
            source, criterion = self._origin()
            self.label_rows(rows, class_name, source=source, criterion=criterion, done=self._unpick)

    def _unpick(self) -> None:
        """Clear the picks and start a new turn, so that pressing the key again does not label the whole selection."""
        if self.state.picked:
            self.state.picked = []
            self.state.next_turn()

    def _origin(self) -> tuple[Source, Criterion]:
        """Return the source and the criterion of a label given now."""
        if self.state.picked or len(self.state.selected) <= 1:
            return Source.SINGLE, NO_CRITERION
        if self.state.cluster:
            return Source.CLUSTER, Criterion(cluster=self.state.cluster)
        return Source.LASSO, Criterion(polygon=self.state.last_polygon)

    def _with_copies(self, rows: np.ndarray) -> np.ndarray:
        """Add near-duplicates, but none that the filters or the legend hide: nothing is labelled unseen."""
        if not (self.state.copies and len(rows)):
            return rows
        found, shown = copies_of(self.workspace, rows), self.state.kept if self.state.asks else self.state.shown()
        return found if shown is None else found[shown[found] | np.isin(found, rows)]

    def label_rows(
        self,
        rows: np.ndarray,
        class_name: str | None,
        *,
        source: Source,
        criterion: Criterion = NO_CRITERION,
        done: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
        unsaved: Unsaved = NOTHING_UNSAVED,
    ) -> None:
        """Give the class to these rows, and to their near-duplicates if that is on; readings never include near-duplicates."""
        wanted = rows if source in EVIDENCE_SOURCES else self._with_copies(rows)
        n_copies = len(wanted) - len(rows)
        if n_copies:
            criterion |= Criterion(copies=n_copies)
        verb = partial(
            label, self.workspace, wanted, class_name, analyst=self.state.analyst, source=source, criterion=criterion
        )

        def labelled(result: LabelResult) -> None:
            self._labelled(result, n_copies=n_copies)
            done()

        self.run(verb, labelled, failed=failed, unsaved=unsaved)

    def start_spot_check(self, rows: np.ndarray, class_name: str) -> None:
        """Spot-check some of these images before they are labelled."""
        verb = partial(bulk.first_spot_check, self.workspace, rows, class_name)
        self.run(verb, lambda started: self.state.param.update(spot_check=started, bulk=None), on=self._server.slow_pool)

    def spot_check_more(self, token: str) -> None:
        """Spot-check more images of a bulk label."""
        verb = partial(bulk.further_spot_check, self.workspace, token, rng=np.random.default_rng())
        self.run(verb, lambda started: self.state.param.update(spot_check=started, bulk=None, page=PageName.MAP))

    def end_spot_check(self, result: SpotCheckResult, *, left_out: np.ndarray) -> None:
        """End the spot check: give the bulk label, or add the spot check to the one given before.

        Args:
            left_out: rows to leave out of the label.
        """
        spot_check, analyst = self.state.spot_check, self.state.analyst
        if spot_check is None:
            return
        self.state.spot_check = None
        if spot_check.token:
            self.run(
                partial(bulk.save_spot_check, self.workspace, spot_check.token, result=result, analyst=analyst),
                self._spot_checked,
            )
            return
        source, criterion = self._bulk_origin
        verb = partial(
            bulk.label_bulk,
            self.workspace,
            np.setdiff1d(spot_check.rows, left_out),
            spot_check.class_name,
            analyst=analyst,
            source=source,
            criterion=criterion,
            result=result,
        )
        self.run(verb, self._bulk_labelled)

    def cancel_spot_check(self) -> None:
        """Cancel the spot check; nothing is labelled."""
        self.state.spot_check = None

    def _bulk_labelled(self, result: tuple[LabelResult, BulkLabel]) -> None:
        self.state.bulk = result[1]
        self._labelled(result[0])

    def _spot_checked(self, found: BulkLabel) -> None:
        self.state.bulk = found
        self._changed(f"Spot-checked {counted(len(found.spot_checked), 'image')} of this label: {found.purity.sentence}")

    def _labelled(self, result: LabelResult, *, n_copies: int = 0) -> None:
        self._changed(result.sentence + (f" Included {counted(n_copies, 'near-duplicate')}." if n_copies else ""))
        for before in result.replaced:  # tell the analyst whose labels were replaced
            words = f"{self.state.analyst} has changed {before.n:,} of your '{before.class_name}' labels: "
            words += f"now '{result.action.class_name}'." if result.action.class_name else "now without a label."
            self._server.hub.publish((Topic.SAID, before.analyst, result.action.seq), words, but=self._document)

    def more_like(self, rows: np.ndarray) -> None:
        """Select the images most similar to these."""

        def show(found: np.ndarray) -> None:
            self.state.select(np.sort(found))
            these = "this one" if len(rows) == 1 else f"these {len(rows):,}"
            self.say(f"Selected the {counted(len(found), 'image')} most like {these}.")

        verb = partial(more_like, self.workspace, rows, MORE, among=self.state.shown())
        self.run(verb, show, on=self._server.slow_pool)

    def change_selection(self, *, grow: bool) -> None:
        """Grow the selection by its neighbours on the map, or shrink it; the pinned picture is one if nothing is selected."""
        rows = self.state.selected if len(self.state.selected) else self.state.examples()
        if not len(rows):
            self.say("Nothing is selected; lasso images or click one on the map first.", error=True)
            return

        def show(found: np.ndarray) -> None:
            self.state.select(found)
            now = self.state.selected  # without what filters or legend hide
            self.say(f"Selected {counted(len(now), 'image')}, {abs(len(now) - len(rows)):,} {'more' if grow else 'fewer'}.")

        self.run(partial(grown if grow else shrunk, self.workspace.xy, rows), show, on=self._server.slow_pool)

    def select_cluster(self) -> None:
        """Select the whole cluster of the pinned picture, of the enlarged one, or that of most of the selection."""
        examples = self.state.examples()
        if not len(examples) and self.state.looked_at is not None:
            examples = np.array([self.state.looked_at], np.int64)

        def find() -> tuple[str, np.ndarray]:
            return cluster_of(self.workspace, examples)

        def show(found: tuple[str, np.ndarray]) -> None:
            self.state.select(found[1], cluster=found[0])
            self.say(f"Selected the cluster {found[0]}: {counted(len(self.state.selected), 'image')}.")

        self.run(find, show, on=self._server.slow_pool)

    def select_named(self, name: str) -> None:
        """Select the cluster that a link names."""

        def show(found: np.ndarray) -> None:
            if self.state.cluster == name:  # nothing else was chosen meanwhile
                self.state.select(found, cluster=name)

        def forget() -> None:
            if self.state.cluster == name:
                self.state.cluster = ""

        self.fetch(partial(members, self.workspace, name), show, failed=forget)

    def undo(self, seq: int | None = None) -> None:
        """Undo this analyst's newest action, or any by its number; a queue shows its picture again."""
        verb = partial(undo, self.workspace, seq, analyst=self.state.analyst)

        def undone(reversal: Reversal) -> None:
            self._changed(reversal.sentence)
            self.state.undone = ()
            self.state.undone = tuple(reversal.rows.tolist())
            if (
                self.state.tab not in ASKING_TABS
                and self.state.shows(PageName.MAP)
                and not np.isin(reversal.rows, self.state.selected).all()
            ):
                self.state.select(reversal.rows)  # where they can be seen

        self.run(verb, undone)

    def redo(self, seq: int) -> None:
        """Redo an undone action."""
        verb = partial(redo, self.workspace, seq, analyst=self.state.analyst)
        self.run(verb, lambda reversal: self._changed(reversal.sentence))
