"""The study's report: one file that says what was studied."""

import re
import shutil

import panel  # noqa: F401 - it adds its files to what Bokeh calls inline
import pytest

from core.study.run import ExperimentConfig, run_experiment
from core.workspace import Workspace
from dashboard.report import about, write_report


@pytest.fixture(scope="module")
def study(demo_400, tmp_path_factory):
    folder = shutil.copytree(demo_400, tmp_path_factory.mktemp("report") / "w")
    config = ExperimentConfig("label", ("copyright",), ("random",), (10, 9_999), 2, ("encoder",))
    with Workspace(folder, read_only=True) as space:
        yield run_experiment(space, config, workers=1)


def test_the_report_is_one_file_that_fetches_nothing(study):
    page = write_report(study).read_text()
    assert "label = copyright" in page
    assert re.findall(r"<(?:script|link|iframe)[^>]*(?:src|href)=", page) == []
    assert "Hacohen" not in page  # only the strategies of this study are explained


def test_budgets_above_the_smallest_pool_are_reported(study):
    assert about(study).endswith("Left out, as the pool holds fewer images: 9,999 labels.")
