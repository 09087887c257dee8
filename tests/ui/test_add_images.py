"""Images come in by the page: dropped folders, files and ZIP archives, and a folder on the server; what is refused is named."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.workspace import Workspace
from tests.shared import photo
from tests.ui.driver import N_IMAGES, Server, copied, drop, load

pytestmark = pytest.mark.ui


@pytest.fixture
def there(tmp_path):
    """Make pictures: in a folder to drop, in an archive, and in a folder on the server."""
    dropped, served = tmp_path / "june", tmp_path / "in"
    (dropped / "cats").mkdir(parents=True)
    served.mkdir()
    for i in range(40):
        photo(20_000 + i).save(dropped / "cats" / f"{i:02d}.png")
    (dropped / "answers.csv").write_text("path,column_of_ours\ncats/00.png,seen\n")
    (dropped / "notes.txt").write_text("hello")
    (dropped / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for i in range(3):
        photo(21_000 + i).save(served / f"{i}.png")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for i in range(5):
            photo(22_000 + i).save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"dogs/{i}.png")
        archive.write(tmp_path / "one.png", "../out.png")
    return tmp_path


@pytest.fixture
def server(prepared, there):
    server = Server(copied(prepared, there / "w"), LASSOSCOPE_INTAKE=str(there / "in"))
    yield server
    server.kill()


def test_pictures_are_dropped_sent_again_after_a_fault_and_named_if_they_are_refused(browser, server, there):
    page, errors = browser.new_context(viewport={"width": 1280, "height": 720}).new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    load(page, server.url)
    failing = [2]

    def fail(route):
        failing[0] -= 1
        route.abort() if failing[0] >= 0 else route.continue_()

    page.route("**/api/images", fail)
    drop(page, there / "june", there / "more.zip")
    dialog = page.get_by_role("dialog", name="Add images")
    expect(dialog.get_by_text("The connection is lost. Sending goes on by itself")).to_be_visible()
    expect(dialog.get_by_text(re.compile("^44 files sent"))).to_be_visible(timeout=60_000)
    expect(dialog.get_by_text("june/notes.txt is not taken: it is text, not a picture.")).to_be_visible()
    expect(dialog.get_by_text("1 file not taken")).to_be_visible()
    expect(page.get_by_text(f"{N_IMAGES + 45} images")).to_be_visible(timeout=120_000)

    path = dialog.get_by_label("On the server")
    dialog.get_by_role("button", name="Add", exact=True).click()  # nothing is named: the browser says that it has to be
    expect(path).to_be_focused()
    assert path.evaluate("field => field.validity.valueMissing")
    path.fill("/etc")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_text(re.compile(r"^/etc is not below .*, the only folder"))).to_be_visible()
    path.fill(str(there / "in"))
    path.press("Enter")
    expect(page.get_by_text(f"{N_IMAGES + 48} images")).to_be_visible(timeout=120_000)
    expect(path).to_have_value("")
    dialog.get_by_label("Choose files").last.set_input_files(there / "june" / "cats" / "00.png")  # known, so nothing is new
    expect(dialog.get_by_text(re.compile("^1 file sent"))).to_be_visible()
    expect(dialog.get_by_text(re.compile("not taken"))).to_be_hidden()
    dialog.get_by_role("button", name="Close").click()

    page.get_by_role("button", name=re.compile("^Jobs")).click()
    drawer = page.get_by_role("dialog", name="Jobs")
    expect(drawer.get_by_text("Rejected: june/broken.png (")).to_be_visible()
    expect(drawer.get_by_text("5 pictures unpacked. Refused: ../out.png (its path leaves the archive).")).to_be_visible()
    page.context.close()
    server.kill()
    with Workspace(server.folder, read_only=True) as space:
        assert len(set(space.ids.tolist())) == space.n_images == N_IMAGES + 48
        assert space.catalog.images.known_ids([str(path) for path in (server.folder / "uploads").rglob("june/cats/39.png")])
        sources = {Path(job.arguments.get("source", "")).name: job.state for job in space.catalog.jobs.newest(50)}
        assert sources["answers.csv"] == "done"
    assert errors == []
