"""The command line: one module per stage of the work. Importing it registers the commands in the order of the work."""

# isort: off
from dashboard.cli import prepare, inboxes, label, evidence, compare, deliver, tokens, remove  # noqa: F401
from dashboard.cli.main import app, main

__all__ = ["app", "main"]
