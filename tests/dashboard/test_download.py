from pathlib import Path

import pytest

from dashboard.actions import Actions
from dashboard.views.download import Download


class Held(Actions):
    """Keeps what would be made, until the test makes it."""

    def __init__(self):
        self.asked = []

    def make_download(self, read, send, *, failed):
        self.asked.append((read, send))


@pytest.fixture
def download():
    return Download(label="Download", actions=Held())


def made(download):
    read, send = download.actions.asked.pop()
    send(read())


def test_a_file_that_is_offered_again_while_it_is_made_is_sent_and_one_of_another_source_is_not(download):
    download.offer("a.html", Path("one"), lambda: b"first")
    download._on_click()
    download.offer("a.html", Path("one"), lambda: b"first, drawn again")
    made(download)
    assert download.button.data == "data:text/html;base64,Zmlyc3Q="
    download._on_click()
    assert download.button.disabled
    download.offer("a.html", Path("two"), lambda: b"second")
    made(download)
    assert download.button.data is None
    assert not download.button.disabled


def test_nothing_is_made_once_the_offer_is_withdrawn(download):
    download.offer("a.html", Path("one"), lambda: b"first")
    download.withdraw()
    download._on_click()
    assert download.actions.asked == []


def test_a_file_that_is_announced_is_shown_and_cannot_be_asked_for(download):
    download.announce()
    assert (download.button.visible, download.button.disabled) == (True, True)
    download._on_click()
    assert download.actions.asked == []
    download.offer("a.html", Path("one"), lambda: b"first")
    assert not download.button.disabled
    download._on_click()
    download.announce()  # another study is shown while the report of this one is made
    made(download)
    assert download.button.data is None
    assert download.button.disabled
