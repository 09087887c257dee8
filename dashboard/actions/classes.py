"""Classes, guideline and name of the workspace; and how a new workspace begins."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from core.errors import InputError
from core.intake.uploads import below
from core.jobs.work import Change
from core.labels.class_edits import NO_GUIDELINE, NO_NAME, ClassEdit, edit_classes, set_guideline, set_name
from dashboard.actions.runner import Runner
from dashboard.inputs import BY_KEY

NO_FOLDERS = (
    "This server reads no folder of the computer that it runs on: others can reach it, and LASSOSCOPE_INTAKE names none. "
    "Drop the pictures on the page instead."
)


class ClassActions(Runner):
    """Edit the classes; begin a workspace."""

    def begin_workspace(self, edits: Sequence[ClassEdit], folder: str, *, failed: Callable[[], None]) -> None:
        """Keep the classes of a new workspace, then read the images of a folder, embed them and lay them out.

        Args:
            folder: "" for the images that were added until now, or still arrive.
        """

        def begin() -> None:
            source, root = "", self._server.settings.intake_root()
            arrive = any(job.is_open for job in self._server.jobs.newest())
            if not folder and not arrive and not self.workspace.n_images:
                raise InputError("Images are needed: drop some here, or write where they are, for example /data/uploads.")
            if folder and root is None:
                raise InputError(NO_FOLDERS)
            if folder and root is not None:
                source = str(below(root, os.path.abspath(os.path.expanduser(folder))))
            self._keep(self._of_today(edits))
            self._server.jobs.add("begin", {"source": source}, self.state.analyst)

        self.run(begin, lambda _: self.forget_error(), failed=failed)

    def draft_classes(self, edits: Sequence[ClassEdit], *, done: Callable[[], None]) -> None:
        """Keep the classes of a new workspace as a form has them now; it goes on while this is done."""
        self.run(lambda: self._keep(self._of_today(edits)), lambda _: done())

    def _of_today(self, edits: Sequence[ClassEdit]) -> list[ClassEdit]:
        """Return edits of a form that may not know yet what was kept of it: nothing depends on the names before."""
        known = self.workspace.class_names
        return [e if e.was in known else replace(e, was=e.name if e.name in known else "") for e in edits]

    def edit_classes(
        self,
        edits: Sequence[ClassEdit],
        *,
        guideline: str | None = None,
        name: str | None = None,
        done: Callable[[], None] = lambda: None,
        refused: Callable[[str], None],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Change the class list, and the guideline and the workspace's name where they are given; every window follows.

        Args:
            refused: called with the sentence why nothing was changed.
        """

        def change() -> str | InputError:
            try:
                return keep()
            except InputError as error:
                return error

        def keep() -> str:
            for words, without in ((guideline, NO_GUIDELINE), (name, NO_NAME)):  # before anything is changed
                if words is not None and not words.strip():
                    raise InputError(without)
            space, analyst, said = self.workspace, self.state.analyst, [self._keep(edits)]
            if guideline is not None and guideline != space.guideline:
                said.append(set_guideline(space, guideline, analyst=analyst))
            if name is not None and name != space.name:
                said.append(set_name(space, name, analyst=analyst))
            if len(said) > 1 and not said[0]:
                self._server.changes.on_change(Change.CLASSES)  # pages show the name, too
            return " ".join(filter(None, said))

        def show(said: str | InputError) -> None:
            if isinstance(said, InputError):
                refused(str(said))
                return
            self.say(said)
            done()

        self.run(change, show, failed=failed)

    def _keep(self, edits: Sequence[ClassEdit]) -> str:
        had = {known.name: known.key for known in self.workspace.classes}
        for edit in edits:  # a class's key goes first, so that undo or another verb would have none
            if edit.key in BY_KEY and edit.key != had.get(edit.was) and not (edit.retired or edit.into):
                raise InputError(
                    f"The key {edit.key.upper()} does something else on the page (press ? to see what); "
                    f"choose another for '{edit.name}'."
                )
        said = edit_classes(self.workspace, edits, analyst=self.state.analyst)
        if said:
            self._server.changes.on_change(Change.CLASSES)
        return said
