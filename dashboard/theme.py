"""Colours of the map and the page: safe for colour-blind eyes, stable from run to run. Imports nothing."""

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
CONTINUOUS = (  # cividis (Nuñez, Anderton & Renslow 2018), 16 stops
    "#00224e",
    "#03306f",
    "#233e6c",
    "#3a486b",
    "#4c556b",
    "#5c616e",
    "#6c6e72",
    "#7c7b78",
    "#8e8a79",
    "#a09977",
    "#b3a772",
    "#c7b76a",
    "#dcc85e",
    "#f1da4d",
    "#f9e24a",
    "#fee838",
)
MAP_GROUND = {False: "#ffffff", True: "#121212"}
