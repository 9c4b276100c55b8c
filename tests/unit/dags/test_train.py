from __future__ import annotations

import datetime as dt
import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import xgboost


@pytest.fixture(scope="module")
def train(load_script):
    return load_script("jobs/train.py")


def flights(rows, seed, first):
    random = np.random.default_rng(seed)
    wind, temp = random.normal(size=(2, rows))
    late = (wind + random.normal(size=rows) > 1).astype(int)
    days = [first + dt.timedelta(days=n * 20 // rows) for n in range(rows)]
    return pd.DataFrame({"flight_date": days, "late": late, "wind_speed": wind, "temp": temp})


@pytest.fixture
def run(train, monkeypatch, tmp_path):
    parts = {
        "train": flights(600, 1, dt.date(2013, 7, 1)),
        "validation": flights(200, 2, dt.date(2013, 7, 21)),
    }
    for name, part in parts.items():
        (tmp_path / name).mkdir()
        part.to_parquet(tmp_path / name / f"{name}.parquet")
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(tmp_path / name))
    (tmp_path / "train" / "encoding.json").write_text('{"carrier": ["UA"]}')

    def run(model, *hyperparameters):
        monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / model))
        monkeypatch.setattr(sys, "argv", ["train.py", *hyperparameters])
        train.main()
        return tmp_path / model

    return run


def test_saves_the_best_rounds_and_what_scoring_needs(run, capsys, tmp_path):
    model = run("model", "--max_depth", "3", "--num_round", "200")
    printed = capsys.readouterr().out
    found = {
        name: float(re.search(rf"{name}=([0-9.]+);", printed)[1])
        for name in ("validation-auc", "validation-logloss", "rounds")
    }
    booster = xgboost.Booster(model_file=model / "model.json")
    assert booster.num_boosted_rounds() == found["rounds"] < 200
    assert booster.feature_names == ["wind_speed", "temp"]
    assert 0.7 < found["validation-auc"] < 1
    assert (model / "encoding.json").read_text() == '{"carrier": ["UA"]}'
    labels = pd.read_parquet(tmp_path / "train" / "train.parquet").late
    assert json.loads((model / "training.json").read_text()) == {
        "base_rate": labels.mean(),
        "flights": 600,
        "first_date": "2013-07-01",
        "last_date": "2013-07-20",
    }


def test_the_same_data_gives_the_same_model(run):
    one, two = run("one"), run("two")
    assert (one / "model.json").read_bytes() == (two / "model.json").read_bytes()


def test_an_unknown_hyperparameter_is_refused(run, capsys):
    with pytest.raises(SystemExit):
        run("model", "--max_dept", "3")
    assert "--max_dept" in capsys.readouterr().err
