"""A training from the page: begun in one window, followed in two, and its weights taken into use in both."""

import re

import pytest
from playwright.sync_api import Page, expect

from core.encoders.embed import embed
from core.map.project import project
from core.workspace import Workspace
from tests.reading import take_in
from tests.shared import photo
from tests.ui.driver import MIDDLE, Server, drag, expect_selected, facts, inside, load, without_copies

pytestmark = pytest.mark.ui
N, EPOCHS = 48, 150


@pytest.fixture
def server(tmp_path):
    """A server on a few images with a map."""
    (tmp_path / "images").mkdir()
    for i in range(N):
        photo(i).save(tmp_path / "images" / f"p{i:02d}.png")
    with Workspace.create(tmp_path / "w", salt="training") as space:
        take_in(space, tmp_path / "images")
        embed(space, "pixels-pca", device="cpu")
        project(space)
    server = Server(tmp_path / "w", LASSOSCOPE_DEVICE="cpu")
    yield server
    server.kill()


@pytest.fixture
def windows(browser, server):
    """Two windows on the Training page, the second one dark; at the end neither may have had an error."""
    pages, errors = [], []
    for theme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        context.add_cookies([{"name": "lassoscope-theme", "value": theme, "url": server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        load(page, server.url, N)
        page.get_by_role("button", name="Training", exact=True).click()
        expect(page.get_by_text("No training yet")).to_be_visible()
        pages.append(page)
    yield pages
    for page in pages:
        page.context.close()
    assert errors == []


# The colours around the chart of the loss.
GROUND = """() => Bokeh.documents.flatMap(of => [...of._all_models.values()])
  .filter(model => model.type === 'Figure' && model.title?.text === 'Loss').map(figure => figure.border_fill_color)"""


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("listbox").get_by_text(option).click()


def test_a_training_is_begun_followed_and_taken_into_use_in_two_windows(server, windows):
    first, second = windows
    begin = first.get_by_role("button", name="Train on these images")
    choose(first, "Preset", "tiny-32, 32 px")
    expect(first.get_by_text("Sees pictures at 32 px")).to_be_visible()
    first.get_by_label("Passes over the images").fill(str(EPOCHS))
    first.get_by_label("Name of the weights").fill("../mine")
    first.keyboard.press("Tab")
    begin.click()
    expect(first.get_by_text("Weights are named with letters")).to_be_visible()
    expect(begin).to_be_enabled()
    first.get_by_label("Name of the weights").fill("mine")
    first.keyboard.press("Tab")
    begin.click()
    for page in windows:
        expect(page.get_by_text(re.compile(r"Job \d+ (trains|waits to train) an encoder already"))).to_be_visible()
        expect(page.get_by_role("button", name="Train on these images")).to_be_disabled()
    for page in windows:  # while it trains
        expect(page.get_by_text(re.compile(rf"running: step \d+ of {EPOCHS}"))).to_be_visible(timeout=120_000)
        expect(page.get_by_role("img", name="Chart").filter(visible=True)).to_have_count(6)
    light, dark = (page.evaluate(GROUND) for page in windows)
    assert len(light) == len(dark) == 1
    assert light != dark  # charts that come while a page is open have its theme
    for page in windows:
        expect(page.get_by_text(f"finished: step {EPOCHS} of {EPOCHS}")).to_be_visible(timeout=120_000)
        expect(page.get_by_text("The weights are in mine.safetensors.")).to_be_visible()
    before = facts(second).get_attribute("data-view")

    embeds = first.get_by_role("button", name="Embed with these weights…")
    question = first.get_by_role("dialog", name=f"Embed {N} images with mine?")
    embeds.click()
    expect(question).to_contain_text("the map is laid out anew")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    embeds.click()
    question.get_by_role("button", name="Embed", exact=True).click()
    for page in windows:
        expect(page.get_by_text(re.compile("In use. Map, scores and suggestions are those of mine-"))).to_be_visible(
            timeout=120_000
        )
        expect(page.get_by_role("cell", name=re.compile("^mine-.*, in use$"))).to_be_visible()
        expect(page.get_by_role("combobox", name="Encoder, for all windows").last).to_contain_text("mine-")
    with Workspace(server.folder, read_only=True) as space:
        assert space.encoder_name.startswith("mine-")
        xy = space.xy
    for page in windows:
        page.get_by_role("button", name="Map", exact=True).click()
        expect(facts(page)).not_to_have_attribute("data-view", before)
        without_copies(page)
        expect_selected(page, inside(xy, drag(page, MIDDLE)))  # the new encoder's map
