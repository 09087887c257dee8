"""Times on the reader's clock, and what a browser may say of its zone."""

import pytest

from dashboard.times import known, midnight, minute, scale
from dashboard.views.components.time_zone import TimeZone

AT = "2026-07-01T22:30:15.123456+00:00"


def test_a_time_is_told_on_the_readers_clock():
    assert minute(AT, "Europe/Paris") == "2026-07-02 00:30"
    assert minute(AT, "America/New_York", seconds=True) == "2026-07-01 18:30:15"
    assert minute("2026-01-01T22:30:00", "Europe/Paris") == "2026-01-01 23:30"  # winter


def test_without_a_known_zone_a_time_is_of_utc_and_says_so():
    for zone in ("UTC", "Mars/Olympus"):
        assert minute(AT, zone) == "2026-07-01 22:30 UTC"
    assert known("Mars/Olympus") == "UTC"
    assert known("Asia/Kolkata") == "Asia/Kolkata"


def test_a_day_of_utc_begins_on_the_readers_clock():
    assert midnight("2026-07-01", "Asia/Kolkata") == "05:30"
    assert midnight("2026-07-01", "UTC") == "00:00"


def test_times_along_a_scale_are_minutes_within_two_days_and_days_of_the_reader_beyond():
    assert scale([AT, "2026-07-02T22:30:15+00:00"], "Europe/Paris") == ["2026-07-02 00:30", "2026-07-03 00:30"]
    assert scale([AT, "2026-07-04T22:30:15+00:00"], "Europe/Paris") == ["2026-07-02", "2026-07-05"]
    assert scale([], "Europe/Paris") == []


@pytest.mark.parametrize("strange", ["../../etc/passwd", "/etc/passwd", "x" * 65, "", 3, None, "Europe/Par is"])
def test_a_zone_that_is_no_name_is_not_taken(strange):
    taken = []
    TimeZone(on_zone=taken.append)._handle_msg({"zone": strange})
    assert taken == []


def test_the_browsers_zone_is_taken_and_a_folder_is_no_zone():
    taken = []
    TimeZone(on_zone=taken.append)._handle_msg({"zone": "Europe/Paris"})
    assert taken == ["Europe/Paris"]
    assert known("Europe") == "UTC"
    assert known("a/../../b") == "UTC"
