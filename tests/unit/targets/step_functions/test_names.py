from __future__ import annotations

import re

from airflow_ml_provider.targets.step_functions.names import Labels, StateNames, keys


def test_each_name_of_a_state_is_given_once_and_short():
    names = StateNames(["train"])
    given = [names.new("train"), names.new("x" * 100), names.new("x" * 100), names.new("other")]
    assert given == ["train (2)", "x" * 80, "x" * 76 + " (2)", "other"]


def test_keys_need_no_quotes():
    found = keys(["a-b", "a_b", "a--b"])
    assert found == {"a-b": "a_b", "a_b": "a_b_2", "a--b": "a__b"}


def test_labels_are_names_of_jobs():
    labels = Labels("flight_delays", ["train", "a_b", "a-b", "evaluate_everything_twice_"])
    assert labels.of("train", 28) == "flight-delays-train"
    short = labels.of("evaluate_everything_twice_", 28)
    assert len(short) <= 28
    assert len({labels.of(one, 40) for one in ("a_b", "a-b")}) == 2
    for label in (short, labels.of("a_b", 19)):
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", label)


def test_a_cut_label_keeps_steps_apart():
    labels = Labels("a_pipeline_with_a_long_name", ["train", "tune"])
    assert labels.of("train", 20) != labels.of("tune", 20)
