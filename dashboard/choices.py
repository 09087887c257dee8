"""The closed choices of the page: pages, tabs, what colour shows. Imports nothing of ours."""

from enum import StrEnum

GOLD_COLUMN = "label"  # whose known answers curves can be judged by


class PageName(StrEnum):
    """The pages of the header, in its order."""

    MAP = "map"
    OPERATING = "operating"
    TRAINING = "training"
    EXPERIMENT = "experiment"
    HISTORY = "history"

    @property
    def heading(self) -> str:
        """Return what people call the page."""
        return "Operating point" if self is PageName.OPERATING else self.value.capitalize()


class Tab(StrEnum):
    """The tabs beside the map, in their order."""

    SELECTION = "selection"
    SUGGESTIONS = "suggestions"
    CLUSTERS = "clusters"
    CHECK = "check"
    REVIEW = "review"


class Room(StrEnum):
    """What has the stage of the Map page."""

    BOTH = "both"  # side by side
    WORK = "work"  # what the tab shows; the map is small, in the corner
    MAP = "map"  # alone


ASKING_TABS = (Tab.SUGGESTIONS, Tab.CHECK, Tab.REVIEW)  # each asks for one picture after the other, and a class key answers


class Order(StrEnum):
    """The order of the pictures of the Selection tab."""

    UNCERTAINTY = "uncertainty"  # the least certain first; while a score column colours the map, its most likely flagged
    SCORE = "score"  # the most likely flagged first
    TIME = "time"  # the newest first
    NAME = "name"
    LIKENESS = "likeness"  # to what is picked or pinned, else to the whole selection


class What(StrEnum):
    """What kind of actions History lists."""

    ANYTHING = "anything"
    SINGLE = "single pictures"
    LASSO = "by lasso"
    CLUSTER = "by cluster"
    CHECK = "read in Check"
    REVIEW = "answered in Review"
    IMPORT = "imported"
    UNSURE = "left unsure"
    SPOT_CHECK = "spot checks"
    BACK = "undone or redone"


class When(StrEnum):
    """How far back History lists actions."""

    ANY = "at any time"
    HOUR = "in the last hour"
    DAY = "in the last 24 hours"
    WEEK = "in the last 7 days"
    MONTH = "in the last 30 days"


class ColourBy(StrEnum):
    """What the colour of a point shows; beside these, a score column by its header, a gold column as `column:NAME`."""

    LABEL = "label"
    PREDICTED = "predicted"
    SCORE = "score"
    UNCERTAINTY = "uncertainty"
    DISAGREEMENT = "disagreement"
    CLUSTER = "cluster"
    HALF = "half"
    ADDED = "added"
    COPIES = "near-duplicate"
    SIZE = "size"


MODEL_COLOURS = (ColourBy.PREDICTED, ColourBy.SCORE, ColourBy.UNCERTAINTY)  # show what the model says of sealed images, too
QUICK_COLOURS = (ColourBy.LABEL, ColourBy.PREDICTED, ColourBy.SCORE, ColourBy.UNCERTAINTY)  # nothing is read for them
GOLD_PREFIX = "column:"
