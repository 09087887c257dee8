"""What chose the images of an action, and what ties it to others, as the catalog stores it. Imports pydantic only."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Tie(BaseModel):
    """What ties an action to others; None = not said."""

    model_config = ConfigDict(frozen=True)

    bulk: str | None = None  # token of the bulk label
    together: str | None = None  # token of the readings of one grid

    @property
    def tie(self) -> str | None:
        """Token of the actions that are undone as one: those of a bulk label, or of a grid that was read."""
        return self.bulk or self.together


class Criterion(Tie):
    """What chose the images of an action, and what ties it to others; None = not said. Fields of newer programs are kept."""

    model_config = ConfigDict(extra="allow", validate_by_name=True, validate_by_alias=True)

    polygon: list[list[float]] | None = None  # a lasso's corners [x, y], map units
    cluster: str | None = None  # name of the cluster or of the notices
    copies: int | None = None  # near-duplicates included
    file: str | None = None  # name of the label file
    strategy: str | None = None  # of the suggestion
    order: str | None = None  # of check images: "hash"
    purpose: Annotated[str | None, Field(alias="for")] = None  # of the queue of check images
    way: Annotated[str | None, Field(alias="read")] = None  # how check images were shown: singly or as a grid
    adjudicates: tuple[str, str] | None = None  # classes of the two readings it decides between
    point: str | None = None  # of an answer in Review: the point in force
    since: str | None = None  # since when it was in force
    drawn: str | None = None  # the side of the threshold whose random sample the image is of
    images: int | None = None  # of the action that gives a bulk label: all its images, without the wrong ones taken out
    wrong: list[int] | None = None  # of a spot check: rows that were not of the class
    flipped: str | None = None  # of wrong images: the class of the bulk label

    def __or__(self, more: Self) -> Self:
        """Join what two criteria say; the second has the last word."""
        return self.model_validate(self.record() | more.record())

    def record(self) -> dict[str, JsonValue]:
        """Return what is said, as the catalog stores it."""
        return self.model_dump(by_alias=True, exclude_none=True)


NO_CRITERION = Criterion()  # of single labels
