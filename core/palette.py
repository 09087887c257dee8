"""Colours with a meaning: classes, scores, no label. Colour-blind safe, and the same in every run."""

UNLABELLED_COLOUR = "#9a9a9a"
CLASS_PALETTE = (  # Okabe & Ito 2008, strongest contrasts first; without black, which is invisible in the dark theme
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#009e73",
    "#e69f00",
    "#56b4e9",
    "#f0e442",
    "#8c564b",
    "#7f3fbf",
)
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
