"""Time every device function on both devices, beside what the device's memory and matrix products allow."""

import time

import torch

from benchmarks.drill.clock import Floors, data_sheet_rate, once, seconds
from benchmarks.drill.functions import FUNCTIONS, DeviceFunction
from benchmarks.drill.record import Recorder
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
        record.under("floors").add(
            str(kind),
            GB_a_second_copied_on_the_device=floor.bandwidth / 1e9,
            TFLOP_a_second_of_bf16_products=floor.rate / 1e12,
            data_sheet=f"{sheet / 1e12:.0f}" if sheet else "unknown",
        )
    sizes = {function: (function.small,) if small else function.timed_at for function in FUNCTIONS}
    for n in sorted({n for some in sizes.values() for n in some}):
        functions = [function for function, some in sizes.items() if n in some]
        with made(n, device) as world:
            sent = 2 * n * DIM / upload(world, device) / 1e9
            record.under("sending").add("mapped part files to the device", device=str(device), N=n, GB_a_second=sent)
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
        where: dict[str, int | str] = {"device": side.name, "N": n}
        if time.monotonic() > end:
            record.add(function.name, failed="No time was left.", **where)
            continue
        try:
            spent = seconds(side.device, lambda function=function: function.call(side), most=most)
        except Exception as error:  # the other functions are still timed
            record.fail(function.name, error, **where)
            continue
        cost = function.cost(n)
        least = floors.seconds(cost)
        record.add(
            function.name,
            **where,
            ms=spent * 1e3,
            floor_ms=least * 1e3,
            bound=floors.bound(cost),
            time_over_floor=spent / least,
        )
