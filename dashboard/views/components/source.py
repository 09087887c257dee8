"""The scripts and stylesheets of the components, which lie beside them. Imports nothing of ours."""

from pathlib import Path


def source(*names: str) -> str:
    """Return the text of files, one after the other. Given a path, Panel would read the file again for every page."""
    return "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in names)
