"""Export and scoring: a bundle answers as the page does, on files it has never seen, whole or broken."""

import json
import os
import shutil
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression

from core.delivery import score as scoring
from core.delivery.bundle import export_bundle, load_bundle
from core.delivery.choice import choose, last_export
from core.delivery.zipped import PACKED, export_zip
from core.encoders.embed import embed
from core.encoders.encoder import Encoder, Vit, load_encoder
from core.encoders.vit import Architecture
from core.errors import InputError, StoppedError
from core.evidence import check_sets, openings, points
from core.evidence.frozen import score_probe
from core.evidence.subject import Subject
from core.images.decode import load_square
from core.intake.ingest import ingest, list_folder
from core.labels.actions import label
from core.labels.class_edits import ClassEdit, edit_classes
from core.labels.classes import parse_classes, set_classes
from core.labels.policies import remove_policy, set_policy
from core.maths.logistic import probe_from_bytes
from core.probe.live import refit
from core.probe.live_curves import learning
from core.store.folders import folder_aside
from core.workspace import Workspace

N, N_NEW = 400, 120  # of `promised`


@pytest.fixture(scope="session")
def bundle(promised):
    with Workspace(promised / "w", read_only=True) as space:
        export_bundle(space, promised / "bundle")
    return promised / "bundle"


def score(bundle, source, out):
    return scoring.score_source(load_bundle(bundle, device="cpu"), source, out)


@pytest.fixture
def quickly(monkeypatch):
    """Exports without the ONNX model, which takes seconds, of an encoder that is read once."""
    monkeypatch.setattr("core.delivery.bundle._write_onnx", lambda *_: 0.0)
    monkeypatch.setattr("core.delivery.bundle.load_encoder", cache(load_encoder))


def test_an_export_that_is_stopped_at_any_stage_leaves_nothing_and_an_older_one_stays(promised, tmp_path, quickly):
    folder = tmp_path / "zips"
    with Workspace(promised / "w", read_only=True) as space:
        steps = []
        file, _ = export_zip(space, folder, on_progress=lambda done, total: steps.append((done, total)))
        assert steps == sorted(steps)
        assert (steps[0][0], steps[-1]) == (0, (2 * PACKED, 2 * PACKED))
        before = file.read_bytes()
        asked = []
        export_zip(space, folder, stop=lambda: bool(asked.append(1)))
        stages = len(asked)
        assert stages > 8  # before each stage, and while packing
        for last in range(stages):
            left = iter(range(last))
            with pytest.raises(StoppedError, match="nothing was written"):
                export_zip(space, folder, stop=lambda left=left: next(left, None) is None)
            assert file.read_bytes() == before or zipfile.is_zipfile(file)
            assert [f.suffix for f in folder.iterdir()] == [".zip"] * len(list(folder.glob("bundle-*.zip"))), last
        assert len(list(folder.iterdir())) <= 2


def test_the_newest_export_of_a_workspace_is_known(promised, tmp_path, quickly):
    shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("exports", "workspace.lock"))
    with Workspace(tmp_path / "w", read_only=True) as space:
        assert last_export(space) == ""
        export_zip(space, space.folder / "exports")
        assert last_export(space) > openings.openings(space)[0].at


def test_a_bundle_is_complete_and_says_what_was_promised(bundle, promised):
    record = json.loads((bundle / "bundle.json").read_text())
    held = record["promise"]
    assert held["covers_this_threshold"]
    assert (held["recall"], held["look"], held["n"], held["frame"]) == (0.8, 1, 110, N)
    assert record["threshold"] <= held["threshold"]
    assert len(held["check_labels"]) == 110
    assert record["onnx"]["largest_difference_to_torch"] <= 1e-4
    card = (bundle / "MODEL_CARD.md").read_text()
    for sentence in [*held["sentences"], *held["conditions"]]:
        assert sentence in card
    assert {file.suffix for file in bundle.iterdir()} == {".json", ".md", ".onnx", ".safetensors"}


def test_new_files_are_decided_as_the_page_decides_them(bundle, promised, tmp_path):
    new = tmp_path / "new"
    shutil.copytree(promised / "new", new, ignore=shutil.ignore_patterns("list.csv"))
    (new / "empty.png").touch()
    (new / "words.png").write_text("no picture")
    (new / "notes.txt").write_text("no picture either")
    whole = next(new.glob("*.png")).read_bytes()
    (new / "torn.png").write_bytes(whole[: len(whole) // 2])
    found = score(bundle, new, tmp_path / "scores.csv")
    table = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False)
    assert len(table) == found["files"] == N_NEW + 4
    assert {p["path"].rsplit("/", 1)[1] for p in found["problems"]} == {"empty.png", "words.png", "notes.txt", "torn.png"}
    assert all(p["problem"] for p in found["problems"])
    assert set(table.loc[table["problem"] != "", "decision"]) == {""}
    whole_ones = table[table["problem"] == ""].set_index("path")
    assert ((whole_ones["probability"].astype(float) >= 0) & (whole_ones["probability"].astype(float) <= 1)).all()
    with Workspace.create(tmp_path / "page", classes=parse_classes("neutral,footwear*,copyright"), salt="bundle") as space:
        shutil.rmtree(tmp_path / "page")
        shutil.copytree(promised / "w", tmp_path / "page", ignore=shutil.ignore_patterns("workspace.lock"))
        space.close()
    with Workspace(tmp_path / "page") as space:
        ingest(space, new, workers=1)
        embed(space, device="cpu")
        opened = openings.openings(space)[0]
        scores = score_probe(space, opened.encoder, opened.probe)
        names = space.catalog.images.rows_by_name()
        known = [path for path in whole_ones.index if names[path] >= N]
        page = scores[[names[path] for path in known]]
    assert len(known) > 100
    ours = whole_ones.loc[known]
    np.testing.assert_allclose(ours["score"].astype(float), page, atol=2e-3)
    assert ((ours["decision"] == "flag") == (page >= found["threshold"])).all()
    assert found["reviewed"] == (table["decision"] == "flag").sum()
    assert "does not cover others" in found["promise"]
    assert not found["drift"]["drifted"]


def test_other_images_are_reported_as_different(bundle, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(tmp_path / f"{number}.png")
    found = score(bundle, tmp_path, tmp_path / "out" / "scores.parquet")
    assert found["drift"]["drifted"]
    assert "distributed differently" in found["promise"]
    assert len(pd.read_parquet(tmp_path / "out" / "scores.parquet")) == 60


def test_a_stopped_run_continues_and_another_source_starts_over(bundle, promised, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(scoring, "ROWS", 25)
    loaded, out = load_bundle(bundle, device="cpu"), tmp_path / "s.csv"

    def stop(done, total):
        if done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scoring.score_source(loaded, promised / "new", out, on_progress=stop)
    assert not out.exists()
    found = scoring.score_source(loaded, promised / "new", out)
    assert found["resumed_parts"] == 2
    assert not list(tmp_path.glob("*.parts"))
    whole = pd.read_csv(out)
    assert [row.path for row in whole.itertuples()] == [file.path for file in list_folder(promised / "new")]
    with pytest.raises(KeyboardInterrupt):
        scoring.score_source(loaded, promised / "new", out, on_progress=stop)
    with caplog.at_level("WARNING", "lassoscope.delivery"):
        assert scoring.score_source(loaded, promised / "old", out)["resumed_parts"] == 0
    assert [record.getMessage() for record in caplog.records] == [
        "2 part files of another bundle or of other images are deleted; scoring starts over"
    ]


def test_onnx_and_scikit_learn_answer_alike(bundle, promised):
    import onnxruntime

    loaded = load_bundle(bundle, device="cpu")
    paths = [file.path for file in list_folder(promised / "new") if not file.path.endswith(".csv")][:30]
    images = np.stack([load_square(Path(path), loaded.encoder.input_size) for path in paths])
    ours = scoring.score_images(loaded, images)
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"))
    x, scores = session.run(None, {"images": images.astype(np.float32) / 255})
    with torch.inference_mode():
        exact = loaded.encoder.with_head(*loaded.probe.columns())(torch.from_numpy(images.astype(np.float32) / 255))[1].numpy()
    np.testing.assert_allclose(scores, exact, atol=1e-4)
    np.testing.assert_allclose(scores, ours, atol=0.05)  # the page computes in bfloat16 where the CPU can, and keeps float16
    arrays = load_file(bundle / "sklearn.safetensors")
    model = LogisticRegression()
    model.classes_ = np.array([False, True])
    model.coef_, model.intercept_ = arrays["coef_"][-1:], arrays["intercept_"][-1:]
    np.testing.assert_allclose(model.decision_function((x - arrays["mean_"]) / arrays["scale_"]), scores[:, -1], atol=1e-4)


def test_a_changed_or_foreign_bundle_is_refused(bundle, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    content = bytearray((broken / "probe.safetensors").read_bytes())
    content[-1] ^= 1
    (broken / "probe.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="changed since the export"):
        load_bundle(broken)
    with pytest.raises(InputError, match="no bundle"):
        load_bundle(tmp_path)
    (broken / "bundle.json").write_text('{"format": "x"}')
    with pytest.raises(InputError, match="no bundle of this program"):
        load_bundle(broken)


def test_export_needs_a_promise_or_a_threshold_and_spares_other_folders(promised, tmp_path, quickly):
    with Workspace(promised / "w", read_only=True) as space:
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(InputError, match="holds other files"):
            export_bundle(space, tmp_path)
        with pytest.raises(InputError, match="no operating point 'x'"):
            export_bundle(space, tmp_path / "b", point="x")
        refit(space, save=False)
        manifest = export_bundle(space, tmp_path / "b", threshold=1.5)
        assert manifest.rules[0].promise is None
        again = export_bundle(space, tmp_path / "b")  # an older bundle is replaced
        assert again.rules[0].promise is not None
        assert not list(tmp_path.glob(".b.*"))
    with Workspace.create(tmp_path / "empty") as space, pytest.raises(InputError, match="open the check set"):
        export_bundle(space, tmp_path / "c")


def test_columns_bear_the_names_of_the_fit_however_the_class_list_changes(promised, tmp_path, quickly):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        before = export_bundle(space, tmp_path / "before")
        set_classes(space, parse_classes("spam,copyright*,footwear,neutral*"))
        after = export_bundle(space, tmp_path / "after")
        assert after.probe.classes == before.probe.classes == ["neutral", "footwear", "copyright"]
        assert after.onnx.score_columns == ["neutral", "footwear", "copyright", "flagged"]
        assert [c.name for c in after.classes if c.flagged] == ["footwear"]  # as it was opened
        assert "**footwear**" in (tmp_path / "after" / "MODEL_CARD.md").read_text()
        assert after.rules[0].promise.n_flagged == before.rules[0].promise.n_flagged
        assert refit(space).version > before.probe.version  # another target is another model
        assert learning(space) is None or 60 not in learning(space).rounds[:-1]
        newest = export_bundle(space, tmp_path / "newest", threshold=0.5)
        assert newest.probe.classes == ["copyright", "footwear", "neutral"]
        assert {c.name for c in newest.classes if c.flagged} == {"copyright", "neutral"}


def test_an_export_says_what_it_is_of(promised, tmp_path, quickly):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        opened = openings.openings(space)[0]
        assert choose(space)[0].title == "the promise of opening 1 (no point is in force)"
        points.save_point(space, "careful", opened.threshold - 1, opened, analyst="ann")
        assert choose(space, point="careful")[0].title == "operating point 'careful', not in force"
        points.put_in_force(space, "careful", analyst="ann")
        assert choose(space)[0].title == "operating point 'careful', in force"
        shown = export_bundle(space, tmp_path / "b", threshold=opened.threshold + 3, opened=opened)
        (shown,) = shown.rules
        assert (shown.chosen, shown.operating_point) == ("an unnamed threshold, from opening 1", "")
        assert not shown.promise.covers_this_threshold
        for wrong, said in (({"point": "careful", "threshold": 1.0}, "one threshold"), ({"threshold": float("nan")}, "finite")):
            with pytest.raises(InputError, match=said):
                choose(space, **wrong)
        with pytest.raises(InputError, match="'Careful' is probably 'careful'"):
            choose(space, point="Careful")


def test_a_bundle_of_policies_decides_for_each_and_for_all(promised, tmp_path, quickly):
    folder = shutil.copytree(promised / "w", tmp_path / "w", ignore=shutil.ignore_patterns("workspace.lock"))
    with Workspace(folder) as space:
        set_classes(space, parse_classes("neutral,footwear*,copyright*"))
        for name, recall in (("footwear", 0.6), ("copyright", 0.5)):
            set_policy(space, name, recall=recall)
        with pytest.raises(InputError, match="policy 'footwear' has no promise and no operating point in force"):
            choose(space)
        with pytest.raises(InputError, match="of no policy; save a point for each"):
            choose(space, threshold=0.5)
        refit(space)
        feet = check_sets.open_check_set(space, Subject("footwear"), analyst="ann")
        free = np.flatnonzero(~space.is_check & (space.labels.codes < 0))[:20]
        for row in free:
            label(space, np.array([row]), space.class_names[space.gold("label")[row]], analyst="ann")
        refit(space)
        notices = check_sets.open_check_set(space, Subject("copyright"), analyst="ann")
        assert feet.probe < notices.probe
        points.save_point(space, "strict", float(notices.scores[notices.flagged].min()), notices, analyst="ann")
        points.put_in_force(space, "strict", analyst="ann")
        assert [choice.title for choice in choose(space)] == [
            "the promise of opening 2 (no point is in force)",
            "operating point 'strict', in force",
        ]
        manifest = export_bundle(space, tmp_path / "b")
        edits = [ClassEdit(c.name, f"{c.name} today", c.colour, c.key, c.flagged) for c in space.classes]
        edit_classes(space, edits, analyst="ann")
        renamed = export_bundle(space, tmp_path / "renamed")  # by the names that its columns were fitted with
        assert (
            [rule.finds for rule in renamed.rules] == [rule.finds for rule in manifest.rules] == [["footwear"], ["copyright"]]
        )
        assert {c.name for c in renamed.classes} == {"neutral", "footwear", "copyright"}
        saved = {v: probe_from_bytes(space.catalog.models.probe_weights(v)) for v in (feet.probe, notices.probe)}
        remove_policy(space, "copyright")
        export_bundle(space, tmp_path / "one")
        with pytest.raises(InputError, match="about the policy 'copyright', but a bundle is about 'footwear' now"):
            choose(space, threshold=0.5, opened=notices)
    loaded = load_bundle(tmp_path / "b", device="cpu")
    assert loaded.manifest == manifest
    assert manifest.onnx.score_columns == ["neutral", "footwear", "copyright", "policy footwear", "policy copyright", "flagged"]
    for opened in (feet, notices):  # each column is that of the model its promise was made for
        ours, theirs = loaded.probe.policies[opened.policy], saved[opened.probe].policies[opened.policy]
        np.testing.assert_array_equal(ours[0], theirs[0])
    card = (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert "**footwear** (footwear): Review where score" in card
    assert "## The promise for copyright" in card
    found = score(tmp_path / "b", promised / "new", tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv")
    decided = [table[f"decision_{rule.policy}"] == "flag" for rule in manifest.rules]
    for rule, flags, outcome in zip(manifest.rules, decided, found["policies"], strict=True):
        scores = table[f"policy_score_{rule.policy}"]
        assert (flags == (scores >= rule.threshold)).all()
        assert (outcome["policy"], outcome["reviewed"]) == (rule.policy, flags.sum())
    assert ((table["decision"] == "flag") == (decided[0] | decided[1])).all()
    assert found["reviewed"] == (decided[0] | decided[1]).sum() > max(flags.sum() for flags in decided)
    score(tmp_path / "one", promised / "new", tmp_path / "one.csv")
    assert [*pd.read_csv(tmp_path / "one.csv")][:4] == ["path", "score", "probability", "decision"]  # as without policies


def test_the_older_bundle_stays_until_the_new_one_is_whole_and_other_files_for_ever(promised, tmp_path, quickly, monkeypatch):
    with Workspace(promised / "w", read_only=True) as space:
        first = export_bundle(space, tmp_path / "b")
        with monkeypatch.context() as patched:
            patched.setattr("core.delivery.bundle.model_card", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                export_bundle(space, tmp_path / "b")
        assert json.loads((tmp_path / "b" / "bundle.json").read_text())["version"] == first.version
        assert [file.name for file in tmp_path.iterdir()] == ["b"]
        (tmp_path / "link").symlink_to(tmp_path / "b")
        assert export_bundle(space, tmp_path / "link").probe == first.probe
        assert (tmp_path / "link").is_symlink()
        (tmp_path / "b" / "notes.txt").write_text("mine")
        with pytest.raises(InputError, match=r"besides an older bundle \(notes.txt\)"):
            export_bundle(space, tmp_path / "b")
        (tmp_path / "file").write_text("mine")
        with pytest.raises(InputError, match="is a file"):
            export_bundle(space, tmp_path / "file")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "bundle.json").write_text('{"mine": 1}')
        with pytest.raises(InputError, match="and no bundle"):
            export_bundle(space, tmp_path / "other")
        file, manifest = export_zip(space, tmp_path / "zips")
        with zipfile.ZipFile(file) as packed:
            assert json.loads(packed.read("bundle.json"))["version"] == manifest.version
            assert packed.testzip() is None
        assert list((tmp_path / "zips").iterdir()) == [file]


@pytest.mark.parametrize("swap", ["in one step", "by renames"])
def test_a_folder_takes_the_place_of_another_at_once(tmp_path, monkeypatch, swap):
    if swap == "by renames":
        monkeypatch.setattr("core.store.folders.sys.platform", "other")
    old = tmp_path / "f"
    forgotten = tmp_path / ".f.1234.part"
    forgotten.mkdir()
    os.utime(forgotten, (0, 0))
    for text in ("first", "second"):
        with folder_aside(old) as aside:
            (aside / "a").write_text(text)
            assert not old.exists() or (old / "a").read_text() == "first"
        assert (old / "a").read_text() == text
    with pytest.raises(ZeroDivisionError), folder_aside(old) as aside:
        (aside / "a").write_text(str(1 / 0))
    assert (old / "a").read_text() == "second"
    assert [file.name for file in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": "high"}, {"threshold": None}, {"files": None}, {"version": 3}, {"probe": {}}, {"score_quantiles": []},
        {"score_quantiles": ["a", 1]}, {"calibration": {"slope": 1}}, {"promise": {}}, {"probe": {"classes": ["a"]}},
    ],
)  # fmt: skip
def test_a_record_that_is_not_whole_is_refused_in_a_sentence(bundle, tmp_path, change):
    shutil.copytree(bundle, tmp_path / "b")
    record = json.loads((bundle / "bundle.json").read_text()) | change
    (tmp_path / "b" / "bundle.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="export"):
        load_bundle(tmp_path / "b", device="cpu")


def test_no_image_scored_is_reported_and_looks_like_nothing(bundle, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "torn.png").write_bytes(b"no picture")
    found = score(bundle, tmp_path / "in", tmp_path / "s.csv")
    assert found["promise"].endswith("No image was scored, so there is nothing to compare.")
    assert not found["drift"]["drifted"]
    assert np.isnan([found["drift"]["ks_distance"], found["drift"]["p"]]).all()


@pytest.mark.parametrize("name", ["msn-small-64", "pixels-pca", "random", "timm"])
def test_every_kind_of_encoder_is_saved_and_loaded_without_a_network(name, tmp_path):
    if name == "timm":
        model = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
        shape = Architecture(input_size=160, dim=model.num_features, heads=1, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        encoder = Encoder("timm-x", Vit(model), shape, torch.device("cpu"), {}, title="timm test_vit")
    else:
        encoder = load_encoder(name, device="cpu")
    encoder.save(tmp_path / "e.safetensors")
    again = load_encoder(str(tmp_path / "e.safetensors"), device="cpu")
    images = np.random.default_rng(0).integers(0, 255, (3, 3, encoder.input_size, encoder.input_size), np.uint8)
    assert (again.encode(images) == encoder.encode(images)).all()
