"""The log: levels, lines for people, JSON for machines, and no file names at INFO."""

import json
import logging

import pytest
from typer.testing import CliRunner

from core.demo.datasets import write_demo_images
from dashboard.cli import app
from dashboard.logs import Lines, LogLevel, log_to_stderr


@pytest.fixture(autouse=True)
def logging_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_version_is_printed():
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("lassoscope ")


def test_json_lines_have_facts_as_fields_and_no_file_names(tmp_path):
    images = write_demo_images(tmp_path / "private", n_images=12).parent
    result = run("--log-level", "info", "--log-json", "ingest", images, "-w", tmp_path / "w", "--workers", 1)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert [(line["logger"], line["level"], line["added"]) for line in lines] == [("lassoscope.intake", "INFO", 12)]
    assert "private" not in json.dumps(lines)


def test_nothing_is_logged_below_the_level(tmp_path):
    images = write_demo_images(tmp_path / "images", n_images=4).parent
    result = run("--log-json", "ingest", images, "-w", tmp_path / "w", "--workers", 1)
    assert not [line for line in result.stderr.splitlines() if line.startswith("{")]


def test_an_unknown_level_is_reported():
    result = run("--log-level", "loud", "encoders")
    assert result.exit_code == 2
    assert "loud" in result.output


def test_a_line_for_people_ends_with_the_fields():
    record = logging.makeLogRecord({"name": "n", "levelname": "INFO", "msg": "done", "images": 3, "encoder": "e"})
    assert Lines().format(record).endswith("n INFO done images=3 encoder=e")


def test_libraries_speak_from_warning_on_whatever_the_level():
    log_to_stderr(LogLevel.DEBUG, as_json=False)
    assert not logging.getLogger("numba.core").isEnabledFor(logging.INFO)
    assert logging.getLogger("lassoscope.labels").isEnabledFor(logging.DEBUG)
    log_to_stderr(LogLevel.ERROR, as_json=False)
    assert not logging.getLogger("bokeh").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("level", LogLevel)
def test_windows_that_close_are_no_lines_for_whoever_runs_the_server(level):
    log_to_stderr(level, as_json=False)
    assert not logging.getLogger("bokeh.server.views.ws").isEnabledFor(logging.WARNING)
