from __future__ import annotations

from itertools import islice

import pytest

from airflow_ml_provider.local.search import points, range_problems


def one(key, low, high, scale="Auto"):
    bounds = {"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scale}
    return {f"{key}ParameterRanges": [bounds]}


def drawn(ranges, count=300, seed=1):
    return [float(point["x"]) for point in islice(points(ranges, "Random", seed), count)]


def test_a_grid_has_every_combination_once_in_order():
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "a", "Values": ["1", "2"]},
            {"Name": "b", "Values": ["x", "y"]},
        ]
    }
    assert list(points(ranges, "Grid", 0)) == [
        {"a": "1", "b": "x"},
        {"a": "1", "b": "y"},
        {"a": "2", "b": "x"},
        {"a": "2", "b": "y"},
    ]


def test_the_same_seed_gives_the_same_points():
    ranges = one("Continuous", "0", "1")
    assert drawn(ranges) == drawn(ranges)
    assert drawn(ranges) != drawn(ranges, seed=2)


def test_a_small_space_is_searched_once():
    ranges = {
        **one("Integer", "1", "3"),
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["x", "y"]}],
    }
    found = [(point["x"], point["b"]) for point in points(ranges, "Bayesian", 3)]
    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize("scale", ["Auto", "Linear", "Logarithmic"])
def test_integers_reach_both_ends(scale):
    values = set(drawn(one("Integer", "2", "9", scale)))
    assert values == set(range(2, 10))


def below(values, bound):
    return sum(value < bound for value in values) / len(values)


@pytest.mark.parametrize(
    ("low", "high", "scale", "middle"),
    [
        ("0.0001", "1", "Logarithmic", 0.01),
        ("0.0001", "1", "Auto", 0.01),
        ("0.5", "1.5", "Auto", 1.0),
        ("-1", "1", "Linear", 0.0),
        ("0.9", "0.999", "ReverseLogarithmic", 0.99),
    ],
)
def test_half_of_the_points_lie_below_the_middle_of_the_scale(low, high, scale, middle):
    values = drawn(one("Continuous", low, high, scale), 1000)
    assert all(float(low) <= value <= float(high) for value in values)
    assert 0.45 < below(values, middle) < 0.55


@pytest.mark.parametrize(
    ("ranges", "strategy", "constraint"),
    [
        (one("Integer", "1", "2"), "Grid", "the strategy Grid takes CategoricalParameterRanges"),
        (one("Integer", "1", "2.5"), "Random", "MinValue and MaxValue must be of type int"),
        (one("Continuous", "a", "2"), "Random", "MinValue and MaxValue must be of type float"),
        (one("Continuous", "3", "2"), "Random", "MinValue must not be above MaxValue"),
        (one("Continuous", "0", "2", "Logarithmic"), "Random", "MinValue must be above 0"),
        (one("Continuous", "0", "1", "ReverseLogarithmic"), "Random", "a ReverseLogarithmic range"),
    ],
)
def test_ranges_that_no_point_can_be_drawn_from(ranges, strategy, constraint):
    ((_, path, said),) = range_problems(ranges, strategy)
    assert said.startswith(constraint)
    assert path.endswith("ParameterRanges.1.member")


def test_good_ranges_have_no_problem():
    ranges = {**one("Integer", "1", "2"), **one("Continuous", "0.1", "0.9", "Logarithmic")}
    assert list(range_problems(ranges, "Random")) == []
