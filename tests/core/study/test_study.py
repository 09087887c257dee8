"""The label-efficiency study: splits, simulation, words, and the run with files."""

import json
import math
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score

from core.catalog.score_columns import NewColumn
from core.errors import InputError
from core.probe.strategies import STRATEGIES
from core.study.options import BUDGETS
from core.study.report import conclude, difference, pairs, summarise
from core.study.run import (
    ExperimentConfig,
    experiment_folders,
    read_experiment,
    read_experiments,
    run_experiment,
    run_task,
)
from core.study.simulate import Simulation, split
from core.workspace import Workspace
from tests.forked import forking

N = 600


@pytest.fixture(scope="module")
def easy():
    """Features in which the flagged fifth lies apart, three near-duplicates each."""
    rng = np.random.default_rng(0)
    flagged = np.repeat(rng.random(N // 3) < 0.2, 3)
    x = rng.normal(size=(N, 12)).astype(np.float32)
    x[flagged, :3] += 2.5
    return x, flagged, np.arange(N) // 3


@given(st.integers(0, 1_000), st.integers(1, 400))
@settings(max_examples=20, deadline=None)
def test_a_split_shares_no_group_and_is_reproducible(seed, most):
    groups = np.random.default_rng(seed).integers(0, 150, N)
    first, again = split(groups, seed, most=most), split(groups, seed, most=most)
    assert not set(groups[first.pool]) & set(groups[first.test])
    assert max(len(first.pool), len(first.test)) <= most
    assert (first.pool == again.pool).all()
    assert (first.test == again.test).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_labels_up_to_each_budget_and_is_reproducible(easy, strategy):
    column = easy[1] + np.random.default_rng(2).normal(size=N)
    made = partial(Simulation, *easy, seed=3, most=250, column=column)
    lines = list(made().run(strategy, (10, 25, 60, 9_999)))
    assert [line["budget"] for line in lines] == [10, 25, 60]  # more than the pool holds is left out
    assert lines == list(made().run(strategy, (10, 25, 60)))
    assert lines[-1]["average_precision"] > 0.6
    assert all(len(line["curve"]) == 100 for line in lines)


def test_figures_are_those_of_scikit_learn(easy):
    x, flagged, groups = easy
    simulation = Simulation(x, flagged, groups, seed=1, most=300)
    picked = simulation.split.pool[:40]
    found = simulation._judge(picked)
    score, truth = simulation._scores(picked)[simulation.split.test], flagged[simulation.split.test]
    assert found["average_precision"] == pytest.approx(average_precision_score(truth, score))
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, score > 0))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, score > 0))
    assert found["n_flagged"] == flagged[picked].sum()


def test_labels_of_one_class_say_that_class_and_know_no_order(easy):
    x, flagged, groups = easy
    simulation = Simulation(x, flagged, groups, seed=1, most=300)
    one = simulation.split.pool[~flagged[simulation.split.pool]][:10]
    found, share = simulation._judge(one), flagged[simulation.split.test].mean()
    assert found["accuracy"] == pytest.approx(1 - share)
    assert found["balanced_accuracy"] == 0.5
    assert found["average_precision"] == pytest.approx(share)
    lines = list(Simulation(x, np.arange(N) == 0, groups, seed=1, most=300).run("uncertain", (10, 20)))
    assert len(lines) == 2  # it goes on asking for diverse images


def line(features, strategy, budget, seed, value):
    figures = {"accuracy": value, "balanced_accuracy": value, "average_precision": value, "precision_at_recall": value}
    return {"features": features, "strategy": strategy, "budget": budget, "seed": seed, "curve": [value] * 100, **figures}


def made(active, random):
    """A study whose figures are given, by seed."""
    return [
        line("encoder", strategy, budget, seed, value)
        for budget, strategy in ((10, "diverse"), (100, "uncertain"))
        for name, found in ((strategy, active), ("random", random))
        for seed, value in enumerate(found)
        for strategy in [name]
    ]


def test_differences_are_paired_t_intervals():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.9, 0.02, 12), rng.normal(0.88, 0.02, 12)
    found = difference(dict(enumerate(ours)), dict(enumerate(theirs)))
    expected = ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert math.isnan(difference({0: 1.0}, {0: 0.5}).low)


def test_the_conclusion_claims_no_more_than_its_intervals():
    noise = np.random.default_rng(0).normal(0, 0.02, 10)
    better = conclude(made(0.95 + noise / 10, 0.85 + noise), "encoder")
    assert "100 actively chosen labels do better than 100 random ones" in better
    assert "10 of 10 seeds reach 80% precision" in better
    same = conclude(made(0.85 + noise, 0.85 - noise), "encoder")
    assert "are not distinguishable" in same
    assert "better" not in same
    worse = conclude(made(0.70 + noise, 0.85 + noise / 3), "encoder")
    assert "do worse than 100 random ones" in worse
    assert "0 of 10 seeds" in worse
    assert "one seed is not enough for a conclusion" in conclude(made([0.9], [0.8]), "encoder")


def test_the_summary_counts_seeds_and_the_share_at_the_goal():
    rows = summarise(made([0.9, 0.7], [0.5, 0.5]))
    active = next(row for row in rows if row["strategy"] == "uncertain")
    assert (active["seeds"], active["share_at_goal"], active["accuracy"]) == (2, 0.5, pytest.approx(0.8))
    assert active["accuracy_sd"] == pytest.approx(np.std([0.9, 0.7], ddof=1))
    assert [(row["budget"], row["strategy"]) for row in pairs(made([0.9, 0.8], [0.5, 0.4]))] == [
        (10, "diverse"),
        (100, "uncertain"),
    ]


@pytest.fixture(scope="module")
def prepared(demo_400, tmp_path_factory):
    return shutil.copytree(demo_400, tmp_path_factory.mktemp("study") / "w")


@pytest.fixture(autouse=True, scope="module")
def quick_starts():
    """Fork the study's processes from one that has torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.study.run.get_context", lambda _: forking())
        yield


CONFIG = ExperimentConfig("label", ("footwear",), strategies=("diverse", "uncertain", "random"), budgets=(10, 30), seeds=2)


def test_a_run_that_was_stopped_goes_on_and_ends_where_a_whole_one_does(prepared, caplog):
    with Workspace(prepared, read_only=True) as space:
        part = run_experiment(space, CONFIG, workers=1, stop=lambda: True)
        settings = json.loads((part.folder / "run.json").read_text())["config"]
        assert "column" not in settings  # as before there were columns: such a study is continued
        assert (part.done, part.total, part.finished) == (1, 6, False)
        with (part.folder / "results.jsonl").open("ab") as file:
            file.write(b'[{"features": "pix')  # torn by a kill
        with caplog.at_level("WARNING", "lassoscope.study"):
            rest = run_experiment(space, CONFIG, workers=2)
        assert [r.getMessage() for r in caplog.records] == ["1 line of the study cannot be read; the tasks are run again"]
        assert rest.folder == part.folder
        assert rest.finished
        whole = run_experiment(space, CONFIG, workers=1)
        assert whole.folder != rest.folder  # a finished one is not written over
        assert whole.results == rest.results
        assert len(whole.results) == 2 * 3 * 3 * 2
    summary = json.loads((whole.folder / "summary.json").read_text())
    assert {row["features"] for row in summary["table"]} == {"encoder", "untrained", "pixels"}
    assert "seeds" in summary["conclusion"]
    assert (whole.folder / "table.csv").read_text().startswith("features,strategy,budget,seeds,accuracy")
    assert run_task(whole.folder, "encoder", 1) == [r for r in whole.results if (r["features"], r["seed"]) == ("encoder", 1)]
    assert read_experiment(whole.folder).results == whole.results


def test_a_study_judges_the_start_from_another_models_scores(prepared, tmp_path):
    with Workspace(shutil.copytree(prepared, tmp_path / "w")) as space:
        truth = space.gold("label") == space.class_names.index("footwear")
        scores = truth + np.random.default_rng(0).normal(scale=0.3, size=len(truth))
        space.catalog.score_columns.put([NewColumn("v", False, "v.csv", scores)])
        asked = replace(CONFIG, strategies=("vendor", "random"), features=("encoder",), column="v")
        found = run_experiment(space, asked, workers=1)
    first = [line for line in found.results if line["budget"] == 10]
    assert len(first) == 4
    assert all(line["n_flagged"] in range(4, 9) for line in first if line["strategy"] == "vendor")  # its top, and its doubts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gold": "kind"}, "no gold column 'kind'; there are item, label"),
        ({"flagged": ("boots",)}, "No image has 'boots' in 'label'; the values are copyright, footwear, neutral"),
        ({"strategies": ("best",)}, "There is no strategy 'best'"),
        ({"features": ("clip",)}, "There are no features 'clip'"),
        ({"budgets": (20, 10)}, "Budgets must be ascending"),
        ({"flagged": ("copyright", "footwear", "neutral")}, "20 flagged and 20 other"),
        ({"seeds": 0}, r"A study needs at least one repeat \(seed\)\."),
        ({"strategies": ()}, r"A study needs at least one strategy \(a way to choose images\)\."),
        ({"seeds": 10**9}, "at most 1,000 seeds"),
        ({"budgets": (5_000,)}, r"smallest budget is 5,000 labels, but half of the 400 images .* a budget of at most \d+"),
        ({"features": ("encoder", "encoder")}, "'encoder' is named twice"),
        ({"strategies": ("random", "random")}, "'random' is named twice"),
        ({"flagged": ("Footwear",)}, "'Footwear' is probably 'footwear'"),
        ({"strategies": ("vendor",)}, "Strategy 'vendor' needs the scores of another model; name a score column with --column"),
        ({"strategies": ("vendor",), "column": "v"}, "There is no score column 'v'"),
    ],
)
def test_what_cannot_be_studied_is_said_in_a_sentence_and_leaves_nothing(prepared, change, said):
    folder = prepared / "experiments"
    before = sorted(folder.iterdir()) if folder.exists() else []
    with Workspace(prepared, read_only=True) as space, pytest.raises(InputError, match=said):
        run_experiment(space, ExperimentConfig(**(vars(CONFIG) | {"budgets": BUDGETS} | change)), workers=1)
    assert (sorted(folder.iterdir()) if folder.exists() else []) == before


QUICK = ExperimentConfig("label", ("footwear",), ("random",), (10, 9_999), 2, ("encoder",))


def test_a_split_that_judges_on_one_side_only_is_refused(prepared):
    with Workspace(prepared, read_only=True) as space:
        space.groups = np.zeros(space.n_images, np.int64)  # all images are copies of each other
        with pytest.raises(InputError, match="near-duplicates stay together"):
            run_experiment(space, QUICK, workers=1)


BROKEN = {
    "run.json": ["", "5", "[]", "{}", '{"config": {"gold": "label"}}', '{"config": {"gold": "l", "flagged": ["a"]}}', "\udcff"],
    "results.jsonl": [
        "5\n",
        "[]\n",
        "{}\n",
        "[1]\n",
        '[{"features": "encoder"}]\n',
        '[{"features": "x", "seed": 0}]\n',
        "\udcff",
    ],
}


@pytest.fixture(scope="module")
def half_done(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("half") / "w"
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns("experiments", "images", "*.lock"))
    with Workspace(folder, read_only=True) as space:
        run_experiment(space, QUICK, workers=1, stop=lambda: True)
    return folder


@pytest.fixture
def quick(half_done, tmp_path):
    """A workspace with one half-done study."""
    with Workspace(shutil.copytree(half_done, tmp_path / "w"), read_only=True) as space:
        yield space, read_experiment(experiment_folders(space)[0])


def test_budgets_above_the_smallest_pool_are_left_out_and_said(quick):
    _, part = quick
    assert (part.config.budgets, part.left_out) == ((10,), (9_999,))
    assert {line["budget"] for line in part.results} == {10}


def test_runs_that_cannot_be_read_are_named_and_stand_in_the_way_of_no_other(quick):
    space, part = quick
    wrong = {}
    for file, contents in BROKEN.items():
        for number, content in enumerate(contents):
            bad = part.folder.with_name(f"2099-{file}-{number}")
            shutil.copytree(part.folder, bad)
            (bad / file).write_bytes(content.encode("utf-8", "surrogateescape"))
            wrong[bad] = file
    lost = part.folder.with_name("20990101-000000-000000")
    shutil.copytree(part.folder, lost)
    (lost / "answers.npz").unlink()
    runs, broken = read_experiments(experiment_folders(space))
    assert {run.folder for run in broken} == {folder for folder, file in wrong.items() if file == "run.json"}
    assert all(str(run.folder) in run.reason for run in broken)
    assert {run.folder: run.done for run in runs} == {part.folder: 1, lost: 1} | {
        folder: 0
        for folder, file in wrong.items()
        if file == "results.jsonl"  # what is no result is done again
    }
    for folder in wrong:
        if wrong[folder] == "results.jsonl":
            shutil.rmtree(folder)
    (part.folder / "encoder.npy").write_bytes(b"torn")  # worked out again
    found = run_experiment(space, QUICK, workers=1)
    assert (found.folder, found.finished) == (part.folder, True)


def test_a_run_that_could_not_begin_leaves_no_folder(quick, monkeypatch):
    space, part = quick
    monkeypatch.setattr("core.study.run._features", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_experiment(space, replace(QUICK, seeds=3), workers=1)
    assert experiment_folders(space) == [part.folder]
