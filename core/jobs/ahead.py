"""New images are embedded while others are read: reading takes one process, and the other cores would have nothing to do."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from core.encoders.parts import NewPart, embed_part, keep_part, parts_to_make
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

        try:
            yield on_commit
            ahead.finish()
        finally:
            ahead.close()


class Ahead:
    """Embeds what was read, part by part, in another process. One thread uses it."""

    def __init__(self, work: "Work[A]", pool: Workers) -> None:
        self._work, self._space, self._pool = work, work.workspace, pool
        self._encoder, self._embedded = self._begin()
        self._running: tuple[NewPart, Future[int]] | None = None
        self._kept = False

    def _begin(self) -> tuple[str | None, int | None]:
        """Return the encoder in use, and how many images it has embedded; None if none is to be embedded ahead."""
        current = self._space.current
        return current.encoder, None if current.matrix is None else current.matrix.rows

    def go_on(self) -> None:
        """Keep what was embedded meanwhile, and begin with what has come since."""
        if self._running is not None and self._running[1].done():
            self._keep(*self._running)
        space = self._space
        if space.encoder_name != self._encoder:  # another was chosen meanwhile
            self._encoder, self._embedded = self._begin()
        if self._running is not None or self._embedded is None or space.n_images - self._embedded < LEAST:
            return
        todo = parts_to_make(space.folder, space.catalog.models, str(self._encoder), space.n_images)
        if not todo:  # the ingest before this one has embedded them ahead
            self._embedded = space.n_images
            return
        part = todo[0]
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

    def close(self) -> None:
        """Let the workspace know what was embedded: jobs that come before the one that follows count on it."""
        if self._kept:
            self._space.reopen_encoder()

    def _keep(self, part: NewPart, made: Future[int]) -> None:
        """Keep what a process has embedded; why it failed says the job that follows, which tries it again.

        Raises:
            StoppedError: if it failed because the ingest is to end.
        """
        self._running = None
        try:
            made.result()
        except Exception:  # of a full disk or GPU, too: the pictures are read all the same
            self._work.go_on()
            self._embedded = None
            LOG.info("images are not embedded while others are read", exc_info=True)
            return
        keep_part(self._space, part)
        self._kept = True
        if part.encoder == self._encoder:
            self._embedded = part.stop
