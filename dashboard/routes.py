"""Routes of thumbnails, pictures and our static files, behind `dashboard/wall.py`. No path is ever built from a request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tornado.web import HTTPError, RequestHandler

from core.errors import AppError
from core.images.decode import VIEWS, WEBP_SIDE
from core.workspace import Workspace

ONE_DAY = 86_400
ID = r"([0-9a-f]{32})"
VIEW = "(" + "|".join(sorted(VIEWS, key=len, reverse=True)) + ")"

Route = tuple[str, type[RequestHandler], dict[str, object]]
"""A pattern of paths, the handler and the handler's keyword arguments."""


class WebpHandler(RequestHandler):
    """Serves an image in a privacy view; decoding runs off the event loop."""

    def initialize(
        self,
        load: Callable[[str, str], bytes],
        pool: ThreadPoolExecutor | None = None,
        lasts: Callable[[str], bool] = lambda image_id: True,
    ) -> None:
        """Set the function that returns the bytes of an image, where it runs, and what tells whether they stay the same."""
        self.load, self.pool, self.lasts = load, pool, lasts

    async def get(self, view: str, image_id: str) -> None:
        """Answer with WebP bytes, or 404."""
        try:
            content = await asyncio.get_running_loop().run_in_executor(self.pool, self.load, image_id, view)
        except AppError:
            raise HTTPError(404) from None
        self.set_header("Content-Type", "image/webp")
        # The bytes of an id never change, but a thumbnail in their place does.
        kept = f"private, max-age={ONE_DAY}, immutable" if self.lasts(image_id) else "no-store"
        self.set_header("Cache-Control", kept)
        self.finish(content)


def patterns(workspace: Workspace, pool: ThreadPoolExecutor | None = None) -> list[Route]:
    """Return the server's extra routes.

    Args:
        pool: where large pictures are read: those that are fetched take seconds, and no thumbnail waits for them.
    """
    large = {"pool": pool, "lasts": workspace.looks.last}
    return [
        (rf"/thumb/{VIEW}/{ID}", WebpHandler, {"load": workspace.thumbnail}),
        (rf"/image/{VIEW}/{ID}", WebpHandler, {"load": workspace.picture, **large}),
        (rf"/original/{VIEW}/{ID}", WebpHandler, {"load": partial(workspace.picture, max_side=WEBP_SIDE), **large}),
    ]
