"""Score columns of label files and manifests: kept as given, seen in the declared direction, refused with one sentence."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from PIL import Image

from core.catalog.catalog import Catalog
from core.catalog.records import ImageRecord, PathRecord
from core.catalog.schema import SCORE_COLUMNS
from core.catalog.score_columns import NewColumn
from core.errors import DamageError, InputError
from core.intake.ingest import ingest
from core.labels.classes import parse_classes
from core.labels.exchange import import_labels
from core.score_columns.keep import flagged_scores, readable_columns, score_column, score_columns
from core.workspace import Workspace

N = 6


@pytest.fixture
def space(tmp_path):
    with Workspace.create(tmp_path / "w", classes=parse_classes("neutral,explicit*"), salt="columns") as found:
        add_images(found, N)
        yield found


def add_images(space, n, first=0):
    ids = [f"{number:032x}" for number in range(first, first + n)]
    paths = [PathRecord(f"/pictures/{int(key, 16)}.png", key, 1, 1) for key in ids]
    images = [ImageRecord(key, path.path, 8, 8, 1, "PNG", key, key) for key, path in zip(ids, paths, strict=True)]
    space.catalog.images.add_batch(images, paths, [])
    space.reload()


@pytest.fixture
def take(space, tmp_path):
    """Import a CSV file of these lines under its header; an image is given by its number."""

    def take_(header, *lines):
        file = tmp_path / "vendor.csv"
        file.write_text("\n".join([f"path,{header}", *(f"/pictures/{line}" for line in lines)]) + "\n")
        return import_labels(space, file, analyst="eve").sentence

    return take_


def scores(space, name="vendor"):
    return flagged_scores(space, score_column(space, name)).tolist()


def test_scores_are_kept_as_given_and_images_without_one_are_nan(space, take):
    said = take("score:vendor", "0.png,0.1", "3.png,0.30000000000000004", "5.png,1e-9")
    np.testing.assert_array_equal(scores(space), [0.1, np.nan, np.nan, 0.30000000000000004, np.nan, 1e-9])
    assert said == (
        "Scores of 'vendor' (higher = more likely flagged): 3 images in this file. 3 images of the workspace have no score."
    )
    assert space.labels.n_labelled == 0


def test_higher_is_safer_is_declared_and_turned_round(space, take):
    said = take("score:safety:SAFE", "0.png,0.9", "1.png,0.2")
    assert scores(space, "safety")[:2] == [-0.9, -0.2]
    assert "'safety' (higher = safer)" in said


def test_a_later_file_adds_and_replaces_and_may_correct_the_direction(space, take):
    take("score:vendor", "0.png,0.1", "1.png,0.2")
    said = take("score:vendor", "1.png,0.7", "2.png,0.8")
    assert scores(space)[:3] == [0.1, 0.7, 0.8]
    assert "2 images in this file, 3 in all. 1 image had another score before; scores of another model need a name" in said
    said = take("score:vendor:safe", "0.png,0.1", "1.png,0.7", "2.png,0.8")
    assert scores(space)[:3] == [-0.1, -0.7, -0.8]
    assert "3 images in this file. Before, the whole column was declared 'higher = more likely flagged'." in said


def test_a_few_lines_do_not_turn_the_direction_of_the_others(space, take):
    take("score:vendor", "0.png,0.1", "1.png,0.2", "2.png,0.3")
    with pytest.raises(InputError, match="but 2 images that it does not name have scores declared 'higher = more likely flag"):
        take("class,score:vendor:safe", "1.png,explicit,0.7", "4.png,neutral,0.8")
    assert scores(space)[:3] == [0.1, 0.2, 0.3]
    assert space.labels.n_labelled == 0  # labels and scores of a file come together or not at all


def test_a_column_needs_a_score_of_an_image_in_the_workspace(space, take):
    with pytest.raises(InputError, match="has no score of 'vendor' for any image of this workspace"):
        take("class,score:vendor", "0.png,explicit,", "99.png,,0.5", "98.png,,0.6")
    assert score_columns(space) == []
    assert space.labels.n_labelled == 0


def test_a_column_changes_its_version_with_scores_and_direction_only(space, take):
    def version():
        return score_column(space, "vendor").version

    take("score:vendor", "0.png,0.1", "1.png,0.2")
    first = version()
    take("score:vendor", "0.png,0.1", "1.png,0.2")
    assert version() == first
    take("score:vendor:safe", "0.png,0.1", "1.png,0.2")
    turned = version()
    take("score:vendor:safe", "0.png,0.1", "1.png,0.3")
    assert len({first, turned, version()}) == 3


def test_images_that_come_later_have_no_score(space, take):
    take("score:vendor", "0.png,0.1", "5.png,0.2")
    add_images(space, 2, first=N)
    assert np.isnan(scores(space)[N:]).all()
    take("score:vendor", "7.png,0.9")
    assert (scores(space)[5], scores(space)[7]) == (0.2, 0.9)


def test_labels_and_scores_come_in_one_file_and_a_line_may_lack_either(space, take):
    said = take("class,score:vendor", "0.png,explicit,0.9", "1.png,,0.2", "2.png,neutral,")
    assert space.labels.codes[:3].tolist() == [1, -1, 0]
    np.testing.assert_array_equal(scores(space)[:3], [0.9, 0.2, np.nan])
    assert said.startswith("2 labels imported. Scores of 'vendor'")


def test_nan_lines_strangers_and_second_scores_are_counted_and_the_rest_is_kept(space, take):
    said = take("score:vendor", "0.png,0.1", "1.png,NaN", "2.png,", "9.png,0.5", "3.png,0.6", "3.png,0.7")
    np.testing.assert_array_equal(scores(space), [0.1, np.nan, np.nan, 0.6, np.nan, np.nan])
    assert "2 lines without a number (empty or NaN), the first is line 3." in said
    assert "1 line left out because the image is not in this workspace, the first is line 5." in said
    assert "1 image has several scores; the first one counts." in said


@pytest.mark.parametrize(
    ("header", "lines", "said"),
    [
        ("score:vendor", ["0.png,0.1", "1.png,high"], "'high' in line 3 of 'score:vendor'; a score is a finite number"),
        ("score:vendor", ["0.png,0.1", "1.png,inf"], "'inf' in line 3 of 'score:vendor'"),
        ("score:vendor", ["0.png,0.5", "1.png,0.5"], "the same score 0.5 in all 2 lines of 'score:vendor'"),
        ("score:vendor", ["0.png,", "1.png,nan"], "no number in the column 'score:vendor'"),
        ("score:vendor:low", ["0.png,1"], "'score:vendor:low'; after the name only ':safe' may follow"),
        ("score:", ["0.png,1"], "after 'score:' it needs a name"),
        ("score:Probe", ["0.png,1"], "'Probe' is this program's own model"),
        ("score:probe + x", ["0.png,1"], "'probe + x' is this program's own model"),
        ("score:vendor,score:vendor:safe", ["0.png,1,2"], "several columns for the scores of 'vendor'"),
        ("score:vendor", ["8.png,0.1", "9.png,0.2"], "names 2 images that are not in this workspace"),
        ("class,score:vendor", ["0.png,explicit,0.1", "9.png,explicit,0.2"], "names an image that is not in this workspace"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(space, take, header, lines, said):
    take("score:other", "0.png,1", "1.png,2")
    with pytest.raises(InputError, match="Nothing was imported") as refused:
        take(f"{header},score:other", *(f"{line},7" if place else f"{line},8" for place, line in enumerate(lines)))
    assert said in str(refused.value)
    assert [column.name for column in score_columns(space)] == ["other"]
    assert scores(space, "other")[:2] == [1, 2]
    assert space.labels.n_labelled == 0


def test_a_damaged_column_is_named_and_does_not_hide_the_others(space, take, caplog):
    take("score:good,score:torn", "0.png,1,2", "1.png,2,3")
    with space.catalog.database.writing() as connection:
        connection.execute(sa.update(SCORE_COLUMNS).where(SCORE_COLUMNS.c.name == "torn").values(scores=b"12345"))
    with pytest.raises(DamageError, match=r"scores of 'torn' .* are damaged; import their file again"):
        scores(space, "torn")
    with caplog.at_level("WARNING", "lassoscope.scores"):
        assert [column.name for column, _ in readable_columns(space)] == ["good"]
    assert "'torn' is not shown" in caplog.text
    take("score:torn", "0.png,1", "1.png,2")
    assert scores(space, "torn")[:2] == [1, 2]


def test_an_unknown_column_is_named_with_those_there_are(space, take):
    with pytest.raises(InputError, match="a manifest or label file brings some"):
        score_column(space, "vendor")
    take("score:vendor", "0.png,1")
    with pytest.raises(InputError, match="no score column 'vendr'; there is vendor"):
        score_column(space, "vendr")


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_brings_scores_that_are_not_gold(tmp_path, suffix):
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"x")
    names = ["0.png", "1.png", "2.png", "broken.png"]
    table = pd.DataFrame({"path": names, "label": ["a", "b", "a", "b"], "score:vendor": [0.1, np.nan, 0.3, 0.4]})
    file = tmp_path / f"manifest.{suffix}"
    table.to_csv(file, index=False) if suffix == "csv" else table.to_parquet(file, index=False)
    with Workspace.create(tmp_path / "w") as space:
        for _ in range(2):  # known files bring their scores, too
            said = ingest(space, file, workers=1).sentence
            rows = [space.catalog.images.rows_by_name()[str(tmp_path / name)] for name in names[:3]]
            np.testing.assert_array_equal(np.array(scores(space))[rows], [0.1, np.nan, 0.3])
            assert space.catalog.images.gold_columns() == ["label"]
            assert "Scores of 'vendor' (higher = more likely flagged): 2 images in this file." in said
            assert "1 line left out because the image is not in this workspace, the first is line 5." in said


def test_a_manifest_with_an_invalid_score_ingests_nothing(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "0.png")
    (tmp_path / "m.csv").write_text("path,score:vendor\n0.png,often\n")
    with Workspace.create(tmp_path / "w") as space:
        with pytest.raises(InputError, match="'often' in line 2"):
            ingest(space, tmp_path / "m.csv")
        assert space.n_images == 0


def test_a_million_scores_are_one_array_in_the_catalog(tmp_path):
    catalog = Catalog.of_file(tmp_path / "c.sqlite")
    values = np.random.default_rng(0).random(1_000_000)
    values[::3] = np.nan
    catalog.score_columns.put([NewColumn("vendor", False, "v.csv", values)])
    np.testing.assert_array_equal(catalog.score_columns.values("vendor"), values)
    assert catalog.score_columns.all()[0].n_scored == np.isfinite(values).sum()
    catalog.close()
    assert (tmp_path / "c.sqlite").stat().st_size < 9_000_000
