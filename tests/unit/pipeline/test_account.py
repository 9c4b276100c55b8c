from __future__ import annotations

import pytest

from airflow_ml_provider.pipeline.account import Account, configured


def test_options_of_a_configuration():
    given = {
        "role_arn": "role",
        "subnets": "a, b,",
        "tags": '{"team": "ml", "cost": 1}',
        "kms_key_id": "",
    }
    assert configured(given.get) == Account(
        role_arn="role", subnets=("a", "b"), tags={"team": "ml", "cost": "1"}
    )
    assert configured(lambda _: None) == Account()


@pytest.mark.parametrize("tags", ["team=ml", "[1]", "1"])
def test_tags_are_an_object(tags):
    with pytest.raises(ValueError, match="tags must be a JSON object, not"):
        configured({"tags": tags}.get)
