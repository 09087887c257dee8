"""The terms of a check set, fixed before it is opened. Imports the standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

FIRST_SIZE = 100  # default number of images to read before a set may be opened
LEAST, MOST = 0.5, 0.999  # recall or confidence that can be asked for


@dataclass(frozen=True)
class CheckSet:
    """Sealed check images in their permanent order, starting after the previous set; every look at them is counted."""

    number: int = 1
    after: float = -1.0  # position in the permanent order where the previous set ended
    size: int = FIRST_SIZE
    recall: float = 0.9  # to be promised
    confidence: float = 0.95  # of all promises from this set together
    live: bool = False  # monitored after every label (e-value) instead of opened a few times
    started_by: str = ""
    started_at: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "CheckSet":
        """Read stored terms.

        Raises:
            ValueError: if a term is unknown or of the wrong type.
        """
        usual = {f.name: f.default for f in fields(cls)}
        for name, value in kept.items():
            kinds = (int, float) if isinstance(usual.get(name), float) else type(usual.get(name))
            if name not in usual or not isinstance(value, kinds):
                raise ValueError(f"'{name}' is {value!r}")
        return cls(**kept)
