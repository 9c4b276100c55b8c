"""Starts the run of one data interval; CloudFormation puts this file into a Lambda function.

``event`` is ``{"time": "2013-08-30T00:00:00Z"}``: when the interval ended. Whatever comes twice
starts once.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import os
from datetime import datetime, timedelta, timezone
from typing import Any


def start(event: dict[str, Any], _context: object) -> dict[str, str]:
    """Start the state machine or the SageMaker pipeline that the environment names."""
    import boto3  # here, as the compiler imports none

    end = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).astimezone(timezone.utc)
    begin = before(end, int(os.environ["SECONDS"]), int(os.environ["MONTHS"]))
    key = begin.strftime("%Y%m%dT%H%M%S")
    interval = {
        "data_interval_start": begin.isoformat(),
        "data_interval_end": end.isoformat(),
    }
    if "STATE_MACHINE" in os.environ:
        client = boto3.client("stepfunctions")
        try:
            answer = client.start_execution(
                stateMachineArn=os.environ["STATE_MACHINE"], name=key, input=json.dumps(interval)
            )
        except client.exceptions.ExecutionAlreadyExists:
            return {"run": key, "execution": "already started"}
        return {"run": key, "execution": answer["executionArn"]}
    pipeline = os.environ["PIPELINE"]
    known = {"run_key": key, "run_date": begin.strftime("%Y-%m-%d"), **interval}
    wanted = os.environ["PARAMETERS"].split()
    answer = boto3.client("sagemaker").start_pipeline_execution(
        PipelineName=pipeline,
        PipelineExecutionDisplayName=key,
        PipelineParameters=[{"Name": name, "Value": known[name]} for name in wanted],
        ClientRequestToken=hashlib.sha256(f"{pipeline} {key}".encode()).hexdigest(),
    )
    return {"run": key, "execution": answer["PipelineExecutionArn"]}


def before(end: datetime, seconds: int, months: int) -> datetime:
    """Give the moment so much earlier; a day that the month lacks becomes its last."""
    year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
    day = min(end.day, calendar.monthrange(year, month + 1)[1])
    return end.replace(year=year, month=month + 1, day=day) - timedelta(seconds=seconds)
