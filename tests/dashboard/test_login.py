"""How often a password may be tried, and whose tries count together."""

from types import SimpleNamespace

import pytest

from dashboard.login import FORGET_AFTER, FREE_TRIES, LONGEST_WAIT, SHARED_SECONDS, SHARED_TRIES, Tries, place_of


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def wrong(tries, place, n, *, known=False):
    for _ in range(n):
        tries.wrong(place, known=known)


def test_the_wait_doubles_from_the_sixth_try_up_to_a_quarter_of_an_hour(clock):
    tries, waits = Tries(clock), []
    for _ in range(FREE_TRIES + 12):
        waits.append(tries.wait("a", known=True))
        clock.now += waits[-1]
        tries.wrong("a", known=True)
    assert waits == [0] * FREE_TRIES + [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_WAIT, LONGEST_WAIT]


def test_a_wait_is_of_one_place_and_is_forgotten_after_the_right_password_or_an_hour(clock):
    tries = Tries(clock)
    wrong(tries, "a", FREE_TRIES + 3)
    wrong(tries, "b", FREE_TRIES + 3)
    assert tries.wait("c", known=False) == 0
    tries.right("a")
    assert tries.wait("a", known=False) == 0
    assert tries.wait("b", known=False) > 0
    clock.now += FORGET_AFTER
    assert tries.wait("b", known=False) == 0


def test_a_thousand_addresses_share_one_allowance_that_refills_and_leaves_known_browsers_alone(clock):
    tries = Tries(clock)
    let = 0
    for n in range(1000):
        if tries.wait(f"address {n}", known=False) == 0:
            tries.wrong(f"address {n}", known=False)
            let += 1
    assert let == SHARED_TRIES
    assert tries.wait("new analyst", known=False) == pytest.approx(SHARED_SECONDS)
    assert tries.wait("browser", known=True) == 0
    clock.now += SHARED_SECONDS
    assert tries.wait("new analyst", known=False) == 0


def request(peer, forwarded):
    context = SimpleNamespace(address=(peer, 1234))
    return SimpleNamespace(connection=SimpleNamespace(context=context), remote_ip=forwarded)


def test_a_forwarded_address_is_believed_only_from_a_near_proxy():
    assert place_of(request("127.0.0.1", "203.0.113.9")) == "203.0.113.9"
    assert place_of(request("10.0.0.2", "203.0.113.9")) == "203.0.113.9"
    assert place_of(request("8.8.8.8", "203.0.113.9")) == "8.8.8.8"
    assert place_of(request("127.0.0.1", "nonsense")) == "127.0.0.1"


def test_one_ipv6_network_is_one_place():
    places = {place_of(request(f"2606:4700::{n:x}", "")) for n in range(1, 9)}
    assert places == {"2606:4700::/64"}
