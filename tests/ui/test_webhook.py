"""A receiver of decisions that fails is said under Jobs, also to a window that opens later, until it takes them."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.labels.actions import label
from core.triage.decisions import keep_posted
from core.workspace import Workspace
from tests.dashboard.test_webhook import SECRET, TOLD, Receiver
from tests.ui.driver import Server, copied, load

pytestmark = pytest.mark.ui


def test_a_webhook_that_fails_has_a_line_under_jobs_until_it_works_again(browser, prepared, tmp_path):
    folder, receiver = copied(prepared, tmp_path / "w"), Receiver()
    receiver.status = 500
    with Workspace(folder) as space:
        keep_posted(space, space.book.version)
        label(space, np.arange(3), space.class_names[0], analyst="ann", source="review", criterion=TOLD)
    server = Server(folder, LASSOSCOPE_WEBHOOK=receiver.url, LASSOSCOPE_WEBHOOK_SECRET=SECRET)
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    try:
        load(page, server.url)
        opener = page.get_by_role("button", name=re.compile("^Jobs.*!$"))
        expect(opener).to_be_visible(timeout=30_000)
        opener.click()
        drawer = page.get_by_role("dialog", name="Jobs")
        said = re.compile(
            r"The webhook at 127\.0\.0\.1:\d+ fails since .*: it answers with 500\. 3 decisions wait; next try at "
        )
        expect(drawer.get_by_text(said)).to_be_visible()
        receiver.status = 200
        expect(drawer.get_by_text(said)).to_be_hidden(timeout=60_000)
        assert len(receiver.taken()) == 3
        drawer.get_by_role("button", name="Close").click()
        expect(page.get_by_role("button", name=re.compile("^Jobs.*!$"))).to_have_count(0)
    finally:
        page.context.close()
        server.kill()
        receiver.close()
