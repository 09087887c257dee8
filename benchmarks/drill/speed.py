"""Time every device function on both devices, beside what the device's memory and matrix products allow."""

import time
from functools import partial

import torch

from benchmarks.drill.clock import Floors, data_sheet_rate, once, seconds
from benchmarks.drill.functions import FUNCTIONS, DeviceFunction
from benchmarks.drill.record import Figure, Recorder
from benchmarks.drill.world import DIM, Side, World, made
from core.devices import CPU
from core.embeddings.resident import residents

MOST, SMALL_MOST = 1.0, 0.2  # seconds of repeated calls of one function


def run(record: Recorder, device: torch.device, *, small: bool, budget: float) -> None:
    """Time the functions for each number of rows, the device first."""
    end = time.monotonic() + budget
    floors = {kind: Floors.of(kind) for kind in dict.fromkeys((device, CPU))}
    for kind, floor in floors.items():
        sheet = data_sheet_rate(kind)
        figures: dict[str, Figure] = {
            "GB a second copied on the device": floor.bandwidth / 1e9,
            "TFLOP a second of bf16 products": floor.rate / 1e12,
            "data sheet": sheet / 1e12 if sheet else "unknown",
        }
        record.under("floors").add(str(kind), figures)
    sizes = {function: (function.small,) if small else function.timed_at for function in FUNCTIONS}
    for n in sorted({n for some in sizes.values() for n in some}, reverse=True):  # the goals are of the largest
        functions = [function for function, some in sizes.items() if n in some]
        with made(n, device) as world:
            rate = 2 * n * DIM / upload(world, device) / 1e9
            record.under("sending").add("part files to the device", {"device": str(device), "N": n, "GB a second": rate})
            time_all(record, functions, world.on(device), floors[device], end, most=SMALL_MOST if small else MOST)
            on_cpu = [function for function in functions if n <= function.most_on_cpu]
            time_all(record, on_cpu, world.on_cpu(), floors[CPU], end, most=SMALL_MOST if small else MOST)


def upload(world: World, device: torch.device) -> float:
    """Return the seconds of sending all embeddings from their mapped part files to the device."""
    return once(device, lambda: residents(device).of(world.matrix))


def time_all(record: Recorder, functions: list[DeviceFunction], side: Side, floors: Floors, end: float, *, most: float) -> None:
    """Record the median time of each function on one side, beside its floor."""
    for function in functions:
        n = side.world.matrix.rows
        figures: dict[str, Figure] = {"device": side.name, "N": n}
        if time.monotonic() > end:
            record.add(function.name, figures, failed="No time was left.")
            continue
        try:
            spent = seconds(side.device, partial(function.call, side), most=most)
        except Exception as error:  # the other functions are still timed
            record.fail(function.name, error, figures)
            continue
        cost = function.cost(n)
        least = floors.seconds(cost)
        figures |= {"ms": spent * 1e3, "floor ms": least * 1e3, "bound": floors.bound(cost), "time over floor": spent / least}
        record.add(function.name, figures)
