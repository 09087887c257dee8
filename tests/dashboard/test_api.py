"""Programs post pictures and ask about them: over real HTTP, with the product's wall, jobs and catalog."""

import io
import json
import re
import threading
import zipfile

import pytest

from core.catalog.jobs import JobState
from core.images.visits import content_id
from core.intake import uploads
from core.intake.archives import unpack, whole_archive
from core.jobs.runner import JobRunner
from core.store.tokens import Tokens
from core.workspace import Workspace
from dashboard import api
from tests.dashboard.served import PASSWORD, cookies_of, serving
from tests.reading import InProcess
from tests.shared import photo
from tests.waiting import wait_for


def picture(seed):
    file = io.BytesIO()
    photo(seed).save(file, "PNG")
    return file.getvalue()


def form(**files):
    """Return the headers and the body of a form with files, by their names."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files.items()
    ]
    return {"Content_Type": "multipart/form-data; boundary=edge"}, b"".join(parts) + b"--edge--\r\n"


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setattr("core.intake.ingest.Workers", InProcess)
    with Workspace.create(tmp_path / "w", salt="api") as space:
        yield space


@pytest.fixture
def runner(space):
    runner = JobRunner(space)
    yield runner
    runner.stop()


@pytest.fixture
def token(space):
    return {"Authorization": f"Bearer {Tokens(space.folder).add('console')}"}


@pytest.fixture
def site(space, runner, monkeypatch):
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD) as site:
        yield site


def told(answer):
    """Return an answer's JSON; an error is one sentence."""
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    found = json.loads(answer.text)
    if answer.status >= 400:
        assert re.fullmatch(r"([A-Z/]|\S+\.\w+ ).*[.)]", found["error"]), found  # a file may be its first word
    return found


def post(site, who, **files):
    headers, body = form(**files)
    answer = site.ask("/api/images", "POST", body, **headers, **who)
    return answer.status, told(answer)


def test_a_posted_picture_is_waiting_then_known_and_its_job_says_so(site, token, space, runner):
    content = picture(1)
    status, found = post(site, token, **{"a.png": content})
    assert status == 202
    assert found["images"] == [{"name": "a.png", "id": content_id(content), "state": "waiting"}]
    wait_for(lambda: told(site.ask(f"/api/jobs/{found['job']}", **token))["state"] == "done")
    job = told(site.ask(f"/api/jobs/{found['job']}", **token))
    assert (job["kind"], job["analyst"], job["number"]) == ("uploads", "console", found["job"])
    assert job["message"].startswith("1 image ingested")
    assert "arguments" not in job
    known = told(site.ask(f"/api/images/{content_id(content)}", **token))
    assert known == {"id": content_id(content), "state": "known", "label": None, "score": None, "decisions": []}
    assert not list((space.folder / uploads.FOLDER / uploads.WAITING).iterdir())


def test_two_programs_that_post_the_same_picture_make_one_image(site, token, space, runner):
    content, found = picture(2), []
    threads = [threading.Thread(target=lambda: found.append(post(site, token, **{"a.png": content}))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in found] == [202] * 4
    assert len({answer["images"][0]["id"] for _, answer in found}) == 1
    wait_for(lambda: not any(job.is_open for job in runner.newest()))
    assert space.n_images == 1
    assert {job.state for job in runner.newest()} == {JobState.DONE}


def test_what_was_acknowledged_is_ingested_after_a_kill(space, token, monkeypatch):
    class Dying:
        """Keeps the job, and does nothing any more: the server is killed right after its answer."""

        @staticmethod
        def add(kind, arguments, analyst):
            return space.catalog.jobs.add(kind, dict(arguments), analyst)[0]

    with serving(space, monkeypatch, jobs=Dying(), password=PASSWORD) as site:
        status, found = post(site, token, **{"a.png": picture(3), "b.png": picture(4)})
        assert status == 202
        waiting = told(site.ask(f"/api/images/{found['images'][0]['id']}", **token))
        assert waiting == {"id": found["images"][0]["id"], "state": "waiting"}
    again = JobRunner(space)
    wait_for(lambda: again.get(found["job"]).state == JobState.DONE)
    again.stop()
    assert sorted(space.ids.astype(str)) == sorted(image["id"] for image in found["images"])


def test_a_picture_that_breaks_in_the_middle_is_rejected_with_the_reason(site, token, runner):
    content = picture(5)[:60]
    status, found = post(site, token, **{"a.png": content})
    assert status == 202  # its beginning is that of a picture
    wait_for(lambda: not runner.get(found["job"]).is_open)
    rejected = told(site.ask(f"/api/images/{content_id(content)}", **token))
    assert rejected["state"] == "rejected"
    assert rejected["error"].startswith("It cannot be used: ")


def test_files_that_are_no_pictures_are_named_and_nothing_is_kept(site, token, space):
    status, found = post(site, token, **{"a.txt": b"hello", "b.png": b""})
    assert status == 422
    assert found["images"][1]["error"] == "b.png is not taken: it is empty (0 bytes)."
    assert not (space.folder / uploads.FOLDER).exists()
    status, found = post(site, token, **{"a.txt": b"hello", "c.png": picture(6)})
    assert (status, [set(image) for image in found["images"]]) == (202, [{"name", "error"}, {"name", "id", "state"}])


def test_paths_are_taken_below_the_named_folder_only(space, runner, token, monkeypatch, tmp_path):
    root, outside = tmp_path / "in", tmp_path / "secret.png"
    root.mkdir()
    (root / "a.png").write_bytes(picture(7))
    outside.write_bytes(picture(8))
    (root / "link.png").symlink_to(outside)
    paths = [str(root / "a.png"), str(outside), str(root / "link.png"), f"{root}/../secret.png", "a.png", str(root), "\0"]
    headers = {"Content_Type": "application/json", **token}
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD, intake=root) as site:
        answer = site.ask("/api/images", "POST", json.dumps(paths), **headers)
        assert answer.status == 202
        taken = told(answer)["images"]
    assert taken[0] == {"name": paths[0], "id": content_id(picture(7)), "state": "waiting"}
    assert all(set(image) == {"name", "error"} for image in taken[1:]), taken
    wait_for(lambda: space.n_images == 1)
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD) as site:
        answer = site.ask("/api/images", "POST", json.dumps(paths[:1]), **headers)
        assert (answer.status, "LASSOSCOPE_INTAKE" in told(answer)["error"]) == (403, True)


def test_a_rejected_picture_is_named_as_it_was_posted(site, token, runner):
    status, found = post(site, token, **{"cats/broken.png": picture(5)[:60], "cats/a.png": picture(6)})
    assert status == 202
    wait_for(lambda: not runner.get(found["job"]).is_open)
    assert " Rejected: cats/broken.png (" in runner.get(found["job"]).message


# -- folders, manifests and archives --


def name_source(site, token, path):
    answer = site.ask("/api/sources", "POST", json.dumps({"path": str(path)}), Content_Type="application/json", **token)
    return answer.status, told(answer)


def test_a_folder_a_manifest_an_archive_and_a_picture_on_the_server_are_ingested(space, runner, token, monkeypatch, tmp_path):
    root, outside = tmp_path / "in", tmp_path / "secret.png"
    (root / "june").mkdir(parents=True)
    outside.write_bytes(picture(30))
    for i in range(4):
        (root / f"{i}.png").write_bytes(picture(31 + i))
    (root / "june" / "a.png").write_bytes(picture(40))
    (root / "m.csv").write_text(f"path,label\n0.png,neutral\n{outside},neutral\n")
    (root / "a.zip").write_bytes(zipped({"x/1.png": picture(41), "note.txt": b"hello"}))
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD, intake=root) as site:
        for path, said in {
            root / "june": "1 image ingested, 0 files rejected",
            root / "m.csv": "1 image ingested, 1 file rejected",
            root / "a.zip": "1 picture unpacked. 1 other file in it is not a picture (1 .txt). 1 image ingested",
            root / "3.png": "1 image ingested",
        }.items():
            status, found = name_source(site, token, path)
            assert status == 202, found
            wait_for(lambda number=found["job"]: not runner.get(number).is_open)
            assert runner.get(found["job"]).message.startswith(said)
        assert (root / "a.zip").exists()  # it is not ours
        for path in (outside, tmp_path, f"{root}/../secret.png", root / "none", "a.png", "\0"):
            assert name_source(site, token, path)[0] == 400
        for body in (b"", b"[]", b'{"path": 1}', b"{}"):
            answer = site.ask("/api/sources", "POST", body, Content_Type="application/json", **token)
            assert (answer.status, "path is needed" in told(answer)["error"]) == (400, True)
    assert content_id(picture(30)) not in space.ids.astype(str)
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD) as site:
        assert name_source(site, token, root)[0] == 403
    assert space.n_images == 4


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def post_manifest(site, token, text, **names):
    headers, body = form(**{"june/m.csv": text.encode()})
    field = b'--edge\r\nContent-Disposition: form-data; name="names"\r\n\r\n' + json.dumps(names).encode() + b"\r\n"
    answer = site.ask("/api/manifests", "POST", field + body, **headers, **token)
    return answer.status, told(answer)


def test_a_posted_manifest_means_the_posted_pictures_and_others_only_below_the_root(site, token, space, runner, tmp_path):
    outside = tmp_path / "secret.png"
    outside.write_bytes(picture(80))
    _, found = post(site, token, **{"june/cats/1.png": picture(81), "june/2.png": picture(82)})
    ids = [image["id"] for image in found["images"]]
    text = f"path,label\ncats\\1.png,neutral\n./2.png,explicit\n{outside},neutral\n9.png,neutral\n"
    status, found = post_manifest(site, token, text, **{"cats/1.png": ids[0], "2.png": ids[1], "9.png": "../../x"})
    assert status == 202, found
    wait_for(lambda: not runner.get(found["job"]).is_open)
    assert space.ids.astype(str).tolist() == ids
    gold = space.gold("label")
    assert [space.class_names[code] for code in gold] == ["neutral", "explicit"]
    assert "outside of the folder" in space.catalog.images.reason_of(str(outside))
    status, found = post_manifest(site, token, "a,b\n1,2\n")
    assert (status, found["error"].startswith("june/m.csv has the columns a, b;")) == (400, True)


def send_piece(site, token, whole, at, to, key="a" * 32):
    answer = site.ask(f"/api/archives/{key}?at={at}&of={len(whole)}&name=photos.zip", "POST", whole[at:to], **token)
    return answer.status, told(answer)


def test_an_archive_comes_in_pieces_and_its_last_piece_twice_is_one_job(site, token, space, runner):
    whole = zipped({f"{i}.png": picture(50 + i) for i in range(3)} | {"../out.png": picture(60)})
    half = len(whole) // 2
    assert send_piece(site, token, whole, 0, half) == (200, {"at": half})
    assert send_piece(site, token, whole, half + 9, len(whole)) == (200, {"at": half})
    status, found = send_piece(site, token, whole, half, len(whole))
    assert (status, found["at"]) == (202, len(whole))
    assert send_piece(site, token, whole, half, len(whole)) == (202, found)
    wait_for(lambda: not runner.get(found["job"]).is_open)
    assert runner.get(found["job"]).message == (
        "3 pictures unpacked. Refused: ../out.png (its path leaves the archive). "
        "3 images ingested, 0 files rejected, 0 known before."
    )
    assert send_piece(site, token, whole, half, len(whole)) == (202, found)  # also after its end
    assert not list((space.folder / uploads.FOLDER / "archives").iterdir())
    assert [job.kind for job in runner.newest()] == ["archive"]


def test_an_archive_that_is_none_fails_in_a_sentence_and_leaves_nothing(site, token, space, runner):
    status, found = send_piece(site, token, b"PK hello", 0, 8)
    assert status == 202
    wait_for(lambda: not runner.get(found["job"]).is_open)
    assert runner.get(found["job"]).state == JobState.FAILED
    assert runner.get(found["job"]).message.startswith("photos.zip is not unpacked: it is damaged")
    assert not list((space.folder / uploads.FOLDER / "archives").iterdir())
    answer = site.ask(f"/api/archives/{'a' * 31}b", "POST", b"x", **token)
    assert (answer.status, "'at'" in told(answer)["error"]) == (400, True)


def test_an_unpacked_archive_is_ingested_after_a_kill(space, monkeypatch):
    file = whole_archive(space.folder, "b" * 32)
    file.parent.mkdir(parents=True)
    file.write_bytes(zipped({"1.png": picture(70)}))
    unpack(space.folder, file, "a.zip")
    file.unlink()  # and here the server was killed
    space.catalog.jobs.add("archive", {"file": str(file), "name": "a.zip"}, "ann")
    runner = JobRunner(space)
    wait_for(lambda: runner.get(1).state == JobState.DONE)
    runner.stop()
    assert space.ids.astype(str).tolist() == [content_id(picture(70))]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"x", 415),
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[1]", 400),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=edge", b"--edge--\r\n", 400),
        ("multipart/form-data; boundary=edge", b"--edge\r\nx", 400),
    ],
)
def test_a_request_that_cannot_be_read_is_told_what_is_needed(space, runner, token, monkeypatch, tmp_path, kind, body, status):
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD, intake=tmp_path) as site:
        answer = site.ask("/api/images", "POST", body, Content_Type=kind, **token)
    assert answer.status == status
    told(answer)
    assert runner.newest() == []


def test_a_request_that_is_too_large_is_told_so_and_one_too_many_comes_again(site, token, monkeypatch, runner):
    monkeypatch.setattr(api, "LARGEST", 1_000_000)
    status, found = post(site, token, **{"a.png": picture(9) + bytes(3_000_000)})
    assert (status, "post fewer" in found["error"]) == (413, True)
    monkeypatch.setattr(api, "MOST_AT_ONCE", 0)
    status, found = post(site, token, **{"a.png": picture(9)})
    assert (status, "in a second" in found["error"]) == (503, True)
    monkeypatch.undo()
    assert runner.newest() == []


def test_there_is_no_such_image_or_job(site, token):
    for path in (f"/api/images/{'0' * 32}", "/api/jobs/99"):
        answer = site.ask(path, **token)
        assert answer.status == 404
        told(answer)


# -- who may ask --


def test_a_token_or_a_login_is_needed_and_a_removed_token_opens_nothing(site, token, space):
    path = f"/api/images/{'0' * 32}"
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": token["Authorization"].removeprefix("Bearer ")}):
        answer = site.ask(path, **headers)
        assert (answer.status, "lassoscope token add" in told(answer)["error"]) == (401, True)
        assert post(site, headers, **{"a.png": picture(1)})[0] == 401
    cookie = {"Cookie": cookies_of(site.log_in("ann"))}
    assert site.ask(path, **cookie).status == site.ask(path, **token).status == 404
    assert site.ask("/", **token).status == 302  # a token is no login
    Tokens(space.folder).remove("console")
    assert site.ask(path, **token).status == 401


def test_a_stranger_is_told_so_after_a_large_body_which_is_not_kept(site, space):
    for path in ("/api/images", "/api/sources", f"/api/archives/{'0' * 32}"):
        answer = site.ask(path, "POST", bytes(3_000_000))
        assert (answer.status, "token is needed" in told(answer)["error"]) == (401, True)
    assert not (space.folder / uploads.FOLDER).exists()


def test_another_sites_page_cannot_post_with_its_visitors_login(site, runner):
    cookie = {"Cookie": cookies_of(site.log_in("ann"))}
    for foreign in ({"Origin": "http://host.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        status, found = post(site, {**cookie, **foreign}, **{"a.png": picture(1)})
        assert status == 403, found
    assert runner.newest() == []
    assert post(site, {**cookie, "Origin": f"http://127.0.0.1:{site.port}"}, **{"a.png": picture(1)})[0] == 202


def test_behind_a_proxy_the_page_may_post_from_where_browsers_open_it(space, runner, monkeypatch):
    with serving(space, monkeypatch, jobs=runner, password=PASSWORD, origins="label.example") as site:
        cookie = {"Cookie": cookies_of(site.log_in("ann"))}
        for origin, status in (("https://label.example", 202), ("https://label.example.evil", 403)):
            assert post(site, {**cookie, "Origin": origin}, **{"a.png": picture(1)})[0] == status


def test_without_a_login_this_machine_may_ask_and_a_wrong_token_still_may_not(space, runner, token, monkeypatch):
    path = f"/api/images/{'0' * 32}"
    with serving(space, monkeypatch, jobs=runner) as site:
        assert site.ask(path).status == 404
        assert site.ask(path, Host="pages.example").status == 403
        assert site.ask(path, Host="pages.example", **token).status == 404
        assert site.ask(path, Authorization="Bearer x").status == 401


@pytest.mark.parametrize(("path", "method"), [("/api/images", "GET"), ("/api/images", "PUT"), ("/api/jobs/1", "POST")])
def test_a_wrong_method_is_told_so(site, token, path, method):
    answer = site.ask(path, method, **token)
    assert answer.status == 405
    told(answer)


def test_a_workspace_that_is_only_read_takes_no_picture(space, token, runner, monkeypatch):
    with (
        Workspace(space.folder, read_only=True) as read,
        serving(read, monkeypatch, jobs=runner, password=PASSWORD) as site,
    ):
        assert post(site, token, **{"a.png": picture(1)})[0] == 403
    assert runner.newest() == []
