"""Which hyperparameters a tuning job tries: all of a grid, or random ones.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html
"""

from __future__ import annotations

import math
from itertools import product
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.local.protocol import Json

Point = dict[str, str]
_NUMBERS = {"IntegerParameterRanges": int, "ContinuousParameterRanges": float}
_CATEGORIES = "CategoricalParameterRanges"
# Draws without a new point before a small space counts as searched.
_MAX_REPEATS = 200
_LOGARITHMIC_FROM = 100
"""Auto takes the logarithmic scale where the bounds differ by more than this factor."""


def points(ranges: Json, strategy: str, seed: int) -> Iterator[Point]:
    """Give what is tried, in order; the same for the same seed. It ends when nothing is left."""
    if strategy == "Grid":
        categories = ranges.get(_CATEGORIES, [])
        for values in product(*(one["Values"] for one in categories)):
            yield {one["Name"]: value for one, value in zip(categories, values, strict=True)}
        return
    random = Random(seed)  # noqa: S311 - no secret
    seen: set[tuple[str, ...]] = set()
    repeats = 0
    while repeats < _MAX_REPEATS:
        point = _drawn(ranges, random)
        key = tuple(point.values())
        if key in seen:
            repeats += 1
            continue
        repeats = 0
        seen.add(key)
        yield point


def range_problems(ranges: Json, strategy: str) -> Iterator[tuple[str, str, str]]:
    """Give (value, path, what it must be) for each range that no point can be drawn from."""
    for key, number in _NUMBERS.items():
        for n, one in enumerate(ranges.get(key, ()), 1):
            path = f"{key[0].lower()}{key[1:]}.{n}.member"
            if strategy == "Grid":
                yield one["Name"], path, "the strategy Grid takes CategoricalParameterRanges only"
                continue
            try:
                low, high = number(one["MinValue"]), number(one["MaxValue"])
            except ValueError:
                bounds = f"{one['MinValue']}, {one['MaxValue']}"
                yield bounds, path, f"MinValue and MaxValue must be of type {number.__name__}"
                continue
            if low > high:
                yield one["MinValue"], path, "MinValue must not be above MaxValue"
            elif one.get("ScalingType") == "Logarithmic" and low <= 0:
                yield one["MinValue"], path, "MinValue must be above 0 on a Logarithmic scale"
            elif one.get("ScalingType") == "ReverseLogarithmic" and not 0 <= low <= high < 1:
                yield one["MinValue"], path, "a ReverseLogarithmic range lies from 0 to below 1"


def _drawn(ranges: Json, random: Random) -> Point:
    point = {
        one["Name"]: _number(one, number, random)
        for key, number in _NUMBERS.items()
        for one in ranges.get(key, ())
    }
    for one in ranges.get(_CATEGORIES, ()):
        point[one["Name"]] = random.choice(one["Values"])
    return point


def _number(given: Json, number: type[int | float], random: Random) -> str:
    low, high = number(given["MinValue"]), number(given["MaxValue"])
    scale = given.get("ScalingType", "Auto")
    share = random.random()
    if scale == "Auto" and 0 < low * _LOGARITHMIC_FROM < high:
        scale = "Logarithmic"
    # Half a step more on each side gives both ends of a range of integers their share.
    edge = 0.5 if number is int else 0.0
    if scale == "Logarithmic":
        low_log, high_log = math.log(max(low - edge, low / 2)), math.log(high + edge)
        drawn = math.exp(low_log + share * (high_log - low_log))
    elif scale == "ReverseLogarithmic":
        low_log, high_log = math.log(1 - low), math.log(1 - high)
        drawn = 1 - math.exp(low_log + share * (high_log - low_log))
    else:
        drawn = low - edge + share * (high - low + 2 * edge)
    value = round(drawn) if number is int else drawn
    return str(min(max(value, low), high))
