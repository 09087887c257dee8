"""Images elsewhere, at the command line and in the page: ingested by address, no secret kept, and said to be gone."""

import asyncio
import io
import json
import shutil

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from typer.testing import CliRunner

from core.workspace import Workspace
from dashboard.app import start, stop
from dashboard.cli import app
from dashboard.inputs import Inputs
from dashboard.routes import patterns
from dashboard.settings import Settings
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.picture import PinnedPicture
from tests.dashboard.direct import Direct
from tests.elsewhere import elsewhere  # noqa: F401
from tests.reading import InProcess
from tests.shared import photo

pytestmark = pytest.mark.usefixtures("read_here")


@pytest.fixture
def read_here(monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)


@pytest.fixture
def bucket(elsewhere):  # noqa: F811
    for i in range(3):
        file = io.BytesIO()
        photo(900 + i, (320, 240)).save(file, "PNG")
        elsewhere.put(f"pictures/a/{i}.png", file.getvalue())
    return elsewhere


def run(*words, code=0):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_a_command_ingests_a_bucket_alone_and_by_a_server(bucket, small_made, tmp_path):
    alone = json.loads(run("ingest", "s3://pictures/a", "-w", tmp_path / "new", "--json").stdout)
    assert (alone["added"], alone["images"]) == (3, 3)
    folder = shutil.copytree(small_made / "w", tmp_path / "w")
    server = start(Settings(workspace=folder, analyst="ann"))
    try:
        served = json.loads(run("ingest", "s3://pictures/a", "-w", folder, "--json").stdout)
        assert served == alone | {"images": 51}
        assert run("ingest", "s3://pictures/a/", "-w", folder).stdout.startswith("0 images ingested, 0 files rejected, 3 known")
        bucket.busy.add("pictures/b.png")
        bucket.put("pictures/b.png", b"\x89PNG\r\n\x1a\n")
        said = run("ingest", "s3://pictures/b.png", "-w", folder, code=1).stderr
        assert "run the same command again" in said
        job = server.jobs.newest()[0]
        assert (job.kind, job.state, job.arguments["source"]) == ("ingest", "failed", "s3://pictures/b.png")
    finally:
        stop(server)


@pytest.mark.parametrize("address", ["https://ann:secret@example.org/a.zip", "s3://b/a?X-Amz-Signature=secret"])
def test_an_address_with_a_secret_is_refused_before_anything_is_made(address, tmp_path):
    said = run("ingest", address, "-w", tmp_path / "w", code=1).stderr
    assert said.startswith("lassoscope: The address of ")
    assert "secret" not in said
    assert not (tmp_path / "w").exists()


def test_images_of_a_bucket_are_removed_by_its_address(bucket, tmp_path):
    run("ingest", "s3://pictures/a", "-w", tmp_path / "w")
    run("remove", "--source", "s3://pictures/a/", "--yes", "-w", tmp_path / "w")
    with Workspace(tmp_path / "w", read_only=True) as space:
        assert (space.n_images, space.n_here) == (3, 0)


def test_a_browser_keeps_an_original_and_no_thumbnail_in_its_place(bucket, tmp_path):
    run("ingest", "s3://pictures/a", "-w", tmp_path / "w")
    bucket.busy.add("pictures/a/1.png")
    with Workspace(tmp_path / "w", read_only=True) as space:

        async def kept():
            listening, port = bind_unused_port()
            server = HTTPServer(Application(patterns(space)))
            server.add_sockets([listening])
            get = AsyncHTTPClient().fetch
            views = [f"{kind}/blurred/{space.image_id(row)}" for kind, row in (("image", 0), ("image", 1), ("thumb", 1))]
            found = [(await get(f"http://127.0.0.1:{port}/{view}")).headers["Cache-Control"] for view in views]
            server.stop()
            await server.close_all_connections()
            return [value.partition(",")[0] for value in found]

        assert asyncio.run(kept()) == ["private", "no-store", "private"]


def test_the_pinned_picture_says_that_its_original_is_gone(bucket, tmp_path):
    run("ingest", "s3://pictures/a", "-w", tmp_path / "w")
    del bucket.objects["pictures/a/2.png"]
    with Workspace(tmp_path / "w") as space:
        state = SessionState(workspace=space, shared=Shared(space))
        actions = Direct(state, None)
        pinned = PinnedPicture(state=state, actions=actions, inputs=Inputs(lambda _: None, lambda draw: draw()))
        told = []
        for row in (0, 2, 0):
            state.pinned = row
            pinned._draw()
            told.append("its original is gone or changed: this is its thumbnail" in pinned._words.object)
        assert told == [False, True, False]
