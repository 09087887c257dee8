"""Where computation runs: on CUDA if available, in bf16 if the hardware is faster with it. Imports numpy and torch."""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import InputError

LOG = logging.getLogger("lassoscope.devices")
AUTO, VARIABLE = "auto", "LASSOSCOPE_DEVICE"
CPU = torch.device("cpu")
CPU_BLOCK = 2_048  # rows converted to float32 at a time: 2,048 x 384 are 3 MB and stay in the cache
T = TypeVar("T")
Item = TypeVar("Item")


def pick_device(name: str = AUTO) -> torch.device:
    """Return the device for a name.

    Args:
        name: "cpu", "cuda" or "cuda:N"; "auto" for what LASSOSCOPE_DEVICE names, else CUDA if available, else the CPU.
    Raises:
        InputError: if this machine does not have it.
    """
    if name == AUTO:
        name = os.environ.get(VARIABLE) or AUTO
    if name == AUTO:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device '{name}'; use auto, cpu or cuda.") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise InputError(f"This machine has no CUDA device '{name}'; use auto or cpu.")
    if device.type == "cuda" and device.index is None:  # one device has one name, under which embeddings are kept
        return torch.device("cuda", torch.cuda.current_device())
    return device


@contextlib.contextmanager
def one_thread_each(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool in which torch runs every task on a single thread: tasks in parallel, one per core.

    torch's own threads synchronise after every operation, which makes them 5 to 10 times slower on a machine that is also
    busy with something else.

    Args:
        workers: number of threads, None for as many as torch would use.
    """
    with _THREADS.pool(1, workers or cores()) as pool:
        yield pool


class _Threads:
    """How many threads torch uses where nothing else is said.

    A pool's setting becomes the default of all threads that begin to use torch while it is open, so the number is kept here,
    and the last pool to close restores it.
    """

    def __init__(self) -> None:
        self.all = torch.get_num_threads()
        self._lock = threading.Lock()
        self._n_pools = 0

    @contextlib.contextmanager
    def pool(self, each: int, workers: int) -> Iterator[ThreadPoolExecutor]:
        """Yield a pool of `workers` threads in which torch uses `each` threads of its own."""
        with self._lock:
            self._n_pools += 1
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(each,)) as pool:
                yield pool
        finally:
            with self._lock:
                self._n_pools -= 1
                if not self._n_pools:
                    torch.set_num_threads(self.all)


_THREADS = _Threads()


def cores() -> int:
    """Return how many threads torch may use: what it found at the start, or `use_cores` set."""
    return _THREADS.all


def use_cores(n: int) -> None:
    """Have torch use n threads in this process."""
    _THREADS.all = n
    torch.set_num_threads(n)


def with_threads(n: int, work: Callable[[], T]) -> T:
    """Return `work()`, run where torch uses n threads; `on_all_cores` within it still uses all.

    With one, a step as small as finding the marked rows of a million takes 0.4 ms on a busy machine; with two that wait for
    each other, up to 50.
    """
    if n == cores() == torch.get_num_threads():  # as in the workers of a study: one thread is all there is
        return work()
    with _THREADS.pool(n, 1) as pool:
        return pool.submit(work).result()


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


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return an array as a tensor on a device: the array's own memory on the CPU, a copy on a GPU."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


@cache
def constants(values: tuple[float, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return a few numbers as a tensor, made once: sending them at every use would make a GPU wait each time."""
    with torch.inference_mode(False):  # for later use in training, too
        return torch.tensor(values, device=device, dtype=dtype)


def to_host(*tensors: torch.Tensor) -> list[NDArray[Any]]:
    """Return tensors as arrays: their own memory on the CPU; from a GPU copies that travel side by side, waited for once."""
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return [tensor.numpy() for tensor in tensors]
    landed = []
    for tensor in tensors:
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)  # else the copy would not run beside others
        landed.append(pinned.copy_(tensor, non_blocking=True))
    torch.cuda.current_stream(tensors[0].device).synchronize()
    return [tensor.numpy() for tensor in landed]


def on_all_cores(work: Callable[[Item], T], items: Sequence[Item], device: torch.device) -> list[T]:
    """Call `work` for each item, and return the results in order.

    On the CPU consecutive items share a thread, with one torch thread each; a GPU is fed by one thread.
    """
    if device.type != "cpu" or len(items) < 2 or cores() == 1:
        return [work(item) for item in items]
    size = -(-len(items) // (cores() * 8))
    shares = [items[start : start + size] for start in range(0, len(items), size)]
    with one_thread_each() as pool:
        return [result for results in pool.map(lambda share: [work(item) for item in share], shares) for result in results]


@cache
def warn_once(sentence: str) -> None:
    """Log a warning, but only the first time."""
    LOG.warning(sentence)


class Watch:
    """Tells a loop of device work when a flag has been raised, without making it wait for every step.

    On a GPU it looks at the flag of two steps before, so that there is always work queued; steps after the flag must change
    nothing.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._landing: deque[tuple[torch.Tensor, torch.cuda.Event]] = deque()

    def is_raised(self, flag: torch.Tensor) -> bool:
        """Take in the flag of this step, a bool tensor of one element, and tell whether it is known to be raised."""
        if self._device.type != "cuda":
            return bool(flag)
        pinned = torch.empty(1, dtype=torch.bool, pin_memory=True)
        pinned.copy_(flag.reshape(1), non_blocking=True)
        landed = torch.cuda.Event()
        landed.record(torch.cuda.current_stream(self._device))
        self._landing.append((pinned, landed))
        if len(self._landing) < 3:
            return False
        pinned, landed = self._landing.popleft()
        landed.synchronize()
        return bool(pinned)
