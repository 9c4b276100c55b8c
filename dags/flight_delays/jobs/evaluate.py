"""SageMaker Processing: judge the model on the last week, which it never saw.

Writes SageMaker's model quality report, which the model registry shows:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
Metrics named ``*_best_constant_classifier`` are those of guessing the base rate of train for every
flight; ``skill`` is the part of that guess's log loss which the model saves (1 perfect, 0 useless).
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from sklearn import metrics

DATE = "flight_date"
LABEL = "late"
CURVE_POINTS = 101
# AWS's own rule for standard deviations.
SAMPLES, SAMPLED_PART, FEWEST_ROWS = 5, 0.8, 200
# From this score on a flight counts as predicted late.
THRESHOLD = 0.5


def scores_of(label: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Metrics of labels 0 or 1 and scores between 0 and 1."""
    predicted = score >= THRESHOLD
    return {
        "auc": metrics.roc_auc_score(label, score),
        "log_loss": metrics.log_loss(label, score, labels=[0, 1]),
        "accuracy": metrics.accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted, zero_division=0),
        "recall": metrics.recall_score(label, predicted, zero_division=0),
        "f1": metrics.f1_score(label, predicted, zero_division=0),
    }


def measure(label: np.ndarray, score: np.ndarray, base_rate: float) -> dict[str, float]:
    """Metrics of the model, of the constant guess, and the skill of one over the other."""
    model, constant = scores_of(label, score), scores_of(label, np.full_like(score, base_rate))
    return {
        **model,
        **{f"{name}_best_constant_classifier": value for name, value in constant.items()},
        "skill": 1 - model["log_loss"] / constant["log_loss"],
    }


def standard_deviations(
    label: np.ndarray, score: np.ndarray, base_rate: float
) -> dict[str, float | str]:
    """Spread of each metric over random parts of the data; ``NaN`` where the data is too small."""
    if len(label) < FEWEST_ROWS:
        return dict.fromkeys(measure(label, score, base_rate), "NaN")
    random = np.random.default_rng(0)
    size = int(len(label) * SAMPLED_PART)
    parts = [random.choice(len(label), size, replace=False) for _ in range(SAMPLES)]
    samples = pd.DataFrame([measure(label[part], score[part], base_rate) for part in parts])
    return {
        name: float(value) if np.isfinite(value) else "NaN" for name, value in samples.std().items()
    }


def report(label: np.ndarray, score: np.ndarray, base_rate: float) -> dict[str, Any]:
    """Build ``binary_classification_metrics`` of the model quality report.

    Raises:
        ValueError: all flights are late, or none, so that they can't be ranked.
    """
    if not 0 < label.mean() < 1:
        raise ValueError(f"of {len(label)} test flights {label.sum()} are late: some must, not all")
    deviations = standard_deviations(label, score, base_rate)
    matrix = metrics.confusion_matrix(label, score >= THRESHOLD)
    false_positive, true_positive, _ = metrics.roc_curve(label, score)
    shown = np.unique(np.linspace(0, len(false_positive) - 1, CURVE_POINTS).astype(int))
    return {
        **{
            name: {"value": float(value), "standard_deviation": deviations[name]}
            for name, value in measure(label, score, base_rate).items()
        },
        "confusion_matrix": {
            str(actual): {str(predicted): int(matrix[actual, predicted]) for predicted in (0, 1)}
            for actual in (0, 1)
        },
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": false_positive[shown].tolist(),
            "true_positive_rates": true_positive[shown].tolist(),
        },
    }


def main() -> None:
    """Unpack the model, score the test days, write the report."""
    root = Path("/opt/ml/processing")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=root / "input/model/model.tar.gz")
    parser.add_argument("--data", type=Path, default=root / "input/data")
    parser.add_argument("--output", type=Path, default=root / "output/report")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(args.model) as archive:
            archive.extractall(folder, filter="data")
        booster = xgboost.Booster(model_file=Path(folder, "model.json"))
        base_rate = json.loads(Path(folder, "training.json").read_text())["base_rate"]

    test = pd.read_parquet(args.data / "test.parquet")
    score = booster.predict(xgboost.DMatrix(test.drop(columns=[DATE, LABEL])))
    quality = report(test[LABEL].to_numpy(), score.astype(float), base_rate)
    evaluation = {
        "version": 0.0,
        "dataset": {
            "item_count": len(test),
            "start_time": str(test[DATE].min()),
            "end_time": str(test[DATE].max()),
        },
        "binary_classification_metrics": quality,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    # A number that is not finite would be no JSON, and a gate could not read it.
    (args.output / "evaluation.json").write_text(json.dumps(evaluation, indent=2, allow_nan=False))
    for name in ("auc", "log_loss", "log_loss_best_constant_classifier", "skill"):
        print(f"{name}={quality[name]['value']:.6g};")


if __name__ == "__main__":
    main()
