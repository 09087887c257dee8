"""Encoders turn pictures into embeddings: the shipped MSN weights, two baselines, public weights, weights of users' own."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from core.arrays import FloatArray, Progress, ignore
from core.assets import ASSETS
from core.catalog.models import EncoderRecord
from core.catalog.originals import Pictures
from core.devices import bf16_pays, one_thread_each, pick_device
from core.encoders.hub import HubConfig, described, fetch_hub, quiet_hub
from core.encoders.public import TORCH_SUFFIXES, architecture_of, read_checkpoint, resized, timm_names
from core.encoders.vit import Architecture, WeightsFormat, content_hash, load_backbone, normalise, read_tensors, save_tensors
from core.errors import EncoderError, InputError, ShapeError, UnavailableError

TIMM_TITLE = "timm "
BATCH_ROWS = 512  # maximum images per forward pass
CACHED = 400_000  # activations (images x tokens x dim) with which a CPU core is fastest; measured on three ViTs
CHUNK = 16  # images per decoding task; with fewer the overhead exceeds the decoding
MOST_DECODED = 128  # images that one CPU task decodes and embeds
BATCHES_AHEAD = 2  # decoded while one is computed; bounds the memory
ABOUT = ("method", "data", "licence", "steps", "seed", "commit")  # metadata shown to people


class Encoder:
    """Turns pictures into embeddings on one device."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        architecture: Architecture,
        device: torch.device,
        about: Mapping[str, str],
        *,
        title: str = "",
    ) -> None:
        self.name = name  # a valid folder name, unique to these weights
        self.dim = architecture.dim
        self.input_size = architecture.input_size
        self._architecture, self._device, self._about = architecture, device, dict(about)
        self._module = module.to(device).eval()
        self._is_vit = isinstance(module, Vit)
        self._title = title  # of the architecture, if it is not a ViT we can build
        self._bf16 = self._is_vit and bf16_pays(device)
        self.on_cpu = device.type == "cpu"
        tokens = (architecture.input_size // architecture.patch_size) ** 2 + 1
        fitting = max(4, CACHED // (tokens * architecture.dim)) if self.on_cpu and self._is_vit else BATCH_ROWS
        self.rows_at_once = min(fitting, BATCH_ROWS)  # images in one forward pass

    def describe(self) -> EncoderRecord:
        """Describe this encoder, for the catalog and for people."""
        shape = self._architecture
        kind = f"ViT {shape.dim} x {shape.depth}, patch {shape.patch_size}" if self._is_vit else "linear"
        about = cast(EncoderRecord, {key: self._about[key] for key in ABOUT if key in self._about})
        return {
            "architecture": f"{self._title or kind}, {shape.input_size} px",
            "dim": self.dim,
            "input_size": self.input_size,
            "shape": shape.to_json() if self._is_vit and not self._title else "",
            "device": str(self._device),
            "dtype": "bfloat16" if self._bf16 else "float32",
            **about,
        }

    def save(self, file: Path) -> None:
        """Write the weights to a file from which `load_encoder` loads this encoder without a network."""
        about = {key: str(value) for key, value in self._about.items()}
        tensors = self._module.state_dict()
        if self._title:
            format_, about = WeightsFormat.TIMM, about | {"timm": self._title.removeprefix(TIMM_TITLE)}
        else:
            format_ = WeightsFormat.VIT if self._is_vit else WeightsFormat.PIXELS
        named = {name.removeprefix("vit."): tensor for name, tensor in tensors.items()}
        save_tensors(named, file, about | {"format": str(format_), "architecture": self._architecture.to_json()})

    def with_head(self, weights: FloatArray, bias: FloatArray) -> nn.Module:
        """Return a float32 module from (B, 3, S, S) images in [0, 1] to embeddings (B, dim) and their scores (B, k).

        Args:
            weights: (dim, k).
            bias: (k,).
        """
        return Scorer(self._module, self._architecture, weights, bias).cpu().eval()

    def encode(self, images: np.ndarray[Any, Any] | Tensor) -> FloatArray:
        """Embed a batch.

        Args:
            images: (B, 3, S, S) uint8 with S = `input_size`.
        Returns:
            (B, dim) float32.
        Raises:
            ShapeError: if the images have another shape.
        """
        batch, side = torch.as_tensor(images), self.input_size
        if batch.dtype != torch.uint8 or batch.ndim != 4 or batch.shape[1:] != (3, side, side):
            raise ShapeError(f"This encoder needs (B, 3, {side}, {side}) uint8 images, got {tuple(batch.shape)} {batch.dtype}.")
        pieces = batch.split(self.rows_at_once)
        if self.on_cpu and len(pieces) > 1:
            with one_thread_each() as pool:
                return np.concatenate(list(pool.map(self.forward, pieces)))
        return np.concatenate([self.forward(piece) for piece in pieces])

    @torch.inference_mode()
    def forward(self, batch: Tensor) -> FloatArray:
        """Embed a batch in one forward pass, unlike `encode`: (n, 3, S, S) uint8 to (n, dim) float32."""
        block = batch.to(self._device, non_blocking=True).float() / 255
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
            return self._module(normalise(block, self._architecture)).float().cpu().numpy()


class Vit(nn.Module):
    """A backbone whose class token is the embedding."""

    def __init__(self, vit: nn.Module) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, dim) class tokens."""
        return self.vit(images)


class Scorer(nn.Module):
    """An encoder with a linear head, as one module."""

    def __init__(self, module: nn.Module, architecture: Architecture, weights: FloatArray, bias: FloatArray) -> None:
        super().__init__()
        self.module = deepcopy(module)
        # Its own, not `normalise`, which keeps its numbers as tensors: made while a model is exported, those are stand-ins.
        self.register_buffer("mean", torch.tensor(architecture.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(architecture.std).view(1, 3, 1, 1))
        self.register_buffer("weights", torch.from_numpy(np.ascontiguousarray(weights, np.float32)))
        self.register_buffer("bias", torch.from_numpy(np.ascontiguousarray(bias, np.float32)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, dim) embeddings and (B, k) scores."""
        x = self.module((images - self.get_buffer("mean")) / self.get_buffer("std"))
        return x, x @ self.get_buffer("weights") + self.get_buffer("bias")


class Pixels(nn.Module):
    """Principal components of the pixels: a linear baseline to compare learned encoders with."""

    def __init__(self, mean: Tensor, components: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)  # (3 S S,)
        self.register_buffer("components", components)  # (dim, 3 S S)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, dim) projections."""
        return (images.flatten(1) - self.get_buffer("mean")) @ self.get_buffer("components").T


# -- where encoders come from --


@dataclass(frozen=True)
class EncoderSource:
    """An entry of the registry of encoders."""

    title: str
    load: Callable[[torch.device], Encoder]


def load_encoder(name_or_file: str, *, device: str = "auto", size: int | None = None, on_fetch: Progress = ignore) -> Encoder:
    """Return an encoder by its registered name, from a weights file, or from public weights.

    Args:
        name_or_file: a key of `ENCODERS`; "hf:REPOSITORY" (ViTMSN on the Hugging Face hub); "timm:NAME" (any timm
            model); or a file: safetensors of ours or of transformers, or a torch checkpoint such as facebookresearch/msn's.
        device: "auto", "cpu" or "cuda".
        size: input size in px instead of the one the weights were trained at; public weights only.
        on_fetch: called with (bytes, bytes in all) while weights are downloaded from the hub.
    Raises:
        EncoderError: if it is none of these, or not usable.
        InputError: if there is no such device.
    """
    on = pick_device(device)
    kind, _, name = name_or_file.partition(":")
    if kind == "hf" and name:
        tensors, config = fetch_hub(name, on_progress=on_fetch)
        about = {"method": "MSN (Assran et al. 2022)", "data": f"{name} on the Hugging Face hub", "licence": "see its card"}
        return _public(name, tensors, about, on, size, config=config)
    if kind == "timm" and name:
        return _timm(name, on, size)
    path = Path(name_or_file)
    if name_or_file not in ENCODERS and path.suffix in TORCH_SUFFIXES:
        about = {"data": path.name, "licence": "the file's own; facebookresearch/msn is CC BY-NC 4.0"}
        return _public(path.stem, read_checkpoint(path), about, on, size)
    if name_or_file not in ENCODERS and path.suffix == ".safetensors":
        meta, tensors = read_tensors(path)
        if "architecture" not in meta:
            return _public(path.stem, tensors, {"data": path.name, "licence": "the file's own"}, on, size)
    if size is not None:
        raise EncoderError(f"The input size of '{name_or_file}' is fixed; leave the size out.")
    if name_or_file in ENCODERS:
        return ENCODERS[name_or_file].load(on)
    if path.suffix != ".safetensors":
        raise EncoderError(
            f"There is no encoder '{name_or_file}'; choose {', '.join(sorted(ENCODERS))}, hf:REPOSITORY, timm:NAME or a "
            "weights file (.safetensors, .pth.tar)."
        )
    return _from_file(path, on)


def load_again(
    name: str, record: EncoderRecord, *, models: Path, device: str = "auto"
) -> tuple[Encoder, dict[str, str | int | None]]:
    """Load the exact encoder that made a workspace's embeddings.

    Args:
        name: of the encoder; contains a hash of its weights.
        record: as stored with the embeddings; older workspaces lack `source`.
        models: folder to search for weights files.
    Returns:
        the encoder, and its `source` and `asked_size` for `EncoderRecord`.
    Raises:
        EncoderError: if its weights cannot be found, or have changed.
    """
    stem = name.rpartition("-")[0]
    sources: list[tuple[str, int | None]] = [(record["source"], record.get("asked_size"))] if record.get("source") else []
    sources += [(stem, None)] if stem in ENCODERS else []
    sources += [(str(file), None) for file in sorted(models.glob("*.safetensors")) if _safe_name(file.stem) == stem]
    if (hub := str(record.get("data", "")).removesuffix(" on the Hugging Face hub")) != record.get("data", ""):
        sources.append((f"hf:{hub}", record.get("input_size")))
    if str(record.get("method", "")).startswith("timm "):
        sources.append((f"timm:{record['method'].removeprefix('timm ')}", record.get("input_size")))
    for source, size in sources:
        try:
            loaded = load_encoder(source, device=device, size=size)
        except (EncoderError, UnavailableError):
            continue
        if loaded.name == name:
            return loaded, {"source": source, "asked_size": size}
    raise EncoderError(
        f"The images were embedded with '{name}', whose weights have been moved or changed; give their path with --encoder, or "
        "choose another encoder, which embeds all images again."
    )


def name_of_weights(path: Path) -> str:
    """Return the name of the encoder that a weights file of ours holds; reads the file.

    Raises:
        EncoderError: if it is missing or cannot be read.
    """
    meta, tensors = read_tensors(path)
    return _name_of(path, meta, tensors)


def _name_of(path: Path, meta: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    return f"{_safe_name(path.stem)}-{content_hash(tensors, meta)}"


def _safe_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "encoder"


def _public(
    name: str,
    tensors: Mapping[str, Tensor],
    about: Mapping[str, str],
    device: torch.device,
    size: int | None,
    *,
    config: HubConfig | None = None,
) -> Encoder:
    """Build an encoder from a ViT's public weights."""
    found = timm_names(tensors)
    shape = architecture_of(found)
    if config is not None:
        shape = described(name, config, shape)
    if size is not None:
        found, shape = resized(found, shape, size)
    key = content_hash(found, {"architecture": shape.to_json()})
    return Encoder(f"{_safe_name(name)}-{key}", Vit(load_backbone(found, shape, name=name)), shape, device, about)


def _timm(name: str, device: torch.device, size: int | None) -> Encoder:
    """Build any timm model with its pretrained weights; its pooled features are the embedding."""
    import timm

    quiet_hub()
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('.')[0][:8]}*")[:3])
        raise EncoderError(f"timm has no model '{name}'; " + (f"similar: {near}." if near else "see timm.list_models()."))
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError, ValueError) as error:
        detail = str(error).split("\n")[0][:120].strip()
        raise EncoderError(
            f"timm's weights of '{name}' could not be downloaded ({detail}); connect this machine to the network once."
        ) from None
    data = timm.data.resolve_model_data_config(model)
    side = size or int(data["input_size"][-1])
    shape = Architecture(
        input_size=side, dim=int(cast(int, model.num_features)), mean=tuple(data["mean"]), std=tuple(data["std"])
    )
    about = {"method": f"timm {name}", "data": "see its card on the Hugging Face hub", "licence": "see its card"}
    key = content_hash(model.state_dict(), {"architecture": shape.to_json()})
    module = Vit(model.eval().requires_grad_(False))
    return Encoder(f"{_safe_name(name)}-{key}", module, shape, device, about, title=f"{TIMM_TITLE}{name}")


def _from_file(path: Path, device: torch.device) -> Encoder:
    meta, tensors = read_tensors(path)
    if meta.get("format") not in set(WeightsFormat) or "architecture" not in meta:
        raise EncoderError(f"{path} has no Lassoscope metadata; give weights that 'lassoscope train' wrote.")
    if meta["format"] == WeightsFormat.TIMM:
        return _saved_timm(path, meta, tensors, device)
    shape = Architecture.from_json(meta["architecture"])
    module = (
        _pixels(tensors, shape)
        if meta["format"] == WeightsFormat.PIXELS
        else Vit(load_backbone(tensors, shape, name=str(path)))
    )
    return Encoder(_name_of(path, meta, tensors), module, shape, device, meta)


def _saved_timm(path: Path, meta: Mapping[str, str], tensors: Mapping[str, Tensor], device: torch.device) -> Encoder:
    """Build the timm model that `Encoder.save` wrote."""
    import timm

    try:
        model = timm.create_model(meta["timm"], pretrained=False, num_classes=0)
        model.load_state_dict(dict(tensors))
    except (RuntimeError, KeyError, ValueError) as error:
        raise EncoderError(
            f"{path} does not fit this machine's version of timm ({str(error).splitlines()[0][:120]}); update timm."
        ) from None
    shape, title = Architecture.from_json(meta["architecture"]), f"{TIMM_TITLE}{meta['timm']}"
    return Encoder(_name_of(path, meta, tensors), Vit(model.eval().requires_grad_(False)), shape, device, meta, title=title)


def _pixels(tensors: Mapping[str, Tensor], shape: Architecture) -> Pixels:
    n_pixels = 3 * shape.input_size**2
    expected = {"mean": (n_pixels,), "components": (shape.dim, n_pixels)}
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != expected:
        raise EncoderError("The pixel components do not match their metadata; use a file that Lassoscope wrote.")
    if not all(bool(t.isfinite().all()) for t in tensors.values()):
        raise EncoderError("The pixel components are not finite numbers; use a file that Lassoscope wrote.")
    return Pixels(tensors["mean"].float(), tensors["components"].float())


def _shipped(name: str, device: torch.device) -> Encoder:
    return _from_file(ASSETS / f"{name}.safetensors", device)


def _pixel_components(device: torch.device) -> Encoder:
    return _from_file(ASSETS / "pixels-pca.safetensors", device)


def untrained_like(record: EncoderRecord, *, device: str = "auto") -> Encoder:
    """Build the network of an encoder untrained, with seed 0, to measure what the architecture alone contributes.

    Raises:
        EncoderError: if it is not a ViT of ours or from a public file.
    """
    if not record.get("shape"):
        raise EncoderError("This encoder's architecture cannot be built untrained; leave 'untrained' out of the features.")
    return _initial(Architecture.from_json(record["shape"]), pick_device(device))


def _random(device: torch.device) -> Encoder:
    """Build the demo's architecture with the weights that MSN training starts from, seed 0."""
    return _initial(Architecture(), device)


def _initial(shape: Architecture, device: torch.device) -> Encoder:
    from core.encoders.untrained import initial_backbone

    vit = initial_backbone(shape, seed=0).eval().requires_grad_(False)
    about = {"method": "random initialisation", "data": "none", "licence": "Apache-2.0", "steps": "0", "seed": "0"}
    key = content_hash(vit.state_dict(), {"architecture": shape.to_json()})
    return Encoder(f"random-{key}", Vit(vit), shape, device, about)


ENCODERS: dict[str, EncoderSource] = {
    "msn-small-64": EncoderSource("MSN trained on pictures of twelve kinds, shipped", partial(_shipped, "msn-small-64")),
    "msn-tiny-64": EncoderSource("MSN trained on photos, garments and notices, shipped", partial(_shipped, "msn-tiny-64")),
    "msn-demo": EncoderSource("MSN trained on the demo images, shipped", partial(_shipped, "msn-demo")),
    "pixels-pca": EncoderSource("principal components of 32 px pixels, a baseline", _pixel_components),
    "random": EncoderSource("the demo's ViT untrained, a baseline", _random),
}
DEFAULT_ENCODER = "msn-small-64"  # for users' own images, offline


# -- embedding files --


def embed_originals(
    pictures: Pictures,
    encoder: Encoder,
    *,
    batch_size: int = 256,
    workers: int | None = None,
    on_progress: Progress = ignore,
) -> Iterator[FloatArray]:
    """Embed N pictures. On a CPU each thread decodes and embeds its own share; for a GPU the threads decode ahead.

    Args:
        pictures: of a workspace (`core.catalog.originals.Originals`) or of files (`FilePictures`).
        encoder: to embed with.
        batch_size: pictures per block.
        workers: number of threads, None for one per core.
        on_progress: called with (embedded, N) after each block.
    Yields:
        (n, dim) float32 blocks in the order of `pictures`, all but the last `batch_size` long.
    Raises:
        InputError: if a picture cannot be read.
    """
    if batch_size < 1:
        raise InputError(f"The batch size must be at least 1, got {batch_size}.")

    def decoded(positions: range) -> np.ndarray[Any, Any]:
        return pictures.load(positions, encoder.input_size)

    def embedded(positions: range) -> FloatArray:
        return encoder.encode(decoded(positions))

    step = min(encoder.rows_at_once, MOST_DECODED) if encoder.on_cpu else CHUNK
    done, total = 0, len(pictures)
    blocks = deque(range(start, min(start + batch_size, total)) for start in range(0, total, batch_size))
    with one_thread_each(workers or (None if encoder.on_cpu else os.cpu_count())) as pool:
        waiting: deque[list[Future[np.ndarray[Any, Any]]]] = deque()
        try:
            while blocks or waiting:
                while blocks and len(waiting) <= BATCHES_AHEAD:
                    block = blocks.popleft()
                    cuts = [block[i : i + step] for i in range(0, len(block), step)]
                    waiting.append([pool.submit(embedded if encoder.on_cpu else decoded, cut) for cut in cuts])
                pieces = np.concatenate([task.result() for task in waiting.popleft()])
                done += len(pieces)
                on_progress(done, total)
                yield pieces if encoder.on_cpu else encoder.encode(pieces)
        finally:  # also if the caller stops early: nothing more is decoded then
            pool.shutdown(wait=True, cancel_futures=True)
