"""The settings of an MSN training run; to name them takes none of the seconds that importing lightly takes."""

import json
from dataclasses import asdict, dataclass, field

from core.encoders.vit import Architecture
from core.errors import InputError
from core.training.views import Jitter


@dataclass(frozen=True)
class MsnConfig:
    """A whole training run; the defaults fit some ten thousand small images and a CPU."""

    architecture: Architecture = field(default_factory=Architecture)
    epochs: int = 100
    batch_size: int = 128
    prototypes: int = 64  # fewer than images in a batch, or most stay unused
    head_hidden: int = 512
    head_out: int = 128
    random_views: int = 1
    focal_views: int = 2
    focal_size: int = 16
    random_scale: tuple[float, float] = (0.4, 1.0)
    focal_scale: tuple[float, float] = (0.15, 0.5)
    mask_ratio: float = 0.3  # of the tokens of a random view; focal views are never masked
    jitter: Jitter = field(default_factory=Jitter)
    learning_rate: float = 1e-3
    warmup: float = 0.1  # part of all steps
    weight_decay: tuple[float, float] = (0.04, 0.4)
    ema: float = 0.99  # rises to 1; 0.98 for runs under 1,000 steps, 0.996 for 100,000
    clip: float = 3.0
    temperature: float = 0.1
    sharpening: float = 0.25
    sinkhorn_iterations: int = 3
    me_max: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an impossible configuration.

        Raises:
            InputError: naming the value.
        """
        patch = self.architecture.patch_size
        if self.architecture.input_size % patch or self.focal_size % patch:
            raise InputError(
                f"Views of {self.architecture.input_size} and {self.focal_size} px must be multiples of {patch} px."
            )
        if not 0 <= self.mask_ratio < 1 or self.epochs < 1 or self.batch_size < 2 or self.random_views < 1:
            raise InputError("MSN needs a mask ratio in [0, 1), 1 epoch, 1 random view and a batch of 2 at least.")

    def fingerprint(self) -> str:
        """Return all values as text: two runs with the same text and images are the same run."""
        return json.dumps(asdict(self), sort_keys=True)
