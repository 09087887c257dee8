"""All colours: of classes, of scores, of charts and of the page. Colour-blind safe, and the same in every run."""

from dataclasses import dataclass

UNLABELLED_COLOUR = "#9a9a9a"
BLUE, VERMILION, PURPLE, GREEN = "#0072b2", "#d55e00", "#cc79a7", "#009e73"  # Okabe & Ito 2008
ORANGE, SKY = "#e69f00", "#56b4e9"
BROWN, VIOLET, OLIVE, GREY = "#8c564b", "#7f3fbf", "#b8a800", "#888888"  # where seven are not enough
# Twelve, in the order in which classes get them. After Okabe & Ito's six that show on white and on the dark ground, each is the
# colour farthest from those before it for people with usual sight, deuteranopia and protanopia (`tests/core/test_palette.py`).
CLASS_PALETTE = (
    BLUE, VERMILION, PURPLE, GREEN, ORANGE, SKY, "#0000ff", "#881111", "#7766ff", "#772255", "#88cc77", "#2233aa",
)  # fmt: skip
CONTINUOUS = (  # viridis (Smith & van der Walt 2015) without its ends, which are invisible on dark and on white;
    # not cividis: its middle is the grey of "unlabelled", and the middle of the scores matters most
    "#481D6F",
    "#46307D",
    "#414286",
    "#3A538B",
    "#32628D",
    "#2C718E",
    "#267F8E",
    "#218D8C",
    "#1E9B89",
    "#23A982",
    "#35B778",
    "#4FC369",
    "#70CE56",
    "#95D73F",
    "#BDDE26",
    "#E4E318",
)
# Continuous scales beside viridis, so that two colourings are never taken for each other; dark enough for white ground, light
# enough for dark.
DIVERGING = (  # from "not flagged" over even odds to "flagged": blue, yellow, red (ColorBrewer's RdYlBu with a darker middle)
    "#2166AC",
    "#3B86C0",
    "#5FA5C9",
    "#8FBDA8",
    "#CDBF4E",
    "#E0A03A",
    "#DE7A2C",
    "#CE4A2A",
    "#B2182B",
)
PLASMA = (  # uncertainty (Smith & van der Walt 2015), without its ends
    "#7E03A8",
    "#A11B9B",
    "#BF3984",
    "#D6556D",
    "#E87158",
    "#F58F46",
    "#FDAE32",
    "#FBD024",
)
COPPER = ("#6B4A2B", "#8C6030", "#AD7A35", "#C9963F", "#DFB252", "#F2D06B")  # time: old is dark, new is bright
OTHER = "#5f6b7a"  # rarer values together; darker than the grey of those without any
WHITE, INK, PALE_INK = "#ffffff", "#111111", "#f5f5f5"
DEEP_BLUE = "#0b4a75"  # the header
RED, DEEP_RED, PALE_RED = "#c62828", "#a3161c", "#ff9a9e"  # errors: text, ground below white text, text on dark


@dataclass(frozen=True)
class Shades:
    """What is drawn with in one theme of the page."""

    ground: str
    ink: str
    line: str


LIGHT, DARK = Shades(WHITE, INK, "#333333"), Shades(INK, PALE_INK, "#cccccc")


def faded(colour: str, opacity: float) -> str:
    """Return an opaque "#rrggbb" with an opacity from 0 to 1, as "#rrggbbaa"."""
    return f"{colour}{round(255 * opacity):02x}"
