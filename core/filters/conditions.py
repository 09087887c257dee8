"""Conditions that images fulfil or not, their text in an address, and what people read. Imports pydantic and core.

The text of a condition is `kind:part,part` with each part percent-encoded, and ";" joins conditions. It comes from links,
so from anybody: what does not fit a model is refused.
"""

import datetime as dt
from abc import abstractmethod
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self, get_args
from urllib.parse import quote, unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from core.errors import InputError
from core.maths.halves import Half
from core.wording import either

MOST = 24  # conditions at once
LONGEST = 4_000  # characters of their text, which an address holds
UNLABELLED_NAME, UNSURE_NAME = "!unlabelled", "!unsure"  # in the place of a class; no encoded name has "!"
SPECIAL = {UNLABELLED_NAME: "unlabelled", UNSURE_NAME: "unsure"}
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]


class Tells(StrEnum):
    """What a condition tells about an image that is sealed for the promise."""

    NOTHING = "nothing"
    ANSWER = "answer"  # how people have labelled it
    MODEL = "model"  # what a model says of it


class Reads(StrEnum):
    """What a mask is made from: with the same, it is the same mask."""

    IMAGES = "images"  # what never changes while the workspace is open
    GROUPS = "groups"
    LABELS = "labels"
    PROBE = "probe"
    CLUSTERS = "clusters"
    WORDS = "words"


class _Condition(BaseModel):
    """What all conditions share."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    tells: ClassVar[Tells] = Tells.NOTHING
    reads: ClassVar[Reads] = Reads.IMAGES

    @property
    @abstractmethod
    def words(self) -> str:
        """Return what people read on the chip."""

    @abstractmethod
    def parts(self) -> list[str]:
        """Return the parts of its text."""

    @classmethod
    @abstractmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        """Return the condition that `parts` gave.

        Raises:
            ValueError: if there is none.
        """


class _Named(_Condition):
    names: Names

    def parts(self) -> list[str]:
        return list(self.names)

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        return cls(names=tuple(parts))

    @property
    def _either(self) -> str:
        return either([SPECIAL.get(name, f"'{name}'") for name in self.names])


class _Between(_Condition):
    """From `low` to `high`, both included; None is no limit, and one of them is a number."""

    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a range needs a number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("a range goes from its lower to its higher number")
        return self

    def parts(self) -> list[str]:
        return ["" if end is None else repr(end).removesuffix(".0") for end in (self.low, self.high)]

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        low, high = (float(part) if part else None for part in parts)
        return cls(low=low, high=high)

    def _range(self, shown: Callable[[float], str], unit: str = "") -> str:
        if self.low is None or self.high is None:
            bound, end = ("at most", self.high) if self.low is None else ("at least", self.low)
            return f"{bound} {shown(end)}{unit}" if end is not None else ""
        return f"{shown(self.low)} to {shown(self.high)}{unit}"


class _Single(_Condition):
    """With one part, which is the text of a field."""

    field: ClassVar[str]

    def parts(self) -> list[str]:
        return [getattr(self, self.field)]

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        [part] = parts
        return cls.model_validate({cls.field: part})


class _Containing(_Single):
    field: ClassVar[str] = "text"
    text: Name


class ClassIs(_Named):
    """Labelled as one of these classes, unlabelled, or marked as unsure."""

    kind: Literal["class"] = "class"
    tells: ClassVar[Tells] = Tells.ANSWER
    reads: ClassVar[Reads] = Reads.LABELS

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        only_special = all(name in SPECIAL for name in self.names)
        return self._either if only_special else f"labelled {self._either}"


class PredictedIs(_Named):
    """The model says one of these classes."""

    kind: Literal["predicted"] = "predicted"
    tells: ClassVar[Tells] = Tells.MODEL
    reads: ClassVar[Reads] = Reads.PROBE

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"the model says {self._either}"


class ScoreBetween(_Between):
    """The model's probability of flagged."""

    kind: Literal["score"] = "score"
    tells: ClassVar[Tells] = Tells.MODEL
    reads: ClassVar[Reads] = Reads.PROBE
    low: Share | None = None
    high: Share | None = None

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"score {self._range(lambda share: f'{100 * share:.6g}%')}"


class UncertaintyBetween(_Between):
    """How uncertain the model is: 0 = certain, 1 = as uncertain as can be."""

    kind: Literal["uncertainty"] = "uncertainty"
    tells: ClassVar[Tells] = Tells.MODEL
    reads: ClassVar[Reads] = Reads.PROBE
    low: Share | None = None
    high: Share | None = None

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"uncertainty {self._range(lambda share: f'{share:.6g}')}"


class HalfIs(_Single):
    """In the teach half, or in the check half."""

    kind: Literal["half"] = "half"
    field: ClassVar[str] = "half"
    reads: ClassVar[Reads] = Reads.GROUPS
    half: Half

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"{self.half} half"


class InCluster(_Named):
    """In one of these clusters of the map, of any grain."""

    kind: Literal["cluster"] = "cluster"
    reads: ClassVar[Reads] = Reads.CLUSTERS

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"cluster {either(list(self.names))}"


class LabelledBy(_Named):
    """With a label that one of these analysts has given."""

    kind: Literal["by"] = "by"
    tells: ClassVar[Tells] = Tells.ANSWER
    reads: ClassVar[Reads] = Reads.LABELS

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"labelled by {either(list(self.names))}"


class AddedSince(_Condition):
    """Ingested at a time or later."""

    kind: Literal["added"] = "added"
    since: AwareDatetime = Field(ge=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), lt=dt.datetime(9000, 1, 1, tzinfo=dt.UTC))

    @property
    def words(self) -> str:
        """Return what people read on the chip where the reader's time zone is not known."""
        return f"added since {self.since.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"

    def parts(self) -> list[str]:
        """Return the parts of its text."""
        return [self.since.astimezone(dt.UTC).isoformat()]

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        """Return the condition that `parts` gave."""
        [since] = parts
        return cls(since=dt.datetime.fromisoformat(since))


class FileNamed(_Containing):
    """With a text in a file's name; one with "/" is searched for in the whole path. Case does not matter."""

    kind: Literal["file"] = "file"

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"file name has '{self.text}'"


class WordsRead(_Containing):
    """With these words in the picture or in its cluster's title, as far as pictures were read."""

    kind: Literal["words"] = "words"
    reads: ClassVar[Reads] = Reads.WORDS

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"picture says '{self.text}'"


class ColumnIs(_Named):
    """With one of these values in a column that came with the images."""

    kind: Literal["value"] = "value"
    tells: ClassVar[Tells] = Tells.ANSWER
    column: Name

    def parts(self) -> list[str]:
        """Return the parts of its text."""
        return [self.column, *self.names]

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        """Return the condition that `parts` gave."""
        column, *names = parts
        return cls(column=column, names=tuple(names))

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"{self.column} is {self._either}"


class ColumnBetween(_Between):
    """With a number in this range in a column that came with the images, or in a score column (`score:NAME`)."""

    kind: Literal["number"] = "number"
    tells: ClassVar[Tells] = Tells.MODEL
    column: Name

    def parts(self) -> list[str]:
        """Return the parts of its text."""
        return [self.column, *super().parts()]

    @classmethod
    def of_parts(cls, parts: Sequence[str]) -> Self:
        """Return the condition that `parts` gave."""
        column, low, high = parts
        return cls(column=column, low=float(low) if low else None, high=float(high) if high else None)

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"{self.column} {self._range(lambda end: f'{end:.6g}')}"


class Copies(StrEnum):
    """Whether an image has near-duplicates."""

    SOME = "some"
    NONE = "none"


class NearDuplicates(_Single):
    """With near-duplicates in the workspace, or without any."""

    kind: Literal["copies"] = "copies"
    field: ClassVar[str] = "copies"
    reads: ClassVar[Reads] = Reads.GROUPS
    copies: Copies

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return "with near-duplicates" if self.copies == Copies.SOME else "without near-duplicates"


class LongerSide(_Between):
    """With a longer side in this range, in px."""

    kind: Literal["size"] = "size"

    @property
    def words(self) -> str:
        """Return what people read on the chip."""
        return f"longer side {self._range(lambda px: f'{px:.6g}', ' px')}"


Condition = Annotated[
    ClassIs | PredictedIs | ScoreBetween | UncertaintyBetween | HalfIs | InCluster | LabelledBy | AddedSince | FileNamed
    | WordsRead | ColumnIs | ColumnBetween | NearDuplicates | LongerSide,
    Field(discriminator="kind"),
]  # fmt: skip
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
KINDS: dict[str, type[_Condition]] = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(Condition)[0])}
Conditions = tuple[Condition, ...]


def same_question(one: Condition, other: Condition) -> bool:
    """Tell whether two conditions ask about the same, so that the newer replaces the older; searches for texts add up."""
    if one.kind != other.kind or isinstance(one, _Containing):
        return one == other
    return getattr(one, "column", "") == getattr(other, "column", "")


def with_condition(conditions: Sequence[Condition], new: Condition) -> Conditions:
    """Return the conditions with a new one, in the place of the one about the same if there is one.

    Raises:
        InputError: if there are too many.
    """
    if (at := next((at for at, old in enumerate(conditions) if same_question(old, new)), None)) is not None:
        return _short((*conditions[:at], new, *conditions[at + 1 :]))
    if len(conditions) >= MOST:
        raise InputError(f"There are {MOST} filters, which is the most; remove one first.")
    return _short((*conditions, new))


def _short(conditions: Conditions) -> Conditions:
    if len(text_of(conditions)) > LONGEST:
        raise InputError("These filters name too much for a link to hold; choose fewer values.")
    return conditions


def text_of(conditions: Sequence[Condition]) -> str:
    """Return the text of conditions, "" for none; `conditions_of` reads it."""
    return ";".join(f"{c.kind}:{','.join(map(_encoded, c.parts()))}" for c in conditions)


def conditions_of(text: str) -> Conditions:
    """Return the conditions of a text.

    Raises:
        ValueError: if it is not such a text (pydantic's errors are of this kind, too).
    """
    found: Conditions = ()
    for one in text.split(";") if text else ():
        kind, colon, rest = one.partition(":")
        if not colon or kind not in KINDS:
            raise ValueError(f"no condition: {one}")
        if len(found) >= MOST:
            raise ValueError("too many conditions")
        found = (*found, CONDITION.validate_python(KINDS[kind].of_parts([_decoded(part) for part in rest.split(",")])))
    return found


def _encoded(part: str) -> str:
    return part if part in SPECIAL else quote(part, safe=" ")


def _decoded(part: str) -> str:
    return part if part in SPECIAL else unquote(part, errors="strict")
