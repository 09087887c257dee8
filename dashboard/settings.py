"""Everything the environment can set, in one table. The README's settings table is tested against it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import InputError

MOST_PORT = 65_535


@dataclass(frozen=True)
class Settings:
    """Server settings; each field is read from the environment variable in its metadata."""

    workspace: Path = field(default=Path("workspaces/demo"), metadata={"env": "LASSOSCOPE_WORKSPACE"})
    port: int = field(default=5006, metadata={"env": "PORT"})
    address: str = field(default="127.0.0.1", metadata={"env": "LASSOSCOPE_ADDRESS"})
    origins: str = field(default="", metadata={"env": "LASSOSCOPE_ORIGINS"})
    password: str = field(default="", metadata={"env": "LASSOSCOPE_PASSWORD"})
    cookie_secret: str = field(default="", metadata={"env": "LASSOSCOPE_COOKIE_SECRET"})
    device: str = field(default="auto", metadata={"env": "LASSOSCOPE_DEVICE"})
    analyst: str = field(default="", metadata={"env": "LASSOSCOPE_ANALYST"})

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **overrides: Any) -> "Settings":
        """Read the environment; an override that is not None wins.

        Raises:
            InputError: if a number is none, or no port.
        """
        values: dict[str, Any] = {}
        for f in fields(cls):
            text = environment.get(f.metadata["env"], "")
            if overrides.get(f.name) is not None:
                values[f.name] = overrides[f.name]
            elif text:
                values[f.name] = _parse(f.metadata["env"], text, type(f.default))
        found = cls(**values)
        if not 0 <= found.port <= MOST_PORT:
            raise InputError(f"The port is {found.port}; it needs a number from 0 (any free one) to {MOST_PORT}.")
        return found

    def allowed_origins(self) -> list[str]:
        """Return the hosts a browser may come from: the ones named, or this machine under the served port."""
        named = [origin.strip() for origin in self.origins.split(",") if origin.strip()]
        return named or [f"{host}:{self.port}" for host in ("localhost", "127.0.0.1")]

    def host_names(self) -> set[str]:
        """Return the names, without ports, under which a browser may open the server; those of this machine always are."""
        return {urlsplit(f"//{origin}").hostname or "" for origin in self.allowed_origins()} | {self.address.lower()}


def _parse(name: str, text: str, kind: type) -> Any:
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise InputError(f"{name} is {text!r}; it needs a whole number, for example 5006.") from None
    return Path(text) if issubclass(kind, Path) else text
