from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline import Condition, Metric, Parameter
from airflow_ml_provider.targets.airflow_conditions import spell_condition


def test_conditions_become_json():
    score = Metric("evaluate", ("binary_classification_metrics", "auc", "value"))
    condition = ((score >= Parameter("least", 0.6)) | ~(score < 0.5)) & (Parameter("force", 0) > 0)
    auc = {"task_id": "evaluate", "metric": ["binary_classification_metrics", "auc", "value"]}
    assert spell_condition(condition) == {
        "all": [
            {
                "any": [
                    {"op": ">=", "left": auc, "right": {"param": "least"}},
                    {"not": {"op": "<", "left": auc, "right": 0.5}},
                ]
            },
            {"op": ">", "left": {"param": "force"}, "right": 0},
        ]
    }


def test_an_unknown_condition_is_refused():
    with pytest.raises(TypeError, match="is no condition"):
        spell_condition(Condition())


def test_a_metric_inside_a_map_is_that_of_the_same_index():
    spelled = spell_condition(Metric("score", ("auc",)) > 0.5, {"score"})
    assert spelled["left"] == {"task_id": "score", "metric": ["auc"], "same_index": True}
