"""Removal of images, for good."""

from collections.abc import Callable

import numpy as np

from core.arrays import IntArray
from core.duplicates.search import copies_of
from core.errors import InputError
from core.jobs.kinds import MOST_NAMED
from core.wording import counted
from dashboard.actions.runner import Runner


class RemovalActions(Runner):
    """Removal of images, for good."""

    def ask_to_remove(self, rows: IntArray, ask: Callable[[list[str], list[str]], None]) -> None:
        """Find out what would be removed, then call `ask` with the ids of these images, and of their near-duplicates."""

        def read() -> tuple[list[str], list[str]]:
            mine = rows[~self.workspace.removed[rows]]
            copies = np.setdiff1d(copies_of(self.workspace, mine), mine)
            if len(mine) + len(copies) > MOST_NAMED:
                raise InputError(
                    f"{counted(MOST_NAMED, 'image')} at most can be removed at once here; select fewer, or run 'lassoscope "
                    "remove --file'."
                )
            return [self.workspace.image_id(int(row)) for row in mine], [self.workspace.image_id(int(row)) for row in copies]

        self.fetch(read, lambda found: ask(*found))

    def remove(self, ids: list[str], reason: str) -> None:
        """Remove images for good; every window lets go of them."""
        self.workspace.need_writable()
        self.add_job("remove", {"images": ids, "reason": reason[:500], "by": self.state.analyst})
