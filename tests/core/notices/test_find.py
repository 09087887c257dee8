"""Copyright notices: what words say, rich clusters read offline and collected, words found again."""

import socket

import numpy as np
import pytest

from core.demo.cards import render_card
from core.map.clusters import cluster
from core.notices import find as verbs
from core.notices.find import find_notices, notices, notices_sentence, says_copyright, search_words, title_of
from core.notices.ocr import read_words


@pytest.mark.parametrize(
    "words",
    [
        "© 2011 Meridian",
        "(c) Blue Heron",
        "Copyright notice",
        "ALL RIGHTSRESERVED",
        "Tous droits reserves",  # the reader loses accents
        "alle Rechte\nvorbehalten",
        "Todos los  derechos\nreservados.",
        "Used by permission\nonly.",
    ],
)
def test_notices_say_so_in_many_tongues(words):
    assert says_copyright(words)


@pytest.mark.parametrize(
    "words", ["", "Chapter 4", "for x in f(c):", "3 new messages", "turn right, reserved seats", "copy that"]
)
def test_other_words_are_no_notice(words):
    assert not says_copyright(words)


def test_a_title_is_what_most_of_them_say():
    assert title_of(["© 2011 A\nAll rights reserved", "©2003 B all rights reserved", "© C 1999"]) == "© … all rights reserved"
    assert title_of(["Game over 1", "Game over 2", ""]) == "Game over"
    assert title_of(["", ""]) == ""


def no_network(*_args, **_kwargs):
    raise AssertionError("the reader asked for the network")


def test_words_are_read_without_a_network(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert all(says_copyright(read_words(render_card(7, number))) for number in (0, 2))


@pytest.fixture
def mapped(writable):
    """The demo's 400 on a made map: each class a cluster."""
    truth = writable.gold("label")
    rng = np.random.default_rng(0)
    xy = (np.array([(0, 0), (10, 0), (0, 10)])[truth] + rng.normal(0, 0.1, (len(truth), 2))).astype(np.float32)
    (writable.folder / "projection").mkdir()
    np.save(writable.folder / "projection" / "a.npy", xy)
    writable.catalog.models.add_projection(writable.encoder_name, len(xy), "projection/a.npy", {})
    writable.reload()
    cluster(writable)
    return writable


def precision_and_recall(space, rows):
    truth = space.gold("label") == space.class_names.index("copyright")
    return truth[rows].mean(), truth[rows].sum() / truth.sum()


def test_clusters_rich_in_text_are_read_named_collected_and_found_by_their_words(mapped):
    told = []
    assert notices(mapped) is None
    found = find_notices(mapped, on_progress=lambda *done: told.append(done))
    assert min(precision_and_recall(mapped, found.rows)) >= 0.95
    assert all(len(names) == 1 for names in found.clusters.values())
    assert all(done <= total for done, total in told)
    assert notices_sentence(found) == f"{len(found.rows):,} copyright notices were found."
    grain, names = next(iter(found.clusters.items()))
    assert "©" in found.titles[grain][names[0]]
    read = mapped.catalog.images.words()
    assert len(read) <= told[-1][1]
    mapped.reload()
    assert notices(mapped).rows.tolist() == found.rows.tolist()
    assert set(found.rows.tolist()) <= set(search_words(mapped, "©").tolist())  # by the title of their cluster
    row, words = max(read.items(), key=lambda item: len(item[1]))
    assert row in search_words(mapped, " ".join(words.split()[:3]).upper())
    assert search_words(mapped, "no such words here").size == search_words(mapped, "  ").size == 0
    cluster(mapped)  # other clusters: what was found belongs to the ones of before
    assert notices(mapped) is None


def test_without_the_reader_the_figure_alone_decides_and_says_what_is_missing(mapped, monkeypatch):
    monkeypatch.setattr(verbs, "can_read", lambda: False)
    found = find_notices(mapped)
    assert min(precision_and_recall(mapped, found.rows)) >= 0.95
    assert "pip install 'lassoscope[ocr]'" in notices_sentence(found)
    assert mapped.catalog.images.words() == {}


def test_notices_too_small_to_be_read_are_found_by_the_figure_and_reported(mapped):
    with mapped.catalog.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE images SET width = 28, height = 28, path = '/gone'")
    small = dict.fromkeys(np.flatnonzero(mapped.text >= 0.5).tolist(), "")
    for row, words in small.items():
        mapped.catalog.images.set_words(row, words)  # what the reader says of 28 px
    found = find_notices(mapped)
    assert min(precision_and_recall(mapped, found.rows)) >= 0.95
    assert found.unread == found.clusters
    assert "too small to be read" in notices_sentence(found)


def test_words_read_from_thumbnails_are_counted_in_one_warning_and_read_again(mapped, monkeypatch, caplog):
    monkeypatch.setattr(verbs, "can_read", lambda: True)
    monkeypatch.setattr(verbs, "read_words", lambda image: "© all rights reserved")
    with mapped.catalog.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM paths WHERE image_id IN (SELECT id FROM images WHERE row % 2 = 0)")
    told = []
    find_notices(mapped, on_progress=lambda *done: told.append(done))
    (warning,) = [record for record in caplog.records if "read from thumbnails" in record.message]
    assert warning.images == told[-1][1] - len(mapped.catalog.images.words()) > 0


def test_large_pictures_that_say_nothing_or_something_else_are_no_notices(mapped):
    for row in np.flatnonzero(mapped.text >= 0.5).tolist():
        mapped.catalog.images.set_words(row, "Game over" if row % 2 else "")
    found = find_notices(mapped)
    assert len(found.rows) == 0
    assert notices_sentence(found) == "No copyright notices were found."


def test_images_of_before_the_figure_are_measured_once(mapped, monkeypatch):
    before = mapped.text
    assert np.isfinite(before).all()  # worked out at ingest
    with mapped.catalog.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM text_figures")
    mapped.reload()
    assert np.isnan(mapped.text).all()
    monkeypatch.setattr(verbs, "BATCH", 150)
    done = []
    verbs.measure_text(mapped, on_progress=lambda *told: done.append(told))
    assert done == [(150, 400), (300, 400), (400, 400)]
    assert mapped.text == pytest.approx(before, abs=1e-6)
