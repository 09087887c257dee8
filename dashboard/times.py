"""Times as the reader's clock shows them. Imports nothing of ours."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from zoneinfo import ZoneInfo

UTC = "UTC"


@cache
def _zone(name: str) -> dt.tzinfo | None:
    """Return a time zone, None where this machine knows none of that name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # an unknown zone is a KeyError, a folder's name an OSError
        return None


def known(zone: str) -> str:
    """Return the zone, or UTC where this machine does not know it."""
    return zone if _zone(zone) is not None else UTC


def minute(at: str, zone: str = UTC, *, seconds: bool = False) -> str:
    """Return a stored time to the minute, or the second.

    Args:
        at: ISO 8601, UTC.
        zone: the reader's, such as Europe/Paris; only UTC is named in the words.
    """
    there = _zone(zone)
    if zone == UTC or there is None:
        return at[: 19 if seconds else 16].replace("T", " ") + " UTC"
    found = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC).astimezone(there)
    return f"{found:%Y-%m-%d %H:%M:%S}" if seconds else f"{found:%Y-%m-%d %H:%M}"


def scale(marks: Sequence[str], zone: str) -> list[str]:
    """Return stored times along a scale, oldest first: to the minute where they lie within two days, else the days."""
    shown = [minute(at, zone) for at in marks]
    spread = dt.datetime.fromisoformat(marks[-1]) - dt.datetime.fromisoformat(marks[0]) if marks else dt.timedelta()
    return shown if spread < dt.timedelta(days=2) else [words[:10] for words in shown]


def midnight(day: str, zone: str) -> str:
    """Return when a day of UTC begins on the reader's clock, HH:MM.

    Args:
        day: YYYY-MM-DD.
    """
    found = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).astimezone(_zone(zone) or dt.UTC)
    return f"{found:%H:%M}"


def day_began(now: dt.datetime, zone: str) -> str:
    """Return when the day of a moment began on the reader's clock, ISO 8601 UTC as times are stored."""
    there = now.astimezone(_zone(zone) or dt.UTC)
    return there.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(dt.UTC).isoformat(timespec="microseconds")
