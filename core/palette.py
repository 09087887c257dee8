"""Colours with a meaning: classes, scores, no label. Colour-blind safe, and the same in every run."""

UNLABELLED_COLOUR = "#9a9a9a"
BLUE, VERMILION, PURPLE, GREEN = "#0072b2", "#d55e00", "#cc79a7", "#009e73"  # Okabe & Ito 2008
ORANGE, SKY, YELLOW = "#e69f00", "#56b4e9", "#f0e442"
BROWN, VIOLET, OLIVE, GREY = "#8c564b", "#7f3fbf", "#b8a800", "#888888"  # where seven are not enough
# Strongest contrasts first; without black, which is invisible in the dark theme.
CLASS_PALETTE = (BLUE, VERMILION, PURPLE, GREEN, ORANGE, SKY, YELLOW, BROWN, VIOLET)
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
