"""The Experiment page without a browser: what can be started, and what is offered when."""

import shutil
from dataclasses import replace

import pytest

from core.labels.class_edits import ClassEdit, edit_classes
from core.study.run import Experiment, ExperimentConfig, run_experiment
from core.workspace import Workspace
from dashboard.choices import PageName
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.experiment import NOTHING, UNFINISHED, ExperimentPage
from tests.dashboard.direct import Direct


@pytest.fixture(scope="module")
def studied(demo_400, tmp_path_factory):
    """A workspace with known answers, and a finished study of two seeds."""
    folder = shutil.copytree(demo_400, tmp_path_factory.mktemp("experiment") / "w")
    config = ExperimentConfig("label", ("copyright",), ("random", "diverse"), (10,), 2, ("encoder",))
    with Workspace(folder, read_only=True) as space:
        yield space, run_experiment(space, config, workers=1)


class Tab(Direct):
    def follow_runs(self, topic, on): ...


@pytest.fixture
def page(studied):
    space, _ = studied
    state = SessionState(workspace=space, shared=Shared(space), page=PageName.EXPERIMENT, studies=[])
    return ExperimentPage(state=state, actions=Tab(state, None))


def test_a_study_starts_only_when_something_counts_as_flagged(page):
    assert page._flagged.value == ["footwear"]  # the workspace's flagged class, read from the column
    assert not page._start.disabled
    page._flagged.value = []
    assert page._start.disabled
    assert page._words.object == NOTHING


def test_answers_that_were_classes_under_another_name_count_as_flagged_and_a_choice_stays(demo_400, tmp_path):
    with Workspace(shutil.copytree(demo_400, tmp_path / "w")) as space:
        edits = [ClassEdit(c.name, c.name.replace("footwear", "shoes"), c.colour, c.key, c.flagged) for c in space.classes]
        edit_classes(space, edits, analyst="ann")
        state = SessionState(workspace=space, shared=Shared(space), page=PageName.EXPERIMENT, studies=[])
        page = ExperimentPage(state=state, actions=Tab(state, None))
        assert page._flagged.value == ["footwear"]
        page._flagged.value = ["copyright"]
        state.images += 1
        assert page._flagged.value == ["copyright"]


def test_the_report_is_offered_when_every_task_is_done_and_the_page_says_so_before(page, studied):
    _, whole = studied
    half: Experiment = replace(whole, done=1)
    page.state.param.update(studies=[half], studying=True)
    assert f"<b>1 of {whole.total}</b> tasks done, running. {UNFINISHED}" in page._words.object
    assert (page._save.button.visible, page._save.button.disabled) == (True, True)
    page.state.param.update(studies=[whole], studying=False)
    assert not page._save.button.disabled
    assert "tasks done" not in page._words.object


def test_charts_are_made_off_the_event_loop_and_those_of_a_study_left_since_are_dropped(page, studied, monkeypatch):
    _, whole = studied
    late = []
    monkeypatch.setattr(page.actions, "fetch", lambda read, show, **_: late.append((read, show)))
    half: Experiment = replace(whole, done=1)
    page.state.param.update(studies=[half], studying=True)
    page.state.param.update(studies=[whole], studying=False)
    (read_half, show_half), (read_whole, show_whole) = late
    assert page._charts.objects == []  # nothing is made before a thread has made it
    show_whole(read_whole())
    shown = page._words.object
    show_half(read_half())
    assert len(page._charts.objects) > 0
    assert page._words.object == shown
    assert "tasks done" not in shown
