"""Thumbnails and pictures over HTTP: bytes in the privacy view that was asked for, or 404."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from core.workspace import Workspace
from dashboard.routes import patterns


@pytest.fixture
def ask(small):
    """Ask for paths, and return the status, headers and bytes of each."""
    with Workspace(small, read_only=True) as space:

        def ask_(*paths):
            async def run():
                listening, port = bind_unused_port()
                server = HTTPServer(Application(patterns(space)))
                server.add_sockets([listening])
                client, found = AsyncHTTPClient(), []
                for path in paths:
                    try:
                        answer = await client.fetch(f"http://127.0.0.1:{port}{path.format(id=space.image_id(3))}")
                    except HTTPClientError as error:
                        answer = error.response
                    found.append((answer.code, answer.headers, answer.body))
                server.stop()
                await server.close_all_connections()
                return found

            return asyncio.run(run())

        yield ask_


def test_a_picture_comes_in_the_view_that_was_asked_for_and_is_kept_by_the_browser(ask):
    (status, headers, clear), (_, _, blurred), (_, _, grey), (_, _, large) = ask(
        "/thumb/clear/{id}", "/thumb/blurred/{id}", "/thumb/grey/{id}", "/image/clear/{id}"
    )
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert len({clear, blurred, grey}) == 3
    pixels = np.asarray(Image.open(io.BytesIO(grey)).convert("RGB"), np.int16)
    assert np.ptp(pixels, axis=2).max() <= 3
    assert pixels.shape[:2] == Image.open(io.BytesIO(large)).size == (48, 48)


@pytest.mark.parametrize(
    "path", ["/thumb/clear/" + "0" * 32, "/image/blurred/" + "f" * 32, "/thumb/bare/{id}", "/thumb/clear/../x"]
)
def test_what_is_not_there_is_404(ask, path):
    assert ask(path)[0][0] == 404
