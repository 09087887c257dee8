import numpy as np
import pytest

from core.catalog.records import ImageRecord
from core.labels.actions import label
from core.map import colourings
from core.map.colourings import NAMED
from core.map.raster import ColouringKind
from core.palette import COPPER, DIVERGING, OTHER, PLASMA, UNLABELLED_COLOUR
from core.probe.live import refit
from tests.worlds import made, teach, with_gold


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    with made(tmp_path_factory.mktemp("colourings") / "w", n=400) as found:
        teach(found, 60, np.random.default_rng(0))
        sealed, watched = np.flatnonzero(found.sealed), np.flatnonzero(found.live_part)
        label(found, sealed[:20], "neutral", analyst="ann", source="lasso")
        label(found, watched[:20], "neutral", analyst="ann", source="lasso")
        refit(found)
        yield found


def test_disagreement_compares_labels_with_the_model_and_shows_nothing_of_sealed_images(space):
    found = colourings.by_disagreement(space)
    labels, predicted = space.labels.codes, space.fitted.predicted
    assert {"model agrees", "model disagrees"} == set(found.names)
    for row in range(space.n_images):
        compared = labels[row] >= 0 and predicted[row] >= 0 and not space.sealed[row]
        assert found.codes[row] == (int(labels[row] != predicted[row]) if compared else -1)
    assert found.counts()[1] > 0
    assert (labels[space.sealed] >= 0).any()
    assert (found.codes[space.sealed] == -1).all()


def test_halves_and_near_duplicates_are_coloured_as_the_workspace_has_them(tmp_path):
    with made(tmp_path / "w", n=40) as space:
        known = space.image_id(3)
        copy = ImageRecord("f" * 32, "/none/copy.png", 8, 8, 1, "PNG", "copy", known)
        space.catalog.images.add_batch([copy], [], [])
        space.reload()
        half, copies = colourings.by_half(space), colourings.by_copies(space)
        assert half.names == ("teach", "check")
        assert (half.codes == space.is_check).all()
        assert np.flatnonzero(copies.codes == 0).tolist() == [3, 40]
        assert copies.has_own(np.array([2, 3])).tolist() == [False, True]


def test_clusters_are_named_by_size_and_the_smaller_ones_are_others(space, monkeypatch):
    assert (colourings.by_cluster(space).codes == -1).all()  # there is no map yet
    n = len(NAMED) + 3
    codes = np.full(space.n_images, -1, np.int32)
    sizes = {name: 2 * n - 2 * at for at, name in enumerate(range(n))}
    at = 0
    for name, size in sizes.items():
        codes[at : at + size] = name
        at += size
    shown, names, palette = colourings._most_frequent(codes, [f"C{i}" for i in range(n)], "cluster")
    assert names == [*(f"C{i}" for i in range(len(NAMED))), "other (3 clusters)"]
    assert palette == [*NAMED, OTHER]
    assert len(set(palette)) == len(palette)
    np.testing.assert_array_equal(shown, np.minimum(codes, len(NAMED)))


def test_a_column_of_words_names_its_most_frequent_values_and_hides_sealed_images(space):
    n_values = len(NAMED) + 2
    values = [f"v{int(np.sqrt(row)) % n_values:02}" for row in range(space.n_images)]
    with_gold(space, "album", values)
    found = colourings.by_gold(space, "album")
    open_rows = np.flatnonzero(~space.sealed)
    named = dict(enumerate(found.names))
    assert named[len(NAMED)] == "other (2 values)"
    for row in open_rows:
        assert named[int(found.codes[row])] in (values[row], "other (2 values)")
    counts = {value: values.count(value) for value in values}
    kept = set(found.names[: len(NAMED)])
    assert min(counts[value] for value in kept) >= max(counts[value] for value in set(values) - kept)
    assert (found.codes[space.sealed] == -1).all()


def test_a_column_of_many_numbers_is_a_scale_and_one_of_few_is_values(space):
    with_gold(space, "year", [str(1900 + row / 4) for row in range(space.n_images)])
    with_gold(space, "stars", [str(row % 5) for row in range(space.n_images)])
    with_gold(space, "mixed", [str(row) if row else "1 or 2" for row in range(space.n_images)])
    year, stars, mixed = (colourings.by_gold(space, name) for name in ("year", "stars", "mixed"))
    open_rows = np.flatnonzero(~space.sealed)
    assert year.kind == ColouringKind.CONTINUOUS
    np.testing.assert_allclose(year.values[open_rows], 1900 + open_rows / 4, rtol=1e-6)
    assert np.isnan(year.values[space.sealed]).all()
    assert 1900 < year.low < 1903
    assert 1997 < year.high < 2000
    assert (stars.kind, stars.names) == (ColouringKind.CATEGORICAL, ("0", "1", "2", "3", "4"))
    assert mixed.kind == ColouringKind.CATEGORICAL


def test_score_and_uncertainty_have_scales_of_their_own(space):
    score, uncertainty = colourings.by_score(space.fitted.score), colourings.by_uncertainty(space.fitted.uncertainty)
    assert (score.palette, uncertainty.palette) == (DIVERGING, PLASMA)
    assert score.low == -score.high  # even odds are in the middle


def test_a_column_of_one_value_or_none_has_a_scale():
    same, none = colourings.by_column(np.full(3, 7.0)), colourings.by_column(np.full(3, np.nan))
    assert (same.low, same.high) == (7, 7)
    assert none.colours_of(np.arange(3)) == [UNLABELLED_COLOUR] * 3


def test_time_runs_from_dark_to_bright_and_the_marks_are_times():
    day, start = 86_400.0, 1_700_000_000.0
    found = colourings.by_time(np.array([start, np.nan, start + day, start + 2 * day]))
    assert (found.palette, found.marks_are_times) == (COPPER, True)
    assert [mark[:10] for mark in found.marks] == ["2023-11-14", "2023-11-15", "2023-11-16"]
    colours = found.colours_of(np.arange(4))
    assert (colours[0], colours[1], colours[3]) == (COPPER[0].lower(), UNLABELLED_COLOUR, COPPER[-1].lower())
    one, none = colourings.by_time(np.full(2, start)), colourings.by_time(np.full(2, np.nan))
    assert len(one.marks) == 1
    assert (none.marks, none.marks_are_times) == ((), False)
