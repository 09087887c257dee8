"""New images are embedded while others are read: reading takes one process, and the other cores would have nothing to do."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from core.encoders.parts import NewPart, embed_part, keep_part, parts_to_make
from core.errors import AppError
from core.jobs.begin import growing
from core.jobs.work import A, Work
from core.workers import Workers

LOG = logging.getLogger("lassoscope.jobs")
LEAST = 256  # images: fewer are not worth a call, and what is read last is embedded by the job that follows


@contextmanager
def embedding_ahead(work: "Work[A]") -> Iterator[Callable[[], None]]:
    """Yield what an ingest calls after each batch: windows see its images, which are embedded if others are."""
    grow = growing(work)
    with work.processes() as pool:
        ahead = Ahead(work, pool)

        def on_commit() -> None:
            grow()
            ahead.go_on()

        yield on_commit
        ahead.finish()


class Ahead:
    """Embeds what was read, part by part, in another process. One thread uses it."""

    def __init__(self, work: "Work[A]", pool: Workers) -> None:
        self._work, self._space, self._pool = work, work.workspace, pool
        matrix = work.workspace.matrix
        self._embedded = None if matrix is None else matrix.rows  # images; None once none is embedded ahead
        self._running: tuple[NewPart, Future[int]] | None = None

    def go_on(self) -> None:
        """Keep what was embedded meanwhile, and begin with what has come since."""
        if self._running is not None and self._running[1].done():
            self._keep(*self._running)
        space, encoder = self._space, self._space.encoder_name
        if self._running is not None or self._embedded is None or encoder is None or space.n_images - self._embedded < LEAST:
            return
        part = parts_to_make(space.folder, space.catalog.models, encoder, space.n_images)[0]
        if not part.is_new:  # some are lost, which nothing here is to hide
            self._embedded = None
            return
        made = self._pool.submit_telling(embed_part, space.folder, part, space.device, on_told=lambda *_: None)
        self._running = part, made

    def finish(self) -> None:
        """Wait for what is being embedded, and keep it."""
        if self._running is not None:
            self._work.tell("Embedding")
            self._keep(*self._running)

    def _keep(self, part: NewPart, made: Future[int]) -> None:
        """Keep what a process has embedded; why it failed says the job that follows, which tries it again."""
        self._running = None
        try:
            made.result()
        except AppError as error:
            self._embedded = None
            LOG.info("images are not embedded while others are read: %s", error)
        else:
            keep_part(self._space, part)
            self._embedded = part.stop
