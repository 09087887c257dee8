"""The pictures on both sides of the threshold, nearest to it first."""

from typing import Any

import panel as pn
import param

from core.evidence.threshold import nearest_to
from core.wording import signed
from dashboard.openings import OpeningView
from dashboard.state import SessionState
from dashboard.views.components.gallery import Gallery, Tile
from dashboard.views.words import words

NEAR = 5  # pictures on each side
HEIGHT = 112  # px of a gallery
ABOVE, BELOW = "Just above the threshold: reviewed", "Just below: left up"


class BothSides(pn.viewable.Viewer):
    """Two galleries; `draw` shows what the threshold divides."""

    state = param.ClassSelector(class_=SessionState)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._above, self._below = (
            Gallery(
                view=self.state.privacy_view, empty="", tile_size=56, sizing_mode="stretch_width", height=HEIGHT, margin=(0, 4)
            )
            for _ in range(2)
        )
        self._layout = pn.Column(
            words(f"<p class='over'>{ABOVE}</p>", margin=(4, 8, 0, 8), sheets=["operating"]),
            self._above,
            words(f"<p class='over'>{BELOW}</p>", margin=(0, 8), sheets=["operating"]),
            self._below,
            sizing_mode="stretch_width",
            margin=0,
        )

    def draw(self, view: OpeningView, threshold: float) -> None:
        """Show the pictures nearest to a threshold of an opening."""
        if view.opened is None or view.scores is None or view.sample is None:
            return
        space = self.state.workspace
        # Sealed images that are still to be read blind are not shown beside their score.
        free = ~(space.sealed & ~space.evidence())[: len(view.scores)]
        for gallery, above in ((self._above, True), (self._below, False)):
            near = nearest_to(threshold, view.scores, view.sample.pool, free, NEAR, above=above)
            gallery.param.update(
                tiles=[self._tile(row, view.opened.as_given(float(view.scores[row]))) for row in near.tolist()],
                total=len(near),
                view=self.state.privacy_view,
                reveal=self.state.reveal,
            )

    def _tile(self, row: int, score: float) -> Tile:
        space = self.state.workspace
        code = int(space.labels.codes[row])
        label, colour = ("", "") if code < 0 else (space.classes[code].name, space.classes[code].colour)
        text = f"{label or 'unlabelled'}, score {signed(score)}"
        return {"row": row, "id": space.image_id(row), "label": label, "colour": colour, "text": text}

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout
