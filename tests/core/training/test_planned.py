"""A training that is asked for by a preset's name is the one that the command trains; its time is told by runs like it."""

import json
from dataclasses import replace

import pytest
import torch

from core.errors import InputError
from core.jobs.model import TrainArguments
from core.training.planned import expected_seconds, free_name, pace_here, planned
from core.training.presets import FOR_GPUS, PRESETS, USUAL, preset, settings_of
from core.training.runs import FIGURES, RunRecord, RunState
from core.training.trial import batch_of
from core.workspace import Workspace


@pytest.fixture
def space(small):
    with Workspace(small, read_only=True) as space:
        yield space


@pytest.mark.parametrize("name", PRESETS)
def test_the_job_has_the_settings_of_the_preset_for_so_many_images(space, name):
    asked = TrainArguments.model_validate(planned(space, name, weights="mine", epochs=7))
    assert preset("tiny-64", asked.settings) == preset(name, {"epochs": 7}, n_images=48)  # as the job reads them
    assert asked.images == 48
    assert asked.out == str(space.folder / "models" / "mine.safetensors")
    assert (asked.resume, asked.device) == (False, "auto")
    assert planned(space, name, weights="mine")["settings"]["epochs"] == PRESETS[name].epochs


@pytest.mark.parametrize(
    ("name", "weights", "epochs", "words"),
    [
        ("huge", "mine", 1, "There is no preset 'huge'; choose"),
        (USUAL, "", 1, "Weights are named with letters, digits, - and _, 60 at most; got ''"),
        (USUAL, "../mine", 1, "got '../mine'"),
        (USUAL, "-mine", 1, "got '-mine'"),
        (USUAL, "m" * 61, 1, "60 at most"),
        (USUAL, "mine", 0, "passes 1 to 1,000,000 times over the images, got 0"),
        (USUAL, "mine", 1_000_001, "got 1,000,001"),
        (USUAL, "taken", 1, "There are weights named 'taken' already; choose another name, such as msn"),
        (USUAL, "begun", 1, "There are weights named 'begun' already"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(space, name, weights, epochs, words):
    models = space.folder / "models"
    models.mkdir(exist_ok=True)
    (models / "taken.safetensors").touch()
    (models / "begun.state").touch()
    with pytest.raises(InputError, match=words):
        planned(space, name, weights=weights, epochs=epochs)


def test_a_name_is_suggested_that_no_weights_and_no_run_that_has_begun_has(space):
    models = space.folder / "models"
    models.mkdir(exist_ok=True)
    assert free_name(space) == "msn"
    (models / "msn.safetensors").touch()
    (models / "msn-2.state").touch()
    assert free_name(space) == "msn-3"


def record(settings, paces, name="run"):
    nothing = dict.fromkeys(FIGURES, [0.0] * len(paces))
    figures, step = nothing | {"images_per_second": paces}, list(range(len(paces)))
    kept = json.loads(json.dumps(settings))  # as a run's file brings them back
    return RunRecord(name, RunState.FINISHED, kept, figures, step, 9, collapsed=False, views=None, tile=0)


def test_time_is_told_by_the_newest_run_of_such_a_network_and_by_no_other():
    mine = settings_of(preset("tiny-64", {"epochs": 3, "batch_size": 64}))
    runs = [
        record(settings_of(PRESETS["tiny-32"]), [500.0]),
        record(mine, []),  # has only begun
        record(mine, [1.0, 20.0, 22.0]),  # the first step is slow
        record(mine, [90.0]),
    ]
    assert expected_seconds("tiny-64", 10, 2_000, runs) == 1_000
    assert expected_seconds("small-224", 10, 2_000, runs) is None
    assert expected_seconds("tiny-64", 10, 2_000, []) is None
    deeper = record(settings_of(preset("tiny-64", {"architecture.depth": 2})), [90.0])
    assert expected_seconds("tiny-64", 10, 2_000, [deeper]) is None
    broken = replace(record({}, [90.0]), state=RunState.BROKEN)
    assert expected_seconds("tiny-64", 10, 2_000, [broken]) is None


def test_the_pace_of_a_preset_is_measured_in_a_process_of_its_own():
    assert pace_here("tiny-32", device="cpu") > 0
    with pytest.raises(InputError, match="There is no preset 'huge'"):
        pace_here("huge", device="cpu")


def test_measured_steps_are_small_on_a_cpu_and_real_ones_on_a_gpu():
    sizes = {name: batch_of(config, torch.device("cpu")) for name, config in PRESETS.items()}
    assert sizes == {"tiny-32": 125, "tiny-64": 31, "small-64": 26, "small-224": 2}
    assert batch_of(PRESETS["small-224"], torch.device("cuda")) == 1_024


def test_presets_that_are_named_apart_exist():
    assert {USUAL, *FOR_GPUS} <= set(PRESETS)
