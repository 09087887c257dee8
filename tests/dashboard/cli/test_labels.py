"""`lassoscope labels`: what an import took in and what it kept."""

import numpy as np
from typer.testing import CliRunner

from core.labels.actions import label
from dashboard.cli import app
from tests.worlds import made


def test_the_command_says_what_it_took_and_what_it_kept(tmp_path):
    space = made(tmp_path / "w", n=24)
    row = int(np.flatnonzero(space.is_check)[0])
    label(space, np.array([row]), "explicit", analyst="ann", source="check")
    keys = [space.image_id(row), space.image_id(int(np.flatnonzero(~space.is_check)[0]))]
    folder = str(space.folder)
    space.close()
    file = tmp_path / "l.csv"
    file.write_text("image,class\n" + "".join(f"{key},neutral\n" for key in keys))
    said = CliRunner().invoke(app, ["labels", "import", str(file), "-w", folder]).output
    assert (
        "1 label imported. 1 image keeps the reading from Check. Labelled now: 1 in the teach half, 1 in the check half."
        in said
    )
