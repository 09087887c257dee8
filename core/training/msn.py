"""The MSN model, built from lightly's parts: anchors, EMA targets, prototypes.

Source: Assran et al. 2022 and facebookresearch/msn. lightly's example draws its mask over the patches only, so that the last
patch is never seen, and detaches the prototypes; both are corrected here.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from lightly.loss import MSNLoss
from lightly.models.modules import MaskedVisionTransformerTIMM
from lightly.models.modules.heads import MSNProjectionHead
from lightly.models.utils import deactivate_requires_grad
from timm.layers import Attention
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from core.devices import bf16_pays
from core.encoders.untrained import trainable
from core.encoders.vit import load_backbone, normalise
from core.errors import EncoderError
from core.training.config import MsnConfig
from core.training.views import Chance, random_view


def keep_tokens(n: int, tokens: int, mask_ratio: float, chance: Chance) -> Tensor:
    """Draw the tokens of each image that an anchor sees: always the class token, and the same number of patches each.

    Args:
        n: images.
        tokens: of one image, the class token (0) counted.
        mask_ratio: part of the tokens left out.
        chance: drawn on the device of the result.
    Returns:
        (n, kept) int64, ascending, first column 0.
    """
    kept = max(2, round(tokens * (1 - mask_ratio)))
    noise = chance.rand(n, tokens)
    noise[:, 0] = -1
    return noise.argsort(dim=1)[:, :kept].sort(dim=1).values


def parameter_groups(model: nn.Module) -> list[dict[str, list[nn.Parameter] | bool | float]]:
    """Split the trained parameters into torch's groups: matrices decay; biases, norms, tokens and prototypes do not."""
    decay: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            free = parameter.ndim < 2 or "prototypes" in name or "token" in name or "pos_embed" in name
            (plain if free else decay).append(parameter)
    return [{"params": decay, "decays": True}, {"params": plain, "decays": False, "weight_decay": 0.0}]


def _world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _Sum(torch.autograd.Function):
    """The sum over all processes, through which gradients flow back to each."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedMsnLoss(MSNLoss):
    """lightly's loss with the me-max term over the batches of all processes, as in the paper, instead of one process's."""

    def regularization_loss(self, mean_anchor_probs: Tensor) -> Tensor:
        """Return the negative entropy of the mean prediction over the whole batch."""
        if _world() > 1:
            mean_anchor_probs = _Sum.apply(mean_anchor_probs) / _world()
        return super().regularization_loss(mean_anchor_probs=mean_anchor_probs)


class SharedBatchNorm(nn.BatchNorm1d):
    """BatchNorm over the batches of all processes; torch's SyncBatchNorm does the same on GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, C) by the mean and variance of all processes' rows."""
        world = _world()
        if world == 1 or not self.training:
            return super().forward(x)
        wide = x.float()
        mean, square = (_Sum.apply(torch.stack([wide.mean(dim=0), wide.square().mean(dim=0)])) / world).unbind()
        variance = (square - mean.square()).clamp_min(0)
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            n = len(x) * world
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * n / (n - 1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        scaled = (wide - mean) * (variance + self.eps).rsqrt()
        return (scaled * self.weight + self.bias).to(x.dtype)


def share_batch_norms(module: nn.Module) -> nn.Module:
    """Replace the BatchNorm1d layers of a fresh module by shared ones, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d):
            setattr(module, name, SharedBatchNorm(child.num_features))
        else:
            share_batch_norms(child)
    return module


class Msn(nn.Module):
    """Anchor and EMA target networks with prototypes; one `loss` call is one forward pass of a step.

    `target_backbone.vit` becomes the encoder.
    """

    def __init__(self, config: MsnConfig) -> None:
        super().__init__()
        shape = config.architecture
        self.config = config
        self.target_backbone = MaskedVisionTransformerTIMM(vit=trainable(shape))
        self.target_head = share_batch_norms(MSNProjectionHead(shape.dim, config.head_hidden, config.head_out))
        self.anchor_backbone = copy.deepcopy(self.target_backbone)
        self.anchor_head = copy.deepcopy(self.target_head)
        deactivate_requires_grad(self.target_backbone)
        deactivate_requires_grad(self.target_head)
        self.anchor_backbone.mask_token.requires_grad_(False)  # lightly's for other methods; MSN leaves tokens out instead
        start = nn.Linear(config.head_out, config.prototypes, bias=False).weight.detach().clone()
        self.prototypes = nn.Parameter(start)
        self.criterion = SharedMsnLoss(
            gather_distributed=True,  # sinkhorn over the batches of all processes; does nothing in one
            temperature=config.temperature,
            sinkhorn_iterations=config.sinkhorn_iterations,
            regularization_weight=config.me_max,
        )

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Give anchor and target backbone the weights of a trained ViT, by its own names.

        Raises:
            EncoderError: if they belong to another architecture.
        """
        shape = self.config.architecture
        try:
            vit = load_backbone(weights, shape)
        except EncoderError:
            raise EncoderError(
                f"The weights to start from are no ViT {shape.dim} x {shape.depth}, patch {shape.patch_size}, "
                f"{shape.input_size} px; change the architecture, or start from random weights."
            ) from None
        for backbone in (self.anchor_backbone, self.target_backbone):
            backbone.vit.load_state_dict(vit.state_dict())

    def views(self, images: Tensor, chance: Chance) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Draw the views of a step.

        Args:
            images: (B, 3, S, S) float in [0, 1].
            chance: drawn on the images' device.
        Returns:
            the target view (B, 3, S, S), the random views (same shape), the focal views (smaller); all normalised.
        """
        config, shape = self.config, self.config.architecture

        def view(size: int, scale: tuple[float, float]) -> Tensor:
            return normalise(random_view(images, size, scale, config.jitter, chance), shape)

        target = view(shape.input_size, config.random_scale)
        large = [view(shape.input_size, config.random_scale) for _ in range(config.random_views)]
        return target, large, [view(config.focal_size, config.focal_scale) for _ in range(config.focal_views)]

    def anchors(self, views: list[Tensor], mask_ratio: float, chance: Chance) -> Tensor:
        """Embed V anchor views, each (B, 3, S, S), to (V B, dim), seeing only some tokens when `mask_ratio` > 0."""
        images = torch.cat(views)
        if not mask_ratio:
            return self.anchor_backbone(images=images)
        patch = self.config.architecture.patch_size
        tokens = (images.shape[-2] // patch) * (images.shape[-1] // patch) + self.anchor_backbone.vit.num_prefix_tokens
        kept = torch.cat([keep_tokens(len(view), tokens, mask_ratio, chance) for view in views])
        return self.anchor_backbone(images=images, idx_keep=kept)

    def loss(self, images: Tensor, chance: Chance) -> tuple[Tensor, Tensor]:
        """Return a step's loss (scalar, float32) and the targets (B, head_out), float32 without gradient."""
        target, large, focal = self.views(images, chance)
        device = images.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16_pays(device)):
            with torch.no_grad():
                targets = self.target_head(self.target_backbone(images=target))
            seen = [self.anchors(large, self.config.mask_ratio, chance)]
            if focal:
                seen.append(self.anchors(focal, 0.0, chance))
            anchors = self.anchor_head(torch.cat(seen))
        # The loss takes powers and logarithms of probabilities: float32, and the Parameter itself so that it learns.
        loss = self.criterion(
            anchors.float(), targets.float(), self.prototypes, target_sharpen_temperature=self.config.sharpening
        )
        return loss, targets.float()

    def use_fused_attention(self, fused: bool) -> None:
        """Choose torch's fused attention kernel or plain products; the CPU's fused backward halves the speed of training."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.fused_attn = fused  # type: ignore[misc]  # final only for TorchScript

    def compile_blocks(self) -> None:
        """Have torch compile the transformers' blocks at their first use, for fewer passes over memory."""
        for backbone in (self.anchor_backbone, self.target_backbone):
            for block in backbone.vit.blocks:
                block.compile()

    def update_targets(self, momentum: float) -> None:
        """Move the target networks towards the anchors."""
        move = get_ema_multi_avg_fn(momentum)  # in place, a few kernels for all parameters
        for anchor, target in ((self.anchor_backbone, self.target_backbone), (self.anchor_head, self.target_head)):
            move(list(target.parameters()), list(anchor.parameters()), None)

    @torch.no_grad()
    def prototypes_used(self, targets: Tensor) -> int:
        """Count the prototypes that are nearest to at least one of (B, head_out) targets."""
        unit = nn.functional.normalize(targets, dim=1) @ nn.functional.normalize(self.prototypes, dim=1).T
        return len(unit.argmax(dim=1).unique())
