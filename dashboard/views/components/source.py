"""The scripts and stylesheets of the components, which lie beside them. Imports nothing of ours."""

from pathlib import Path


def source(name: str) -> str:
    """Return a file's text. Given a path, Panel would read the file again for every page."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
