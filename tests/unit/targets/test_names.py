from __future__ import annotations

import pytest

from airflow_ml_provider.targets.compile import TARGETS
from airflow_ml_provider.targets.names import deployed_name


@pytest.mark.parametrize("target", TARGETS)
def test_only_sagemaker_takes_no_underscore(target):
    expected = "a-b-c" if target == "sagemaker" else "a_b-c"
    assert deployed_name("a_b-c", target) == expected
