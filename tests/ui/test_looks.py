"""How the page looks and reads on every page and in both themes: axe-core's rules, the theme kept, terms explained."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.evidence.check_sets import open_check_set
from core.evidence.points import put_in_force, save_point
from core.probe.live import refit
from core.workspace import Workspace
from dashboard.starting import Starting
from tests.ui.driver import Server, copied, teach_and_read

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
# Without a second load of all style sheets and sounds, half of the time: only a rule about sounds needs it, and there are none.
FINDINGS = """async only => (await axe.run({resultTypes: ["violations"], preload: false, ...only})).violations
  .filter(found => ["serious", "critical"].includes(found.impact))
  .flatMap(found => found.nodes.map(node => `${found.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`))"""
TABS = ("Selection", "Suggestions", "Clusters", "Check", "Review")
PAGES = ("Operating point", "Training", "Experiment", "History")
PASSWORD = "secret words"


@pytest.fixture(scope="module")
def worked(prepared, tmp_path_factory):
    """A server with a password on a workspace with labels, a probe and an opened check set."""
    if not AXE.exists():
        assert os.environ.get("CI_NEEDS_AXE") != "1", "install npm, then make test-ui"
        pytest.skip("axe-core is not installed: make test-ui installs it with npm")
    folder = copied(prepared, tmp_path_factory.mktemp("looks") / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=80, read=[("promise", 120), ("live", 25)])
        refit(space)
        opened = open_check_set(space, analyst="ann")
        save_point(space, "daily", opened.threshold or 0.0, opened, analyst="ann")
        put_in_force(space, "daily", analyst="ann")
    server = Server(folder, LASSOSCOPE_PASSWORD=PASSWORD)
    yield server
    server.kill()


@pytest.fixture
def page(worked, browser):
    """A window of its own, at the login."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.goto(worked.url)
    yield page
    page.context.close()


def log_in(page: Page) -> None:
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("html[data-connection=ok]")).to_be_attached(timeout=60_000)


def faults(page: Page, where: str) -> list[str]:
    """Return what axe-core finds; names and roles do not depend on the theme, so in the dark one only the contrast counts."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    only = {"runOnly": ["color-contrast"]} if where.startswith("dark") else {}
    return [f"{where}: {found}" for found in page.evaluate(FINDINGS, only)]


def test_no_page_has_a_serious_fault_for_people_with_a_disability_and_the_theme_is_kept(page, worked):
    found = faults(page, "login")
    page.context.add_cookies([{"name": "lassoscope-theme", "value": "dark", "url": worked.url}])
    page.reload()
    found += faults(page, "dark login")
    log_in(page)
    for shown, other in (("dark", "light"), ("light", "dark")):
        expect(page.locator("html")).to_have_attribute("data-theme", shown)
        expect(page.locator(f".mui-{shown}").first).to_be_attached()
        for name in PAGES:
            page.get_by_role("button", name=name, exact=True).click()
            if name == "Operating point":
                details = page.get_by_role("button", name="Details")
                expect(details).to_be_visible()
                if details.get_attribute("aria-expanded") != "true":
                    details.click()
            page.wait_for_timeout(1_000)
            found += faults(page, f"{shown} {name}")
        page.get_by_role("button", name="Map", exact=True).click()
        for name in TABS:
            page.get_by_role("tab", name=name).click()
            page.wait_for_timeout(1_000)
            found += faults(page, f"{shown} {name}")
        if shown == "dark":
            page.get_by_role("button", name="Toggle theme").click()
            expect(page.locator("html")).to_have_attribute("data-theme", other)
            page.reload()  # the server builds the page in the theme that was chosen last
            expect(page.locator("html[data-connection=ok]")).to_be_attached(timeout=60_000)
    assert found == []


def test_a_term_explains_itself_to_the_pointer_the_keys_and_a_reader(page):
    log_in(page)
    term, note = page.get_by_role("button", name="average precision: ").first, page.locator(".term-note")
    expect(term).to_be_visible()
    term.hover()
    expect(note).to_be_visible()
    expect(note).to_contain_text("1 is perfect")
    page.keyboard.press("Escape")
    expect(note).to_be_hidden()
    term.focus()
    page.keyboard.press("Tab")  # on to the next term
    expect(note).to_contain_text("truly flagged")


def test_the_page_of_a_server_that_starts_has_the_theme_of_the_page(browser):
    with Starting("127.0.0.1", 0) as starting:
        url = f"http://127.0.0.1:{starting.port}"
        context = browser.new_context(color_scheme="light")
        for theme, ink in (("dark", "rgb(255, 255, 255)"), ("light", "rgb(0, 0, 0)")):
            context.add_cookies([{"name": "lassoscope-theme", "value": theme, "url": url}])
            page = context.new_page()
            page.goto(url)
            expect(page.get_by_role("heading", name="Lassoscope is starting")).to_have_css("color", ink)
        context.close()
