"""The product's story through `Workspace`, on real demo images, without a browser."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from sklearn.metrics import average_precision_score

from core.catalog.criterion import Criterion
from core.encoders.chosen import encoders, use_encoder
from core.encoders.embed import embed
from core.errors import DamageError, InputError, WorkspaceError
from core.evidence.queues import check_queue
from core.labels.actions import label, redo, undo
from core.labels.exchange import export_labels, import_labels
from core.missing import missing_for_probe
from core.overview import describe, label_counts
from core.probe.live import refit
from core.probe.live_curves import curves, learning
from core.probe.suggest import more_like, suggest
from core.workspace import Workspace
from tests.shared import label_first


@pytest.fixture
def folder(demo_400, tmp_path):
    """A workspace with embeddings, and nothing done yet."""
    return shutil.copytree(demo_400, tmp_path / "w")


def test_the_story(folder):
    with Workspace(folder) as space:
        assert missing_for_probe(space).startswith("No probe yet")
        assert refit(space) is None
        first = suggest(space, 10)
        assert len({s.row for s in first}) == 10
        assert not any(space.is_check[s.row] for s in first)
        assert {s.strategy for s in first} == {"diverse"}
        label_first(space, first)
        fitted = refit(space)
        assert fitted.probe.n_labels == 10
        again = suggest(space, 10)
        assert {s.strategy for s in again} == {"uncertain"}
        assert not {s.row for s in again} & {s.row for s in first}
        version = space.fitted.version
        rest = check_queue(space, 1)
        label(space, rest, "neutral", analyst="bob", source="check")
        assert refit(space).version == version  # check labels make no new model
        undo(space, analyst="bob")
        found = {c.key: c for c in curves(space, gold_column="label")}
        assert found["check"].curve.n == 30
        assert found["gold"].curve.average_precision > 0.7
        assert found["training"].curve.n == 10
        exported = folder / "labels.csv"
        assert export_labels(space, exported) == 130
        before = space.labels.codes
    with Workspace(folder) as space:
        assert (space.labels.codes == before).all()
        result = label(
            space, np.flatnonzero(space.is_check), "neutral", analyst="ann", source="lasso", criterion=Criterion(polygon=[])
        )
        assert (result.n_teach, result.n_kept) == (0, 120)
        assert "not learned from" in result.sentence
        read = space.evidence()
        assert read.sum() == 120  # what was read stays
        assert (space.labels.codes[read] == before[read]).all()
        undo(space, analyst="ann")
        assert (space.labels.codes == before).all()
        redo(space, result.action.seq, analyst="bob")
        undo(space, result.action.seq, analyst="bob")
        assert (space.labels.codes == before).all()
        again = import_labels(space, exported, analyst="eve")
        assert (again.n_taken, again.n_same) == (0, 130)
        assert (space.labels.codes == before).all()


def test_wrong_input_is_one_sentence(worked_on, tmp_path):
    with Workspace(worked_on, read_only=True) as space:
        with pytest.raises(InputError, match="Nothing is selected"):
            label(space, np.array([], np.int64), "neutral", analyst="a")
        with pytest.raises(InputError, match="no class 'cat'"):
            label(space, np.array([0]), "cat", analyst="a")
        with pytest.raises(InputError, match="no strategy"):
            suggest(space, 3, strategy="magic")
        bad = tmp_path / "bad.csv"
        bad.write_text("image,class\nnope,neutral\n")
        with pytest.raises(InputError, match="not in this workspace"):
            import_labels(space, bad, analyst="a")


def test_one_process_writes(worked_on):
    with Workspace(worked_on), pytest.raises(WorkspaceError, match="Another process"):
        Workspace(worked_on)


def test_a_refit_that_another_encoder_overtakes_is_dropped(worked_on, tmp_path, monkeypatch):
    from core.probe import live as module

    folder = shutil.copytree(worked_on, tmp_path / "w")
    with Workspace(folder) as space:
        embed(space, "pixels-pca", device="cpu")
        first, second = (encoder["name"] for encoder in encoders(space))
        use_encoder(space, first)
        new = suggest(space, 1, strategy="random")[0].row  # else the probe there is would be taken
        label(space, np.array([new]), "neutral", analyst="a")
        fit = module.fit_and_score

        def overtaken(*args, **kwargs):
            use_encoder(space, second)
            return fit(*args, **kwargs)

        monkeypatch.setattr(module, "fit_and_score", overtaken)
        assert refit(space) is not None
        assert space.fitted is None  # scores of the first encoder never stand beside the second one's map
        monkeypatch.undo()
        refit(space)
        assert space.fitted is not None


def test_unsure_is_kept_never_learned_from_and_not_asked_for_again(worked_on):
    with Workspace(worked_on) as space:
        before = label_counts(space)
        row = suggest(space, 5, strategy="random", seed=3)[2].row
        result = label(space, np.array([row]), None, analyst="a", source="unsure")
        assert "marked as unsure" in result.sentence
        assert label_counts(space) == before
        assert describe(space, row)["unsure"]
        everything = suggest(space, space.n_images, strategy="random")
        assert row not in {s.row for s in everything}
    with Workspace(worked_on) as space:  # from disk
        assert describe(space, row)["unsure"]
        undo(space, analyst="a")
        assert row in {s.row for s in suggest(space, space.n_images, strategy="random")}
        with pytest.raises(InputError, match="Unsure means no class"):
            label(space, np.array([row]), "neutral", analyst="a", source="unsure")


def test_more_like_this_equals_a_slow_search(worked_on):
    with Workspace(worked_on) as space:
        embedded = space.embedded(space.encoder_name)
        x = embedded.standardised(np.arange(space.n_images)).numpy()
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        queries = np.array([7, 300])
        likeness = (x @ x[queries].T).max(axis=1)
        likeness[queries] = -1
        assert more_like(space, queries, 25).tolist() == np.argsort(-likeness)[:25].tolist()
        with pytest.raises(InputError, match="no image to compare"):
            more_like(space, np.array([], np.int64), 5)


def test_past_probes_are_judged_on_todays_check_labels(folder, monkeypatch, caplog):
    with Workspace(folder) as space:
        space.set_check_set(replace(space.check_set, number=2, after=1.0))  # so that all readings may be watched
        gold = space.gold("label")
        for code, name in enumerate(space.class_names):
            rows = np.flatnonzero(space.is_check & (gold == code))
            if len(rows):
                label(space, rows, name, analyst="b", source="check")
        teach = np.flatnonzero(~space.is_check & (gold >= 0))
        for start in range(0, 60, 20):
            for row in teach[start : start + 20]:
                label(space, np.array([row]), space.class_names[gold[row]], analyst="b")
            refit(space)
        curve = learning(space)
        counts = [round_.n_labels for round_ in curve.rounds]
        assert counts == sorted(set(counts))
        assert counts[-1] == space.fitted.probe.n_labels
        judged = space.watched()
        truth = np.isin(gold[judged], space.flagged_codes)
        newest = average_precision_score(truth, space.fitted.score[judged])
        assert curve.rounds[-1].average_precision == pytest.approx(newest, abs=1e-4)
        models = space.catalog.models
        oldest, second, *_ = (version for version, _ in models.probe_records(space.encoder_name))
        weights = models.probe_weights

        def damaged(version):
            if version == oldest:
                raise DamageError("It is damaged.")
            return weights(version)

        monkeypatch.setattr(models, "probe_weights", damaged)
        with space.catalog.database.engine.begin() as connection:
            connection.execute(sa.text("UPDATE probes SET record = '[5]' WHERE version = :second"), {"second": second})
        with caplog.at_level("WARNING", "lassoscope"):
            assert [round_.n_labels for round_ in learning(space).rounds] == counts[2:]
        assert [r.getMessage() for r in caplog.records] == [
            "2 saved probes cannot be read and are not in the learning curve; run 'lassoscope doctor'"
        ]


def test_a_saved_probe_that_cannot_be_read_is_fitted_again_and_reported(folder, monkeypatch, caplog):
    def damaged(_):
        raise DamageError("It is damaged.")

    with Workspace(folder) as space:
        gold = space.gold("label")
        for code, name in enumerate(space.class_names):
            label(space, np.flatnonzero(~space.is_check & (gold == code))[:20], name, analyst="ann")
        before = refit(space)
        monkeypatch.setattr("core.probe.live.probe_from_bytes", damaged)
        with caplog.at_level("WARNING", "lassoscope.probe"):
            again = refit(space)
        assert np.allclose(again.score, before.score, equal_nan=True)
        assert [r.getMessage() for r in caplog.records] == [
            "1 saved probe cannot be read and is fitted again; run 'lassoscope doctor'"
        ]
