"""Commands run in this process: starting another takes seconds, and is a question of its own."""

import json

import pytest
from typer.testing import CliRunner

from dashboard.cli import app


@pytest.fixture(scope="session")
def command():
    """Run a command that must do well, and return what it prints as JSON."""

    def run(*words):
        result = CliRunner().invoke(app, [*map(str, words), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session")
def refused():
    """Run a command that must be refused, and return the sentence."""

    def run(*words):
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 1, result.output
        return " ".join(result.output.split())

    return run
