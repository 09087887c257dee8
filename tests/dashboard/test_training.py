"""The Training page without a browser: what the form starts and refuses, and what finished weights offer."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.assets import ASSETS
from core.catalog.jobs import JobRecord, JobState
from core.encoders.chosen import encoders
from core.encoders.embed import embed
from core.encoders.encoder import load_encoder, name_of_weights
from core.training.planned import planned
from core.training.presets import PRESETS, settings_of
from core.training.runs import FIGURES, RunRecord, RunState
from core.workspace import Workspace
from dashboard.actions import studies
from dashboard.shared import Shared
from dashboard.state import SessionState
from dashboard.views.encoders import EncoderChoice
from dashboard.views.training import title
from dashboard.views.training_form import MEASURE, TOLD, TrainingForm
from dashboard.views.weights import EMBED, USE, TrainedWeights
from tests.dashboard.direct import Direct

RUN = RunRecord("run", RunState.FINISHED, {}, {name: [] for name in FIGURES}, [], 0, collapsed=False, views=None, tile=0)


class Jobs:
    """Keeps what is added."""

    def __init__(self, space):
        self.space, self.added = space, []

    def newest(self):
        return self.added[::-1]

    def add(self, kind, arguments, analyst):
        self.space.need_writable()
        self.added.append(JobRecord(len(self.added) + 1, kind, dict(arguments), analyst, JobState.QUEUED, 0, ""))
        return self.added[-1]


@pytest.fixture
def open_tab():
    """Open a tab of a workspace; several share its jobs if they are given."""

    def open_tab(space, jobs=None):
        state = SessionState(workspace=space, shared=Shared(space), analyst="ann", training=[])
        actions = Direct(state, None)
        actions._server.jobs = jobs or Jobs(space)
        return SimpleNamespace(state=state, actions=actions, jobs=actions._server.jobs)

    return open_tab


def form_of(tab):
    return TrainingForm(state=tab.state, actions=tab.actions)


def press(form):
    form._start.param.trigger("clicks")


# -- the form --


def test_the_form_starts_what_the_command_would_and_then_waits_for_its_end(fresh, open_tab):
    tab = open_tab(fresh)
    form = form_of(tab)
    assert not form._start.disabled
    assert not form._refusal.visible
    expected = planned(fresh, "tiny-64", weights="msn")
    press(form)
    (job,) = tab.jobs.added
    assert (job.kind, job.arguments, job.analyst) == ("train", expected, "ann")
    assert tab.state.message == "The training of msn has begun; it is among the jobs."
    assert form._start.disabled
    tab.state.jobs = tab.jobs.newest()
    assert "Job 1 waits to train an encoder already; wait until it ends, or cancel it under Jobs." in form._refusal.object
    tab.state.jobs = [replace(job, state=JobState.RUNNING)]
    assert "Job 1 trains an encoder already" in form._refusal.object
    tab.state.jobs = [replace(job, state=JobState.CANCELLED)]
    assert not form._start.disabled
    assert not form._refusal.visible


def test_what_is_chosen_is_what_is_trained(fresh, open_tab):
    tab = open_tab(fresh)
    form = form_of(tab)
    form._preset.value = "tiny-32"
    form._epochs.value = "3"
    form._name.value = "mine"
    press(form)
    settings = tab.jobs.added[0].arguments["settings"]
    assert settings == settings_of(PRESETS["tiny-32"]) | {"epochs": 3, "batch_size": 64}  # halved for few images
    assert tab.jobs.added[0].arguments["out"].endswith("/models/mine.safetensors")


def test_of_two_windows_only_the_first_begins(fresh, open_tab):
    first = open_tab(fresh)
    second = open_tab(fresh, first.jobs)
    forms = form_of(first), form_of(second)
    for form in forms:  # before either has heard of the other's job
        press(form)
    assert len(first.jobs.added) == 1
    assert "Job 1 waits to train an encoder already" in second.state.message
    assert second.state.message_is_error


def test_what_cannot_be_trained_is_said_and_can_be_mended(fresh, open_tab):
    tab = open_tab(fresh)
    form = form_of(tab)
    for name, said in (("../mine", "Weights are named with letters"), ("", "got ''")):
        form._name.value = name
        press(form)
        assert said in tab.state.message
        assert not form._start.disabled
    form._name.value = "mine"
    for passes in ("", "many", "2.5", "100%", "1,00", "-1", "1e308", "inf"):
        form._epochs.value = passes
        press(form)
        assert tab.state.message_is_error
        assert not form._start.disabled
    form._epochs.value = "2.5"
    press(form)
    assert tab.state.message == "Passes over the images are a whole number, such as 100; got '2.5'."
    for passes in ("0", "1000001", "1,000,001"):
        form._epochs.value = passes
        press(form)
        assert "passes 1 to 1,000,000 times over the images" in tab.state.message
    form._epochs.value = "3"
    form._preset.param.update(options=["huge"], value="huge")  # as a browser might send it
    press(form)
    assert "There is no preset 'huge'" in tab.state.message
    assert tab.jobs.added == []


def test_why_no_training_can_begin_is_said_beside_the_button(fresh, open_tab, tmp_path):
    with Workspace.create(tmp_path / "empty", salt="none") as empty:
        form = form_of(open_tab(empty))
        assert form._start.disabled
        assert "Training needs at least 2 images, got 0; add some first." in form._refusal.object
    with Workspace(fresh.folder, read_only=True) as read_only:
        tab = open_tab(read_only)
        form = form_of(tab)
        assert form._start.disabled
        assert form._refusal.visible
        press(form)
        assert tab.state.message_is_error
        assert tab.jobs.added == []


def test_a_free_name_is_suggested_and_what_was_typed_stays(fresh, open_tab):
    tab = open_tab(fresh)
    form, typed = form_of(tab), form_of(tab)
    typed._name.value = "mine"
    (fresh.folder / "models").mkdir(exist_ok=True)
    (fresh.folder / "models" / "msn.state").touch()
    tab.state.training = [RUN]
    assert form._name.value == "msn-2"
    assert typed._name.value == "mine"


def test_each_preset_is_told_in_plain_words_with_its_time_only_where_it_was_measured(fresh, open_tab):
    assert list(TOLD) == list(PRESETS)
    tab = open_tab(fresh)
    form = form_of(tab)
    for name, config in PRESETS.items():
        form._preset.value = name
        assert f"{config.architecture.input_size} px" in form._told.object
        assert form._epochs.value == str(config.epochs)
        assert ("made for GPUs" in form._told.object) == name.startswith("small")
        assert "it takes about" not in form._told.object
    form._preset.value = "tiny-32"
    pace = {"images_per_second": [2.0]}
    tab.state.training = [replace(RUN, settings=settings_of(PRESETS["tiny-32"]), figures=pace, step=[1])]
    assert "At the pace of the last such training it takes about 10 min." in form._told.object
    form._epochs.value = " 5"
    assert "it takes about 30 s." in form._told.object
    form._preset.value = "tiny-64"
    assert form._epochs.value == " 5"  # a person has chosen it
    assert "it takes about" not in form._told.object


def test_time_is_measured_when_a_person_asks_and_told_of_that_preset_only(fresh, open_tab, monkeypatch):
    tab, asked = open_tab(fresh), []
    monkeypatch.setattr(studies, "pace_here", lambda name, *, device: asked.append((name, device)) or 2.0)
    form = form_of(tab)
    form._measure.param.trigger("clicks")
    assert asked == [("tiny-64", fresh.device)]
    assert "Some steps measured just now: it takes about 10 min." in form._told.object
    assert (form._measure.label, form._measure.disabled) == (MEASURE, False)
    form._preset.value = "tiny-32"
    assert "it takes about" not in form._told.object
    late = []
    monkeypatch.setattr(tab.actions, "measure_training", lambda preset, done, failed: late.append((done, failed)))
    form._measure.param.trigger("clicks")
    assert (form._measure.label, form._measure.disabled) == ("Measuring…", True)
    form._preset.value = "small-64"
    done, _ = late.pop()
    done(6.0)
    assert "it takes about" not in form._told.object
    form._preset.value = "tiny-32"
    assert "it takes about 3 min." in form._told.object
    form._measure.param.trigger("clicks")
    _, failed = late.pop()
    failed()
    assert not form._measure.disabled


# -- the weights --


@pytest.fixture
def weights(fresh):
    """Weights as a training writes them."""
    (fresh.folder / "models").mkdir(exist_ok=True)
    return shutil.copy(ASSETS / "msn-demo.safetensors", fresh.folder / "models" / "mine.safetensors")


def card_of(tab, record):
    card = TrainedWeights(state=tab.state, actions=tab.actions)
    card.show(record)
    return card


def asked_and_agreed(card):
    """Press the button and say yes; return what was asked."""
    card._button.param.trigger("clicks")
    ask = card._ask
    assert ask.open
    said = " ".join(sentence for part in ask.paragraphs for sentence in part["sentences"])
    ask._handle_msg({"number": ask.number, "go": True, "option": "", "text": ""})
    return f"{ask.heading} {said}"


def test_weights_are_embedded_with_once_a_person_has_agreed(fresh, open_tab, weights):
    tab = open_tab(fresh)
    card = card_of(tab, replace(RUN, out=str(weights)))
    assert card._layout.visible
    assert (card._button.label, card._button.disabled) == (EMBED, False)
    said = asked_and_agreed(card)
    assert said.startswith("Embed 12 images with mine?")
    assert "the map is laid out anew, and scores are computed anew" in said
    assert "Labels, readings of the check set and operating points stay." in said
    (job,) = tab.jobs.added
    assert (job.kind, job.arguments) == ("embed", {"encoder": str(weights), "lay_out": True})
    tab.state.jobs = [replace(job, state=JobState.RUNNING, stage="Embedding", done=3, total=12)]
    assert "Embedding: 3 of 12" in card._words.object
    assert card._button.disabled


def test_weights_that_are_in_use_offer_nothing_and_others_that_are_embedded_can_be_used(fresh, open_tab, weights, monkeypatch):
    name = embed(fresh, str(weights), device="cpu")["encoder"]
    assert name == name_of_weights(weights) == load_encoder(str(weights), device="cpu").name
    tab = open_tab(fresh)
    card = card_of(tab, replace(RUN, out=str(weights)))
    assert card._button.label == EMBED  # the map is still to be laid out
    mapped = [{**known, "mapped": 12} for known in encoders(fresh)]
    monkeypatch.setattr(tab.state.shared, "encoders", lambda: mapped)
    monkeypatch.setattr(type(fresh), "has_map", True)
    tab.state.layout = (name, 1)
    assert "In use" in card._words.object
    assert not card._button.visible
    tab.state.encoder = "another"
    assert (card._button.label, card._button.visible) == (USE, True)
    used = []
    tab.actions.use_encoder = lambda name, *, failed: used.append((name, failed))
    card._button.param.trigger("clicks")
    [(chosen, failed)] = used
    assert (chosen, card._button.disabled) == (name, True)
    failed()
    assert not card._button.disabled  # it can be tried again


def test_only_finished_runs_whose_weights_can_be_read_offer_them(fresh, open_tab, weights):
    tab = open_tab(fresh)
    for state in (RunState.RUNNING, RunState.STOPPED, RunState.FAILED, RunState.BROKEN):
        assert not card_of(tab, replace(RUN, out=str(weights), state=state))._layout.visible
    assert not card_of(tab, RUN)._layout.visible  # of an older version, which does not say where they are
    assert not card_of(tab, None)._layout.visible
    shutil.move(weights, f"{weights}.away")
    card = card_of(tab, replace(RUN, out=str(weights)))
    assert "There is no file" in card._words.object
    assert not card._button.visible


def test_what_was_read_of_another_run_is_not_shown(fresh, open_tab, weights):
    tab, late = open_tab(fresh), []
    tab.actions.fetch = lambda read, show, **_: late.append((read, show))
    card = card_of(tab, replace(RUN, out=str(weights)))
    card.show(None)
    for read, show in late:
        show(read())
    assert not card._layout.visible


# -- beside what there was --


def test_the_encoder_in_use_can_be_seen_before_it_has_a_map_and_none_is_chosen_by_itself(fresh, open_tab, monkeypatch):
    tab, chosen = open_tab(fresh), []
    tab.actions.use_encoder = chosen.append
    old, new = ({"name": name, "record": {}, "embedded": 12, "mapped": 12, "current": False} for name in ("old", "new"))
    known = [old]
    monkeypatch.setattr(tab.state.shared, "encoders", lambda: known)
    tab.state.encoder = "old"
    choice = EncoderChoice(state=tab.state, actions=tab.actions)
    assert not choice._select.visible
    known.append({**new, "mapped": 0})
    tab.state.encoder = "new"
    assert (choice._select.options, choice._select.value, choice._select.visible) == (["old", "new"], "new", True)
    known[1] = new
    tab.state.layout = ("new", 1)
    assert (choice._select.options, choice._select.value) == (["old", "new"], "new")
    assert chosen == []
    choice._select.value = "old"
    assert chosen == ["old"]


def test_a_run_is_named_by_its_weights_and_when_it_started():
    run = replace(RUN, name="20261129-111133-077024", out="/w/models/mine.safetensors")
    assert title(run, "Europe/Paris") == "mine · 2026-11-29 12:11:33"
    assert title(replace(run, out=""), "UTC") == "2026-11-29 11:11:33 UTC"
    assert title(replace(run, name="best"), "UTC") == "best"
