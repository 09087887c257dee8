"""Encoders: switch, offer, compare, and the first embedding."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from core.encoders.chosen import use_encoder
from core.probe.compare import Comparison, compare_encoders
from dashboard.actions.runner import Runner
from dashboard.hub import Topic

if TYPE_CHECKING:
    from core.encoders.offers import Offer


class EncoderActions(Runner):
    """Encoders: switch, offer, compare, and the first embedding."""

    def use_encoder(self, name: str, *, failed: Callable[[], None] = lambda: None) -> None:
        """Switch every window to another encoder: map, probe and suggestions change, labels stay."""

        def switch() -> str:
            use_encoder(self.workspace, name)
            shared = self._server.shared
            for work_out in (shared.grid, shared.encoders, shared.refresh_curves):  # here, off the event loop
                work_out()
            return f"All windows now use {name}; the labels stay."

        self.run(switch, self._switched, on=self._server.slow_pool, failed=failed)

    def _switched(self, sentence: str) -> None:
        self._server.hub.publish(Topic.ENCODER)
        self._server.refits.request()
        self.say(sentence)

    def load_offers(self, done: Callable[[list["Offer"]], None], *, failed: Callable[[], None]) -> None:
        """Find out what the encoders on this machine cost; measured for the first window only."""
        self.run(self._server.shared.offers, done, on=self._server.slow_pool, failed=failed)

    def ask_for_public(self, done: Callable[["Offer"], None], *, failed: Callable[[], None]) -> None:
        """Ask the hub for the public weights, and measure what they would cost here."""

        def ask() -> "Offer":
            from core.encoders.offers import public_offer

            return public_offer(device=self.workspace.device)

        self.run(ask, done, on=self._server.slow_pool, failed=failed)

    def start_embedding(self, encoder: str | None, *, failed: Callable[[], None]) -> None:
        """Embed all images, lay out the map and use this encoder from then on; windows follow the progress.

        Args:
            encoder: its name, or a weights file; None for the current one.
        """
        self.add_job("embed", {"encoder": encoder, "lay_out": True}, failed=failed)

    def lay_out_anew(self, *, failed: Callable[[], None] = lambda: None) -> None:
        """Lay the map out anew from where its images are now, so that islands keep their place."""
        self.add_job("project", {"keep": True}, failed=failed)

    def compare_encoders(self, done: Callable[[list[Comparison]], None], *, failed: Callable[[], None]) -> None:
        """Judge every encoder's probe on the same labels."""
        verb = partial(compare_encoders, self.workspace)
        self.run(verb, done, on=self._server.slow_pool, failed=failed)
