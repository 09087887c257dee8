"""Train Masked Siamese Networks without labels: schedules, collapse gauges, resumable runs, weights as safetensors.

Source: Assran et al. 2022; schedules as in facebookresearch/msn. What a step does follows from seed and step alone.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightly.utils.scheduler import cosine_schedule, cosine_warmup_schedule
from torch import Tensor, nn

from core.arrays import IntArray
from core.backbone import WEIGHTS_FORMAT, read_tensors, save_tensors
from core.devices import pick_device
from core.errors import EncoderError, ShapeError
from core.msn_model import Msn, parameter_groups
from core.msn_model import MsnConfig as MsnConfig

STATE_FORMAT = "lassoscope-msn-state/v1"
COLLAPSED_SPREAD = 0.3  # healthy runs stay at 0.8 to 0.9, one point for all images is 0


@dataclass(frozen=True)
class StepMetrics:
    """How the training stands; a collapse shows in the last two figures and not in the loss."""

    step: int  # steps done
    steps: int  # in all
    epoch: int
    loss: float
    learning_rate: float
    ema: float
    images_per_second: float
    prototypes_used: int  # prototypes nearest to some target of the batch
    spread: float  # embedding std x sqrt(dim): 1 = directions fill the sphere, 0 = one point

    @property
    def collapsed(self) -> bool:
        """Tell whether all images get (nearly) the same embedding or prototype."""
        return self.spread < COLLAPSED_SPREAD or self.prototypes_used < 2


@dataclass(frozen=True)
class Schedule:
    """The values of one step that change over the run."""

    learning_rate: float
    weight_decay: float
    ema: float


@dataclass(frozen=True)
class TrainResult:
    """What a call of `train` came to."""

    steps: int
    finished: bool
    weights: Path


def schedule(config: MsnConfig, step: int, steps: int) -> Schedule:
    """Return learning rate, weight decay and EMA momentum of one step (counted from 0)."""
    warm = max(1, round(config.warmup * steps))
    low, high = config.weight_decay
    rate = cosine_warmup_schedule(step, steps, config.learning_rate, 1e-6, warm, 0.2 * config.learning_rate)
    return Schedule(rate, cosine_schedule(step, steps, low, high), cosine_schedule(step, steps, config.ema, 1.0))


def spread(embeddings: Tensor) -> float:
    """Return the std of (B, D) unit-scaled embeddings x sqrt(D): near 1 on the whole sphere, 0 when collapsed."""
    unit = nn.functional.normalize(embeddings.float(), dim=1)
    return float(unit.std(dim=0).mean() * math.sqrt(unit.shape[1]))


class Trainer:
    """One run: model, optimiser and step count; the order of batches and all chance follow from seed and step alone."""

    def __init__(self, images: Tensor, config: MsnConfig, device: torch.device) -> None:
        self.config, self.device, self.step = config, device, 0
        self.images = images.to(device)
        self.batch_size = min(config.batch_size, len(images))
        self.steps_per_epoch = len(images) // self.batch_size
        self.steps = config.epochs * self.steps_per_epoch
        with torch.random.fork_rng(devices=[]):  # the caller's own chance stays as it was
            torch.manual_seed(config.seed)
            self.model = Msn(config).to(device).train()
        self.optimiser = torch.optim.AdamW(parameter_groups(self.model), lr=config.learning_rate)

    def rows(self, step: int) -> IntArray:
        """Return the images of a step, (batch,) int64: each once an epoch, in an order drawn per epoch."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.config.seed, epoch]).permutation(len(self.images))
        return order[position * self.batch_size : (position + 1) * self.batch_size]

    def take_step(self) -> tuple[float, Tensor]:
        """Learn from one batch; return its loss and targets (B, head_out).

        Raises:
            EncoderError: if the loss is not finite; the model is then as it was before the step.
        """
        now = schedule(self.config, self.step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = now.learning_rate
            group["weight_decay"] = now.weight_decay if group["decays"] else 0.0
        generator = torch.Generator(self.device).manual_seed(self.config.seed * 1_000_003 + self.step)
        batch = self.images[torch.from_numpy(self.rows(self.step)).to(self.device)].float() / 255
        loss, targets = self.model.loss(batch, generator)
        if not math.isfinite(float(loss.detach())):
            raise EncoderError(f"The training diverged at step {self.step:,}; start again with a lower learning rate.")
        self.optimiser.zero_grad()
        loss.backward()
        trained = [p for p in self.model.parameters() if p.requires_grad]
        nn.utils.clip_grad_norm_(trained, self.config.clip)
        self.optimiser.step()
        self.model.update_targets(now.ema)
        self.step += 1
        return float(loss.detach()), targets

    def metrics(self, loss: float, targets: Tensor, images_per_second: float) -> StepMetrics:
        """Describe the step just taken."""
        now, used = schedule(self.config, self.step - 1, self.steps), self.model.prototypes_used(targets)
        return StepMetrics(
            self.step, self.steps, (self.step - 1) // self.steps_per_epoch + 1, loss, now.learning_rate, now.ema,
            images_per_second, used, spread(targets),
        )  # fmt: skip

    def save(self, path: Path) -> None:
        """Write everything needed to go on, whole or not at all; safetensors, as nothing here is ever pickled."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for number, parameter in self._numbered():
            tensors |= {f"optimiser.{number}.{k}": v for k, v in self.optimiser.state[parameter].items()}
        meta = {"format": STATE_FORMAT, "config": self.config.fingerprint(), "step": str(self.step)}
        meta["images"] = str(len(self.images))
        save_tensors(tensors, path, meta)

    def load(self, path: Path) -> None:
        """Go back to a saved state.

        Raises:
            EncoderError: if the file is no state, or one of another run.
        """
        meta, tensors = read_tensors(path)
        if meta.get("format") != STATE_FORMAT:
            raise EncoderError(f"{path} is no saved MSN training; start without --resume.")
        if meta["config"] != self.config.fingerprint() or meta["images"] != str(len(self.images)):
            raise EncoderError(f"{path} belongs to a run with other settings or images; start without --resume.")
        self.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        for number, parameter in self._numbered():
            start = f"optimiser.{number}."
            found = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            # Adam keeps its step count on the CPU and the moments beside the parameter.
            self.optimiser.state[parameter] = {k: v.clone() if k == "step" else v.to(self.device) for k, v in found.items()}
        self.step = int(meta["step"])

    def _numbered(self) -> Iterator[tuple[int, nn.Parameter]]:
        return enumerate(p for group in self.optimiser.param_groups for p in group["params"])


def train(
    images: np.ndarray[Any, Any] | Tensor,
    config: MsnConfig,
    *,
    out: Path,
    state: Path | None = None,
    resume: bool = False,
    about: Mapping[str, str] | None = None,
    device: str = "auto",
    checkpoint_epochs: int = 5,
    log_steps: int = 20,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    on_checkpoint: Callable[[Msn, int], None] = lambda model, step: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train a backbone on images without labels.

    Args:
        images: (N, 3, S, S) uint8, S the architecture's input size; at least 2.
        config: the run.
        out: weights are written here at every checkpoint and at the end (`save_weights`).
        state: where the run is kept so that it can go on; written at every checkpoint and on interruption.
        resume: go on from `state` if it is there.
        about: metadata to keep with the weights: data, licence, commit.
        device: "auto", "cpu" or "cuda".
        checkpoint_epochs: epochs between two checkpoints.
        log_steps: steps between two calls of `on_step`.
        on_step: told how the training stands.
        on_checkpoint: given the model and the steps done after each checkpoint.
        stop: asked after each step; True ends the call early, with the state kept.
    Returns:
        how far it came.
    Raises:
        ShapeError: if the images have another shape.
        EncoderError: if the state belongs to another run, or the training diverged.
        KeyboardInterrupt: passed on after the state was written.
    """
    images = torch.as_tensor(images)
    side = config.architecture.input_size
    if images.dtype != torch.uint8 or images.shape[1:] != (3, side, side) or len(images) < 2:
        raise ShapeError(
            f"MSN needs (N>=2, 3, {side}, {side}) uint8 images, got {tuple(images.shape)} {images.dtype}; resize them."
        )
    trainer = Trainer(images, config, pick_device(device))
    if resume and state is not None and state.exists():
        trainer.load(state)

    def checkpoint() -> None:
        if state is not None:
            trainer.save(state)
        save_weights(trainer.model, out, step=trainer.step, steps=trainer.steps, about=about or {})

    every = checkpoint_epochs * trainer.steps_per_epoch
    try:
        since, since_step = time.perf_counter(), trainer.step
        while trainer.step < trainer.steps:
            loss, targets = trainer.take_step()
            if trainer.step % log_steps == 0 or trainer.step == trainer.steps:
                rate = (trainer.step - since_step) * trainer.batch_size / (time.perf_counter() - since)
                on_step(trainer.metrics(loss, targets, rate))
                since, since_step = time.perf_counter(), trainer.step
            if trainer.step % every == 0 and trainer.step < trainer.steps:
                checkpoint()
                on_checkpoint(trainer.model, trainer.step)
            if stop():
                break
    finally:  # also on Ctrl-C: a run is never lost
        checkpoint()
    on_checkpoint(trainer.model, trainer.step)
    return TrainResult(trainer.step, trainer.step >= trainer.steps, out)


# -- files --


def save_weights(model: Msn, path: Path, *, step: int, steps: int, about: Mapping[str, str]) -> None:
    """Write the EMA backbone as float16 safetensors that `core.encoder` loads; whole or not at all."""
    tensors = {k: v.half() for k, v in model.target_backbone.vit.state_dict().items()}
    meta = {
        "format": WEIGHTS_FORMAT,
        "method": "MSN (Assran et al. 2022) on lightly",
        "architecture": model.config.architecture.to_json(),
        "config": model.config.fingerprint(),
        "steps": str(step),
        "steps_planned": str(steps),
        "seed": str(model.config.seed),
    }
    save_tensors(tensors, path, meta | dict(about))
