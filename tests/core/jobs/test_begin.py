"""A workspace begins with one job: the first map comes before the last picture, and a stop in between loses nothing."""

from contextlib import contextmanager

import pytest

from core.demo import datasets
from core.errors import StoppedError
from core.intake.ingest import ingest
from core.jobs import begin as beginning
from core.jobs.begin import BeginArguments, DemoArguments, begin, begin_demo
from core.jobs.kept import KeptProcesses
from core.jobs.work import Change, Work
from core.workspace import Workspace
from tests.reading import InProcess
from tests.shared import photo

N, FIRST, BATCH = 40, 16, 8


class Pool(InProcess):
    """Processes of a job, here and now."""

    def submit_telling(self, function, *arguments, on_told):
        return self.submit(function, *arguments, on_told)


@pytest.fixture
def space(tmp_path, monkeypatch):
    @contextmanager
    def processes(_work):
        yield Pool()

    monkeypatch.setattr(Work, "processes", processes)
    monkeypatch.setattr(beginning, "get_ready", lambda: None)
    monkeypatch.setattr(beginning, "FIRST", FIRST)
    monkeypatch.setattr(beginning, "GROW_SECONDS", 0.0)
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    monkeypatch.setattr("core.intake.ingest.BATCH", BATCH)
    with Workspace.create(tmp_path / "w", salt="begin") as space:
        yield space


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pictures").mkdir()
    for i in range(N):
        photo(i).save(tmp_path / "pictures" / f"p{i:02}.png")
    return tmp_path / "pictures"


def work_of(space, arguments, **options):
    return Work(space, arguments, kept=KeptProcesses(), **options)


def on_map(space):
    return 0 if space.projection is None else space.projection["n_rows"]


def test_the_first_map_comes_before_the_last_picture_and_a_stop_after_it_loses_nothing(space, pictures):
    seen, stages = [], []

    def on_change(change):
        seen.append((change, space.n_images, on_map(space)))
        if change == Change.MAP and on_map(space) and not stopped:
            stopped.append(work)
            work.stop()

    stopped: list[Work] = []
    arguments = BeginArguments(source=str(pictures), encoder="pixels-pca")
    work = work_of(space, arguments, on_change=on_change)
    with pytest.raises(StoppedError):
        begin(work)
    assert FIRST <= on_map(space) == space.n_images < N
    assert (Change.IMAGES, BATCH, 0) in seen  # thumbnails are there as they are read
    again = work_of(space, arguments, on_stage=lambda stage: stages.append(stage.name), on_change=on_change)
    outcome = begin(again)
    assert on_map(space) == space.n_images == space.matrix.rows == N
    assert outcome.sentence.startswith(f"{N - FIRST} images ingested")
    assert stages.index("Reading pictures") < stages.index("Embedding") < stages.index("Laying out the map")
    assert "moved" in space.projection["record"]  # laid out from the first map: somebody may have drawn a lasso there
    version = space.projection["version"]
    assert begin(work_of(space, arguments)).result == {"images": N}  # nothing is left to do
    assert space.projection["version"] == version


def test_images_that_are_there_are_embedded_and_laid_out_and_a_folder_without_pictures_asks_for_some(space, tmp_path, pictures):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no picture")
    said = begin(work_of(space, BeginArguments(source=str(tmp_path / "notes")))).sentence
    assert said.endswith("There is no picture to embed yet; add some.")
    ingest(space, pictures)
    begin(work_of(space, BeginArguments(encoder="pixels-pca")))
    assert on_map(space) == N


def test_the_demo_makes_its_pictures_and_goes_the_same_road(space, monkeypatch):
    write = datasets.write_demo_images
    monkeypatch.setattr(datasets, "write_demo_images", lambda folder, **options: write(folder, n_images=N, **options))
    monkeypatch.setitem(beginning.DEMO_ENCODER, "fashion", "pixels-pca")
    stages = []
    outcome = begin_demo(work_of(space, DemoArguments(), on_stage=lambda stage: stages.append(stage.name)))
    assert outcome.result == {"images": N}
    assert stages[0] == "Making demo pictures"
    assert space.gold_counts("label")["copyright"] == 2
    assert on_map(space) == N
