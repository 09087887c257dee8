"""The beginning of a workspace: ask for classes and images, then show them being read, embedded and laid out."""

from functools import partial
from typing import Any

import panel as pn
import param

from core.wording import counted
from dashboard.actions import Actions
from dashboard.changes import progress_words
from dashboard.state import Begin, SessionState
from dashboard.theme import styled
from dashboard.views.classes import lines_of
from dashboard.views.components.add_images import AddImages
from dashboard.views.components.begin_board import BeginBoard, Far
from dashboard.views.components.class_form import ClassForm, Edited
from dashboard.views.jobs import pace_words
from dashboard.views.words import words

NEWEST = 60  # thumbnails shown


class BeginPane(pn.viewable.Viewer):
    """Covers the desk until there is a map."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._title = words(margin=(0, 0, 8, 0))
        self._form = ClassForm(begins=True, classes=lines_of(self.state), on_edit=self._on_edit, sizing_mode="stretch_width")
        self._intake = AddImages(inline=True, width=600, margin=(16, 0))  # the form has a folder of the server
        self._board = BeginBoard(sizing_mode="stretch_width")
        self._layout = pn.Column(
            sizing_mode="stretch_both",
            scroll="y-auto",
            margin=0,
            **styled("covers", "begins"),
        )
        self.state.param.watch(self._draw, ["begin", "jobs", "images", "layout", "privacy_view"])
        self._draw()

    def _draw(self, *_: Any) -> None:
        begin, space = self.state.begin, self.state.workspace
        self._layout.visible = begin != Begin.NOT
        if begin == Begin.NOT:
            return
        asks = begin == Begin.ASKS
        self._title.object = f'<p class="lead">{_lead(space.n_images)}</p>' if asks else ""
        shown = [self._title, self._form, self._intake] if asks else [self._board]
        if self._layout.objects != shown:
            self._layout.objects = shown
        if asks:
            self._form.busy = False
            return
        job = next((job for job in self.state.jobs if job.is_open), None)
        said = "" if job is None else " · ".join(filter(None, (progress_words(job), pace_words(job))))
        matrix, n = space.matrix, space.n_images
        reads = job.total if job is not None and job.stage == "Reading pictures" else 0
        embedded = 0 if matrix is None else matrix.rows
        if job is not None and job.stage == "Embedding":
            embedded += job.done
        parts = [
            Far(name="Images read", done=n, total=max(reads, n)),
            Far(name="Embedded", done=min(embedded, n), total=n),
            Far(name="On the map", done=0, total=n),
        ]
        newest = [space.image_id(row) for row in range(n - 1, max(n - 1 - NEWEST, -1), -1)]
        self._board.param.update(stage=said or "Starting…", parts=parts, newest=newest, view=str(self.state.privacy_view))

    def _on_edit(self, edited: Edited) -> None:
        self.actions.soon(partial(self._take, edited))

    def _take(self, edited: Edited) -> None:
        edits = [line.edit() for line in edited.classes]
        if edited.verb == "begin":
            self._form.busy = True
            self.actions.begin_workspace(edits, edited.folder.strip(), failed=self._free)
        elif edited.verb == "change":
            self.actions.draft_classes(edits, done=self._free)

    def _free(self) -> None:
        """Let the form be used again, with the classes as they are."""
        self._form.param.update(busy=False, classes=lines_of(self.state))

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


def _lead(n_images: int) -> str:
    if not n_images:
        return "This workspace is new: say what you label, and where the images are."
    return f"{counted(n_images, 'image')} added. Say what you label, then press Begin: they are embedded and laid out as a map."
