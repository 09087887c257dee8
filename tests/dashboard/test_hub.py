"""Windows are notified: of the newest of each topic, never of their own actions, one window after another."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from dashboard.handout import LEASE_SECONDS, Handout
from dashboard.hub import PATIENCE, Hub
from tests.waiting import wait_for


class Loop:
    """Stands in for the event loop of a Bokeh document: callbacks run one by one on one thread."""

    def __init__(self, pool):
        self.pool = pool

    def add_next_tick_callback(self, callback):
        self.pool.submit(callback)


@pytest.fixture
def loop():
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.close()


def test_every_window_but_the_one_that_acted_is_told_the_newest_of_each_topic(hub, loop):
    heard = {name: [] for name in "abc"}
    windows = {name: Loop(loop) for name in heard}
    for name, window in windows.items():
        hub.subscribe(window, heard[name].append)
    held = threading.Event()
    loop.submit(held.wait)  # the event loop is busy: what is published meanwhile is gathered
    for number in range(50):
        hub.publish("progress", number, but=windows["a"])
    hub.publish(("said", "ann", 1), "first")
    hub.publish(("said", "ann", 2), "second")  # another topic: no sentence is lost
    held.set()
    wait_for(lambda: all(heard[name] and heard[name][-1].get(("said", "ann", 2)) for name in "abc"))
    assert [len(topics) for topics in heard.values()] == [1, 1, 1]
    assert heard["b"][0] == {"progress": 49, ("said", "ann", 1): "first", ("said", "ann", 2): "second"}
    assert "progress" not in heard["a"][0]


def test_a_window_that_has_closed_gets_no_message_and_blocks_nobody(hub, loop):
    heard = []
    closed, open_ = Loop(loop), Loop(loop)
    hub.subscribe(closed, lambda topics: 1 / 0)
    hub.subscribe(open_, heard.append)
    hub.publish("labels")
    hub.unsubscribe(closed)
    wait_for(lambda: heard)
    assert len(hub) == 1


def test_a_window_that_closes_or_hangs_with_a_delivery_on_its_way_holds_nobody_up(hub, loop):
    heard, queued = [], []
    never = Loop(SimpleNamespace(submit=queued.append))  # its document runs nothing any more
    open_ = Loop(loop)
    hub.subscribe(never, lambda topics: None)
    hub.publish("labels")
    wait_for(lambda: queued)
    hub.subscribe(open_, heard.append)
    hub.publish("labels")
    start = time.monotonic()
    hub.unsubscribe(never)
    wait_for(lambda: heard)
    assert time.monotonic() - start < PATIENCE / 2  # at once, not after the patience
    hub.subscribe(never, lambda topics: None)
    hub.publish("labels")
    wait_for(lambda: len(queued) == 2)
    for number in range(3):
        hub.publish("labels", number)
    wait_for(lambda: heard[-1] == {"labels": 2})
    assert len(queued) == 2  # what hangs is asked once, not again and again


def test_two_windows_are_never_asked_for_the_same_picture_and_a_lease_ends_by_itself():
    now = [0.0]
    handout = Handout(clock=lambda: now[0])
    handout.hold("a", [1, 2])
    handout.hold("b", [3])
    assert handout.elsewhere("a") == {3}
    assert handout.elsewhere("c") == {1, 2, 3}
    handout.hold("a", [2])  # 1 is answered
    now[0] = LEASE_SECONDS - 1
    handout.hold("a", [2])  # and a is still there
    now[0] = LEASE_SECONDS + 1
    assert handout.elsewhere("c") == {2}
    handout.release("a")
    assert handout.elsewhere("c") == set()


def test_a_window_that_waits_for_a_change_gets_it_before_the_others_and_without_a_pause(hub, loop):
    hub._cost = 60.0  # s: after a delivery the hub would rest for minutes
    order, windows = [], {name: Loop(loop) for name in "abcd"}
    for name, window in windows.items():
        hub.subscribe(window, lambda _, name=name: order.append(name))
    held = threading.Event()
    loop.submit(held.wait)
    hub.publish("fitted")
    wait_for(lambda: hub._boxes[windows["a"]].on_its_way)  # it is its turn, and the event loop is busy
    hub.hasten([windows["c"], windows["d"], Loop(loop)])
    held.set()
    wait_for(lambda: len(order) == 3)
    assert order[0] == "a"
    assert sorted(order[1:]) == ["c", "d"]
    assert not any(box.is_hasty for box in hub._boxes.values())


def test_a_window_is_not_hastened_for_what_it_has_got(hub, loop):
    window = Loop(loop)
    hub.subscribe(window, lambda _: None)
    hub.hasten([window])
    assert not any(box.is_hasty for box in hub._boxes.values())
