from __future__ import annotations

import datetime as dt
import json
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn import metrics

LABEL = np.array([0, 0, 0, 1, 0, 1, 1, 0])
SCORE = np.array([0.1, 0.2, 0.6, 0.7, 0.3, 0.4, 0.9, 0.2])


@pytest.fixture(scope="module")
def evaluate(load_script):
    return load_script("jobs/evaluate.py")


def test_metrics_are_those_of_the_definitions(evaluate):
    values = evaluate.measure(LABEL, SCORE, 0.25)
    loss = -np.mean(np.where(LABEL == 1, np.log(SCORE), np.log(1 - SCORE)))
    constant_loss = -np.mean(np.where(LABEL == 1, np.log(0.25), np.log(0.75)))
    expected = {
        "auc": 14 / 15,  # of 15 pairs only (0.6, 0.4) is ranked the wrong way
        "log_loss": loss,
        "accuracy": 6 / 8,
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1": 2 / 3,
        "auc_best_constant_classifier": 0.5,
        "log_loss_best_constant_classifier": constant_loss,
        "accuracy_best_constant_classifier": 5 / 8,
        "precision_best_constant_classifier": 0,
        "recall_best_constant_classifier": 0,
        "f1_best_constant_classifier": 0,
        "skill": 1 - loss / constant_loss,
    }
    assert values == pytest.approx(expected)


def test_skill_is_zero_for_the_base_rate_and_negative_for_less(evaluate):
    def skill(score):
        return evaluate.measure(LABEL, score, 0.25)["skill"]

    assert skill(np.full(8, 0.25)) == 0
    assert skill(SCORE) > 0
    assert skill(1 - SCORE) < 0


def test_report_has_the_documented_form(evaluate):
    report = evaluate.report(LABEL, SCORE, 0.25)
    assert report["auc"] == {"value": pytest.approx(14 / 15), "standard_deviation": "NaN"}
    assert report["confusion_matrix"] == {"0": {"0": 4, "1": 1}, "1": {"0": 1, "1": 2}}
    curve = report["receiver_operating_characteristic_curve"]
    assert curve["false_positive_rates"][0] == curve["true_positive_rates"][0] == 0
    assert curve["false_positive_rates"][-1] == curve["true_positive_rates"][-1] == 1


def test_deviations_are_seeded_and_curves_bounded(evaluate):
    random = np.random.default_rng(1)
    score = random.uniform(size=5_000)
    label = (random.uniform(size=5_000) < score).astype(int)
    report = evaluate.report(label, score, 0.5)
    assert report == evaluate.report(label, score, 0.5)
    assert 0 < report["auc"]["standard_deviation"] < 0.02
    curve = report["receiver_operating_characteristic_curve"]
    assert len(curve["false_positive_rates"]) == 101
    area = metrics.auc(curve["false_positive_rates"], curve["true_positive_rates"])
    assert area == pytest.approx(report["auc"]["value"], abs=0.005)


@pytest.mark.parametrize("label", [0, 1])
def test_flights_that_cannot_be_ranked_are_refused(evaluate, label):
    with pytest.raises(ValueError, match=f"of 8 test flights {8 * label} are late"):
        evaluate.report(np.full(8, label), SCORE, 0.25)


@pytest.fixture
def run(evaluate, monkeypatch, tmp_path):
    random = np.random.default_rng(0)
    test = pd.DataFrame(
        {"flight_date": [dt.date(2013, 8, 23)] * 300, "wind_speed": random.normal(size=300)}
    ).assign(late=lambda flights: (flights.wind_speed > 0.5).astype(int))
    test.loc[250:, "flight_date"] = dt.date(2013, 8, 29)
    (tmp_path / "test").mkdir()
    test.to_parquet(tmp_path / "test" / "test.parquet")
    data = xgboost.DMatrix(test[["wind_speed"]], label=test.late)
    xgboost.train({"objective": "binary:logistic"}, data, 5).save_model(tmp_path / "model.json")
    (tmp_path / "training.json").write_text('{"base_rate": 0.25}')

    def run(name="model.json"):
        with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "model.json", name)
            archive.add(tmp_path / "training.json", "training.json")
        paths = {"model": "model.tar.gz", "data": "test", "output": "report"}
        pairs = [text for key, path in paths.items() for text in (f"--{key}", str(tmp_path / path))]
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *pairs])
        evaluate.main()
        return json.loads((tmp_path / "report" / "evaluation.json").read_text())

    return run


def test_judges_the_model_of_the_archive(run):
    report = run()
    assert report["dataset"] == {
        "item_count": 300,
        "start_time": "2013-08-23",
        "end_time": "2013-08-29",
    }
    assert report["binary_classification_metrics"]["auc"]["value"] == 1
    assert report["binary_classification_metrics"]["skill"]["value"] > 0.5


def test_an_archive_that_leaves_its_folder_is_refused(run, tmp_path):
    with pytest.raises(tarfile.OutsideDestinationError):
        run("../model.json")
    assert not (tmp_path / "report").exists()
