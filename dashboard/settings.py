"""Settings from the environment. docs/reference/settings.md is tested against them."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import InputError

PREFIX = "LASSOSCOPE_"
MOST_PORT = 65_535
FEWEST_SECRET = 16  # characters


class Settings(BaseSettings):
    """Server settings: LASSOSCOPE_ and a field's name in capitals, but PORT, which hosts of servers set."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, validate_by_name=True)

    workspace: Path = Path("workspaces/demo")
    port: int = Field(default=5006, ge=0, le=MOST_PORT, validation_alias="PORT")
    address: str = "127.0.0.1"
    origins: str = ""
    password: str = ""
    cookie_secret: str = ""
    device: str = "auto"
    analyst: str = ""
    jobs: int = Field(default=1, ge=1, le=64)
    intake: Path | None = None
    webhook: str = ""
    webhook_secret: str = ""

    @classmethod
    def from_environment(cls, **overrides: Any) -> "Settings":
        """Read the environment; overrides that are not None take precedence.

        Raises:
            InputError: if the port is none, or the webhook cannot be used.
        """
        try:
            found = cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            wrong = error.errors()[0]
            name = str(wrong["loc"][0]).upper()
            if name == "JOBS":
                raise InputError(
                    f"{PREFIX}JOBS is {wrong['input']!r}; it needs a whole number from 1 to 64, for example 1."
                ) from None
            raise InputError(
                f"{name} is {wrong['input']!r}; it needs a whole number from 0 (any free one) to {MOST_PORT}, for example 5006."
            ) from None
        found._check_webhook()
        return found

    def _check_webhook(self) -> None:
        """Make sure that decisions can be posted.

        Raises:
            InputError: if the URL is none, or there is no secret to sign with.
        """
        if not self.webhook:
            return
        try:
            to = urlsplit(self.webhook)
            is_url = to.scheme in ("http", "https") and bool(to.hostname) and to.port != 0
        except ValueError:  # of the port
            is_url = False
        if not is_url:
            raise InputError(f"{PREFIX}WEBHOOK is {self.webhook!r}; it needs a URL such as https://console.example/decisions.")
        if len(self.webhook_secret) < FEWEST_SECRET:
            raise InputError(
                f"{PREFIX}WEBHOOK needs {PREFIX}WEBHOOK_SECRET with at least {FEWEST_SECRET} characters, by which the receiver "
                f"knows this server; got {len(self.webhook_secret)}."
            )

    @classmethod
    def variables(cls) -> set[str]:
        """Return the names of the environment variables."""
        return {str(field.validation_alias or f"{PREFIX}{name.upper()}") for name, field in cls.model_fields.items()}

    def allowed_origins(self) -> list[str]:
        """Return the hosts a browser may come from: the ones named, or this machine under the served port."""
        named = [origin.strip() for origin in self.origins.split(",") if origin.strip()]
        return named or [f"{host}:{self.port}" for host in ("localhost", "127.0.0.1")]

    def intake_root(self) -> Path | None:
        """Return the folder whose files may be named over HTTP; None if none may.

        Without `LASSOSCOPE_INTAKE` it is the home folder where nobody else can come from: on this machine's own address,
        without other origins and without a login, which is for others.
        """
        alone = self.address in ("127.0.0.1", "::1", "localhost") and not self.origins and not self.password
        return self.intake or (Path.home() if alone else None)

    def url(self) -> str:
        """Return where a browser on this machine finds the page."""
        host = "localhost" if self.address in ("127.0.0.1", "0.0.0.0", "::") else self.address
        return f"http://{host}:{self.port}/"

    def host_names(self) -> set[str]:
        """Return the host names, without ports, under which a browser may open the server, including those of this machine."""
        return {urlsplit(f"//{origin}").hostname or "" for origin in self.allowed_origins()} | {self.address.lower()}
