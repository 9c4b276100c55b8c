"""The example on Step Functions and SageMaker Pipelines: the same numbers as on Airflow."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

DAYS = ("20130829T000000", "20130830T000000", "20130831T000000")
LAKE = Path("s3/flight-delays/ml/flight_delays")
FILES = (
    "flights/output/part-00000.parquet",
    "weather/output/part-00000.parquet",
    "planes/output/part-00000.parquet",
    "features/train/train.parquet",
    "features/validation/validation.parquet",
    "features/test/test.parquet",
    "evaluate/report/evaluation.json",
)


@pytest.fixture(scope="module", params=["step-functions", "sagemaker"])
def on_target(request, run_days):
    return run_days("2013-08-29..2013-08-31", "--target", request.param)


def model(folder, day):
    (file,) = (folder / LAKE / day / "train/model").glob("*/output/model.tar.gz")
    with tarfile.open(file) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}


def test_the_runs_end_and_take_the_branches_of_airflow(on_target):
    _, printed, runs = on_target
    assert [run["succeeded"] for run in runs] == [True] * 4, printed
    names = [{step["name"] for step in run["steps"]} for run in runs[1:]]
    assert ["register" in one for one in names] == [True, True, False]
    assert ["tell_team" in one for one in names] == [False, False, True]


def test_the_generated_policy_is_enough_and_not_more(on_target):
    """Each run was held to it; both arms ran, and nothing was stopped."""
    unused = json.loads((on_target[0] / "unused_actions.json").read_text())
    left = {
        name: {one.partition(": ")[2] for one in found if "Stop" not in one}
        for name, found in unused.items()
    }
    # AWS documents GetJobRuns for Glue; the local AWS does without. The history ran once, so that
    # its Glue job was not there before.
    assert left["flight_delays"] <= {"glue:GetJobRuns"}
    assert left["flight_delays_history"] <= {"glue:GetJobRuns", "glue:UpdateJob"}


@pytest.mark.parametrize("day", DAYS)
def test_data_and_metrics_are_the_same_bytes(on_target, three_days, day):
    for file in FILES:
        name = LAKE / day / file
        assert (on_target[0] / name).read_bytes() == (three_days[0] / name).read_bytes(), name


@pytest.mark.parametrize("day", DAYS)
def test_the_model_is_the_same_bytes(on_target, three_days, day):
    found = model(on_target[0], day)
    assert sorted(found) == ["encoding.json", "model.json", "training.json"]
    assert found == model(three_days[0], day)
