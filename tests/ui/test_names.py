"""Whose name stands on labels where there is no login: a tab keeps its own, whatever other tabs and workspaces are told."""

import pytest
from playwright.sync_api import Error, expect

from dashboard.views.components.source import source
from tests.ui.driver import Server, copied, load

pytestmark = pytest.mark.ui
RENDERED = """async source => {
  const { render } = await import(`data:text/javascript,${encodeURIComponent(source)}`), told = [];
  const model = { names: true, analyst: "ann", workspace: "w", on: (name, call) => name === "analyst" && told.push(call) };
  model.send_msg = () => { throw new Error("there is no other name"); };
  render({ model });
  model.analyst = "eve";
  told.forEach(call => call());
  return told.length;
}"""


def named(page):
    return page.get_by_placeholder("analyst")


def call_oneself(page, name):
    named(page).fill(name)
    named(page).press("Enter")
    page.wait_for_function("name => Object.values(sessionStorage).includes(name)", arg=name)


@pytest.fixture
def context(browser):
    context, errors = browser.new_context(viewport={"width": 1280, "height": 720}), []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


def test_a_tab_keeps_its_name_and_new_tabs_take_the_one_typed_last_unless_the_settings_name_another(
    prepared, context, tmp_path
):
    server = Server(copied(prepared, tmp_path / "w"))
    try:
        first, second = context.new_page(), context.new_page()
        load(first, server.url)
        own = named(first).input_value()
        load(second, server.url)
        call_oneself(second, "ben")
        load(first, server.url)  # as when the classes change
        first.wait_for_timeout(1_000)
        expect(named(first)).to_have_value(own)
        call_oneself(first, "cleo")
        load(second, server.url)
        expect(named(second)).to_have_value("ben")
        second.wait_for_timeout(1_000)
        third = context.new_page()
        load(third, server.url)
        expect(named(third)).to_have_value("cleo")  # a tab that loads again has typed nothing

        server.kill()
        server.environment = {"LASSOSCOPE_ANALYST": "dora"}
        server.start()
        fourth = context.new_page()
        load(fourth, server.url)
        fourth.wait_for_timeout(1_000)
        expect(named(fourth)).to_have_value("dora")

        server.kill()
        server.folder, server.environment = copied(prepared, tmp_path / "other"), {}
        server.start()  # at the same address
        for page in (context.new_page(), second):
            load(page, server.url)
            page.wait_for_timeout(1_000)
            expect(named(page)).to_have_value(own)
    finally:
        server.kill()


def test_a_browser_that_keeps_no_data_of_a_site_shows_the_page_and_takes_a_name(context):
    page = context.new_page()  # a blank page belongs to no site
    with pytest.raises(Error, match="Access is denied"):
        page.evaluate("localStorage.length")
    assert page.evaluate(RENDERED, source("storage.js", "memory.js")) == 1
