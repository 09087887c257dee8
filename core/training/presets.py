"""Named MSN training settings, and overriding them from a YAML file or the command line."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from core.encoders.vit import Architecture
from core.errors import InputError
from core.training.config import MsnConfig
from core.training.views import Jitter

Setting = int | float | tuple[float, ...]

PRESETS: dict[str, MsnConfig] = {
    # The demo's: a minute per ten thousand images on one core.
    "tiny-32": MsnConfig(),
    # For users' own photos on a CPU or a small GPU.
    "tiny-64": MsnConfig(
        architecture=Architecture(input_size=64, patch_size=8, dim=192, depth=9, heads=3),
        batch_size=256,
        prototypes=128,
        head_hidden=1_024,
        focal_size=32,
        random_scale=(0.3, 1.0),
        focal_scale=(0.1, 0.4),
    ),
    # For twenty thousand photos or more on a GPU: what msn-small-64 was trained with. Its views keep most of the colour:
    # an encoder that ignores it cannot tell materials and goods apart.
    "small-64": MsnConfig(
        architecture=Architecture(input_size=64, patch_size=8, dim=256, depth=9, heads=4),
        epochs=200,
        batch_size=1_024,
        prototypes=512,
        head_hidden=1_024,
        focal_views=4,
        focal_size=32,
        random_scale=(0.3, 1.0),
        focal_scale=(0.1, 0.4),
        jitter=Jitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02, grey=0.05),
        warmup=0.05,
    ),
    # The paper's ViT-S/16 (Assran et al. 2022; facebookresearch/msn, configs/pretrain/msn_vits16.yaml). GPUs only.
    "small-224": MsnConfig(
        architecture=Architecture(input_size=224, patch_size=16, dim=384, depth=12, heads=6),
        epochs=800,
        batch_size=1_024,
        prototypes=1_024,
        head_hidden=2_048,
        head_out=256,
        focal_views=10,
        focal_size=96,
        random_scale=(0.3, 1.0),
        focal_scale=(0.05, 0.3),
        mask_ratio=0.15,
        warmup=15 / 800,
        ema=0.996,
    ),
}
USUAL = "tiny-64"
FOR_GPUS = ("small-64", "small-224")
PARTS = ("architecture", "jitter")
STEPS_AN_EPOCH = 8  # desired minimum; the batch is halved for it
SMALLEST_BATCH = 64  # sinkhorn and the me-max term need enough images in a batch


def preset(name: str, overrides: Mapping[str, object] | None = None, *, n_images: int | None = None) -> MsnConfig:
    """Return a preset with some values changed.

    Args:
        name: a key of `PRESETS`.
        overrides: values by field name; fields of parts as "architecture.depth" or as a nested mapping.
        n_images: with few images the preset's batch is halved until an epoch has `STEPS_AN_EPOCH` steps (not below
            `SMALLEST_BATCH`, and not if `overrides` sets the batch size).
    Raises:
        InputError: naming the invalid preset, field or value.
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset '{name}'; choose {', '.join(PRESETS)}.")
    values = asdict(PRESETS[name])
    while n_images is not None and n_images < STEPS_AN_EPOCH * values["batch_size"] and values["batch_size"] > SMALLEST_BATCH:
        values["batch_size"] //= 2
    for key, value in (overrides or {}).items():
        part, _, inner = key.rpartition(".")
        given = {inner: value} if part or not isinstance(value, Mapping) else value
        owner = values.get(part or key, {}) if part or isinstance(value, Mapping) else values
        if (part or (key if isinstance(value, Mapping) else "")) not in ("", *PARTS) or not set(given) <= set(owner):
            raise InputError(f"There is no setting '{key}'; the settings are {', '.join(setting_names())}.")
        owner.update(given)
    try:
        return TypeAdapter(MsnConfig).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(place) for place in first["loc"] if isinstance(place, str))
        raise InputError(f"The setting '{where}' cannot be {first['input']!r}: {first['msg']}.") from None


def setting_names() -> list[str]:
    """Return every name `preset` can override."""
    return list(settings_of(MsnConfig()))


def settings_of(config: MsnConfig) -> dict[str, Setting]:
    """Return all values by the names `preset` takes."""
    values = asdict(config)
    nested = {part: values.pop(part) for part in PARTS}
    return values | {f"{part}.{name}": value for part, inner in nested.items() for name, value in inner.items()}


def read_settings(file: Path) -> dict[str, object]:
    """Read overrides from a YAML file; `preset` checks their names and values.

    Raises:
        InputError: if it is missing or does not hold names and values.
    """
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = str(error).splitlines()[0]
        raise InputError(f"{file} cannot be read as YAML ({detail}); write lines such as 'epochs: 200'.") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(f"{file} must hold names and values, such as 'epochs: 200'; the names: {', '.join(setting_names())}.")
    return found
