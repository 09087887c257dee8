"""The architecture of a ViT, and its weights as safetensors with metadata. Imports neither lightly nor timm."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from core.devices import constants
from core.encoders.network import Backbone
from core.errors import EncoderError
from core.store.files import atomic_path

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LARGEST = {"input_size": 1_024, "patch_size": 64, "dim": 2_048, "depth": 64, "heads": 64}  # limits for untrusted files
LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


class WeightsFormat(StrEnum):
    """What a weights file holds, by its metadata."""

    VIT = "lassoscope-encoder/v1"
    PIXELS = "lassoscope-pixels/v1"  # principal components
    TIMM = "lassoscope-timm/v1"


@dataclass(frozen=True)
class Architecture:
    """The backbone's architecture: what is needed to build it before its weights are read."""

    input_size: int = 32
    patch_size: int = 8
    dim: int = 192
    depth: int = 6
    heads: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def build(self) -> Backbone:
        """Return the ViT with random weights; its output is the class token after the last norm, (B, dim)."""
        return Backbone(
            input_size=self.input_size, patch_size=self.patch_size, dim=self.dim, depth=self.depth, heads=self.heads
        )

    def to_json(self) -> str:
        """Write the architecture as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """Read what `to_json` wrote.

        Raises:
            EncoderError: if it is invalid, or larger than any model we would run.
        """
        try:
            content = json.loads(text)
            known = cls(**{**content, "mean": tuple(content["mean"]), "std": tuple(content["std"])})
        except (ValueError, TypeError, KeyError):
            raise EncoderError("The weights' metadata has no valid architecture; use a file that Lassoscope wrote.") from None
        sizes = {name: getattr(known, name) for name in LARGEST}
        whole = all(type(size) is int and 0 < size <= LARGEST[name] for name, size in sizes.items())
        colours = all(len(c) == 3 and all(isinstance(v, float) for v in c) for c in (known.mean, known.std)) and all(
            v > 0 for v in known.std
        )
        if not whole or not colours or known.input_size % known.patch_size or known.dim % known.heads:
            raise EncoderError(f"The weights' architecture {sizes} is impossible; use a file that Lassoscope wrote.")
        return known


def normalise(images: Tensor, architecture: Architecture) -> Tensor:
    """Normalise (B, 3, S, S) images in [0, 1] by the architecture's mean and std, per channel."""
    mean, std = (
        constants(values, images.device, images.dtype).view(1, 3, 1, 1) for values in (architecture.mean, architecture.std)
    )
    return (images - mean) / std


def content_hash(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return 8 hex digits that change with any weight and with the architecture."""
    digest = hashlib.blake2b(metadata.get("architecture", "").encode(), digest_size=4)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write safetensors atomically."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as aside:
        save_file(ready, aside, dict(metadata))


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read a safetensors file's metadata and tensors.

    Raises:
        EncoderError: if it is missing or not safetensors; no other format is tried, as pickles can run code.
    """
    if not path.is_file():
        raise EncoderError(f"There is no file {path}; give the path of a .safetensors file.")
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        size, whole = path.stat().st_size, _whole_size(path)
        if size < whole:
            raise EncoderError(
                f"{path} is incomplete: {size:,} of {whole:,} bytes are there; copy or download it again."
            ) from None
        raise EncoderError(f"{path} is not a safetensors file ({error}); give one that Lassoscope wrote.") from None


def _whole_size(path: Path) -> int:
    """Return how many bytes a safetensors file should have by its header, or by what is left of it; 0 if it has none."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            return 0
        header = file.read(length)
    if len(header) < length:
        return 8 + length if header.startswith(b"{") else 0
    try:
        entries = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
        return 8 + length + max((int(entry["data_offsets"][1]) for entry in entries), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return 0


def load_backbone(tensors: Mapping[str, Tensor], architecture: Architecture, *, name: str = "The weights file") -> Backbone:
    """Build the ViT with the given weights, in float32.

    Args:
        name: of the weights, for messages.
    Raises:
        EncoderError: if the weights do not fit the architecture or are not finite.
    """
    with torch.device("meta"):  # allocates no memory before the shapes are known to fit
        vit = architecture.build()
    wanted = {key: tuple(tensor.shape) for key, tensor in vit.state_dict().items()}
    given = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    wrong = next((key for key in wanted | given if wanted.get(key) != given.get(key)), None)
    if wrong is not None:
        found = f"is {given[wrong]}" if wrong in given else "is missing"
        needed = f"should be {wanted[wrong]}" if wrong in wanted else "should not be there"
        raise EncoderError(
            f"{name} does not fit a ViT {architecture.dim} x {architecture.depth}, patch {architecture.patch_size}, "
            f"{architecture.input_size} px: '{wrong}' {found} and {needed}; use a file whose weights and description agree."
        )
    vit.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    if not all(bool(p.isfinite().all()) for p in vit.parameters()):
        raise EncoderError("The weights are not finite because their training failed; train again or use other weights.")
    return vit.eval().requires_grad_(False)
