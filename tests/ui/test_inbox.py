"""Files dropped into an inbox come to an open window on a map that does not move, also when the server is killed in between."""

import re

import pytest
from playwright.sync_api import expect

from core.workspace import Workspace
from tests.shared import photo
from tests.ui.driver import LEFT, N_IMAGES, Server, copied, drag, facts, load

pytestmark = pytest.mark.ui
NEW, LATER = 30, 100


@pytest.fixture
def server(prepared, tmp_path):
    server = Server(copied(prepared, tmp_path / "w"), LASSOSCOPE_INTAKE=str(tmp_path))
    yield server
    server.kill()


def test_files_in_an_inbox_come_to_the_unmoved_map_and_a_killed_server_loses_none(browser, server, tmp_path):
    inbox = tmp_path / "uploads"
    inbox.mkdir()
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    load(page, server.url)
    drag(page, LEFT)
    expect(facts(page)).not_to_have_attribute("data-selected", "0")
    before = [facts(page).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")]
    page.get_by_role("button", name=re.compile("^Jobs")).click()
    drawer = page.get_by_role("dialog", name="Jobs")
    drawer.get_by_text("Watch a folder…").click()
    drawer.get_by_label("Folder on the server").fill("/etc")
    drawer.get_by_role("button", name="Watch", exact=True).click()
    expect(drawer.get_by_text("/etc is not below")).to_be_visible()
    drawer.get_by_label("Folder on the server").fill(str(inbox))
    drawer.get_by_label("Folder on the server").press("Enter")
    expect(drawer.get_by_text("Watched: images that arrive are added.")).to_be_visible()
    expect(drawer.get_by_label("Folder on the server")).to_have_value("")
    drawer.get_by_role("button", name="Close").click()
    for i in range(NEW):
        photo(9_000 + i).save(inbox / f"p{i:03d}.png")
    expect(page.get_by_text(f"{N_IMAGES + NEW} images")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name=re.compile("^Jobs")).click()
    expect(drawer.get_by_role("heading", name="Inboxes")).to_be_visible()
    expect(drawer.get_by_text("Watched: images that arrive are added.")).to_be_visible()
    expect(drawer.get_by_text(re.compile("placed on the map; nothing else moved")).first).to_be_visible(timeout=120_000)
    drawer.get_by_role("button", name="Close").click()
    assert [facts(page).get_attribute(f"data-{name}") for name in ("selected", "idsum", "view")] == before

    for i in range(LATER):
        photo(11_000 + i).save(inbox / f"q{i:03d}.png")
    expect(page.get_by_role("button", name=re.compile(r"^Jobs \(\d"))).to_be_visible(timeout=60_000)
    server.kill()
    photo(13_000).save(inbox / "while no server ran.png")
    server.start()
    n = N_IMAGES + NEW + LATER + 1
    expect(page.get_by_text(f"{n} images")).to_be_visible(timeout=120_000)  # of a reload, or of a session that went on
    with Workspace(server.folder, read_only=True) as space:
        assert len(set(space.ids.tolist())) == space.n_images == n
        assert space.catalog.images.rejected() == []
    assert len(list(inbox.iterdir())) == NEW + LATER + 1
    page.get_by_role("button", name=re.compile("^Jobs")).click()
    page.get_by_role("button", name=f"Stop watching {inbox}").click()
    expect(page.get_by_role("dialog", name="Jobs").get_by_text("Watched:")).to_have_count(0)
    assert len(list(inbox.iterdir())) == NEW + LATER + 1
    page.context.close()
