"""The style of the page: the meaning of the charts' colours, frames and type of the widgets, settings for Material UI."""

from functools import cache
from pathlib import Path
from typing import Any

from core.palette import (
    BLUE,
    BROWN,
    DARK,
    DEEP_BLUE,
    DEEP_RED,
    GREEN,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    PALE_INK,
    PALE_RED,
    PURPLE,
    RED,
    SKY,
    VERMILION,
    WHITE,
    faded,
)

ACTIVE, RANDOM = ORANGE, BLUE  # the probe by chosen labels and by random ones, as in the figure this project started from
ESTIMATE, PESSIMISTIC, NAIVE, PROMISED, HANDLE = ACTIVE, PURPLE, GREY, GREEN, VERMILION  # of charts about the check set
COLUMNS = (PURPLE, GREEN, BROWN)  # of score columns beside the probe, in turn
STYLESHEETS = Path(__file__).parent / "views" / "css"
PLAIN_FRAME = faded(GREY, 0.6)  # of buttons that are not the next step
COMPONENTS: dict[str, Any] = {
    # A menu that is still fading out swallows a lasso.
    **{name: {"defaultProps": {"transitionDuration": 0}} for name in ("MuiMenu", "MuiPopover")},
    "MuiButton": {
        "styleOverrides": {
            "root": {"minHeight": "var(--target)"},
            "outlined": {"&&.MuiButton-colorDefault": {"borderColor": PLAIN_FRAME}},
            "sizeSmall": {"fontSize": "0.8rem", "padding": "3px 9px"},
            "text": {"&&.MuiButton-sizeSmall": {"minWidth": 0, "padding": "3px 6px"}},  # three stand in the rail
        }
    },
    # A finger needs more height than a mouse.
    "MuiSelect": {
        "styleOverrides": {"select": {"@media (pointer: coarse)": {"&&": {"paddingTop": "8px", "paddingBottom": "8px"}}}}
    },
    # The steppers of number fields have no name for a screen reader; the arrow keys do the same.
    "MuiInputAdornment": {"styleOverrides": {"root": {"& .MuiIconButton-sizeSmall": {"display": "none"}}}},
    # Every field's name stands on its border, filled or not: Material leaves it inside where a value comes later.
    # The border is notched there; a select with chips would paint the page's colour below its name, also on a card.
    "MuiInputLabel": {
        "defaultProps": {"shrink": True},
        "styleOverrides": {"root": {"&&": {"backgroundColor": "transparent"}}},
    },
    "MuiOutlinedInput": {"defaultProps": {"notched": True}},
    # The bar below the header, while a model is fitted; and the page's name as its one heading of the first level.
    "MuiLinearProgress": {"defaultProps": {"aria-label": "Learning from the labels"}},
    "MuiTypography": {"defaultProps": {"variantMapping": {"h3": "h1", "h5": "div"}}},
    "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none", "padding": "4px 9px"}}},
    "MuiTab": {"styleOverrides": {"root": {"textTransform": "none", "minWidth": 0, "minHeight": 40, "padding": "8px 12px"}}},
    "MuiTabs": {"styleOverrides": {"root": {"minHeight": 40}}},
    "MuiAppBar": {"styleOverrides": {"root": {"&&": {"backgroundColor": DEEP_BLUE, "color": WHITE}}}},
    "MuiIconButton": {"styleOverrides": {"root": {"&&": {"color": "inherit"}}}},  # Material's own is hard to see on a dark page
}


def page_theme() -> dict[str, Any]:
    """Return the settings for Material UI, for the light and the dark page."""
    both = {"typography": {"fontSize": 12.25}, "components": COMPONENTS}  # 14 px for running text: three columns have to fit
    return {
        "light": {**both, "palette": {"primary": {"main": BLUE}, "default": {"main": LIGHT.line}}},
        "dark": {**both, "palette": {"primary": {"main": SKY}, "default": {"main": DARK.line}}},
    }


@cache
def css(name: str) -> str:
    """Return a stylesheet of the page: text, because Panel would take a path for an address."""
    return (STYLESHEETS / f"{name}.css").read_text(encoding="utf-8")


def styled(*classes: str, sheet: str = "layout") -> dict[str, list[str]]:
    """Return the options that give a component classes of a stylesheet."""
    return {"css_classes": list(classes), "stylesheets": [css(sheet)]}


@cache
def tokens() -> str:
    """Return a stylesheet that gives the whole document colours, and the scale of spaces, type and touch targets."""
    return colour_variables() + css("scale")


@cache
def colour_variables() -> str:
    """Return a stylesheet that gives the whole document the page's colours, as `var(--estimate)` and the like."""
    colours = {
        "active": ACTIVE,
        "random": RANDOM,
        "estimate": ESTIMATE,
        "pessimistic": PESSIMISTIC,
        "naive": NAIVE,
        "promised": PROMISED,
        "handle": HANDLE,
        **{f"column-{place}": colour for place, colour in enumerate(COLUMNS)},
        "bar": DEEP_BLUE,
        "accent": BLUE,
        "warning": ORANGE,
        "success": GREEN,
        "error": RED,
        "error-on-dark": PALE_RED,
        "lost": DEEP_RED,
        "white": WHITE,
        "ink": INK,
        "pale-ink": PALE_INK,
        "frame": PLAIN_FRAME,
        "rule": faded(GREY, 0.3),
        "tint": faded(GREY, 0.16),
        "accent-tint": faded(BLUE, 0.18),
        "white-frame": faded(WHITE, 0.53),
        "white-tint": faded(WHITE, 0.2),
        "badge": faded(INK, 0.82),
        "shadow": faded(INK, 0.25),
        "toast": faded(INK, 0.92),
    }
    return f":root {{ {' '.join(f'--{name}: {colour};' for name, colour in colours.items())} }}"
