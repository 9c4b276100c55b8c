from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import (
    CategoricalRange,
    ContinuousRange,
    Evaluation,
    IntegerRange,
    Model,
    Parameter,
    Pipeline,
    PipelineError,
    RegisterModel,
    Training,
    Transform,
    Tuning,
)
from airflow_ml_provider.pipeline.model_checks import model_problems

TRAIN = {"script": "t.py", "image_uri": "i", "inputs": {"train": "s3://lake/train/"}}


def tuning(**fields):
    given = {
        **TRAIN,
        "metrics": {"auc": "auc=(.*)"},
        "ranges": {"depth": IntegerRange(1, 5)},
        "objective": "auc",
        **fields,
    }
    return Tuning("tune", **given)


def transform(**fields):
    return Transform("predict", **{"model": "m", "data": "s3://lake/new/", **fields})


def test_good_steps(tmp_path):
    for name in ("t.py", "e.py", "s.py", "c.py"):
        (tmp_path / name).touch()
    tune = tuning(ranges={"eta": ContinuousRange(Parameter("low", 0.1), 1)})
    model = Model("model", artifact=tune.artifact, image_uri="i", script="s.py", modules=("c.py",))
    predict = transform(model=model)
    scores = Evaluation(
        "scores", script="e.py", image_uri="i", model=tune.artifact, data=predict.output
    )
    register = RegisterModel("register", model=tune, group="g", metrics=scores)
    steps = [register, scores, predict, model, tune]
    pipeline = Pipeline("p", root="s3://lake", folder=tmp_path, steps=steps)
    assert pipeline.needs == {
        "register": {"tune", "scores"},
        "scores": {"tune", "predict"},
        "predict": {"model"},
        "model": {"tune"},
        "tune": set(),
    }


def test_a_models_script_must_be_there(tmp_path):
    model = Model("model", artifact="s3://lake/m.tar.gz", image_uri="i", script="s.py")
    with pytest.raises(PipelineError, match=r"step 'model': script: .*s.py' does not exist"):
        Pipeline("p", root="s3://lake", folder=tmp_path, steps=[model])


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (tuning(objective="f1"), "objective: 'f1' is no metric; metrics has auc"),
        (tuning(metrics={}), "objective: 'auc' is no metric; metrics has none"),
        (
            tuning(objective_type="Max"),
            "objective_type: 'Max' is none of Maximize, Minimize",
        ),
        (tuning(strategy="bayes"), "strategy: 'bayes' is none of Bayesian, Random, Grid"),
        (tuning(max_jobs=0), "max_jobs: 0 must be above 0"),
        (tuning(parallel_jobs=-1), "parallel_jobs: -1 must be above 0"),
        (tuning(timeout_seconds=60), "timeout_seconds: 60 is less than SageMaker's 120"),
        (
            tuning(ranges={f"r{n}": IntegerRange(1, 2) for n in range(31)}),
            "ranges: 31 are more than SageMaker's 30",
        ),
        (
            tuning(hyperparameters={"depth": 3}),
            "ranges: 'depth' is in hyperparameters too; give it once",
        ),
        (
            tuning(ranges={"x": CategoricalRange(())}),
            "ranges: 'x' has 0 values; SageMaker takes 1 to 30",
        ),
        (
            tuning(ranges={"x": (1, 2)}),
            "ranges: 'x' is (1, 2); give a ContinuousRange, IntegerRange or CategoricalRange",
        ),
        (
            tuning(strategy="Grid"),
            "ranges: 'depth' is no CategoricalRange, as the strategy Grid needs",
        ),
        (
            tuning(ranges={"x": IntegerRange(1, 2, "Log")}),
            (
                "ranges: 'x' has scaling_type 'Log', which is none of Auto, Linear, Logarithmic, "
                "ReverseLogarithmic"
            ),
        ),
        (
            tuning(ranges={"x": ContinuousRange(2, 1)}),
            "ranges: 'x' has min_value 2 above max_value 1",
        ),
        (
            tuning(ranges={"x": IntegerRange(1, 2.5)}),
            "ranges: 'x' has 1 and 2.5; an IntegerRange has integers",
        ),
        (
            tuning(ranges={"x": ContinuousRange(0, 1, "Logarithmic")}),
            "ranges: 'x' has min_value 0; on a Logarithmic scale it is above 0",
        ),
        (
            transform(split_type="Row"),
            "split_type: 'Row' is none of None, Line, RecordIO, TFRecord",
        ),
        (transform(strategy="One"), "strategy: 'One' is none of MultiRecord, SingleRecord"),
        (transform(assemble_with=""), "assemble_with: '' is none of None, Line"),
        (
            transform(data="lake/new"),
            "data: 'lake/new' is no S3 address; give s3://<bucket>/<key> or a step's output",
        ),
        (
            transform(model=Training("train", **TRAIN)),
            "model: 'train' is a Training; give a Model step with its artifact",
        ),
        (
            Model("m", artifact=Training("train", **TRAIN), image_uri="i"),
            "artifact: 'train' is a step; refer to its output or artifact",
        ),
    ],
)
def test_a_problem_is_named(step, problem):
    assert list(model_problems(step)) == [problem]


def test_what_a_run_brings_is_not_judged_before_it():
    ranges = {"x": CategoricalRange(["a"])}
    step = tuning(strategy="Grid", ranges=ranges, max_jobs=Parameter("jobs", 3))
    assert list(model_problems(step)) == []
    assert list(model_problems(Training("train", **TRAIN))) == []


def test_the_name_of_a_group():
    step = RegisterModel("register", model=Training("train", **TRAIN), group="flight_delays")
    (problem,) = model_problems(step)
    assert problem.startswith("group: 'flight_delays' must be 1 to 63 letters, digits and dashes")
