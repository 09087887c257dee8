"""Logging on stderr: lines for people, or one JSON object per line for machines.

Facts are fields (`extra={...}`): counts, versions, seconds. No file names at INFO or above: they may be private.
"""

import logging
import time
from enum import StrEnum

from pythonjsonlogger.json import JsonFormatter

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}  # what every record has
OTHERS = ("tornado", "bokeh", "panel", "pytorch_lightning", "numba", "PIL", "alembic", "matplotlib", "asyncio")


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Lines(logging.Formatter):
    """Formats a line for people: time, logger, level, message, then the fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(name)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        """Return the line without the traceback."""
        told = "".join(f" {key}={value}" for key, value in vars(record).items() if key not in PLAIN)
        return super().formatMessage(record) + told


def log_to_stderr(level: LogLevel, *, as_json: bool) -> None:
    """Send the log of this process to stderr; libraries log from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if as_json else Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in OTHERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # else visitors who are turned away fill the log
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)  # else each window that closes warns of it


def _json() -> JsonFormatter:
    names = {"asctime": "time", "name": "logger", "levelname": "level"}
    found = JsonFormatter("%(asctime)s %(name)s %(levelname)s %(message)s", rename_fields=names, datefmt="%Y-%m-%dT%H:%M:%SZ")
    found.converter = time.gmtime
    return found
