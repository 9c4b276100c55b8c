"""SageMaker Processing: split the window by date into train, validation and test.

The past trains and the days after it judge: the last week is the test, the week before it tells
training when to stop, the rest is train. Whatever is learned here is learned from train alone.
"""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path

import pandas as pd

DATE = "flight_date"
LABEL = "late"
CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = (
    "departure_minute",
    "arrival_minute",
    "day_of_week",
    "distance",
    "plane_age_years",
    "seats",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
FEATURES = CATEGORIES + NUMBERS


def split(
    window: pd.DataFrame, *, validation_days: int = 7, test_days: int = 7
) -> dict[str, pd.DataFrame]:
    """Cut the window into ``train``, ``validation`` and ``test``, oldest days first.

    Raises:
        ValueError: the window is too short for both weeks and at least a day of train.
    """
    days = pd.to_datetime(window[DATE])
    test_start = days.max() - timedelta(days=test_days - 1)
    validation_start = test_start - timedelta(days=validation_days)
    if not days.min() < validation_start:
        raise ValueError(
            f"the window starts on {days.min():%Y-%m-%d} and leaves no day to train before "
            f"{validation_start:%Y-%m-%d}; mend: a longer window, or fewer validation or test days"
        )
    return {
        "train": window[days < validation_start],
        "validation": window[(days >= validation_start) & (days < test_start)],
        "test": window[days >= test_start],
    }


def learn_encoding(train: pd.DataFrame) -> dict[str, list[str]]:
    """List the values that train has of each category; a value's position is its code."""
    return {name: sorted(train[name].unique()) for name in CATEGORIES}


def encode(flights: pd.DataFrame, encoding: dict[str, list[str]]) -> pd.DataFrame:
    """Keep date, label and features; a category that train never saw becomes -1."""
    codes = {
        name: flights[name].map({value: code for code, value in enumerate(values)}).fillna(-1)
        for name, values in encoding.items()
    }
    small = dict.fromkeys(CATEGORIES, "int16")
    return flights[[DATE, LABEL, *FEATURES]].assign(**codes).astype(small)


def main() -> None:
    """Read the window, write the three parts and beside train the encoding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", type=Path, default=Path("/opt/ml/processing/input/window"))
    parser.add_argument("--output", type=Path, default=Path("/opt/ml/processing/output"))
    parser.add_argument("--validation_days", type=int, default=7)
    parser.add_argument("--test_days", type=int, default=7)
    args = parser.parse_args()

    window = pd.read_parquet(args.input)
    parts = split(window, validation_days=args.validation_days, test_days=args.test_days)
    encoding = learn_encoding(parts["train"])
    for name, flights in parts.items():
        folder = args.output / name
        folder.mkdir(parents=True, exist_ok=True)
        encode(flights, encoding).to_parquet(folder / f"{name}.parquet", index=False)
        dates, rate = flights[DATE], flights[LABEL].mean()
        print(f"{name}: {len(flights)} flights, {dates.min()} to {dates.max()}, {rate:.4f} late")
    (args.output / "train" / "encoding.json").write_text(json.dumps(encoding, indent=2))


if __name__ == "__main__":
    main()
