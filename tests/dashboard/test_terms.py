"""Every term that a page uses is explained on that page, in a sentence that a pointer, a touch or Tab shows."""

import html
import re
import shutil
from collections.abc import Iterator

import pytest
from panel.viewable import Viewer

from core.evidence.check_sets import open_check_set
from core.probe.live import refit
from core.workspace import Workspace
from dashboard.app import start, stop
from dashboard.choices import PageName
from dashboard.choices import Tab as TabName
from dashboard.settings import Settings
from dashboard.views.terms import FORMS, TERMS, explained, pattern, term
from tests.dashboard.loop import EventLoop, Tab
from tests.ui.driver import teach_and_read

WORDS = ("object", "label", "title", "placeholder")  # parameters of Panel's own widgets that a person reads
MACHINE = {
    "name",
    "entry",
    "css_classes",
    "stylesheets",
    "styles",
    "tags",
    "view",
    "place",
    "tab",
    "verbs",
    "sizing_mode",
    "align",
}


def said(view) -> Iterator[str]:
    """Yield what a view and all in it say, as HTML, in the order of the page; what is hidden says nothing."""
    view = view.__panel__() if isinstance(view, Viewer) else view
    if not getattr(view, "visible", True):
        return
    if type(view).__module__.startswith("dashboard"):  # a component of ours
        yield from strings({name: getattr(view, name) for name in view.param if name not in MACHINE})
        return
    for name in WORDS:
        words = getattr(view, name, None)
        if isinstance(words, str):
            yield words if name == "object" else html.escape(words)
    yield from (html.escape(str(option)) for option in getattr(view, "options", None) or ())
    inside = getattr(view, "objects", [])
    if hasattr(view, "active") and hasattr(view, "_names"):  # tabs
        yield from map(html.escape, view._names)
        inside = inside[view.active : view.active + 1]
    for other in inside if isinstance(inside, list) else []:
        yield from said(other)


def strings(value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def read(pieces: list[str]) -> str:
    """Return the plain text of HTML, without what is a term and its explanation."""
    text = re.sub(r"<button\b.*?</button>", " ", "\n".join(pieces), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def bare(pieces: list[str]) -> set[str]:
    """Return the terms that are used and not explained."""
    text, all_said = read([piece for piece in pieces if piece not in TERMS.values()]), html.unescape("\n".join(pieces))
    return {name for name, sentence in TERMS.items() if pattern(name).search(text) and sentence[1:] not in all_said}


@pytest.fixture(scope="module")
def tab(worked_on, tmp_path_factory):
    """A page of a workspace with labels, a probe and an opened check set."""
    folder = shutil.copytree(worked_on, tmp_path_factory.mktemp("terms") / "w")
    with Workspace(folder) as space:
        teach_and_read(space, taught=80, read=[("promise", 120), ("live", 25)])
        refit(space)
        open_check_set(space, analyst="ann")
    server, loop = start(Settings(workspace=folder)), EventLoop()
    found = Tab(loop, server)
    yield found
    found.close()
    loop.close()
    stop(server)


@pytest.mark.parametrize("tab_name", TabName)
def test_the_map_page_explains_its_terms_in_every_tab(tab, tab_name):
    tab.do(lambda: tab.state.param.update(page=PageName.MAP, tab=tab_name))
    tab.settle()
    assert bare(pieces(tab)) == set()


@pytest.mark.parametrize("page", [page for page in PageName if page != PageName.MAP])
def test_every_further_page_explains_its_terms(tab, page):
    tab.do(lambda: setattr(tab.state, "page", page))
    tab.settle()
    assert bare(pieces(tab)) == set()


def pieces(tab) -> list[str]:
    template = tab.page.template
    return tab.do(lambda: [piece for view in (*template.header, *template.main) for piece in said(view)])


def test_a_page_with_a_bare_term_would_be_found():
    assert bare(["<p>The <b>probe</b> is sealed.</p>", term("probe")]) == {"sealed"}


def test_a_term_explains_itself_where_it_first_appears_and_nowhere_else():
    text = explained('<p title="recall">Catch: recall, and <b>precision</b>. Recall again.</p>')
    assert text.count("data-told") == 2
    assert text.startswith(f'<p title="recall">Catch: {term("recall")}, and <b>{term("precision")}</b>. Recall again.')
    assert explained(text) == text


def test_average_precision_is_one_term():
    assert explained("average precision of 0.9") == f"{term('average precision')} of 0.9"


def test_every_form_belongs_to_a_term_and_every_sentence_is_one():
    assert FORMS.keys() <= TERMS.keys()
    assert all(said.endswith(".") and said[0].isupper() and len(said) < 140 for said in TERMS.values())
