"""The analyst's story in Chromium: label, undo, two windows, reload, kill -9, probe, queues, history, login."""

import http.client
import math
import re
import urllib.parse

import numpy as np
import pytest
from playwright.sync_api import expect

from core.encoders.chosen import encoders
from core.evidence import openings, points
from core.labels.actions import history
from core.training.runs import FIGURES, RunLog, RunState
from core.workspace import Workspace
from tests.ui.driver import (
    LEFT,
    MIDDLE,
    RIGHT,
    Server,
    box_of,
    choose,
    drag,
    expect_selected,
    facts,
    inside,
    label_many,
    load,
    promise_terms,
    takes_key,
    teach_and_read,
    without_copies,
)

pytestmark = [pytest.mark.ui, pytest.mark.filterwarnings("default")]


def test_labels_show_in_two_windows_and_outlive_reload_and_kill(open_page, server):
    first, second = open_page(), open_page()
    without_copies(first)
    drag(first, LEFT)
    expect(facts(first)).not_to_have_attribute("data-selected", "0")
    n = int(facts(first).get_attribute("data-selected"))
    label_many(first, "1")
    for page in (first, second):
        expect(page.get_by_text(f"{n} labelled (")).to_be_visible()
    frame = facts(second).get_attribute("data-frame")
    drag(first, box_of(0.005, 0.005, 0.9, 0.995))
    expect(facts(first)).not_to_have_attribute("data-selected", str(n))
    everything = int(facts(first).get_attribute("data-selected"))
    first.keyboard.press("z")
    expect(second.get_by_text("0 labelled (")).to_be_visible()
    expect(facts(second)).not_to_have_attribute("data-frame", frame)  # recoloured
    load(second, server.url)
    label_many(first, "2")
    expect(second.get_by_text(f"{everything} labelled (")).to_be_visible()
    for page in (first, second):
        page.may_lose_server = True
    server.kill()  # right after the label shows
    for page in (first, second):
        page.context.close()
    with Workspace(server.folder, read_only=True) as space:
        assert space.labels.n_labelled == everything
        newest = next(action for action, stands in history(space) if stands)
        polygon = np.array(newest.criterion.polygon)
        geometry = {"type": "poly", "x": polygon[:, 0], "y": polygon[:, 1]}
        assert set(newest.rows.tolist()) == inside(space.xy, geometry)
    server.start()
    third = open_page()
    expect(third.get_by_text(f"{everything} labelled (")).to_be_visible()


def test_two_classes_give_a_probe_scores_and_a_named_curve_in_both_windows(open_page):
    first, second = open_page(), open_page()
    expect(first.get_by_text("no probe yet")).to_be_visible()
    for shape, key in ((LEFT, "1"), (RIGHT, "2")):
        choose(first, shape)
        label_many(first, key)
    expect(first.get_by_text("not learned from").first).to_be_visible()  # the check half's share of a lasso is named
    for page in (first, second):
        expect(page.get_by_text("training labels (optimistic)")).to_be_visible()
    drag(first, LEFT)
    expect(first.get_by_text("Least certain first")).to_be_visible()


def test_queues_take_one_key_per_answer_and_say_why(open_page, server):
    page = open_page()
    page.get_by_role("tab", name="Suggestions").click()
    expect(page.get_by_text("1 of 10")).to_be_visible()
    expect(page.get_by_text("Why: represents a large cluster without a label")).to_be_visible()
    for number, key in enumerate("1213", start=1):
        page.keyboard.press(key)
        expect(page.get_by_text(f"{number} labelled ({number} teach, 0 check)")).to_be_visible()
        expect(page.get_by_text(f"{number + 1} of 10")).to_be_visible()
    page.keyboard.press("s")
    expect(page.get_by_text("6 of 10")).to_be_visible()
    page.get_by_role("tab", name="Check").click()
    expect(page.get_by_text(re.compile(r"^0 of \d+ check images read.*evidence", re.DOTALL))).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text(re.compile(r"^1 of \d+ check images read"))).to_be_visible()
    expect(page.get_by_text("5 labelled (4 teach, 1 check)")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        newest = history(space)[0][0]
        assert (newest.source, newest.class_name) == ("check", "footwear")
        assert space.is_check[newest.rows].all()


def test_picks_are_labelled_alone_and_history_undoes_any_action(open_page):
    page = open_page()
    without_copies(page)
    drag(page, LEFT)
    tiles = page.locator(".tile")
    expect(tiles.nth(5)).to_be_attached()
    tiles.nth(0).click()
    tiles.nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 picked")).to_be_visible()
    page.get_by_role("button", name="Label as footwear").first.click()
    expect(page.get_by_text("3 labelled (")).to_be_visible()
    label_many(page, "1")
    expect(page.get_by_text("3 labelled (")).not_to_be_visible()
    page.get_by_role("button", name="History").click()
    page.get_by_role("button", name=re.compile("^Undo action")).nth(1).click()  # the older of the two
    expect(page.get_by_role("button", name=re.compile("^Redo action")).first).to_be_visible()


def test_without_the_password_no_route_shows_anything(prepared):
    server = Server(prepared, cold=True, LASSOSCOPE_PASSWORD="secret words", LASSOSCOPE_COOKIE_SECRET="0" * 32)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    try:
        with Workspace(prepared, read_only=True) as space:
            image_id = space.image_id(0)
        routes = [f"/thumb/blurred/{image_id}", f"/image/clear/{image_id}"]
        connection = http.client.HTTPConnection("127.0.0.1", server.port)

        def ask(path: str, method: str = "GET", body: str | None = None, **headers: str) -> http.client.HTTPResponse:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.content = response.read()
            return response

        assert [ask(route).status for route in routes] == [401] * len(routes)
        assert ask("/").headers["Location"].startswith("./login")
        for password, opened in (("wrong", False), ("secret words", True)):
            fields = urllib.parse.urlencode({"username": "ann", "password": password})
            answer = ask("/login", "POST", fields, **{"Content-Type": "application/x-www-form-urlencoded"})
            cookies = "; ".join(c.split(";")[0] for c in answer.headers.get_all("Set-Cookie") or [])
            assert [ask(route, Cookie=cookies).status == 200 for route in routes] == [opened] * len(routes)
    finally:
        connection.close()
        server.kill()


def test_another_encoder_brings_its_map_and_probe_to_every_window_and_labels_stay(open_page, server):
    with Workspace(server.folder, read_only=True) as space:
        old, new = (encoder["name"] for encoder in reversed(encoders(space)))
        assert old == space.encoder_name
        xy = space.embedded(new).xy
    first, second = open_page(), open_page()
    for shape, key in ((LEFT, "1"), (RIGHT, "2")):
        choose(first, shape)
        label_many(first, key)
    expect(second.get_by_text("training labels (optimistic)")).to_be_visible()
    labelled = second.get_by_text(re.compile(r"\d+ labelled \(")).inner_text()
    selected, view = (facts(first).get_attribute(f"data-{name}") for name in ("idsum", "view"))
    first.get_by_role("combobox", name="Encoder, for all windows").first.click()
    first.get_by_role("listbox").get_by_text(new).click()
    for page in (first, second):
        expect(facts(page)).not_to_have_attribute("data-view", view)
        expect(page.get_by_text(labelled)).to_be_visible()
        expect(page.get_by_text("training labels (optimistic)")).to_be_visible()
    expect(facts(first)).to_have_attribute("data-idsum", selected)  # the same images, in their new places
    geometry = drag(second, MIDDLE)
    expect_selected(second, inside(xy, geometry))
    second.get_by_role("tab", name="Suggestions").click()
    expect(second.get_by_text(re.compile(r"^1 of \d+ ·"))).to_be_visible()
    second.get_by_role("button", name="Training").click()
    second.get_by_text("Compare on the same labels").click()
    expect(second.get_by_role("cell").filter(has_text="it needs at least 5 flagged and 1 other")).to_have_count(2)
    first.get_by_role("combobox", name="Encoder, for all windows").first.click()
    first.get_by_role("listbox").get_by_text(old).click()
    expect(facts(first)).to_have_attribute("data-view", view)


def test_the_training_page_follows_a_run_of_another_process_and_names_a_collapse(open_page, server):
    page = open_page()
    page.get_by_role("button", name="Training").click()
    expect(page.get_by_text("No training yet")).to_be_visible()
    log = RunLog(server.folder / "training", {"batch_size": 8}, out=server.folder / "w.safetensors")
    line = dict.fromkeys(FIGURES, math.nan) | {"step": 20, "steps": 100, "loss": 4.0, "spread": 0.9, "collapsed": False}
    line["images_per_second"] = 4.0
    log.add(line)
    expect(page.get_by_text("step 20 of 100")).to_be_visible()
    log.add(line | {"step": 40, "spread": 0.01, "collapsed": True})
    expect(page.get_by_text("step 40 of 100")).to_be_visible()
    expect(page.get_by_role("alert").get_by_text("Collapsed")).to_be_visible()
    log.end(RunState.STOPPED)
    expect(page.get_by_text("--resume")).to_be_visible()


def test_a_study_is_started_followed_and_downloaded(open_page, server):
    page = open_page()
    page.get_by_role("button", name="Experiment").click()
    expect(page.get_by_text("No study yet")).to_be_visible()
    features = ("the same network untrained", "PCA of the pixels")
    for name in (*features, "typical", "uncertain-once", "rare", "top", "farthest"):  # an eighth of the work is left
        page.get_by_role("button", name=name, exact=True).locator("svg").click()
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    page.get_by_label("Repeats (seeds)").first.fill("2")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Start the study").click()
    expect(page.get_by_text("The study has started")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d of 2$"))).to_be_visible()
    expect(page.get_by_text("Accuracy with 100 labels")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile("100 actively chosen labels"))).to_be_visible()
    report = page.get_by_role("button", name="Download report")
    expect(report).to_be_enabled(timeout=240_000)  # when all tasks are done: the figures above come with the first ones
    with page.expect_download(timeout=60_000) as download:
        report.click()
    report = download.value.path().read_text()
    assert "Label efficiency" in report
    assert "footwear" in report
    page.get_by_role("button", name="Map").click()
    expect(page.get_by_text("Nothing selected").first).to_be_visible()
    page.wait_for_timeout(1_000)
    drag(page, LEFT)  # the map is as live as before
    expect(facts(page)).not_to_have_attribute("data-selected", "0")


def test_one_class_keeps_diverse_questions_coming_and_more_like_this_is_at_hand(open_page):
    page = open_page()
    page.get_by_role("tab", name="Suggestions").click()
    expect(page.get_by_text("1 of 10")).to_be_visible()
    for number in range(1, 10):
        page.keyboard.press("1")
        expect(page.get_by_text(f"{number + 1} of 10")).to_be_visible()
        expect(page.get_by_text(f"{number} labelled (")).to_be_visible()
    expect(page.get_by_text("No flagged image among the labels yet")).to_be_visible()
    page.keyboard.press("u")  # unsure: kept, not a label
    expect(page.get_by_text("marked as unsure")).to_be_visible()
    expect(page.get_by_text(re.compile(r"1 of 10 · diverse"))).to_be_visible()
    expect(page.get_by_text("9 labelled (9 teach, 0 check)")).to_be_visible()
    page.get_by_role("tab", name="Selection").click()
    page.wait_for_timeout(1_500)  # the map is beside the work again
    drag(page, LEFT)
    page.wait_for_timeout(800)
    page.get_by_role("group").get_by_role("checkbox").first.dblclick()
    page.keyboard.press("p")
    page.get_by_text("More like this").click()
    expect(page.get_by_text("Selected the 60 images most like this one")).to_be_visible()
    expect(facts(page)).to_have_attribute("data-selected", "60")
    page.get_by_role("button", name="Unpin").click()
    page.keyboard.press("m")
    expect(page.get_by_text("Selected the 60 images most like these 60")).to_be_visible()


def read_check(page, gold, ids, n):
    """Answer the check queue by key as an analyst who knows."""
    shown, read = "", set()
    while len(read) < n:  # a picture that comes back is answered again
        shown = takes_key(page, but=shown)
        page.keyboard.press("2" if gold[ids[shown]] else "1")
        read.add(shown)


def test_check_labels_are_opened_a_second_look_raises_the_bar_and_a_reload_keeps_it(open_page, server):
    server.kill()
    with Workspace(server.folder) as space:
        truth = space.gold("label")
        gold = dict(enumerate(np.isin(truth, space.flagged_codes).tolist()))
        ids = {space.image_id(row): row for row in range(space.n_images)}
        teach_and_read(space, taught=80, read=[("promise", 95)])  # in the browser each takes a second
    server.start()
    page = open_page()
    page.get_by_role("button", name="Operating point").click()
    expect(page.get_by_text("The check set is closed")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^read 95 of \d+"))).to_be_visible()
    expect(page.get_by_role("button", name="Open the check set")).to_be_disabled()
    page.get_by_role("button", name="Read check images").click()  # leads to the Check tab
    expect(
        page.get_by_text(re.compile(r"^95 of \d+ check images read, 95 of them sealed for a promise: read 95 of"))
    ).to_be_visible()
    read_check(page, gold, ids, 8)
    expect(page.get_by_text(re.compile(r"^103 of \d+ check images read, 103 of them sealed"))).to_be_visible(timeout=60_000)
    page.get_by_label("By known answers").first.click()
    expect(page.get_by_text("103 are read and sealed for the promise")).to_be_visible()  # the live curve stays silent
    promise_terms(page, "0.8")
    page.get_by_role("button", name="Open the check set").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("It spends 80% of the 5% chance of error")).to_be_visible()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("The check set is closed")).to_be_visible()
    page.get_by_role("button", name="Open the check set").click()
    dialog.get_by_role("button", name="Open: look 1").click()
    first = "at least 80% of footwear images are caught (95% sure)"
    expect(page.locator(".promise:visible", has_text=first)).to_be_visible()
    expect(page.locator(".note:visible", has_text="First look at this check set, with 96% confidence.")).to_be_visible()
    reviewed, caught, wrong, left, missed, right = (
        float(cell.replace(",", "")) for cell in page.locator(".thousand b").all_inner_texts()
    )
    assert (caught + wrong, missed + right, reviewed + left) == pytest.approx((reviewed, left, 1_000))
    page.get_by_role("slider", name="Threshold").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".under", has_text="The promise does not cover this threshold")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Choose the threshold").click()
    dialog.get_by_label("Name of this point").fill("careful")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Put it in force").click()
    dialog.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("'careful' is in force now.")).to_be_visible()
    page.wait_for_timeout(1_000)
    printed = page.pdf(format="A4")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 3
    page.emulate_media(media="print")
    paper = page.locator(".printed-sheet")
    for words in (first, "'careful', in force, chosen by", "Workspace", "UTC", "How the evidence was made", "false alarms"):
        expect(paper.get_by_text(words).first).to_be_visible()
    assert paper.locator("img, button, input").count() == 0
    assert not page.get_by_role("button", name="Map").is_visible()
    page.emulate_media(media="screen")
    second = open_page()  # another window sees the same, without another look
    second.get_by_role("button", name="Operating point").click()
    expect(second.locator(".promise:visible", has_text=first)).to_be_visible()
    second.get_by_role("button", name="Map").click()
    second.get_by_role("tab", name="Check").click()
    expect(second.get_by_text(re.compile(r"^103 of \d+ check images read"))).to_be_visible()
    read_check(second, gold, ids, 5)
    expect(page.get_by_text("108 images read")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Open the check set").click()
    expect(dialog.get_by_text("needs 99.5% confidence")).to_be_visible()
    dialog.get_by_role("button", name="Open: look 2").click()
    expect(page.locator(".note:visible", has_text="with 99.5% confidence (the first needed 96%).")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Operating point").click()
    page.get_by_role("tab", name="Evidence").click()  # the details are open, as they were left
    expect(page.locator(".note:visible", has_text="Second look at this check set")).to_be_visible()
    page.get_by_role("combobox", name="Opening").first.click()
    page.get_by_role("listbox").get_by_text("1: set 1, look 1").click()
    expect(page.locator(".note:visible", has_text="First look at this check set")).to_be_visible()
    with Workspace(server.folder, read_only=True) as space:
        assert [(r.look, r.n) for r in openings.openings(space)] == [(2, 108), (1, 103)]
        assert points.in_force(space)["name"] == "careful"
