"""A command on a workspace that is being served: its server does the job, and only who may read the token can ask for one."""

import json
import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from core.catalog.jobs import JobState
from core.catalog.records import Removal
from core.errors import BusyError, InputError, WorkspaceError
from core.workspace import Workspace
from dashboard import handover
from dashboard.app import start, stop
from dashboard.cli import app
from dashboard.cli.joined import Ended, there_or_here
from dashboard.console import sentences
from dashboard.handover import FILE, Handover, hand_over, place_of
from dashboard.settings import Settings
from tests.reading import InProcess
from tests.shared import photo
from tests.waiting import wait_for

N = 48
BUSY = BusyError("Another process has it open.")


@pytest.fixture(scope="module")
def server(small_made, tmp_path_factory):
    """A server of a copy of `small`, and what commands say of it."""
    import shutil

    folder = shutil.copytree(small_made / "w", tmp_path_factory.mktemp("served") / "w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.intake.ingest.Workers", InProcess)
        server = start(Settings(workspace=folder, analyst="ann"))
        yield server
        stop(server)
    assert not (folder / FILE).exists()


def run(*words, code=0):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def more(tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for i in range(6):
        photo(500 + i).save(folder / f"m{i}.png")
    (folder / "bad.png").write_bytes(b"\x89PNG nothing")
    return folder


def test_a_command_ends_as_without_a_server_and_the_page_has_the_images(server, more, small, monkeypatch):
    folder = server.settings.workspace
    n = server.workspace.n_images
    monkeypatch.chdir(more.parent)
    served = json.loads(run("ingest", "more", "-w", folder, "--json").stdout)
    assert server.workspace.n_images == n + 6
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    alone = json.loads(run("ingest", "more", "-w", small, "--json").stdout)
    assert alone["images"] == N + 6
    served["images"] = alone["images"] = 0
    assert served == alone
    said = run("ingest", "more", "-w", folder).stdout
    assert said.splitlines()[-1].startswith("0 images ingested, 1 file rejected, 7 known before")
    assert "rejected" in said.splitlines()[0]


def test_labels_are_imported_into_a_workspace_that_is_served(server, tmp_path, monkeypatch):
    folder, space = server.settings.workspace, server.workspace
    row = next(int(row) for row in np.flatnonzero(~space.is_check))
    (tmp_path / "l.csv").write_text(f"image,class\n{space.image_id(row)},copyright\n")
    monkeypatch.chdir(tmp_path)
    told = json.loads(run("labels", "import", "l.csv", "-w", folder, "--json").stdout)
    assert told["imported"] == 1
    assert space.labels.codes[row] == space.class_names.index("copyright")
    (tmp_path / "l.csv").write_text("image,class\nnobody.png,copyright\n")
    said = run("labels", "import", "l.csv", "-w", folder, code=1).output
    assert "nobody.png" in " ".join(said.split())


def test_a_job_that_fails_or_is_refused_ends_the_command_with_its_sentence(server, tmp_path):
    folder = server.settings.workspace
    said = run("ingest", tmp_path / "nowhere", "-w", folder, code=1).output
    assert "nowhere" in said
    assert "Traceback" not in said
    with pytest.raises(InputError, match="There is no job 'fly'"):
        hand_over(folder, "fly", {}, "ann", on_stage=lambda *_: None, busy=BUSY)


def test_a_job_that_somebody_cancels_ends_its_command(server, tmp_path):
    go_on = threading.Event()

    def on_stage(*_):
        if not go_on.is_set():
            go_on.set()
            server.jobs.cancel(server.jobs.newest()[0].number)

    server.jobs._jobs.add("fly", {}, "ann")  # of a kind that this program does not know: it waits
    job = server.jobs.newest()[0]
    assert job.state == JobState.QUEUED
    asked = []

    class Asks:
        def add(self, kind, arguments, analyst, **_):
            asked.append((kind, analyst))
            return job

        def get(self, number):
            return server.jobs.get(number)

    place = tmp_path / "w"
    place.mkdir()
    listening = Handover(place, Asks())
    try:
        with pytest.raises(WorkspaceError, match="cancelled"):
            hand_over(place, "fly", {}, "ann", on_stage=on_stage, busy=BUSY)
    finally:
        listening.close()
    assert asked == [("fly", "ann")]


# -- who may ask --


def request(port, method, path, token=None, body=None):
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


def test_the_token_is_its_owners_alone_and_nothing_is_answered_without_it(server):
    file = server.settings.workspace / FILE
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    place = place_of(server.settings.workspace)
    before = len(server.jobs.newest())
    add = json.dumps({"kind": "clusters", "arguments": {}, "analyst": "eve"})
    for token in (None, "", "x" * 43, place.token[:-1]):
        for method, path, body in (("GET", "/jobs/1", None), ("POST", "/jobs", add), ("GET", "/", None)):
            status, told = request(place.port, method, path, token, body)
            assert status == 403
            assert "token" in told["error"]
    assert len(server.jobs.newest()) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/jobs/999", None, 400),
        ("GET", "/jobs/x", None, 404),
        ("GET", "/jobs/-1", None, 404),
        ("GET", "/../etc", None, 404),
        ("POST", "/jobs", "{", 400),
        ("POST", "/jobs", "[]", 400),
        ("POST", "/jobs", '{"kind": 1, "arguments": {}, "analyst": "a"}', 400),
        ("POST", "/jobs", '{"kind": "embed", "arguments": {"size": 1}, "analyst": "a"}', 400),
        ("POST", "/other", "{}", 404),
        ("POST", "/jobs", "x" * 1_000_001, 400),
    ],
)
def test_what_is_no_job_is_refused_in_a_sentence(server, method, path, body, status):
    place = place_of(server.settings.workspace)
    found, told = request(place.port, method, path, place.token, body)
    assert found == status
    assert told["error"].endswith(".")


def test_a_workspace_that_another_command_has_open_is_busy(small, more):
    with Workspace(small):
        assert "open for writing" in run("ingest", more, "-w", small, code=1).output
        for left in ('{"port": 1, "token": "x"}', "{", "[]"):  # of a server that was killed
            (small / FILE).write_text(left)
            assert "open for writing" in run("ingest", more, "-w", small, code=1).output


def test_a_server_that_starts_again_is_found_and_one_that_is_gone_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "GONE_SECONDS", 1.0)
    jobs = [handover.JobRecord(4, "embed", {}, "ann", state, 1, "") for state in (JobState.RUNNING, JobState.DONE)]

    class Asks:
        def __init__(self, job):
            self.job = job

        def add(self, *_, **__):
            return self.job

        def get(self, _):
            return self.job

    listening = [Handover(tmp_path, Asks(jobs[0]))]

    def restart(*_):
        listening.pop().close()
        listening.append(Handover(tmp_path, Asks(jobs[1])))

    assert hand_over(tmp_path, "embed", {}, "ann", on_stage=restart, busy=BUSY).state == JobState.DONE
    listening.pop().close()
    listening.append(Handover(tmp_path, Asks(jobs[0])))
    with pytest.raises(WorkspaceError, match="no longer answers; start it with 'lassoscope serve', and job 4 goes on"):
        hand_over(tmp_path, "embed", {}, "ann", on_stage=lambda *_: listening[0].close(), busy=BUSY)


def test_a_command_whose_answer_is_lost_finds_its_job_at_the_server_that_starts_again(small, more, monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    settings, lost, said, send = Settings(workspace=small, analyst="ann"), threading.Event(), [], handover._Answer._send

    def lose(answer, status, content):  # the job is in the catalog, and nobody hears of it
        monkeypatch.setattr(handover._Answer, "_send", send)
        lost.set()

    monkeypatch.setattr(handover._Answer, "_send", lose)
    server = start(settings)
    try:
        before = server.workspace.n_images
        arguments = {"source": str(more)}
        with ThreadPoolExecutor(1) as pool:
            ask = partial(hand_over, small, "ingest", arguments, "bob", on_stage=lambda *s: said.append(s), busy=BUSY)
            job = pool.submit(ask)
            assert lost.wait(60)
            stop(server)
            server = start(settings)
            ended = job.result(timeout=120)
        assert (ended.state, ended.kind, ended.analyst) == (JobState.DONE, "ingest", "bob")
        assert [each.number for each in server.jobs.newest() if each.kind == "ingest"] == [ended.number]
        assert server.workspace.n_images == before + 6
        assert (ended.result["images"], "1 file rejected" in ended.message) == (before + 6, True)
        assert said[0] == ("waiting for the server, which does not answer", 0, 0)
    finally:
        stop(server)


def test_a_job_that_no_server_has_taken_is_added_once_at_the_next_one(tmp_path):
    heard, added, listening = [], [], []

    class Asks:
        def add(self, kind, arguments, analyst, *, request):
            added.append((kind, request))
            return handover.JobRecord(7, kind, arguments, analyst, JobState.DONE, 1, "", message="done")

    with dropping(tmp_path, heard):
        thread = threading.Timer(0.5, lambda: listening.append(Handover(tmp_path, Asks())))
        thread.start()
        assert hand_over(tmp_path, "export", {}, "ann", on_stage=lambda *_: None, busy=BUSY).number == 7
    thread.join()
    listening[0].close()
    [(kind, request)] = added
    assert kind == "export"
    assert json.loads(heard[0].split(b"\r\n\r\n")[1])["request"] == request


@contextmanager
def dropping(workspace, heard, *, says=b""):
    """A server that is killed with the first request it gets, or in the middle of its answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def lose():
            taken, _ = listening.accept()
            with taken:
                came = b""
                while not came.endswith(b"}"):  # headers and body may come one after the other
                    came += taken.recv(100_000)
                heard.append(came)
                taken.sendall(says)
            listening.close()

        thread = threading.Thread(target=lose)
        thread.start()
        (workspace / FILE).write_text(json.dumps({"port": listening.getsockname()[1], "token": "x"}))
        yield
        thread.join()


@pytest.mark.parametrize("says", [b"", b'HTTP/1.0 200 OK\r\nContent-Length: 300\r\n\r\n{"number": 7, "sta'])
def test_a_job_whose_answer_is_lost_is_not_done_a_second_time(tmp_path, monkeypatch, says):
    monkeypatch.setattr(handover, "GONE_SECONDS", 1.0)
    heard = []
    with (
        dropping(tmp_path, heard, says=says),
        pytest.raises(WorkspaceError, match="did not say whether it has taken this job; look under Jobs"),
    ):
        there_or_here(tmp_path, "export", {"folder": "/b"}, lambda: pytest.fail("it was done here, too"))
    assert heard[0].startswith(b"POST /jobs")
    assert there_or_here(tmp_path, "export", {}, lambda: Ended("done here", {})).sentence == "done here"  # nobody listens


def test_ctrl_c_ends_a_command_and_says_only_that_the_job_goes_on(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    class Asks:
        def add(self, *_, **__):
            return handover.JobRecord(4, "export", {}, "ann", JobState.QUEUED, 0, "")

    monkeypatch.setattr("dashboard.handover._ask_until_answered", stop)
    listening = Handover(tmp_path, Asks())
    try:
        with pytest.raises(typer.Exit) as ended:
            sentences(there_or_here)(tmp_path, "export", {"folder": "/b"}, lambda: pytest.fail("it was done here, too"))
    finally:
        listening.close()
    said = " ".join(capsys.readouterr().err.split())
    assert (ended.value.exit_code, said.count("The server goes on with this job")) == (130, 1)
    assert "Stopped" not in said


def test_images_are_removed_beside_a_server_and_a_command_asks_first(server, tmp_path):
    folder, space = server.settings.workspace, server.workspace
    n, rows = space.n_here, np.flatnonzero(~space.removed)[:2]
    names = [space.image_id(int(row)) for row in rows]
    said = run("remove", *names, "-w", folder, code=1).output
    assert "2 images will be removed for good; there is no undo. Run the command with --yes to do it." in " ".join(said.split())
    assert space.n_here == n
    (tmp_path / "names.txt").write_text("\n".join(names))
    told = json.loads(run("remove", "--file", tmp_path / "names.txt", "--reason", "r1", "--yes", "-w", folder, "--json").stdout)
    assert told["removed"] == 2
    assert space.n_here == n - 2
    assert [removal.reason for removal in space.catalog.removals.all()] == ["r1", "r1"]
    assert len(space.catalog.removals.to_erase()) == 0
    again = " ".join(run("remove", names[0], "--yes", "-w", folder, code=1).output.split())
    assert "There is no image to remove" in again


def test_a_server_goes_on_with_what_a_killed_command_has_left(small):
    with Workspace(small) as space:
        gone = Removal(3, "2026-01-01T00:00:00.000000+00:00", "ann", "", None, 0, erased=False)
        space.take_out([gone])
        image_id = space.image_id(3)
        assert space.thumbnails.get(image_id)
    server = start(Settings(workspace=small, analyst="ann"))
    try:
        wait_for(lambda: not len(server.workspace.catalog.removals.to_erase()))
        assert server.workspace.thumbnails.get(image_id) is None
    finally:
        stop(server)
