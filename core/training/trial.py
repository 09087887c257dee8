"""How fast a preset trains on this machine: some steps on made-up pictures, of which nothing is kept. Imports lightly."""

import time

import torch

from core.devices import pick_device
from core.training.config import MsnConfig
from core.training.msn import Msn, parameter_groups
from core.training.presets import preset
from core.training.views import Chance

SECONDS = 2.0  # of steps, after one that is not timed
PIXELS = 320_000  # of the views of a batch on a CPU: an image takes nearly as long in a small batch as in a large one


def images_per_second(name: str, device: str) -> float:
    """Measure some training steps of a preset. On a GPU a long run is faster: its steps are one graph each."""
    config, on = preset(name), pick_device(device)
    model = Msn(config).to(on).train()
    model.use_fused_attention(on.type != "cpu")
    optimiser = torch.optim.AdamW(parameter_groups(model), lr=config.learning_rate)
    n, side = batch_of(config, on), config.architecture.input_size
    chance = Chance(torch.Generator(on).manual_seed(0))
    images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, device=on)
    start, done = 0.0, -n  # the first step chooses kernels and allocates memory
    while done <= 0 or time.perf_counter() - start < SECONDS:
        loss, _ = model.loss(images.float() / 255, chance)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.update_targets(config.ema)
        float(loss.detach())  # waits for the GPU
        done += n
        if not done:
            start = time.perf_counter()
    return done / (time.perf_counter() - start)


def batch_of(config: MsnConfig, device: torch.device) -> int:
    """Return how many images a measured step takes: on a GPU those of a real one."""
    if device.type != "cpu":
        return config.batch_size
    large, small = (1 + config.random_views) * config.architecture.input_size**2, config.focal_views * config.focal_size**2
    return min(config.batch_size, max(2, PIXELS // (large + small)))
