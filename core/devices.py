"""Where computation runs: on CUDA if available, in bf16 if the hardware is faster with it. Imports torch only."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

from core.errors import InputError


def pick_device(name: str = "auto") -> torch.device:
    """Return the device for a name.

    Args:
        name: "auto" (CUDA if available, else the CPU), "cpu", "cuda" or "cuda:N".
    Raises:
        InputError: if this machine does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device '{name}'; use auto, cpu or cuda.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise InputError(f"This machine has no CUDA device '{name}'; use auto or cpu.")
    return device


@contextlib.contextmanager
def one_thread_each(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool in which torch runs every task on a single thread: tasks in parallel, one per core.

    torch's own threads synchronise after every operation, which makes them 5 to 10 times slower on a machine that is also
    busy with something else.

    Args:
        workers: number of threads, None for as many as torch would use.
    """
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(workers or threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # the pool's setting had become the default of new threads


@cache
def _cpu_multiplies_bf16() -> bool:
    """Tell whether the CPU has bf16 instructions; without them torch emulates bf16, slower than float32."""
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def bf16_pays(device: torch.device) -> bool:
    """Tell whether bf16 autocast is faster than float32 on a device."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return device.type == "cpu" and _cpu_multiplies_bf16()
