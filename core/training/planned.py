"""Trainings that a person asks for by the name of a preset: what the job is given, how long it takes, where its weights go."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

from core.arrays import JsonObject
from core.errors import InputError
from core.training.presets import preset, settings_of
from core.training.runs import RunRecord
from core.workers import NICE, Workers
from core.workspace import Workspace

FIRST_NAME = "msn"
MOST_EPOCHS = 1_000_000
MODELS = "models"  # folder of the workspace
TRIAL_SECONDS = 60.0  # at most, on a machine that does much besides: other slow work of the page waits for it
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
WITHOUT_COST = ("epochs", "batch_size", "seed", "learning_rate", "warmup", "weight_decay", "ema")  # an image takes as long


def free_name(workspace: Workspace) -> str:
    """Return a name for weights that no file of the workspace has: msn, msn-2 and so on."""
    number = 1
    while _taken(workspace.folder / MODELS, name := FIRST_NAME if number == 1 else f"{FIRST_NAME}-{number}"):
        number += 1
    return name


def planned(workspace: Workspace, name: str, *, weights: str, epochs: int | None = None) -> JsonObject:
    """Return the arguments of the job that trains by a preset, on the images there are.

    Args:
        name: of the preset.
        weights: name of the file, without its suffix, in the folder `models` of the workspace.
        epochs: None for the preset's.
    Raises:
        InputError: if there is no such preset, it cannot run so often, or the weights cannot have this name.
    """
    if not NAME.fullmatch(weights):
        raise InputError(f"Weights are named with letters, digits, - and _, 60 at most; got '{weights[:60]}'.")
    if _taken(workspace.folder / MODELS, weights):
        raise InputError(f"There are weights named '{weights}' already; choose another name, such as {free_name(workspace)}.")
    if epochs is not None and not 1 <= epochs <= MOST_EPOCHS:
        raise InputError(f"A training passes 1 to {MOST_EPOCHS:,} times over the images, got {epochs:,}.")
    overrides = {} if epochs is None else {"epochs": epochs}
    config = preset(name, overrides, n_images=workspace.n_here)
    out = workspace.folder.resolve() / MODELS / f"{weights}.safetensors"
    return {"settings": settings_of(config), "images": workspace.n_here, "out": str(out)}


def _taken(folder: Path, name: str) -> bool:
    return any((folder / f"{name}{suffix}").exists() for suffix in (".safetensors", ".state"))


def pace_here(name: str, *, device: str = "auto") -> float:
    """Return how many images a second a preset trains on, measured in a process of its own as a job's would be.

    Raises:
        InputError: if there is no such preset.
    """
    preset(name)
    with Workers(1, seconds=TRIAL_SECONDS, memory=None, nice=NICE) as pool:
        found: float = pool.submit(trial, name, device).result()
    return found


def trial(name: str, device: str) -> float:
    """Measure in this process; importing what is measured takes seconds."""
    from core.training.trial import images_per_second

    return images_per_second(name, device)


def expected_seconds(name: str, epochs: int, n_images: int, runs: Iterable[RunRecord]) -> float | None:
    """Return how long a training would take at the pace of the newest run with such a network and views; None without one."""
    wanted = _cost(settings_of(preset(name)))
    for run in runs:
        paces = [pace for pace in run.figures.get("images_per_second", []) if pace > 0]  # NaN is not
        if paces and _cost(run.settings) == wanted:
            return epochs * n_images / median(paces)
    return None


def _cost(settings: Mapping[str, object]) -> JsonObject:
    """Return the settings that the time of an image depends on, as JSON brings them back."""
    known = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
    return {name: value for name, value in known.items() if name not in WITHOUT_COST}
