"""The command line: one module a stage of the work. Importing it registers every command, in the order of the work."""

# isort: off
from dashboard.cli import prepare, label, evidence, deliver  # noqa: F401
from dashboard.cli.main import app, main

__all__ = ["app", "main"]
