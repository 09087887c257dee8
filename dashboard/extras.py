"""The optional parts of the installation, and the commands that need one. Standard library and core.errors only."""

import functools
import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from typing import ParamSpec

from core.errors import InputError

P = ParamSpec("P")
OURS = ("core", "dashboard")
OPTIONAL = re.compile(r"""^(?P<package>[\w.-]+).*;.*\bextra == ["'](?P<extra>[\w-]+)["']""")


def missing(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed, as pyproject.toml orders them."""
    found = [OPTIONAL.match(requirement) for requirement in requires("lassoscope") or []]
    return [match["package"] for match in found if match and match["extra"] == extra and not _installed(match["package"])]


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def needs(extra: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Refuse to start a command without an extra, in one sentence and before any work is done.

    Raises:
        InputError: from the command, if a package of the extra is missing.
    """

    def decorate(command: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            lacking = missing(extra)
            if lacking:
                raise InputError(sentence(lacking[0], extra))
            command(*args, **kwargs)

        return run

    return decorate


def sentence(package: str, extra: str = "dashboard") -> str:
    """Return what to do about a package that is missing."""
    return f"This needs {package}, which is not installed; run: pip install 'lassoscope[{extra}]'."


def sentence_of_missing(error: BaseException) -> str | None:
    """Return what to do about a failed import of a library; None for a module of our own, which is a bug."""
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in OURS:
        return sentence(error.name.partition(".")[0])
    return None
