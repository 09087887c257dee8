"""Tokens of programs that use a workspace's API: hashed in `tokens.json`, which its owner alone can read.

The file is apart from the catalog, so that tokens can be made and removed beside a running server, which
looks at every request.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path

from filelock import FileLock

from core.errors import DamageError, InputError
from core.store.files import write_private

FILE = "tokens.json"
PREFIX = "lasso_"  # by which scanners for secrets can know one
LONGEST_NAME = 64


@dataclass(frozen=True)
class Token:
    """A token, without its secret."""

    name: str
    at: str  # ISO 8601, UTC
    digest: str  # SHA-256 of the secret in hex; it is random, so it needs no salt and no slow hash


class Tokens:
    """The tokens of one workspace. Safe to call from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def all(self) -> list[Token]:
        """Return the tokens, oldest first.

        Raises:
            DamageError: if their file cannot be read.
        """
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
            return [Token(str(found["name"]), str(found["at"]), str(found["digest"])) for found in known]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            raise DamageError(f"{self._file} cannot be read; remove it, and make the tokens anew.") from None

    def add(self, name: str) -> str:
        """Make a token under a name and return it: it is shown once, as only its hash is kept.

        Raises:
            InputError: if the name is empty, too long, not printable, or taken.
        """
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise InputError(
                f"A token needs a name of 1 to {LONGEST_NAME} printable characters; name the program that uses it."
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._alone():
            known = self.all()
            if name in {token.name for token in known}:
                raise InputError(f"There is a token '{name}' already; remove it first, or choose another name.")
            self._write([*known, Token(name, datetime.now(UTC).isoformat(timespec="seconds"), _digest(secret))])
        return secret

    def remove(self, name: str) -> None:
        """Remove a token: from now on it opens nothing.

        Raises:
            InputError: if there is none of this name.
        """
        with self._alone():
            known = self.all()
            if name not in {token.name for token in known}:
                listed = ", ".join(f"'{token.name}'" for token in known) or "none"
                raise InputError(f"There is no token '{name}'; there are {listed}.")
            self._write([token for token in known if token.name != name])

    def name_of(self, secret: str) -> str | None:
        """Return the name of the token with this secret; None if there is none, or their file cannot be read."""
        digest = _digest(secret)
        try:
            known = self.all()
        except DamageError:
            return None
        return next((token.name for token in known if compare_digest(token.digest, digest)), None)

    def _alone(self) -> FileLock:
        return FileLock(self._file.with_name(f"{FILE}.lock"))

    def _write(self, tokens: list[Token]) -> None:
        write_private(self._file, json.dumps([asdict(token) for token in tokens], indent=2))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
