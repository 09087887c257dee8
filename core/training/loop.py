"""Train Masked Siamese Networks without labels: schedules, collapse detection, resumable runs, weights as safetensors.

Source: Assran et al. 2022; schedules as in facebookresearch/msn. A step's randomness depends on seed and step number only.
"""

import logging
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from lightly.utils.scheduler import cosine_schedule, cosine_warmup_schedule
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from core.arrays import IntArray
from core.devices import pick_device, warn_once
from core.encoders.vit import WeightsFormat, read_tensors, save_tensors
from core.errors import EncoderError, InputError, ShapeError
from core.training.batches import Pixels, Uint8Array, as_pixels
from core.training.captured import CapturedPass
from core.training.config import MsnConfig as MsnConfig
from core.training.msn import Msn, parameter_groups
from core.training.views import Chance

STATE_FORMAT = "lassoscope-msn-state/v1"
KEEP_SECONDS = 10.0  # at least, between two writes of a run's state
WATCH_SECONDS = 10.0  # at least, between two measurements by `watch`
KEEP_SHARE = 0.02  # of the time at most goes into either
COMPILED_STEPS = 2_000  # from which compiling, 17 s, pays: on an H200 steps then take 52 instead of 74 ms
COLLAPSED_SPREAD = 0.3  # healthy runs stay at 0.8 to 0.9, one point for all images is 0


@dataclass(frozen=True)
class StepMetrics:
    """The state of a training run. A collapse shows in `prototypes_used` and `spread`, not in the loss."""

    step: int  # steps done
    steps: int  # in all
    epoch: int
    loss: float
    learning_rate: float
    ema: float
    images_per_second: float
    prototypes_used: int  # prototypes nearest to some target of the batch
    spread: float  # embedding std x sqrt(dim): 1 = directions fill the sphere, 0 = one point
    knn: float = math.nan  # result of `watch` at this step; NaN = not measured

    @property
    def collapsed(self) -> bool:
        """Tell whether all images get (nearly) the same embedding or prototype."""
        return self.spread < COLLAPSED_SPREAD or self.prototypes_used < 2


@dataclass(frozen=True)
class Schedule:
    """The scheduled values of one step."""

    learning_rate: float
    weight_decay: float
    ema: float


@dataclass(frozen=True)
class TrainResult:
    """The result of `train`."""

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


class MsnRun(pl.LightningModule):
    """One run: model, optimiser and step count. Batches and randomness depend on seed and step number only.

    Several processes (DDP) take contiguous shares of the same batches; the result equals that of one process up to rounding.
    """

    def __init__(self, images: Uint8Array | Tensor | Pixels, config: MsnConfig) -> None:
        super().__init__()
        self.config, self.step = config, 0
        self.images = as_pixels(images)
        self.batch_size = min(config.batch_size, len(self.images))
        self.steps_per_epoch = len(self.images) // self.batch_size
        self.steps = config.epochs * self.steps_per_epoch
        self.last: tuple[Tensor, Tensor] | None = None  # loss and targets of the newest step
        self.automatic_optimization = False  # forward and backward are one CUDA graph where that is possible
        self._captured: CapturedPass | None = None
        self._first_step = 0  # of this process
        self._order: tuple[int, IntArray] | None = None  # an epoch and its order
        self.after_step: Callable[[], None] = lambda: None
        self._saved: dict[str, Tensor] = {}  # of the optimiser, until Lightning asks for it
        with torch.random.fork_rng(devices=[]):  # leaves the global random state unchanged
            torch.manual_seed(config.seed)
            self.model = Msn(config).train()

    def rows(self, step: int) -> IntArray:
        """Return the images of a step, (batch,) int64: each once an epoch, in an order drawn per epoch."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, np.random.default_rng([self.config.seed, epoch]).permutation(len(self.images))
        return self._order[1][position * self.batch_size : (position + 1) * self.batch_size]

    # -- what Lightning calls --

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW, at the state a saved run left it in."""
        fused = self.device.type == "cuda"  # one launch
        optimiser = torch.optim.AdamW(parameter_groups(self.model), lr=self.config.learning_rate, fused=fused)
        for number, parameter in _numbered(optimiser):
            start = f"optimiser.{number}."
            found = {k.removeprefix(start): v for k, v in self._saved.items() if k.startswith(start)}
            if found:  # the moments are beside the parameter; so is the step count of a fused Adam, others keep it on the CPU
                where = {k: torch.device("cpu") if k == "step" and not fused else parameter.device for k in found}
                optimiser.state[parameter] = {k: v.to(where[k], copy=True) for k, v in found.items()}
        self._saved = {}
        return optimiser

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Return this process's share of every batch from the present step to the end."""
        return DataLoader(_Shares(self), batch_size=None, generator=torch.Generator())  # its own: it draws from one

    def on_fit_start(self) -> None:
        """Prepare the images for the model's device."""
        self._first_step = self.step
        self.images = self.images.to(self.device)
        self.model.use_fused_attention(self.device.type != "cpu")

    def training_step(self, batch: Tensor, _position: int) -> None:
        """Take a step on a batch, (B, 3, S, S) uint8.

        Raises:
            EncoderError: if the loss is not finite; the model is then as it was before the step.
        """
        now, optimiser = schedule(self.config, self.step, self.steps), self.trainer.optimizers[0]
        for group in optimiser.param_groups:
            group["lr"] = now.learning_rate
            group["weight_decay"] = now.weight_decay if group["decays"] else 0.0
        if self.step == self._first_step and batch.is_cuda and self.trainer.world_size == 1:
            self._capture(batch)
        seed = self.config.seed * 1_000_003 + self.step
        self.last = self._passed(batch, seed, optimiser) if self._captured is None else self._captured(batch, seed)
        if not math.isfinite(float(self.last[0])):
            raise EncoderError(f"The training diverged at step {self.step:,}; start again with a lower learning rate.")
        self.clip_gradients(optimiser, self.config.clip, "norm")
        optimiser.step()
        self.model.update_targets(now.ema)
        self.step += 1
        self.after_step()

    def _passed(self, batch: Tensor, seed: int, optimiser: torch.optim.Optimizer) -> tuple[Tensor, Tensor]:
        """Compute loss, targets and gradients of a batch."""
        chance = Chance(torch.Generator(self.device).manual_seed(seed), rank=self.global_rank, world=self.trainer.world_size)
        loss, targets = self.model.loss(batch.float() / 255, chance)
        optimiser.zero_grad()
        self.manual_backward(loss)
        return loss.detach(), targets

    def _capture(self, batch: Tensor) -> None:
        """Capture a pass, of compiled blocks if the run is long enough; without them, or not at all, where that fails."""
        is_compiled = self.steps - self.step >= COMPILED_STEPS
        if is_compiled:
            self.model.compile_blocks()
        for what in ("compiles", "captures") if is_compiled else ("captures",):
            try:
                self._captured = CapturedPass(self.model, batch)
                return
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # no compiler, another driver or library: training is the same, but slower
                torch.compiler.set_stance("force_eager")
                reason, *_ = str(error).split("\n", 1)
                warn_once(f"Nothing {what} training steps on {batch.device}: {reason}")

    # -- state --

    def metrics(self, images_per_second: float, knn: float = math.nan) -> StepMetrics:
        """Describe the step just taken; under DDP its loss is the mean of all processes."""
        assert self.last is not None  # noqa: S101  asked after a step
        now = schedule(self.config, self.step - 1, self.steps)
        loss, targets = self.last
        if self.trainer.world_size > 1:
            loss = self.trainer.strategy.reduce(loss, reduce_op="mean")
        return StepMetrics(
            self.step, self.steps, (self.step - 1) // self.steps_per_epoch + 1, float(loss), now.learning_rate, now.ema,
            images_per_second, self.model.prototypes_used(targets), spread(targets), knn,
        )  # fmt: skip

    def save(self, path: Path, optimiser: torch.optim.Optimizer) -> None:
        """Write everything needed to resume, atomically, as safetensors; nothing is pickled."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for number, parameter in _numbered(optimiser):
            tensors |= {f"optimiser.{number}.{k}": v for k, v in optimiser.state[parameter].items()}
        meta = {"format": STATE_FORMAT, "config": self.config.fingerprint(), "step": str(self.step)}
        meta["images"] = str(len(self.images))
        save_tensors(tensors, path, meta)

    def load(self, path: Path) -> None:
        """Load a saved state.

        Raises:
            EncoderError: if the file is not a saved state, or belongs to another run.
        """
        meta, tensors = read_tensors(path)
        if meta.get("format") != STATE_FORMAT:
            raise EncoderError(f"{path} is no saved MSN training; start without --resume.")
        if meta["config"] != self.config.fingerprint() or meta["images"] != str(len(self.images)):
            raise EncoderError(f"{path} belongs to a run with other settings or images; start without --resume.")
        self.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        self._saved = {k: v for k, v in tensors.items() if k.startswith("optimiser.")}
        self.step = int(meta["step"])


class _Shares(IterableDataset[Tensor]):
    """The share of this process of every remaining batch."""

    def __init__(self, run: MsnRun) -> None:
        self._run = run

    def __iter__(self) -> Iterator[Tensor]:
        run = self._run
        world, rank = run.trainer.world_size, run.global_rank
        share = run.batch_size // world
        yield from run.images.batches(run.rows(step)[rank * share : (rank + 1) * share] for step in range(run.step, run.steps))


def _numbered(optimiser: torch.optim.Optimizer) -> Iterator[tuple[int, nn.Parameter]]:
    return enumerate(p for group in optimiser.param_groups for p in group["params"])


def train(
    images: Uint8Array | Tensor | Pixels,
    config: MsnConfig,
    *,
    out: Path,
    state: Path | None = None,
    resume: bool = False,
    start: Mapping[str, Tensor] | None = None,
    about: Mapping[str, str] | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    checkpoint_epochs: int = 100,
    log_steps: int | None = None,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    on_checkpoint: Callable[[Msn, int], None] = lambda model, step: None,
    watch: Callable[[Msn], float] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Train a backbone on images without labels, with Lightning.

    Args:
        images: (N, 3, S, S) uint8 in memory, or `FilePixels`; S the architecture's input size, N at least 2.
        config: the run.
        out: weights are written here at every checkpoint and at the end (`save_weights`).
        state: file from which the run can be resumed; written every few seconds, at checkpoints and on interruption.
        resume: resume from `state` if it exists.
        start: weights of a ViT of this architecture to begin with instead of random ones, such as a shipped encoder's
            (`core.encoders.vit.read_tensors`); heads and prototypes start at random.
        about: metadata to store with the weights: data, licence, commit.
        device: "auto", "cpu" or "cuda".
        devices: processes (one per GPU, or on the CPU) on each machine. With several, Lightning starts the program again
            for each, and only the first returns.
        nodes: machines; started by the cluster, as Lightning documents it.
        checkpoint_epochs: epochs between two checkpoints.
        log_steps: steps between two calls of `on_step`; a fiftieth of the run, 20 at most, if not given.
        on_step: called with the run's metrics.
        on_checkpoint: called with the model and the number of steps done after each checkpoint.
        watch: measures the model, for example its kNN accuracy; called now and then and at the end, for `StepMetrics.knn`.
        stop: called after each step; True ends the call early, with the state saved.
    Returns:
        how far it got.
    Raises:
        ShapeError: if the images have another shape.
        InputError: if a batch cannot be shared out evenly.
        EncoderError: if the state belongs to another run, `start` to another architecture, or the training diverged.
        KeyboardInterrupt: passed on after the state was written.
    """
    pixels, side = as_pixels(images), config.architecture.input_size
    if pixels.side != side or len(pixels) < 2:
        raise ShapeError(f"MSN needs 2 or more images of {side} px, got {len(pixels)} of {pixels.side} px; resize them.")
    run = MsnRun(pixels, config)
    if run.batch_size % (devices * nodes):
        raise InputError(f"A batch of {run.batch_size} images cannot be shared by {devices * nodes} processes; change one.")
    if resume and state is not None and state.exists():
        run.load(state)
    elif start is not None:
        run.model.start_from(start)
    trainer = _lightning(pick_device(device), devices=devices, nodes=nodes)

    kept_at, kept_in = -math.inf, 0.0  # when the state was last written (the first step is), and how long that took

    def keep() -> None:
        nonlocal kept_at, kept_in
        if state is not None:
            before = time.perf_counter()
            run.save(state, trainer.optimizers[0])
            kept_at = time.perf_counter()
            kept_in = kept_at - before

    def checkpoint() -> None:
        if not trainer.is_global_zero or not trainer.optimizers:
            return
        keep()
        save_weights(run.model, out, step=run.step, steps=run.steps, about=about or {})

    every = checkpoint_epochs * run.steps_per_epoch
    log_steps = log_steps or min(20, max(1, run.steps // 50))
    since = [time.perf_counter(), float(run.step)]

    watched_at, watched_in = -math.inf, 0.0  # when `watch` was last asked, and how long it took

    def watched() -> float:
        nonlocal watched_at, watched_in
        before = time.perf_counter()
        due = before - watched_at > max(WATCH_SECONDS, watched_in / KEEP_SHARE) or run.step == run.steps
        if watch is None or not due:
            return math.nan
        with torch.compiler.set_stance("force_eager"):  # other shapes would be compiled for
            figure = watch(run.model)
        watched_at = time.perf_counter()
        watched_in = watched_at - before
        return figure

    def after_step() -> None:
        if run.step % log_steps == 0 or run.step == run.steps:
            rate = (run.step - since[1]) * run.batch_size / (time.perf_counter() - since[0])
            metrics = run.metrics(rate, watched() if trainer.is_global_zero else math.nan)
            if trainer.is_global_zero:
                on_step(metrics)
            since[:] = [time.perf_counter(), float(run.step)]
        if run.step % every == 0 and run.step < run.steps and trainer.is_global_zero:
            checkpoint()
            with torch.compiler.set_stance("force_eager"):
                on_checkpoint(run.model, run.step)
        elif trainer.is_global_zero and time.perf_counter() - kept_at > max(KEEP_SECONDS, kept_in / KEEP_SHARE):
            keep()  # between checkpoints, so that a kill costs seconds
        if stop():
            trainer.should_stop = True

    run.after_step = after_step
    try:
        if run.step < run.steps:
            _fit(trainer, run)
    finally:  # also on Ctrl-C: a run is never lost
        checkpoint()
    if not trainer.is_global_zero:
        sys.exit(0)  # this process was started by Lightning to share the work; only the first one continues
    if run.step == run.steps and not trainer.optimizers:  # nothing was left to do
        save_weights(run.model, out, step=run.step, steps=run.steps, about=about or {})
    with torch.compiler.set_stance("force_eager"):
        on_checkpoint(run.model, run.step)
    return TrainResult(run.step, run.step >= run.steps, out)


def _lightning(device: torch.device, *, devices: int, nodes: int) -> pl.Trainer:
    """Create Lightning's trainer without the features implemented here."""
    which: int | list[int] = devices
    if device.type == "cuda" and device.index is not None and devices == 1:
        which = [device.index]
    with _quiet():
        return pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=which,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            max_epochs=1,  # the loader yields all steps that are left, so that a run resumes in mid-epoch
            logger=False,
            enable_checkpointing=False,  # its files are pickles; ours are safetensors
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )


def _fit(trainer: pl.Trainer, run: MsnRun) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        with _quiet():
            trainer.fit(run)
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)  # Lightning leaves it switched off


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's hints and its list of hardware."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_)?lightning")
        yield


# -- files --


def save_weights(model: Msn, path: Path, *, step: int, steps: int, about: Mapping[str, str]) -> None:
    """Write the EMA backbone as float16 safetensors that `core.encoders.encoder` loads; whole or not at all."""
    tensors = {k: v.half() for k, v in model.target_backbone.vit.state_dict().items()}
    meta = {
        "format": str(WeightsFormat.VIT),
        "method": "MSN (Assran et al. 2022) on lightly",
        "architecture": model.config.architecture.to_json(),
        "config": model.config.fingerprint(),
        "steps": str(step),
        "steps_planned": str(steps),
        "seed": str(model.config.seed),
    }
    save_tensors(tensors, path, meta | dict(about))
