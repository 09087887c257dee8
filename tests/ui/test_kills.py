"""kill -9 of the server 30 times during intake and triage: nothing acknowledged is lost, nothing is doubled, no job hangs.

Marked slow: each server that starts costs seconds. Its faster brothers kill the processes of one part at a time.
"""

import http.client
import io
import json
import random
import re
import threading
import time
from contextlib import suppress

import pytest
from PIL import Image
from playwright.sync_api import Error, expect

from core.catalog.jobs import JobState
from core.evidence import check_sets, points
from core.images.visits import content_id
from core.labels.actions import history
from core.probe.live import refit
from core.workspace import Workspace
from tests.ui.driver import Server, copied, teach_and_read

pytestmark = pytest.mark.slow

KILLS, MOST_SECONDS = 30, 6.0  # of work between the page's first picture and a kill
SHOWN = '.picture[aria-busy="false"]:visible img'


@pytest.fixture
def server(prepared, tmp_path):
    folder = copied(prepared, tmp_path / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=120, read=(("promise", 110),))
        refit(space)
        opened = check_sets.open_check_set(space, analyst="ann")
        points.save_point(space, "daily", opened.threshold or 0.0, opened, analyst="ann")
        points.put_in_force(space, "daily", analyst="ann")
    server = Server(folder)
    yield server
    server.kill()


class Uploads(threading.Thread):
    """Posts pictures, each different, until the server is gone; keeps which were acknowledged."""

    def __init__(self, port, chance):
        super().__init__(daemon=True)
        self.port, self.chance, self.acknowledged = port, chance, []

    def run(self):
        with suppress(OSError, http.client.HTTPException):
            while True:
                ids = self._post([self._picture() for _ in range(self.chance.randint(1, 6))])
                self.acknowledged += ids
                time.sleep(self.chance.uniform(0, 0.3))

    def _picture(self):
        file = io.BytesIO()
        Image.frombytes("RGB", (24, 18), self.chance.randbytes(24 * 18 * 3)).resize((96, 72)).save(file, "PNG")
        return file.getvalue()

    def _post(self, pictures):
        body = b"".join(
            f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{i}.png"\r\n\r\n'.encode() + picture + b"\r\n"
            for i, picture in enumerate(pictures)
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        connection.request("POST", "/api/images", body + b"--edge--\r\n", headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        if answer.status == 503:  # too many at once: nothing was taken
            return []
        assert answer.status == 202, found
        ids = [image["id"] for image in found["images"]]
        assert ids == [content_id(picture) for picture in pictures]
        return ids


def triage(page, until, chance):
    """Answer the pictures of Review by keys; return how many labels the page said there are, and how many keys were pressed.

    The next picture comes before an answer is on disk; the count of labels does not.
    """
    presses, said, shown = 0, 0, ""
    while time.monotonic() < until:
        picture = page.locator(f'{SHOWN}:not([src$="/{shown}"])')
        with suppress(Error):  # no other picture in this time
            picture.wait_for(timeout=500)
            shown = picture.get_attribute("src", timeout=500).rsplit("/", 1)[1]
            page.keyboard.press("1")
            presses += 1
            page.wait_for_timeout(chance.uniform(50, 400))  # a quicker hand would leave nothing to decide on
        told = page.get_by_text(re.compile(r"[\d,]+ labelled \(")).first.inner_text()
        said = int(re.search(r"([\d,]+) labelled", told)[1].replace(",", ""))
    return said, presses


def test_thirty_kills_during_intake_and_triage_lose_double_and_hang_nothing(browser, server):
    chance, folder = random.Random(0), server.folder
    with Workspace(folder, read_only=True) as space:
        n_before, actions_before = space.n_images, len(history(space))
        labels_before = int((space.labels.codes >= 0).sum())
    posted, said, pressed = [], [labels_before], 0
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    for _ in range(KILLS):
        page.goto(server.url)
        tab = page.get_by_role("tab", name="Review")
        expect(tab).to_be_visible(timeout=60_000)
        tab.click()
        shown = page.locator(SHOWN).or_(page.get_by_text("Nothing waits"))  # until an upload is flagged
        expect(shown.first).to_be_visible(timeout=60_000)
        uploads = Uploads(server.port, chance)
        uploads.start()
        labels, presses = triage(page, time.monotonic() + chance.uniform(0.5, MOST_SECONDS), chance)
        server.kill()
        said.append(labels)
        pressed += presses
        uploads.join(timeout=60)
        assert not uploads.is_alive()
        posted += uploads.acknowledged
        server.start()
    page.context.close()

    def jobs():
        with Workspace(folder, read_only=True) as space:
            return space.catalog.jobs.newest(1_000)

    until = time.monotonic() + 600  # a job that was running at many kills rests for two minutes
    while any(job.is_open for job in jobs()) and time.monotonic() < until:
        time.sleep(1)
    server.kill()
    assert {job.state for job in jobs()} == {JobState.DONE}
    with Workspace(folder, read_only=True) as space:
        ids = space.ids.astype(str).tolist()
        assert len(ids) == len(set(ids))
        assert set(posted) <= set(ids[n_before:])
        assert space.matrix.rows == space.n_images
        assert space.projection["n_rows"] == space.n_images
        assert len(posted) >= KILLS
        after = [action for action, _ in history(space)][: len(history(space)) - actions_before]
        rows = [int(row) for action in after for row in action.rows]
        assert len(rows) == len(set(rows))
        assert KILLS <= len(after) <= pressed
        assert said == sorted(said)
        assert said[-1] <= int((space.labels.codes >= 0).sum()) == labels_before + len(rows)
