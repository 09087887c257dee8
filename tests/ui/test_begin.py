"""A workspace from nothing: classes and a folder in the page, pictures as they are read, a map; then other classes."""

import re

import pytest
from playwright.sync_api import expect

from tests.shared import photo
from tests.ui.driver import Server, facts, names_of_classes

pytestmark = pytest.mark.ui
N = 60


@pytest.fixture
def server(tmp_path):
    (tmp_path / "pictures").mkdir()
    for i in range(N):
        photo(i).save(tmp_path / "pictures" / f"p{i}.png")
    server = Server(
        tmp_path / "w", log=tmp_path / "server.log", LASSOSCOPE_ENCODER="pixels-pca", LASSOSCOPE_INTAKE=str(tmp_path)
    )
    yield server
    server.kill()


@pytest.fixture
def open_page(browser):
    pages, errors = [], []

    def open_(url):
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        pages.append(page)
        page.goto(url)
        return page

    yield open_
    for page in pages:
        page.context.close()
    assert errors == []


def test_an_empty_folder_becomes_a_map_and_its_classes_change_in_every_window(server, open_page, tmp_path):
    page = open_page(server.url)
    expect(page.get_by_text("This workspace is new")).to_be_visible()
    form = page.get_by_role("form", name="New workspace")
    names_of_classes(form).nth(1).fill("weapon")
    form.locator(".line .key").nth(1).fill("x")
    form.get_by_role("button", name="Add a class").click()
    names_of_classes(form).nth(3).fill("Neutral")
    form.locator(".folder").fill(str(tmp_path / "nowhere"))
    form.get_by_role("button", name="Begin").click()
    expect(page.get_by_text(re.compile("There is no .*nowhere"))).to_be_visible()
    form.locator(".folder").fill(str(tmp_path / "pictures"))
    form.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("Classes need different names")).to_be_visible()  # and all that was typed stays
    form.get_by_role("button", name="Remove Neutral", exact=True).click()
    form.get_by_role("button", name="Begin").click()
    expect(page.get_by_text(f"{N} of {N}").first).to_be_visible(timeout=60_000)
    expect(page.locator('.strip img[src^="thumb/blurred/"]').first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Images read")).to_be_hidden(timeout=120_000)
    expect(page.get_by_text(f"{N} images on the map, ")).to_be_visible()
    expect(page.get_by_role("button", name="Label as weapon (flagged)")).to_contain_text("[X]")

    other = open_page(server.url)
    expect(facts(other)).not_to_have_attribute("data-frame", "0")
    other.get_by_placeholder("analyst").fill("ben")
    other.get_by_placeholder("analyst").press("Enter")
    page.get_by_role("button", name="Edit classes…").click()
    dialog = page.get_by_role("dialog", name="Classes and guideline")
    names_of_classes(dialog).nth(1).fill("arms")
    dialog.locator("label", has_text="Guideline in force").locator("input").fill("v2")
    dialog.get_by_role("button", name="Save").click()
    for window in (page, other):
        expect(window.get_by_role("button", name="Label as arms (flagged)")).to_be_visible(timeout=60_000)
    expect(other.get_by_placeholder("analyst")).to_have_value("ben")  # although the page has loaded itself again
    other.get_by_role("button", name="History").click()
    other.get_by_text("Changes of the classes, the guideline and the name").click()
    expect(other.get_by_text("'weapon' renamed to 'arms'")).to_be_visible()
    expect(other.get_by_text("The guideline in force is v2.")).to_be_visible()
