"""The event loop only draws: no query, no file, no long computing on it, whatever is opened and whatever is done there."""

import base64
import json
import threading

import numpy as np
import pytest
import sqlalchemy as sa

from core.embeddings.matrix import write_part
from core.evidence import check_sets
from core.labels.bulk import SpotCheckResult
from core.study.run import ExperimentConfig, run_experiment
from core.training.runs import FIGURES, RunLog
from dashboard.app import start, stop
from dashboard.choices import ColourBy, PageName
from dashboard.choices import Tab as TabName
from dashboard.hub import Topic
from dashboard.inputs import Press
from dashboard.settings import Settings
from dashboard.views.experiment import ExperimentPage
from dashboard.views.history import HistoryPage
from dashboard.views.operating import OperatingPage
from dashboard.views.training import TrainingPage
from tests.dashboard.loop import CORE, EventLoop, Tab, watching
from tests.waiting import wait_for
from tests.worlds import made, read, teach

N = 30_000  # images: what walks all of them on the loop is found out


def fill(folder):
    """Make a workspace in which every page has something to show: a map, an opening, two training runs, a study."""
    with made(folder, n=N) as space:
        teach(space, 300, np.random.default_rng(1))
        read(space, 150)
        read(space, 40, "live")
        check_sets.open_check_set(space, analyst="ann")
        (folder / "projection").mkdir()
        np.save(folder / "projection" / "map.npy", space.matrix.take(np.arange(N))[:, :2])
        record = {"seed": 0, "trustworthiness": None}
        space.catalog.models.add_projection("made", N, "projection/map.npy", record)
        part = write_part(folder / "embeddings" / "other", 0, space.matrix.take(np.arange(N)))
        space.catalog.models.add_encoder("other", 8, {})
        space.catalog.models.add_part("other", 0, 0, N, str(part.relative_to(folder)))
        space.catalog.models.add_projection("other", N, "projection/map.npy", record)
        config = ExperimentConfig("label", ("explicit",), ("random",), (10, 20), 2, ("encoder",))
        run_experiment(space, config, workers=1, stop=lambda: True)
    for _ in range(2):
        train(RunLog(folder / "training", {"batch_size": 10}, out=folder / "m.safetensors"), range(1, 40))


def train(log, steps):
    for step in steps:
        log.add(dict.fromkeys(FIGURES, 1.0 / step) | {"step": step, "steps": 100, "collapsed": False})


@pytest.fixture(scope="module")
def server(built_once):
    server = start(Settings(workspace=built_once("loop", fill), analyst="ann"))
    yield server
    stop(server)


@pytest.fixture(scope="module")
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


def show(tab, /, **where):
    tab.do(lambda: tab.state.param.update(**where))
    tab.settle()


def key(tab, name):
    """Press a key where the tab's place is, with its picture on the screen."""
    place = tab.state.place
    tab.do(lambda: tab.page._on_key(Press(key=name, place=place, shown=frozenset(place.split("/")))))
    tab.settle()


def test_a_whole_visit_only_draws_on_the_event_loop(loop, server):
    space = server.workspace
    n_before = space.labels.n_labelled
    with watching(loop) as watch:
        tab = Tab(loop, server)
        tab.settle()
        for name in TabName:
            show(tab, tab=name)
        for name in PageName:
            show(tab, page=name)
        follow_runs(tab, space.folder)
        move_the_handle(tab)
        label_in_every_way(tab, space)
        hear_of_others(tab)
        spot_check_more(tab)
        tab.close()
    assert space.labels.n_labelled > n_before + 3_000
    assert watch.found == [], "\n".join(watch.found)


def test_escape_closes_an_error_first_and_then_what_lies_under_it(loop, server):
    tab = Tab(loop, server)
    show(tab, pinned=3, message="That failed.", message_is_error=True)
    key(tab, "Escape")
    assert (tab.state.message, tab.state.pinned) == ("", 3)
    key(tab, "Escape")
    assert tab.state.pinned is None
    show(tab, page=PageName.HISTORY, message="That failed.", message_is_error=True)
    key(tab, "Escape")
    assert tab.state.message == ""
    tab.close()


def follow_runs(tab, folder):
    """See a training run and a study while their files grow."""
    log = RunLog(folder / "training", {"batch_size": 10}, out=folder / "m.safetensors")
    show(tab, page=PageName.TRAINING)
    page = tab.pane(TrainingPage)
    log.show_views([[np.zeros((8, 8, 3), np.uint8)] * 2])
    train(log, range(1, 4))
    wait_for(lambda: "step 3 of 100" in page._words.object and page._views.object)
    show(tab, privacy_view="grey")
    show(tab, page=PageName.EXPERIMENT)
    page = tab.pane(ExperimentPage)
    wait_for(lambda: "1 of 2</b> tasks done" in page._words.object)
    assert page._flagged.options == ["explicit", "neutral"]
    (results,) = folder.glob("experiments/*/results.jsonl")
    task = json.loads(results.read_text())
    with results.open("a") as file:
        file.write(json.dumps([line | {"seed": 1 - line["seed"]} for line in task]) + "\n")
    wait_for(lambda: page._save.button.visible and not page._save.button.disabled)
    tab.do(page._save.button._handle_click)
    wait_for(lambda: page._save.button.data)
    assert b"Label efficiency" in base64.b64decode(page._save.button.data.partition("base64,")[2])


def move_the_handle(tab):
    show(tab, page=PageName.OPERATING)
    page = tab.pane(OperatingPage)
    for place in (0.1, 0.2, 0.3):
        tab.do(lambda place=place: setattr(page._histogram._handle, "location", place))
    wait_for(lambda: page._typed.value == "0.3")


def label_in_every_way(tab, space):
    """Label a few, many after a spot check, the pinned one, what is suggested and what is read in Check; then undo."""
    teach_half = np.flatnonzero(~space.is_check)
    said: list[str] = []
    tab.do(lambda: tab.state.param.watch(lambda event: said.append(event.new), "message"))
    show(tab, page=PageName.MAP, tab=TabName.SELECTION)
    show(tab, selected=teach_half[:3])
    key(tab, "2")
    show(tab, selected=teach_half[4_000:8_000])
    key(tab, "1")
    assert tab.state.spot_check is not None
    nothing = np.array([], np.int64)
    tab.do(
        lambda: tab.page.actions.end_spot_check(SpotCheckResult(tab.state.spot_check.shown, nothing, None), left_out=nothing)
    )
    tab.settle()
    assert tab.state.message.startswith("Labelled 4,000 'neutral'")
    show(tab, selected=nothing)
    show(tab, pinned=int(teach_half[9_000]))
    key(tab, "2")
    show(tab, pinned=None)
    for name in (TabName.SUGGESTIONS, TabName.CHECK):
        show(tab, tab=name)
        before = space.labels.version
        key(tab, "2")
        if space.labels.version == before:  # a reading that contradicts a label is saved when it is given twice
            assert tab.state.place.endswith("/again"), said
            key(tab, "2")
        assert space.labels.version > before, said
    key(tab, "z")
    assert any(sentence.startswith("Undone") for sentence in said), said


def spot_check_more(tab):
    """Ask the History page for more images of the bulk label."""
    show(tab, page=PageName.HISTORY)
    page = tab.pane(HistoryPage)
    seq = next(entry["seq"] for entry in page._list.entries if entry["spot_check"])
    tab.do(lambda: page._on_verb("spot_check", seq))
    wait_for(lambda: tab.state.spot_check is not None)


def hear_of_others(tab):
    """Be told what other windows and the server's workers have done, and look at it in other colours."""
    for topic in (Topic.LABELS, Topic.FITTED, Topic.ENCODER, Topic.CLUSTERS, Topic.OPENINGS):
        tab.do(lambda topic=topic: tab.page.actions.follow({topic: None}))
        tab.settle()
    show(tab, show_gold=True)
    wait_for(lambda: any(curve.key == "gold" for curve in tab.state.curves))
    for colour_by in ColourBy:
        show(tab, colour_by=colour_by)
    tab.do(lambda: tab.page._desk.map._tip(7, 1.0, 1.0))
    wait_for(lambda: tab.page._desk.map.overlay.tip)
    tab.do(lambda: tab.page.actions.use_encoder("other"))
    wait_for(lambda: tab.state.encoder == "other")


@pytest.mark.parametrize("what", ["a query", "a file", "computing"])
def test_the_watch_finds_what_does_not_belong_on_the_event_loop_and_spares_other_threads(loop, tmp_path, what):
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
    (tmp_path / "log").write_text("x")
    source = "import time\ndef f():\n    end = time.thread_time() + 0.03\n    while time.thread_time() < end: pass\nf()"
    slow = compile(source, CORE + "slow.py", "exec")
    offend = {
        "a query": lambda: engine.connect().exec_driver_sql("SELECT 1").close(),
        "a file": (tmp_path / "log").read_text,
        "computing": lambda: exec(slow, {}),
    }[what]
    with watching(loop) as watch:
        thread = threading.Thread(target=offend)
        thread.start()
        thread.join()
        assert watch.found == [], "\n".join(watch.found)
        loop.pool.submit(offend).result()
    engine.dispose()
    assert len(watch.found) == 1
