"""Inboxes of a served workspace: named by a command beside the server, shown in every window, and what arrives comes to all."""

import json

import pytest
from typer.testing import CliRunner

from core.intake import arrivals
from core.jobs import inboxes
from core.jobs.inboxes import InboxState
from dashboard.app import start, stop
from dashboard.cli import app
from dashboard.settings import Settings
from dashboard.views.jobs import JobsPane, inbox_item
from tests.dashboard.loop import EventLoop, Tab
from tests.reading import InProcess
from tests.shared import photo
from tests.waiting import wait_for

N = 48


def run(*words, code=0):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def server(small, monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    monkeypatch.setattr(inboxes, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(arrivals, "SETTLE_SECONDS", 0.3)
    server = start(Settings(workspace=small, analyst="ann"))
    yield server
    stop(server)


def test_fifty_files_dropped_come_to_an_open_window_with_the_state_of_their_folder(server, tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    said = run("inbox", "add", folder, "-w", server.settings.workspace)
    assert said == f"{folder} is an inbox now: while the workspace is served, images that arrive in it are added by themselves."
    assert "is watched already" in run("inbox", "add", folder, "-w", server.settings.workspace, code=1)
    loop = EventLoop()
    tab = Tab(loop, server)
    tab.do(lambda: server.hub.subscribe(tab.document, tab.page.actions.follow))
    wait_for(lambda: server.inboxes.states)
    for i in range(50):
        photo(3_000 + i).save(folder / f"n{i:02d}.png")
    wait_for(lambda: tab.state.grid.n == N + 50)
    tab.settle()
    wait_for(lambda: [state.sentence for state in tab.state.inboxes] == ["Watched: images that arrive are added."])
    pane = tab.do(lambda: JobsPane(state=tab.state, actions=tab.page.actions))
    assert pane._drawer.inboxes == [
        {"folder": str(folder), "said": "Watched: images that arrive are added.", "needs_help": False, "can_stop": False}
    ]
    titles = {job["title"] for job in pane._drawer.jobs}
    assert {"Set the inboxes", "Add images from the inbox"} <= titles
    told = json.loads(CliRunner().invoke(app, ["inbox", "list", "-w", str(server.settings.workspace), "--json"]).stdout)
    assert told == {"inboxes": [{"folder": str(folder), "is_there": True}]}
    assert "is no inbox any more" in run("inbox", "remove", folder, "-w", server.settings.workspace)
    wait_for(lambda: tab.state.inboxes == [])
    tab.close()
    loop.close()


def test_the_page_changes_inboxes_below_the_folder_whose_files_may_be_named(small, monkeypatch, tmp_path):
    monkeypatch.setattr(inboxes, "IDLE_SECONDS", 0.1)
    for name in ("in/new", "in/other", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("x")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "outside")
    run("inbox", "add", tmp_path / "outside", "-w", small)
    server, loop = start(Settings(workspace=small, analyst="ann", intake=tmp_path / "in")), EventLoop()
    try:
        tab = Tab(loop, server)
        tab.do(lambda: server.hub.subscribe(tab.document, tab.page.actions.follow))
        pane = tab.do(lambda: JobsPane(state=tab.state, actions=tab.page.actions))

        def press(verb, folder):
            tab.do(lambda: pane._drawer.param.update(told=""))
            pane._drawer._handle_msg({"verb": verb, "folder": str(folder)})
            wait_for(lambda: pane._drawer.told)
            return pane._drawer.told

        assert pane._drawer.root == str(tmp_path / "in")
        for folder in (tmp_path / "outside", tmp_path / "in" / ".." / "outside", tmp_path / "in" / "link", "/"):
            assert "is not below" in press("watch", folder)
        assert "is not a folder" in press("watch", tmp_path / "in" / "a.txt")
        assert "is not absolute" in press("watch", "new")
        assert "There is no" in press("watch", tmp_path / "in" / "none")
        assert "begins to watch" in press("watch", tmp_path / "in" / "new")
        wait_for(lambda: len(pane._drawer.inboxes) == 2)
        assert {item["folder"]: item["can_stop"] for item in pane._drawer.inboxes} == {
            str(tmp_path / "outside"): False,
            str(tmp_path / "in" / "new"): True,
        }
        pane._drawer._handle_msg({"verb": "unwatch", "folder": str(tmp_path / "outside")})  # a command has set it
        pane._drawer._handle_msg({"verb": "unwatch", "folder": 7})
        assert "stops watching" in press("unwatch", tmp_path / "in" / "new")
        wait_for(lambda: [item["folder"] for item in pane._drawer.inboxes] == [str(tmp_path / "outside")])
        by = {(job.kind, job.analyst) for job in server.jobs.newest()}
        assert ("inboxes", tab.state.analyst) in by
        tab.close()
    finally:
        loop.close()
        stop(server)


def test_a_server_that_reads_no_folders_watches_none_for_the_page(small, tmp_path):
    server, loop = start(Settings(workspace=small, analyst="ann", password="secret words")), EventLoop()
    try:
        tab = Tab(loop, server)
        pane = tab.do(lambda: JobsPane(state=tab.state, actions=tab.page.actions))
        assert pane._drawer.root == ""
        pane._drawer._handle_msg({"verb": "watch", "folder": str(tmp_path)})
        wait_for(lambda: "set LASSOSCOPE_INTAKE" in pane._drawer.told)
        assert server.jobs.newest() == []
        tab.close()
    finally:
        loop.close()
        stop(server)


def test_inboxes_are_set_without_a_server_too(small, tmp_path):
    (tmp_path / "in").mkdir()
    assert run("inbox", "list", "-w", small) == "No folder is watched."
    run("inbox", "add", tmp_path / "in", "-w", small)
    (tmp_path / "in").rmdir()
    assert run("inbox", "list", "-w", small) == f"{tmp_path / 'in'} (not there now)"
    run("inbox", "remove", tmp_path / "in", "-w", small)
    assert "is not watched; watched folders: none." in run("inbox", "remove", tmp_path / "in", "-w", small, code=1)
    assert run("inbox", "list", "-w", small) == "No folder is watched."


@pytest.mark.parametrize(
    ("state", "needs_help"),
    [(InboxState("/i"), False), (InboxState("/i", is_here=False), True), (InboxState("/i", problem="Job 3 failed."), True)],
)
def test_an_inbox_that_needs_help_stands_out(state, needs_help):
    assert inbox_item(state)["needs_help"] == needs_help
