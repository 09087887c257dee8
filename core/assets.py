"""The folder of the files shipped with the program: demo images, weights. Standard library only."""

from importlib import resources
from pathlib import Path

_CORE = Path(str(resources.files("core")))
_PACKAGED = _CORE / "_assets"  # in an installed wheel; in a checkout the folder is beside `core`
ASSETS = _PACKAGED if _PACKAGED.is_dir() else _CORE.parent / "assets"
