"""Run uv with pip's settings, which uv does not read. Standard library only.

    python tools/uv.py pip install numpy

A machine is told once, in pip's configuration, where packages come from. Settings of uv's own win.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

OF_UV = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}
SECTIONS = ("global", "install", ":env:")  # the later wins


def settings(pip_config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what uv's environment lacks.

    Args:
        pip_config: what `pip config list` prints: a line `section.name='value'` for each setting.
        environment: in which uv will run.
    """
    found: dict[tuple[str, str], str] = {}
    for line in pip_config.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        found[section, name] = " ".join(value.strip("'\"").replace("\\n", " ").split())
    uv = {
        variable: found[section, name] for section in SECTIONS for name, variable in OF_UV.items() if (section, name) in found
    }
    if "UV_INDEX" in uv:  # pip takes the best version of all indexes; uv, unless told, the first index that has the package
        uv["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {variable: value for variable, value in uv.items() if variable not in environment}


def main() -> None:
    """Become uv."""
    config = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    uv = Path(sys.executable).parent / "uv"
    os.execve(uv, [str(uv), *sys.argv[1:]], os.environ | settings(config.stdout, os.environ))


if __name__ == "__main__":
    main()
