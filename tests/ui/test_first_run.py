"""The first run on the page: a workspace without embeddings, a hub on loopback, and a map at the end."""

import pytest
from playwright.sync_api import expect

from core.encoders.encoder import DEFAULT_ENCODER
from core.encoders.vit import Architecture
from core.workspace import Workspace
from tests.hub import serving, vit_msn
from tests.reading import take_in
from tests.shared import photo
from tests.ui.driver import Server, facts

pytestmark = pytest.mark.ui
N = 40


@pytest.fixture
def hub():
    with serving(vit_msn(Architecture(input_size=64, patch_size=16, dim=64, depth=2, heads=1))) as hub:
        yield hub


@pytest.fixture
def server(hub, tmp_path):
    """A server on images without embeddings, for which the fake hub is the only one."""
    (tmp_path / "images").mkdir()
    for i in range(N):
        photo(i).save(tmp_path / "images" / f"p{i}.png")
    with Workspace.create(tmp_path / "w", salt="first run") as space:
        take_in(space, tmp_path / "images")
    server = Server(tmp_path / "w", cold=True, HF_ENDPOINT=hub.url, HF_HUB_CACHE=str(tmp_path / "cache"))
    yield server
    server.kill()


def test_public_weights_are_looked_for_fetched_and_give_a_map(browser, server, hub):
    page, errors = browser.new_page(viewport={"width": 1280, "height": 720}), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    expect(page.get_by_text(f"{DEFAULT_ENCODER}: shipped, 64 px, ")).to_be_visible(timeout=60_000)
    assert hub.asked == []  # until somebody asks
    page.get_by_text("Look for public weights").click()
    expect(page.get_by_text("hf:facebook/vit-msn-small: public, 224 px, 384-d;")).to_be_visible(timeout=60_000)
    page.get_by_role("radio", name="hf:facebook/vit-msn-small").click()
    page.get_by_role("button", name="Embed and lay out the map").click()
    expect(page.get_by_text(f"{N} images on the map, ")).to_be_visible(timeout=240_000)
    expect(page.get_by_text("Choose an encoder")).to_be_hidden()
    assert hub.fetched == ["config.json", "model.safetensors"]
    expect(facts(page)).to_have_attribute("data-selected", "0")  # a map is painted
    assert errors == []
