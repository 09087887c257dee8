"""Parts of embeddings: batches fill up the last one, so that a workspace that grows all day has few files."""

import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core.catalog.models import Models
from core.embeddings.embedded import Embedded
from core.embeddings.matrix import write_part
from core.encoders import parts
from core.encoders.embed import embed
from core.encoders.parts import parts_to_make
from core.intake.remove import Wanted, remove
from core.workspace import Workspace
from tests.reading import take_in
from tests.shared import photo


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A workspace of three embedded images, in a part that is not full, and photos to add to it."""
    folder = tmp_path_factory.mktemp("three")
    for i in range(12):
        (folder / f"from{i}").mkdir()
        photo(i).save(folder / f"from{i}" / "photo.png")
    with Workspace.create(folder / "w", salt="parts") as space:
        for i in range(3):
            take_in(space, folder / f"from{i}")
        embed(space, "random", device="cpu")
    return folder


@pytest.fixture
def grown(three, tmp_path, monkeypatch):
    """The workspace, of which a part has four rows; and what adds and embeds a photo."""
    monkeypatch.setattr(parts, "PART_ROWS", 4)
    with Workspace(shutil.copytree(three / "w", tmp_path / "w"), device="cpu") as space:

        def add(number):
            take_in(space, three / f"from{number}")
            return embed(space, device="cpu")

        yield space, add


def interrupt(*_):
    raise KeyboardInterrupt


def files(space):
    return sorted(file.name for file in (space.folder / "embeddings" / space.encoder_name).iterdir())


def test_batches_fill_up_the_last_part_and_then_begin_another(grown):
    space, add = grown
    before, seen = space.matrix.take(np.arange(3)), []
    for number in range(3, 9):
        assert add(number)["embedded"] == 1
        seen.append(files(space))
    assert seen[:3] == [["part-00000-4.npy"], ["part-00000-4.npy", "part-00001.npy"], ["part-00000-4.npy", "part-00001-2.npy"]]
    assert seen[-1] == ["part-00000-4.npy", "part-00001-4.npy", "part-00002.npy"]
    assert [part[:2] for part in space.catalog.models.parts(space.encoder_name)] == [(0, 4), (4, 8), (8, 9)]
    np.testing.assert_array_equal(space.matrix.take(np.arange(3)), before)
    together = space.matrix.take(np.arange(9))
    assert len(np.unique(together, axis=0)) == 9
    space.reload()
    np.testing.assert_array_equal(space.matrix.take(np.arange(9)), together)


def test_many_small_parts_of_an_older_program_become_one(three, tmp_path):
    with Workspace(shutil.copytree(three / "w", tmp_path / "w"), device="cpu") as space:
        x, name = space.matrix.take(np.arange(3)), space.encoder_name
        for position in range(3):
            file = write_part(space.folder / "embeddings" / name, position, x[position : position + 1])
            space.catalog.models.add_part(name, position, position, position + 1, str(file.relative_to(space.folder)))
        take_in(space, three / "from3")
        assert embed(space, device="cpu")["embedded"] == 1
        assert files(space) == ["part-00000-4.npy"]
        np.testing.assert_array_equal(space.matrix.take(np.arange(3)), x)


def test_a_part_that_was_not_named_in_the_catalog_changes_nothing_and_is_made_again(grown, three, monkeypatch):
    space, add = grown
    before = space.matrix.take(np.arange(3))
    monkeypatch.setattr("core.encoders.embed.keep_part", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add(3)
    assert files(space) == ["part-00000-4.npy", "part-00000.npy"]
    space.reload()
    assert space.matrix.rows == 3
    np.testing.assert_array_equal(space.matrix.take(np.arange(3)), before)
    monkeypatch.undo()
    assert embed(space, device="cpu")["embedded"] == 1
    assert files(space) == ["part-00000-4.npy"]


def test_a_lost_part_that_was_filled_up_is_made_again_under_its_own_name(grown):
    space, add = grown
    add(3)
    before = space.matrix.take(np.arange(4))
    (space.folder / space.catalog.models.parts(space.encoder_name)[0][2]).unlink()
    space.reload()
    assert "lost" in space.current.lost_parts
    assert embed(space, device="cpu")["embedded"] == 4
    np.testing.assert_array_equal(space.matrix.take(np.arange(4)), before)
    assert files(space) == ["part-00000-4.npy"]


def test_after_a_lost_part_another_begins(grown, three):
    space, _add = grown
    (space.folder / space.catalog.models.parts(space.encoder_name)[0][2]).unlink()
    take_in(space, three / "from3")
    todo = parts_to_make(space.folder, space.catalog.models, space.encoder_name, space.n_images)
    assert [(part.start, part.stop, part.n_kept, part.is_new) for part in todo] == [(0, 3, 0, False), (3, 4, 0, True)]


def test_what_was_removed_stays_blank_in_a_part_that_is_filled_up(grown):
    space, add = grown
    remove(space, Wanted([space.image_id(1)]), analyst="ann")
    add(3)
    x = space.matrix.take(np.arange(4))
    assert (x[1] == 0).all()
    assert np.abs(x[[0, 2, 3]]).sum(axis=1).all()


def test_who_opens_embeddings_while_a_part_is_filled_up_gets_the_longer_one(grown, monkeypatch):
    space, add = grown
    old = space.catalog.models.parts(space.encoder_name)
    add(3)
    answers, read = [old], Models.parts
    monkeypatch.setattr(Models, "parts", lambda self, encoder: answers.pop() if answers else read(self, encoder))
    found = space.embedded(space.encoder_name)
    assert (found.matrix.rows, found.lost_parts) == (4, "")


def test_a_matrix_of_more_parts_than_the_softer_limit_of_open_files_is_opened(tmp_path):
    for index in range(300):
        write_part(tmp_path, index, np.full((1, 2), index))
    code = (
        "import resource, sys; from pathlib import Path; from core.embeddings.matrix import Matrix;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]));"
        "print(Matrix(sorted(Path(sys.argv[1]).iterdir())).rows)"
    )
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2_000:
        pytest.skip("the system allows few open files")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "300", done.stderr


def test_embeddings_that_are_opened_have_no_more_images_than_their_thread_sees(grown):
    space, add = grown
    other = space.encoder_name
    with space.steady():
        for number in range(3, 6):
            add(number)
        embed(space, "pixels-pca", device="cpu")
        assert space.embedded(space.encoder_name) is space.current
        seen = Embedded.open(space.catalog, space.folder, other, n_images=3)
        assert (seen.matrix.rows, len(seen.xy), seen.lost_parts) == (3, 3, "")
        seen = Embedded.open(space.catalog, space.folder, other, n_images=4)
        assert seen.matrix.rows == 4
    np.testing.assert_array_equal(space.embedded(other).matrix.take(np.arange(4)), seen.matrix.take(np.arange(4)))
    assert space.embedded(other).matrix.rows == 6
    assert Embedded.open(space.catalog, space.folder, other, n_images=0).matrix is None
