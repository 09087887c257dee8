"""Colours and type of the page: safe for colour-blind eyes, stable from run to run. Imports nothing."""

from typing import Any

UNLABELLED_COLOUR = "#9a9a9a"
CLASS_PALETTE = (  # Okabe & Ito 2008, strongest contrasts first; black is left out, it vanishes on dark ground
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
CONTINUOUS = (  # viridis (Smith & van der Walt 2015) without its ends, which vanish on dark and on white ground;
    # not cividis: its middle is the grey of "unlabelled", and the middle of a score is what is looked for
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

PLAIN_FRAME = "rgba(128, 128, 128, 0.6)"  # of buttons that are not the next step
COMPONENTS: dict[str, Any] = {
    # A menu that fades out swallows the lasso that begins meanwhile.
    **{name: {"defaultProps": {"transitionDuration": 0}} for name in ("MuiMenu", "MuiPopover")},
    "MuiButton": {
        "styleOverrides": {
            "outlined": {"&&.MuiButton-colorDefault": {"borderColor": PLAIN_FRAME}},
            "sizeSmall": {"fontSize": "0.8rem", "padding": "3px 9px"},
        }
    },
    # The steppers of number fields have no name for a screen reader; the arrow keys do the same.
    "MuiInputAdornment": {"styleOverrides": {"root": {"& .MuiIconButton-sizeSmall": {"display": "none"}}}},
    "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none", "padding": "4px 9px"}}},
    "MuiTab": {"styleOverrides": {"root": {"textTransform": "none", "minWidth": 0, "minHeight": 40, "padding": "8px 12px"}}},
    "MuiTabs": {"styleOverrides": {"root": {"minHeight": 40}}},
    "MuiAppBar": {"styleOverrides": {"root": {"&&": {"backgroundColor": "#0b4a75"}}}},
}


def page_theme() -> dict[str, Any]:
    """Return what Material UI is told, for the light and the dark page."""
    both = {"typography": {"fontSize": 12.25}, "components": COMPONENTS}  # 14 px for running text: three columns have to fit
    return {
        "light": {**both, "palette": {"primary": {"main": "#0072b2"}, "default": {"main": "#2b2b2b"}}},
        "dark": {**both, "palette": {"primary": {"main": "#56b4e9"}, "default": {"main": "#d0d0d0"}}},
    }
