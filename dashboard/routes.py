"""Routes of thumbnails, pictures and our static files, behind `dashboard/wall.py`. No path is ever built from a request."""

import asyncio
from collections.abc import Callable
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

    def initialize(self, load: Callable[[str, str], bytes]) -> None:
        """Set the function that returns the bytes of an image."""
        self.load = load

    async def get(self, view: str, image_id: str) -> None:
        """Answer with WebP bytes, or 404."""
        try:
            content = await asyncio.get_running_loop().run_in_executor(None, self.load, image_id, view)
        except AppError:
            raise HTTPError(404) from None
        self.set_header("Content-Type", "image/webp")
        self.set_header("Cache-Control", f"private, max-age={ONE_DAY}, immutable")  # the bytes of an id never change
        self.finish(content)


def patterns(workspace: Workspace) -> list[Route]:
    """Return the server's extra routes."""
    return [
        (rf"/thumb/{VIEW}/{ID}", WebpHandler, {"load": workspace.thumbnail}),
        (rf"/image/{VIEW}/{ID}", WebpHandler, {"load": workspace.picture}),
        (rf"/original/{VIEW}/{ID}", WebpHandler, {"load": partial(workspace.picture, max_side=WEBP_SIDE)}),
    ]
