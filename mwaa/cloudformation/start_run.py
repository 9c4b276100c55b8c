"""Starts a DAG run on Amazon MWAA for a new S3 object; trigger.yaml holds this file's text.

An event may come twice, and Lambda tries a failed one again: the run's id is made of the object,
so that each object has one run.
"""

from __future__ import annotations

import hashlib
import os
from http import HTTPStatus
from typing import Any


def start(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Start the run; ``event`` is EventBridge's ``Object Created``."""
    import boto3  # here, as nothing but Lambda needs it

    bucket, found = event["detail"]["bucket"]["name"], event["detail"]["object"]
    if found["key"].endswith("/"):
        return {"run": "", "state": "a folder of S3's console, no object"}
    seen = f"{bucket}/{found['key']}/{found['sequencer']}"
    run_id = f"event__{hashlib.sha256(seen.encode()).hexdigest()[:16]}"
    body: dict[str, Any] = {
        "dag_run_id": run_id,
        "conf": {"uri": f"s3://{bucket}/{found['key']}", "version_id": found.get("version-id", "")},
    }
    if not os.environ["AIRFLOW_VERSION"].startswith("2."):
        body["logical_date"] = None  # 3.x asks for it, 2.x refuses null
    mwaa = boto3.client("mwaa")
    try:
        answer = mwaa.invoke_rest_api(
            Name=os.environ["ENVIRONMENT"],
            Path=f"/dags/{os.environ['DAG_ID']}/dagRuns",
            Method="POST",
            Body=body,
        )
    except mwaa.exceptions.RestApiClientException as error:
        if error.response.get("RestApiStatusCode") == HTTPStatus.CONFLICT:
            return {"run": run_id, "state": "already started"}
        # The error itself does not say what Airflow answered.
        raise RuntimeError(f"Airflow refused: {error.response}") from error
    return {"run": run_id, "state": answer["RestApiResponse"]["state"]}
