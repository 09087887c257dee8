"""Whatever a person types: a command does its work, or ends with one sentence. Never a traceback, never a half-written file."""

import os
import shutil
import socket

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from core.workspace import Workspace
from dashboard.cli import app
from dashboard.starting import Starting

NUMBERS = ("", "-1", "0", "x", "1e400", "nan", "-inf", "1.5", "²", "0x10", "99999999999999999999", "--")
WHOLE = ("-1", "", "x", "nan", "inf", "1.5", "²", "99999999999999999999")  # for commands that would work on with a good one


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def check(result, words):
    what = f"{words!r} -> {result.exit_code} {result.output[-300:]!r} {result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit), what
    assert result.exit_code in (0, 1, 2), what
    assert "Traceback" not in result.output, what
    if result.exit_code == 1:
        said = [line for line in result.output.splitlines() if line.startswith("lassoscope: ")]
        assert len(said) == 1, what
        assert len(said[0]) > 25, what


def typed(place):
    """Yield (command, number) lines: every option that takes a number, with numbers good and bad."""
    w = ("-w", place / "w")
    for number in NUMBERS:
        yield "suggest", *w, "--n", number
        yield "suggest", *w, "--seed", number
        yield "promise", *w, "--recall", number
        yield "promise", *w, "--confidence", number
        yield "promise", *w, "--size", number
        yield "export", place / "bundle", *w, "--threshold", number
        yield "export", place / "bundle", *w, "--point", number
        yield "experiment", *w, "--gold", "label", "--flagged", "explicit", "--budgets", number
    for number in WHOLE:
        yield "find", number, *w
        yield "guideline", *w, "--set", number
        yield "clusters", *w, "--grain", number
        yield "encoders", *w, "--use", number
        yield "fit", *w, "--device", number
        yield "curves", *w, "--gold", number
        yield "embed", *w, "--encoder", number
        yield "classes", *w, "--set", number
        yield "project", *w, "--seed", number
        yield "embed", *w, "--size", number
        yield "ingest", place / "images", *w, "--workers", number
        yield "experiment", *w, "--gold", "label", "--flagged", "explicit", "--seeds", number
        yield "experiment", *w, "--gold", "label", "--flagged", "explicit", "--workers", number
        yield "score", place / "bundle", place / "images", "--out", place / "s.csv", "--workers", number
        for option in ("--epochs", "--devices", "--nodes", "--checkpoint-epochs"):
            yield "train", *w, option, number
        yield "train", *w, "--preset", number
        yield "train", *w, "--set", f"mask_ratio={number}"
        yield "serve", *w, "--no-browser", "--port", number
        yield "demo", *w, "--prepare-only", "--dataset", f"none{number}"
    for number in ("0", "257"):
        yield "ingest", place / "images", *w, "--workers", number
    yield "serve", *w, "--no-browser", "--port", "65536"
    yield "serve", *w, "--no-browser", "--address", "no such host"
    yield "serve", *w, "--no-browser", "--address", "203.0.113.1"


def places(place):
    """Yield what may stand where a path is needed, none of which is what is needed."""
    (place / "folder").mkdir()
    (place / "folder" / "notes.txt").write_text("mine")
    (place / "file").write_text("just text")
    (place / "binary").write_bytes(bytes(range(256)) * 9)
    (place / "loop").symlink_to(place / "loop")
    (place / "lost").symlink_to(place / "nowhere")
    (place / "empty").touch()
    os.mkfifo(place / "pipe")
    yield from ("", " ", "/dev/null", "/proc/none/x", "x" * 300, "a\0b", "/".join(["long"] * 900))
    yield from (place / name for name in ("folder", "file", "binary", "loop", "empty", "file/below", "folder/"))


def paths(place):
    """Yield command lines with each of these where a path is needed."""
    w = ("-w", place / "w")
    for path in list(places(place)):
        yield "labels", "import", path, *w
        yield "ingest", path, "-w", place / "new", "--workers", "1"
        yield "score", path, place / "images", "--out", place / "s.csv"
        yield "score", place / "bundle", path, "--out", place / "s.csv"
        yield "train", *w, "--preset", "none", "--config", path
        yield "embed", *w, "--encoder", path
        for command in (["doctor"], ["classes"], ["fit"], ["curves"], ["labels", "export", place / "l.csv"], ["serve"]):
            yield *command, "-w", path
        yield "doctor", "--repair", "-w", path
        if str(path) not in (str(place / "empty"), str(place / "file"), str(place / "binary")):  # those are files: replaced
            yield "labels", "export", path, *w
        yield "export", path, *w, "--threshold", "0"
    for path in ("/dev/null", place / "file", place / "file/below", place / "loop", "x" * 300):
        yield "ingest", place / "images", "-w", path, "--workers", "1"
        yield "classes", "--set", "neutral,explicit*", "-w", path
        yield "demo", "--prepare-only", "-w", path


@pytest.fixture
def place(small_made, tmp_path):
    return shutil.copytree(small_made, tmp_path / "place")


def test_every_number_is_taken_or_refused_in_a_sentence(place):
    lines = list(typed(place))
    assert len(lines) > 250
    for words in lines:
        check(run(*words), words)


def test_every_path_is_taken_or_refused_in_a_sentence_and_leaves_nothing_half_written(place):
    lines = list(paths(place))
    assert len(lines) > 200
    for words in lines:
        check(run(*words), words)
    assert (place / "folder" / "notes.txt").read_text() == "mine"
    assert (place / "pipe").exists()
    assert not list(place.rglob("*.part"))
    with Workspace(place / "w", read_only=True) as space:
        assert space.labels.n_labelled == space.n_images


def every_option(command, words=()):
    """Yield (words before, parameter) of every option and argument of every command."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_option(inner, (*words, name))
    if not hasattr(command, "commands"):
        yield from ((words, command, parameter) for parameter in command.params if parameter.name != "help")


def with_value(place, words, command, parameter, value):
    """Write a command line with one odd value; what else is needed cannot be there, so that all ends soon."""
    line = list(words)
    for other in command.params:
        filled = value if other is parameter else place / "file" / "w" if other.required or other.name == "workspace" else None
        if filled is not None and not getattr(other, "is_flag", False):
            line += [other.opts[0], filled] if other.param_type_name == "option" else [filled]
    return line


@pytest.mark.slow
def test_every_option_of_every_command_takes_every_odd_value_in_a_sentence(place, monkeypatch):
    monkeypatch.chdir(place)  # relative names are made here
    odd = [*NUMBERS, *places(place), "\x1b[31m", "\u202e", "'; DROP TABLE images; --", "{}", "é" * 300]
    count = 0
    for words, command, parameter in every_option(get_command(app)):
        if words[0] == "demo" and parameter.name not in ("port", "workspace", "dataset"):
            continue  # it would prepare the demo
        if words[0] == "serve" and parameter.name == "workspace":
            continue  # it would make one there, and serve it
        for value in odd:
            line = with_value(place, words, command, parameter, value)
            check(run(*line, *(["--prepare-only", "--dataset", "none"] if words[0] == "demo" else [])), line)
            count += 1
    assert count > 1_000
    assert (place / "folder" / "notes.txt").read_text() == "mine"


def test_a_port_that_is_taken_is_reported_before_the_workspace_is_opened(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("serve", "-w", tmp_path / "none", "--no-browser", "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert "Address already in use" in result.output
    with Starting("127.0.0.1", 0) as starting:
        assert starting.port


def test_a_command_without_a_home_or_a_user_name_works(place, monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    (place / "l.csv").write_text("image,class\n" + f"{place / 'images' / 'p00.png'},neutral\n")
    shutil.copytree(place / "w", place / "v")
    with Workspace(place / "v") as space:
        name = space.catalog.images.record(0)["path"]
    (place / "l.csv").write_text(f"image,class\n{name},neutral\n")
    assert run("labels", "import", place / "l.csv", "-w", place / "v").exit_code == 0
