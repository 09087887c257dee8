"""What the figures of Review say, in sentences."""

import math

from core.triage.figures import Figures, Share
from core.wording import between, counted, percent, verb


def waiting_words(figures: Figures) -> str:
    """Say how many images wait, how many came in today, and how long the queue lasts at this pace."""
    n = figures.waiting
    said = f"{counted(n, 'flagged image')} {verb(n, 'waits', 'wait')}; {figures.today:,} came in today."
    if figures.pace > 0:
        said += f" {figures.pace:.1f} a minute by {counted(figures.analysts, 'analyst')}"
        said += f": none is left in {_time(figures.minutes_left)}." if n else "."
    if figures.not_scored:
        said += f" {counted(figures.not_scored, 'image')} cannot be scored yet."
    return said


def precision_words(figures: Figures) -> str:
    """Say what was found among the flagged images, and what that proves of all of them."""
    done, drawn = figures.answered, figures.precision
    if math.isnan(done.value):
        return "Precision so far: no flagged image is answered yet."
    definite = done.n - done.unsure
    said = f"Precision so far: {percent(done.value)} ({done.x:,} of {definite:,} answered)."
    return f"{said} Of all that is flagged: {between(*drawn.range)} (95% sure, from {_drawn(drawn)})." if drawn.n else said


def elusion_words(figures: Figures) -> str:
    """Say how much is missed at most among what is left up."""
    drawn = figures.elusion
    if not drawn.n:
        return "Left up: none of the images drawn at random is answered yet."
    found = f"{drawn.x:,} found in {_drawn(drawn)}"
    return f"Left up: at most {percent(drawn.most, up=True)} are of the flagged classes (95% sure, {found})."


def _drawn(share: Share) -> str:
    unsure = f", {share.unsure:,} of them unsure" if share.unsure else ""
    return f"{share.n:,} drawn at random{unsure}"


def _time(minutes: float) -> str:
    if minutes < 1:
        return "less than a minute"
    return counted(round(minutes), "minute") if minutes < 120 else counted(round(minutes / 60), "hour")
