"""SageMaker training: boosted trees that say how likely a flight arrives late.

Follows script mode: hyperparameters are arguments, data lies in the folders ``SM_CHANNEL_*``, what
is written to ``SM_MODEL_DIR`` becomes model.tar.gz. The last lines it prints are its metrics.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import xgboost

DATE = "flight_date"
LABEL = "late"


def matrix(flights: pd.DataFrame) -> xgboost.DMatrix:
    """Every column but date and label is a feature."""
    return xgboost.DMatrix(flights.drop(columns=[DATE, LABEL]), label=flights[LABEL])


def fit(
    train: pd.DataFrame, validation: pd.DataFrame, options: argparse.Namespace
) -> tuple[xgboost.Booster, dict[str, float]]:
    """Boost until validation gets no better; return the best rounds and their metrics.

    The test days take no part in this, so they still judge a model that never saw them.
    """
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        {
            "objective": "binary:logistic",
            # Early stopping watches the last one.
            "eval_metric": ["auc", "logloss"],
            "tree_method": "hist",
            "max_depth": options.max_depth,
            "eta": options.eta,
            "min_child_weight": options.min_child_weight,
            "subsample": options.subsample,
            "colsample_bytree": options.colsample_bytree,
            "seed": options.seed,
        },
        matrix(train),
        num_boost_round=options.num_round,
        evals=[(matrix(validation), "validation")],
        early_stopping_rounds=options.early_stopping_rounds,
        evals_result=history,
        verbose_eval=25,
    )
    best = booster.best_iteration
    metrics = {f"validation-{name}": values[best] for name, values in history["validation"].items()}
    return booster[: best + 1], {**metrics, "rounds": best + 1}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--max_depth", type=int, default=4)
    parser.add_argument("--eta", type=float, default=0.1)
    parser.add_argument("--num_round", type=int, default=300)
    parser.add_argument("--early_stopping_rounds", type=int, default=30)
    parser.add_argument("--min_child_weight", type=float, default=1)
    parser.add_argument("--subsample", type=float, default=0.8)
    parser.add_argument("--colsample_bytree", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    for channel in ("train", "validation"):
        folder = os.environ.get(f"SM_CHANNEL_{channel.upper()}", f"/opt/ml/input/data/{channel}")
        parser.add_argument(f"--{channel}", type=Path, default=Path(folder))
    parser.add_argument(
        "--model_dir", type=Path, default=Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    )
    return parser.parse_args()


def main() -> None:
    """Train, print the metrics, save the model and what is needed to score and to judge it."""
    args = _arguments()
    train = pd.read_parquet(args.train / "train.parquet")
    validation = pd.read_parquet(args.validation / "validation.parquet")
    booster, metrics = fit(train, validation, args)
    for name, value in metrics.items():
        print(f"{name}={value:.6g};")

    args.model_dir.mkdir(parents=True, exist_ok=True)
    booster.save_model(args.model_dir / "model.json")
    shutil.copy(args.train / "encoding.json", args.model_dir)
    training = {
        # What the best guess without a model would be: later days are judged against it.
        "base_rate": float(train[LABEL].mean()),
        "flights": len(train),
        "first_date": str(train[DATE].min()),
        "last_date": str(train[DATE].max()),
    }
    (args.model_dir / "training.json").write_text(json.dumps(training, indent=2))


if __name__ == "__main__":
    main()
