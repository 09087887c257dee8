"""Distinguishes values that a user put into a widget from the widget's echoes of values that the program put there.

React widgets send values back when a newer one is on its way to them: a flag that is set while the program writes is cleared
before the echo arrives. So echoes are recognised by which values were written, and when.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

SECONDS = 5.0  # after a value was replaced, its echo may still arrive
RARELY = 1.5  # s, where values are written rarely, so that an old value more likely comes from the user
REMEMBERED = 64


class Echoes:
    """The values that the program has written to one widget."""

    def __init__(self, widget: Any, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._widget, self._seconds, self._clock = widget, seconds, clock
        self._shown: Any = widget.value
        self._is_ours = True  # the program has put `_shown` there
        self._replaced: deque[tuple[Any, float]] = deque(maxlen=REMEMBERED)

    @property
    def shown(self) -> Any:
        """Return what the widget should show now."""
        return self._shown

    def write(self, value: Any, **others: Any) -> None:
        """Put a value into the widget, and other parameters with it."""
        self._become(value, is_ours=True)
        if others or self._widget.value != value:
            self._widget.param.update(value=value, **others)

    def is_persons(self, value: Any) -> bool:
        """Tell whether a value that the widget reports comes from the user; the widget then keeps it."""
        now = self._clock()
        if value == self._shown or any(value == old and now - at < self._seconds for old, at in self._replaced):
            return False
        self._become(value, is_ours=False)
        return True

    def restore(self) -> None:
        """Reset the widget if an echo has changed its value."""
        if self._widget.value != self._shown:
            self._widget.param.update(value=self._shown)

    def _become(self, value: Any, *, is_ours: bool) -> None:
        if self._is_ours and value != self._shown:
            self._replaced.append((self._shown, self._clock()))
        self._shown, self._is_ours = value, is_ours
