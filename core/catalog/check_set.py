"""The terms of a check set, fixed before it is opened. Imports nothing of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

FIRST_SIZE = 100  # images to read before a set may be opened, where nothing else was planned


@dataclass(frozen=True)
class CheckSet:
    """Sealed check images in their permanent order, from behind the last set on; every look at them is counted."""

    number: int = 1
    after: float = -1.0  # the place in the permanent order where the set before ended
    size: int = FIRST_SIZE
    recall: float = 0.9  # to be promised
    confidence: float = 0.95  # of all promises from this set together
    live: bool = False  # watched after every label (e-value) instead of opened a few times
    started_by: str = ""
    started_at: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "CheckSet":
        """Read terms as they were kept.

        Raises:
            ValueError: if they hold what terms cannot.
        """
        usual = {f.name: f.default for f in fields(cls)}
        for name, value in kept.items():
            kinds = (int, float) if isinstance(usual.get(name), float) else type(usual.get(name))
            if name not in usual or not isinstance(value, kinds):
                raise ValueError(f"'{name}' is {value!r}")
        return cls(**kept)
