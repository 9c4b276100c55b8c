from __future__ import annotations

import json
from datetime import datetime, timezone

from airflow_ml_provider.jobs.result import picked


def test_takes_the_fields_that_are_there_without_times():
    now = datetime.now(timezone.utc)
    answer = {
        "Arn": "arn",
        "Metrics": [{"Name": "auc", "Value": 0.7, "Timestamp": now}],
        "Nothing": None,
        "Other": 1,
    }
    result = picked(answer, ("Arn", "Metrics", "Nothing", "Missing"))
    assert result == {"Arn": "arn", "Metrics": [{"Name": "auc", "Value": 0.7}]}
    json.dumps(result)
