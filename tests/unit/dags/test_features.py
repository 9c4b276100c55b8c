from __future__ import annotations

import datetime as dt
import json
import sys

import numpy as np
import pandas as pd
import pytest

AFTER_DEPARTURE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}
LAST = dt.date(2013, 8, 29)


@pytest.fixture(scope="module")
def features(load_script):
    return load_script("jobs/features.py")


@pytest.fixture
def window(features):
    """35 days of four flights each."""
    days = [LAST - dt.timedelta(days=n) for n in range(34, -1, -1) for _ in range(4)]
    numbers = np.random.default_rng(0).normal(size=(len(days), len(features.NUMBERS)))
    return pd.DataFrame(numbers, columns=list(features.NUMBERS)).assign(
        flight_date=days,
        flight=range(len(days)),
        carrier=["UA", "AA", "B6", "DL"] * 35,
        origin="EWR",
        dest="IAH",
        late=[0, 0, 0, 1] * 35,
    )


def run(features, monkeypatch, window, folder):
    (folder / "window").mkdir(parents=True)
    window.to_parquet(folder / "window" / "part-00000-abc.snappy.parquet")
    argv = ["features.py", "--input", str(folder / "window"), "--output", str(folder / "output")]
    monkeypatch.setattr(sys, "argv", argv)
    features.main()
    return folder / "output"


def test_parts_follow_each_other_by_date(features, window):
    parts = features.split(window)
    spans = {name: (part.flight_date.min(), part.flight_date.max()) for name, part in parts.items()}
    assert spans == {
        "train": (dt.date(2013, 7, 26), dt.date(2013, 8, 15)),
        "validation": (dt.date(2013, 8, 16), dt.date(2013, 8, 22)),
        "test": (dt.date(2013, 8, 23), LAST),
    }
    assert sum(map(len, parts.values())) == len(window)


def test_a_window_without_a_day_to_train_is_refused(features, window):
    short = window[window.flight_date > LAST - dt.timedelta(days=14)]
    with pytest.raises(ValueError, match="starts on 2013-08-16 and leaves no day to train"):
        features.split(short)


def test_nothing_known_only_after_departure_is_a_feature(features):
    assert AFTER_DEPARTURE.isdisjoint(features.FEATURES)
    assert features.LABEL not in features.FEATURES


def test_only_date_label_and_features_are_written(features, window, monkeypatch, tmp_path):
    output = run(features, monkeypatch, window.assign(dep_delay=1, arr_delay=2), tmp_path)
    for name in ("train", "validation", "test"):
        columns = set(pd.read_parquet(output / name / f"{name}.parquet").columns)
        assert columns == {"flight_date", "late", *features.FEATURES}


def test_categories_are_learned_from_train_alone(features, window, monkeypatch, tmp_path):
    window.loc[window.index[-1], "carrier"] = "ZZ"
    output = run(features, monkeypatch, window, tmp_path)
    encoding = json.loads((output / "train" / "encoding.json").read_text())
    assert encoding == {"carrier": ["AA", "B6", "DL", "UA"], "origin": ["EWR"], "dest": ["IAH"]}
    codes = pd.read_parquet(output / "test" / "test.parquet").carrier
    assert codes.tolist() == [3, 0, 1, 2] * 6 + [3, 0, 1, -1]


def test_the_same_window_gives_the_same_bytes(features, window, monkeypatch, tmp_path):
    files = [
        {file.name: file.read_bytes() for file in output.rglob("*.*")}
        for name in ("one", "two")
        if (output := run(features, monkeypatch, window, tmp_path / name))
    ]
    expected = {"train.parquet", "encoding.json", "validation.parquet", "test.parquet"}
    assert files[0].keys() == expected
    assert files[0] == files[1]
