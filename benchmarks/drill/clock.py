"""Timing on a device, and the two floors that no function can beat: memory bandwidth and the rate of matrix products."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

LONG = 5  # times the seconds of timed calls: a warm-up that takes longer is the result
COPIED = {"cuda": 2**31, "cpu": 2**28}  # bytes: far more than any cache holds
SIDE = {"cuda": 8_192, "cpu": 1_024}  # of the square matrices multiplied
# Dense FLOP/s in bf16 (T4: float16) by the start of the GPU's name; L40S comes before L4.
DATA_SHEET = {
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "T4": 65e12,
}


def seconds(device: torch.device, work: Callable[[], object], *, most: float = 2.0, repeats: int = 7) -> float:
    """Return the median seconds of a call after a warm-up: by CUDA events on a GPU, by the clock on a CPU.

    Args:
        device: where the work is done.
        work: what to time; on a GPU it may return before the GPU has finished.
        most: seconds of timed calls after which no further one is made; a warm-up of more than `LONG` times that is the result.
        repeats: calls at most.
    """
    warm_up = once(device, work)
    if warm_up > LONG * most:
        return warm_up
    times: list[float] = []
    while len(times) < repeats and sum(times) < most:
        times.append(once(device, work))
    return statistics.median(times)


def once(device: torch.device, work: Callable[[], object]) -> float:
    """Return the seconds of one call without a warm-up, waiting for the device before and after."""
    if device.type != "cuda":
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    torch.cuda.synchronize(device)
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    work()
    after.record()
    torch.cuda.synchronize(device)
    return before.elapsed_time(after) / 1e3


@dataclass(frozen=True)
class Cost:
    """What a function has to do at least."""

    moved: float  # bytes read and written once
    operations: float  # FLOP, a multiplication and an addition counted as two


@dataclass(frozen=True)
class Floors:
    """What a device can do, measured in the same run."""

    bandwidth: float  # bytes read and written a second, of a copy on the device
    rate: float  # FLOP/s of a bf16 matrix product; on a CPU the faster of bf16 and float32

    @classmethod
    def of(cls, device: torch.device) -> "Floors":
        """Measure both."""
        source = torch.randint(0, 255, (COPIED[device.type],), dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        bandwidth = 2 * len(source) / seconds(device, lambda: target.copy_(source))
        kinds = (torch.bfloat16,) if device.type == "cuda" else (torch.bfloat16, torch.float32)
        return cls(bandwidth, max(_product_rate(device, kind) for kind in kinds))

    def seconds(self, cost: Cost) -> float:
        """Return the least time for a cost."""
        return max(cost.moved / self.bandwidth, cost.operations / self.rate)

    def bound(self, cost: Cost) -> str:
        """Return which of the two floors is the higher one."""
        return "bandwidth" if cost.moved / self.bandwidth >= cost.operations / self.rate else "product"


def _product_rate(device: torch.device, kind: torch.dtype) -> float:
    side = SIDE[device.type]
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return 2 * side**3 / seconds(device, lambda: a @ b)


def data_sheet_rate(device: torch.device) -> float | None:
    """Return the data sheet's dense half-precision FLOP/s of a GPU, None if unknown."""
    if device.type != "cuda":
        return None
    words = torch.cuda.get_device_name(device).split()
    return next((rate for name, rate in DATA_SHEET.items() if any(word.startswith(name) for word in words)), None)
