"""The webhook against receivers on loopback: signed, at least once, in order, through failures and restarts; and the API."""

import hashlib
import hmac
import http.server
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from core.catalog.criterion import Criterion
from core.labels.actions import label
from core.store.tokens import Tokens
from core.triage.answers import Answers
from core.triage.decisions import POSTED, keep_posted
from core.workspace import Workspace
from dashboard import webhook
from dashboard.app import start, stop
from dashboard.settings import Settings
from dashboard.views.jobs import JobsPane, webhook_words
from dashboard.webhook import Webhook
from tests.dashboard.loop import EventLoop, Tab
from tests.dashboard.served import PASSWORD, serving
from tests.dashboard.test_api import told
from tests.waiting import wait_for
from tests.worlds import made

SECRET = "a secret of some length"
TOLD = Criterion(point="daily", since="2026-11-28T00:00:00.000000+00:00")


class Receiver:
    """Takes what is posted, and answers as it is told."""

    def __init__(self):
        self.status, self.posts, self.location = 200, [], ""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((receiver.status, self.path, self.headers, body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/decisions?from=tests"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def taken(self):
        """Return the ids that were taken, in order."""
        return [one["id"] for status, _, _, body in self.posts if status == 200 for one in json.loads(body)["decisions"]]

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setattr(webhook, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(webhook, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(webhook, "MOST_SECONDS", 0.2)
    with made(tmp_path / "w", n=400) as space:
        yield space


@contextmanager
def posting(space, url, said=None):
    hook = Webhook(space, Answers(space), url, SECRET, lambda *words: said.append(words) if said is not None else None)
    yield hook
    hook.stop()


def answer(space, *rows):
    return [
        label(space, np.array([row]), "explicit", analyst="ann", source="review", criterion=TOLD).action.id
        + "-"
        + space.image_id(row)
        for row in rows
    ]


def test_decisions_are_posted_signed_in_order_and_once_while_all_is_well(space, receiver):
    answer(space, 0)  # before a receiver was named
    with posting(space, receiver.url):
        ids = answer(space, *range(1, 30))
        wait_for(lambda: len(receiver.taken()) == len(ids))
    assert receiver.taken() == ids
    _, path, headers, body = receiver.posts[0]
    assert path == "/decisions?from=tests"
    at, given = (part.partition("=")[2] for part in headers["Lassoscope-Signature"].split(","))
    assert given == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert abs(time.time() - int(at)) < 60
    assert json.loads(body)["decisions"][0]["now"] == "explicit"


def test_a_receiver_that_fails_for_long_loses_nothing_and_no_label_waits(space, receiver, caplog):
    said, receiver.status = [], 500
    with posting(space, receiver.url, said):
        ids = answer(space, *range(20))
        wait_for(lambda: len(receiver.posts) >= 6)
        start = time.monotonic()
        ids += answer(space, *range(20, 40))
        assert time.monotonic() - start < 5
        assert receiver.taken() == []
        receiver.status = 200
        wait_for(lambda: len(receiver.taken()) == len(ids))
        wait_for(lambda: len(said) == 2)
    assert receiver.taken() == ids
    (failed, is_error), (well, is_error_then) = said  # windows hear of it once, the log each time
    assert (is_error, is_error_then) == (True, False)
    assert failed.startswith("The webhook at 127.0.0.1:")
    assert "did not take decisions: it answers with 500. They are kept, and posted again in" in failed
    assert well.startswith("The webhook takes decisions again")
    assert caplog.text.count("did not take decisions") >= 6


def test_waits_double_up_to_the_longest(monkeypatch):
    hook = Webhook.__new__(Webhook)
    waits = []
    for hook._failures in range(1, 80):
        waits.append(hook._pause())
    assert all(0.75 * 2**i <= wait <= 2**i for i, wait in enumerate(waits[:8]))
    assert all(0.75 * 300 <= wait <= 300 for wait in waits[9:])


def test_windows_are_told_since_when_why_and_how_much_waits_until_it_is_over(space, receiver):
    told, receiver.status = [], 500
    hook = Webhook(space, Answers(space), receiver.url, SECRET, lambda *_: None, told.append)
    try:
        assert hook.trouble is None
        answer(space, *range(7))
        wait_for(lambda: told and told[-1].waiting == 7)
        receiver.status = 503
        wait_for(lambda: told[-1].reason == "it answers with 503")
        first, last = told[0], told[-1]
        assert first.reason == "it answers with 500"
        assert (first.since, last.waiting, last.receiver) == (last.since, 7, f"127.0.0.1:{receiver.http.server_port}")
        assert last.since <= first.again <= last.again
        assert webhook_words(
            replace(last, since="2026-11-29T08:00:00.1+00:00", again="2026-11-29T09:00:07.1+00:00"), "UTC"
        ) == (
            f"The webhook at {last.receiver} fails since 2026-11-29 08:00:00 UTC: it answers with 503. "
            "7 decisions wait; next try at 2026-11-29 09:00:07 UTC."
        )
        receiver.status = 200
        wait_for(lambda: told[-1] is None)
        assert hook.trouble is None
        assert webhook_words(None, "UTC") == ""
        assert told.count(None) == 1
    finally:
        hook.stop()


def test_the_line_ends_once_the_place_is_kept_and_a_new_failure_has_a_time_of_its_own(space, receiver, monkeypatch):
    told, full = [], []

    def keep(*of):
        if full:
            raise OSError("no space left on device")
        keep_posted(*of)

    monkeypatch.setattr(webhook, "keep_posted", keep)
    receiver.status = 500
    hook = Webhook(space, Answers(space), receiver.url, SECRET, lambda *_: None, told.append)
    try:
        ids = answer(space, 0, 1)
        wait_for(lambda: told and told[-1].reason == "it answers with 500")
        first = told[-1].since
        full.append(True)
        receiver.status = 200
        wait_for(lambda: told[-1] is not None and "cannot read or note" in told[-1].reason)
        assert told[-1].since > first
        assert (told[-1].waiting, told[-1].more_wait) == (0, False)
        full.clear()
        wait_for(lambda: told[-1] is None and hook.trouble is None)
        assert receiver.taken() == ids  # once
        assert space.catalog.settings.get(POSTED) == 2
    finally:
        hook.stop()


def test_what_waits_is_counted_on_for_a_moment_after_each_failure_and_no_end_waits_for_it(space, monkeypatch):
    monkeypatch.setattr(webhook, "COUNT_SECONDS", -1.0)
    monkeypatch.setattr(webhook, "BATCH", 2)
    hook = Webhook(space, Answers(space), "http://127.0.0.1:1/", SECRET, lambda *_: None)
    hook.stop()
    answer(space, *range(5))
    hook._tell("it is gone", 1.0)
    assert (hook.trouble.waiting, hook.trouble.more_wait) == (0, True)
    hook._stopping.clear()
    asked, page_of = [], webhook.decisions_after

    def decisions_after(*of, **most):
        if len(asked) == 1:
            hook._stopping.set()
        asked.append(of[2])
        return page_of(*of, **most)

    monkeypatch.setattr(webhook, "decisions_after", decisions_after)
    monkeypatch.setattr(webhook, "COUNT_SECONDS", 60.0)
    for more, waiting in ((True, 4), (False, 5)):
        hook._tell("it is gone", 1.0)
        assert (hook.trouble.waiting, hook.trouble.more_wait) == (waiting, more)
        hook._stopping.clear()
    assert "5 decisions wait;" in webhook_words(hook.trouble, "UTC")
    assert "5 decisions or more wait;" in webhook_words(replace(hook.trouble, more_wait=True), "UTC")


def test_windows_show_the_line_under_jobs_until_it_is_over(small, receiver, monkeypatch):
    monkeypatch.setattr(webhook, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(webhook, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(webhook, "MOST_SECONDS", 0.2)
    receiver.status = 500
    server = start(Settings(workspace=small, analyst="ann", webhook=receiver.url, webhook_secret=SECRET))
    loop = EventLoop()
    tab = Tab(loop, server)
    try:
        pane = tab.do(lambda: JobsPane(state=tab.state, actions=tab.page.actions))
        tab.do(lambda: server.hub.subscribe(tab.document, tab.page.actions.follow))
        assert pane._drawer.webhook == ""
        answer(server.workspace, 3)
        wait_for(lambda: "it answers with 500. 1 decision waits; next try at" in pane._drawer.webhook)
        receiver.status = 200
        wait_for(lambda: pane._drawer.webhook == "")
    finally:
        tab.close()
        loop.close()
        stop(server)


def test_a_restart_goes_on_where_the_receiver_has_come(space, receiver):
    with posting(space, receiver.url):
        ids = answer(space, *range(5))
        wait_for(lambda: receiver.taken() == ids)
    receiver.status = 503
    with posting(space, receiver.url):
        ids += answer(space, *range(5, 9))
        wait_for(lambda: receiver.posts[-1][0] == 503)
    receiver.status = 200
    ids += answer(space, *range(9, 12))  # while nobody posts
    with Workspace(space.folder, read_only=True) as kept:
        assert kept.catalog.settings.get(POSTED) == 5
    with posting(space, receiver.url):
        wait_for(lambda: receiver.taken() == ids)


def test_a_redirect_is_not_followed_and_a_receiver_that_is_gone_is_a_sentence(space, receiver):
    elsewhere, said = Receiver(), []
    receiver.status, receiver.location = 307, elsewhere.url
    with posting(space, receiver.url, said):
        answer(space, 1)
        wait_for(lambda: len(receiver.posts) >= 2)
    assert elsewhere.posts == []
    assert "it answers with 307, and redirects are not followed: name the place itself" in said[0][0]
    elsewhere.close()
    said.clear()
    with posting(space, elsewhere.url, said):
        wait_for(lambda: said)
    assert "it cannot be reached (" in said[0][0]


def test_many_other_labels_are_passed_over_without_a_post(space, receiver, monkeypatch):
    monkeypatch.setattr(webhook, "KEEP_AFTER", 10)
    with posting(space, receiver.url):
        for row in range(30):
            label(space, np.array([row]), "neutral", analyst="bob")
        wait_for(lambda: space.catalog.settings.get(POSTED) > 15)
        ids = answer(space, 100)
        wait_for(lambda: receiver.taken() == ids)
    assert len(receiver.posts) == 1


def test_programs_read_decisions_page_by_page_with_a_token(space, monkeypatch):
    token = {"Authorization": f"Bearer {Tokens(space.folder).add('console')}"}
    ids = answer(space, *range(7))
    with serving(space, monkeypatch, password=PASSWORD) as site:
        assert site.ask("/api/decisions").status == 401
        assert site.ask("/api/decisions", "POST", b"", **token).status == 405
        found, place = [], 0
        for _ in range(20):
            page = told(site.ask(f"/api/decisions?since={place}&limit=3", **token))
            found += [one["id"] for one in page["decisions"]]
            place = page["next"]
            if not page["more"]:
                break
        assert found == ids
        assert told(site.ask(f"/api/decisions?since={place}", **token)) == {"decisions": [], "next": place, "more": False}
        for wrong in ("since=x", "since=-1", "limit=0", "limit=1e9", "since=%FF", "since=" + "9" * 30):
            answered = site.ask(f"/api/decisions?{wrong}", **token)
            assert answered.status == 400
            assert "is a whole number from" in told(answered)["error"]
        more = answer(space, 11)
        assert [one["id"] for one in told(site.ask(f"/api/decisions?since={place}", **token))["decisions"]] == more
