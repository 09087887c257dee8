"""Public weights as files: transformers' ViTMSN and facebookresearch/msn checkpoints. Read as data; no code in them is run.

Tensor names differ by source and are converted to timm's. Position embeddings are resized as the sources do it (bicubic,
no antialiasing). Licences: docs/explanation/encoders.md.
"""

import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from core.encoders.vit import Architecture
from core.errors import EncoderError

TORCH_SUFFIXES = (".pth", ".pt", ".tar", ".bin", ".ckpt")
ZIP_START = b"PK\x03\x04"
HEAD_DIM = 64  # of every ViT the MSN authors published; checkpoints do not contain it
# Not part of the backbone: projection heads, classifiers, mask tokens.
DROPPED = re.compile(r"^(fc|pred|classifier|head|heads|pooler)\.|mask_token$")
# (source, timm): Hugging Face's names in files, and those of transformers >= 5 in memory.
RENAMES = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(?:encoder\.layer|layers)\.(\d+)\.layernorm_before\.", r"blocks.\1.norm1."),
    (r"^(?:encoder\.layer|layers)\.(\d+)\.layernorm_after\.", r"blocks.\1.norm2."),
    (r"^encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.", r"blocks.\1.attn.\2."),
    (r"^layers\.(\d+)\.attention\.q_proj\.", r"blocks.\1.attn.query."),
    (r"^layers\.(\d+)\.attention\.k_proj\.", r"blocks.\1.attn.key."),
    (r"^layers\.(\d+)\.attention\.v_proj\.", r"blocks.\1.attn.value."),
    (r"^encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (r"^layers\.(\d+)\.attention\.o_proj\.", r"blocks.\1.attn.proj."),
    (r"^encoder\.layer\.(\d+)\.intermediate\.dense\.", r"blocks.\1.mlp.fc1."),
    (r"^encoder\.layer\.(\d+)\.output\.dense\.", r"blocks.\1.mlp.fc2."),
    (r"^layers\.(\d+)\.mlp\.", r"blocks.\1.mlp."),
    (r"^layernorm\.", "norm."),
)


def timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a ViT's tensors under timm's names, without heads and mask tokens, and with q, k and v joined.

    Raises:
        EncoderError: if a query lacks its key or value.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        name = re.sub(r"^(module\.)?(vit\.)?", "", name)
        if DROPPED.search(name):
            continue
        for pattern, timm_name in RENAMES:
            name, n = re.subn(pattern, timm_name, name)
            if n:
                break
        found[name] = tensor
    for name in [name for name in found if ".attn.query." in name]:
        parts = [found.pop(name.replace("query", part), None) for part in ("query", "key", "value")]
        if any(part is None for part in parts):
            raise EncoderError(f"The weights lack the key or value that belongs to '{name}'; get the complete file.")
        found[name.replace("query", "qkv")] = torch.cat([part for part in parts if part is not None])
    return found


def architecture_of(tensors: Mapping[str, Tensor]) -> Architecture:
    """Infer a ViT's architecture from its tensors (timm's names).

    Raises:
        EncoderError: if they are not a plain ViT's.
    """
    try:
        dim, patch = tensors["patch_embed.proj.weight"].shape[0], tensors["patch_embed.proj.weight"].shape[-1]
        side = math.isqrt(tensors["pos_embed"].shape[1] - 1)
        depth = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
        whole = tensors["pos_embed"].shape == (1, side * side + 1, dim) and dim % HEAD_DIM == 0
    except (KeyError, ValueError, IndexError):
        whole = False
    if not whole:
        raise EncoderError("The file does not contain a plain Vision Transformer; give MSN weights of ViT-S, B or L.")
    return Architecture(input_size=side * patch, patch_size=patch, dim=dim, depth=depth, heads=dim // HEAD_DIM)


def resized(tensors: Mapping[str, Tensor], architecture: Architecture, size: int) -> tuple[dict[str, Tensor], Architecture]:
    """Adapt the position embedding to another input size.

    Args:
        size: px, a multiple of the patch size.
    Returns:
        the tensors and the architecture for that size.
    Raises:
        EncoderError: if the size is not a multiple of the patch size.
    Source: DINO and transformers' `interpolate_pos_encoding`: bicubic, without antialiasing.
    """
    patch = architecture.patch_size
    if size < patch or size % patch:
        raise EncoderError(f"The input size must be a multiple of {patch} px, got {size}.")
    if size == architecture.input_size:
        return dict(tensors), architecture
    before, after = architecture.input_size // patch, size // patch
    position = tensors["pos_embed"].float()
    grid = position[:, 1:].reshape(1, before, before, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, size=(after, after), mode="bicubic", align_corners=False)
    flat = grid.permute(0, 2, 3, 1).reshape(1, after * after, -1)
    changed = dict(tensors) | {"pos_embed": torch.cat([position[:, :1], flat], dim=1)}
    return changed, replace(architecture, input_size=size)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a torch checkpoint with `weights_only=True`, so that no code in it is run.

    Accepts facebookresearch/msn's `.pth.tar` (its `target_encoder`, the EMA network) and plain state dicts.

    Raises:
        EncoderError: if it is missing, contains code, or has no state dict.
    """
    if not path.is_file():
        raise EncoderError(f"There is no file {path}; give the path of a weights file.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types for invalid checkpoints
        if _is_cut_off(path):
            raise EncoderError(
                f"{path} is incomplete, as after a download that was cut off; copy or download it again."
            ) from None
        detail = str(error).split("\n")[0][:120]
        raise EncoderError(f"{path} cannot be read as plain weights ({detail}); convert it to safetensors.") from None
    for key in ("target_encoder", "state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise EncoderError(f"{path} has no state dict; give a checkpoint with 'target_encoder' or a plain state dict.")
    return {str(name): tensor for name, tensor in content.items()}


def _is_cut_off(path: Path) -> bool:
    """Tell whether a file begins as a zip archive, as torch writes them, but lacks the directory at its end."""
    with path.open("rb") as file:
        return file.read(len(ZIP_START)) == ZIP_START and not zipfile.is_zipfile(path)
