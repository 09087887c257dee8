"""Train two presets for a while from images on the device: images per second and model FLOP utilisation."""

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.drill.clock import Floors, data_sheet_rate
from benchmarks.drill.record import Figure, Recorder
from core.training.config import MsnConfig
from core.training.loop import StepMetrics, train
from core.training.msn import Msn
from core.training.presets import preset
from core.training.views import Chance

PRESETS = ("tiny-64", "small-224")
# In the small drill, steps take about a second on two CPU cores.
SMALL: dict[str, dict[str, object]] = {
    "tiny-64": {"batch_size": 16},
    "small-224": {"batch_size": 2, "architecture.depth": 2},
}
LEAST_BATCH = 64  # below which memory that does not suffice is an error
EPOCH_STEPS = 8
PREPARATION = 25.0  # seconds for imports, models and first steps
COUNTED = 2  # images of the step whose operations are counted
LOG_STEPS = 20  # between two readings of the clock; 1 in the small drill


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Train each preset for its share of the budget (s), at most a minute (five seconds in the small drill)."""
    floors = Floors.of(device)
    span = min(5.0 if small else 60.0, max(1.0, (budget - PREPARATION) / len(PRESETS)))
    for name in PRESETS:
        changed = {"epochs": 1_000_000} | (SMALL[name] if small else {})
        try:
            record.add(name, _figures(preset(name, changed), device, floors, span, log_steps=1 if small else LOG_STEPS))
        except Exception as error:  # the other preset is still trained
            record.fail(name, error)


def _figures(config: MsnConfig, device: torch.device, floors: Floors, span: float, *, log_steps: int) -> Mapping[str, Figure]:
    per_image = operations(config)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    config, watch = _trained(config, device, span, log_steps)
    rate = watch.steps_per_second() * config.batch_size
    sheet = data_sheet_rate(device)
    return {
        "batch": config.batch_size,
        "steps": watch.last.step,
        "images a second": rate,
        "GFLOP an image": per_image / 1e9,
        "MFU of the measured rate": rate * per_image / floors.rate,
        "MFU of the data sheet": rate * per_image / sheet if sheet else "unknown",
        "peak GiB": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else "",
        "loss": watch.last.loss,
    }


def operations(config: MsnConfig) -> float:
    """Return the FLOP of one image in a real training step with its backward pass; they do not depend on the device."""
    side = config.architecture.input_size
    model = Msn(config).train()
    model.use_fused_attention(False)  # plain products, which are all counted
    images = torch.rand(COUNTED, 3, side, side)
    with FlopCounterMode(display=False) as counter:
        loss, _ = model.loss(images, Chance(torch.Generator().manual_seed(0)))
        loss.backward()
    return counter.get_total_flops() / COUNTED


class _Watch:
    """The time of every logged step of a run, and when to end it: `span` seconds after the first."""

    def __init__(self, span: float) -> None:
        self._span, self._logged = span, list[tuple[float, StepMetrics]]()

    @property
    def last(self) -> StepMetrics:
        """The newest logged step."""
        return self._logged[-1][1]

    def log(self, metrics: StepMetrics) -> None:
        """Note a step."""
        if not math.isfinite(metrics.loss):
            raise ValueError(f"The loss of step {metrics.step} is {metrics.loss}.")
        self._logged.append((time.perf_counter(), metrics))

    def over(self) -> bool:
        """Tell whether the time is up and at least two steps were logged."""
        return len(self._logged) >= 2 and time.perf_counter() - self._logged[0][0] >= self._span

    def steps_per_second(self) -> float:
        """Return the rate between the first logged step, after the warm-up, and the last."""
        (start, first), (end, last) = self._logged[0], self._logged[-1]
        return (last.step - first.step) / (end - start)


def _trained(config: MsnConfig, device: torch.device, span: float, log_steps: int) -> tuple[MsnConfig, _Watch]:
    """Train with the preset's batch, halved until it fits the memory."""
    while True:
        watch = _Watch(span)
        try:
            _train(config, device, watch, log_steps)
            return config, watch
        except torch.OutOfMemoryError:
            if config.batch_size // 2 < LEAST_BATCH:
                raise
        config = replace(config, batch_size=config.batch_size // 2)
        torch.cuda.empty_cache()


def _train(config: MsnConfig, device: torch.device, watch: _Watch, log_steps: int) -> None:
    side = config.architecture.input_size
    images = torch.randint(0, 256, (EPOCH_STEPS * config.batch_size, 3, side, side), dtype=torch.uint8, device=device)
    with tempfile.TemporaryDirectory() as folder:
        out, state = Path(folder) / "msn.safetensors", Path(folder) / "msn.state"
        train(images, config, out=out, state=state, device=str(device), log_steps=log_steps, on_step=watch.log, stop=watch.over)
