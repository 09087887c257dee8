"""What the documents tell people to type exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from dashboard.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
PAGES = [page for page in PAGES if page.parent.name != "decisions"]  # they say what was so at the time
CODE = re.compile(r"`([^`\n]+)`|^(?: {4}|\S*bin/|(?=lassoscope|make))(.*)$", re.MULTILINE)


def typed(page, program):
    """Return the command lines of a page that run a program, one for each command of a line joined by &&."""
    lines = [part.strip() for found in CODE.findall(page.read_text()) for part in "".join(found).split("&&")]
    lines = [re.sub(r"^\S*bin/", "", line) for line in lines]
    return [line.partition(" #")[0].split() for line in lines if line.startswith(f"{program} ")]


def commands_and_options():
    """Return the options of every command by its name, of groups as "labels import"."""
    found = {"": options_of(get_command(app))}
    for name, command in get_command(app).commands.items():
        found[name] = options_of(command)
        found |= {f"{name} {under}": options_of(c) for under, c in getattr(command, "commands", {}).items()}
    return found


def options_of(command):
    return {"--help", *(option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts])}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_in_the_documents_exist(page):
    known = commands_and_options()
    for words in typed(page, "lassoscope"):
        line = " ".join(words)
        names = [word for word in words[1:] if not word.startswith(("-", "["))]
        options = {word.strip("[].,").partition("=")[0] for word in words[1:] if re.match(r"\[?-{1,2}[a-z]", word)}
        if words[1].startswith("-"):  # an option of the program itself; COMMAND stands for any
            name = ""
        else:
            name = " ".join(names[:2]) if " ".join(names[:2]) in known else names[0]
        assert name in known, line
        assert options <= known[name] | known[""], line


def test_documents_name_commands_at_all():
    assert sum(len(typed(page, "lassoscope")) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_in_the_documents_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[1] for words in typed(page, "make")} <= targets
