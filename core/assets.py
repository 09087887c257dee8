"""Where the files lie that come with the program: fonts, the demo's images, weights. Standard library only."""

from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"
