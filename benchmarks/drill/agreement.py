"""Compare every device function with its CPU twin on random inputs."""

from collections.abc import Iterable

import torch

from benchmarks.drill.functions import FUNCTIONS, DeviceFunction
from benchmarks.drill.record import Recorder
from benchmarks.drill.world import Side, made


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Compare all functions, those of one number of rows on the same embeddings."""
    sizes = {function: function.small if small else function.compared_at for function in FUNCTIONS}
    for n in sorted(set(sizes.values())):
        with made(n, device) as world:
            compare(record, [function for function, size in sizes.items() if size == n], world.on_cpu(), world.on(device), n)


def compare(record: Recorder, functions: Iterable[DeviceFunction], cpu: Side, other: Side, n: int) -> None:
    """Record how far apart the results of each function are on the two sides."""
    for function in functions:
        try:
            call = function.compared or function.call
            apart = function.apart(cpu, call(cpu), call(other))
        except Exception as error:  # the other functions are still compared
            record.fail(function.name, error, {"N": n})
            continue
        failed = "" if apart <= function.allowed else f"The results are {apart:.2g} apart; {function.allowed:.2g} is allowed."
        record.add(function.name, {"N": n, "apart": apart, "allowed": function.allowed}, failed)
