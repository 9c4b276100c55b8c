from __future__ import annotations

import pytest

from airflow_ml_provider.factories.condition import spell_condition
from airflow_ml_provider.pipeline import Condition, Metric, Parameter


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
