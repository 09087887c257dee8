"""The commands pass on what is missing, once and in one line, and say who has the workspace open."""

import numpy as np
import pytest
from typer.testing import CliRunner

from core.labels.classes import parse_classes, set_classes
from core.probe.live import refit
from core.workspace import Workspace
from dashboard.cli import app
from tests.worlds import CLASSES, made, teach, with_gold


@pytest.fixture
def space(tmp_path):
    with made(tmp_path / "w", n=200) as found:
        yield found


def say(*words):
    return " ".join(CliRunner().invoke(app, [*map(str, words)]).output.split())


def test_no_class_flagged_is_reported_by_every_command_that_needs_a_score(space):
    teach(space, 40, np.random.default_rng(0))
    set_classes(space, parse_classes("neutral,explicit"))
    refit(space)
    space.close()
    star = "mark flagged classes with a star, for example 'lassoscope classes --set neutral,explicit*'"
    assert star in say("fit", "-w", space.folder)
    assert say("curves", "-w", space.folder).count(star) == 1
    said = say("promise", "-w", space.folder)
    assert star in said
    assert "  " not in said


def test_gold_values_that_match_no_class_are_named(space):
    teach(space, 40, np.random.default_rng(0))
    truth = [space.class_names[code] for code in space.gold("label")]
    with_gold(space, "Case", [name.title() for name in truth])
    with_gold(space, "some", ["EXPLICIT" if row < 5 else name for row, name in enumerate(truth)])
    space.close()
    assert "'Explicit' is probably 'explicit'" in say("curves", "-w", space.folder, "--gold", "Case")
    assert "without 5 images" in say("curves", "-w", space.folder, "--gold", "some")


def test_a_workspace_that_another_command_has_open_is_waited_for(space):
    folder = space.folder
    commands = {
        "ingest": ["ingest", folder], "embed": ["embed"], "project": ["project"], "classes": ["classes", "--set", "a,b*"],
        "guideline": ["guideline", "--set", "v2"], "labels": ["labels", "import", folder / "l.csv"], "fit": ["fit"],
        "clusters": ["clusters", "--again"], "encoders": ["encoders", "--use", "made"], "promise": ["promise", "--reveal"],
        "policies": ["policies", "--set", "explicit"], "compare": ["compare", "--remove", "vendor"],
    }  # fmt: skip
    for name, words in commands.items():
        said = say(*words, "-w", folder)
        assert "open for writing; wait until it is done, or stop it" in said, name
    assert CLASSES[0].name == Workspace(folder, read_only=True).class_names[0]
