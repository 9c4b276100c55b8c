"""A local AWS whose processing jobs end at once, as they were told to."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from behaviour import ALWAYS
from meaning import started

from airflow_ml_provider.local import processing
from airflow_ml_provider.local.protocol import AwsError
from airflow_ml_provider.local.s3 import split_uri

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from behaviour import Behaviour, Started

_INDEX = re.compile(r"/(\d+)/[^/]+/$")
METRIC = ("metrics", "value")
REPORT = ("report", "report.json")


class Jobs:
    """What ran since the last `expect`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._behaviours: Mapping[str, Behaviour] = {}
        self._refused: dict[tuple[str, int | None], int] = {}
        self.started: list[Started] = []

    def expect(self, behaviours: Mapping[str, Behaviour]) -> None:
        with self._lock:
            self._behaviours = behaviours
            self._refused = {}
            self.started = []

    def problems(self, request: Any) -> list[str]:
        """Stand in for what the service refuses: some calls are throttled."""
        step, index = request["Environment"]["STEP"], _index(request)
        with self._lock:
            refused = self._refused.get((step, index), 0)
            if refused < self._behaviours[step].refusals:
                self._refused[step, index] = refused + 1
                raise AwsError("ThrottlingException", "Rate exceeded")
        return []

    def run(self, cloud: Any, job: Any) -> None:
        """Stand in for the runner of processing jobs."""
        request = job.request
        index = _index(request)
        one = started(request, index)
        with self._lock:
            behaviour = self._behaviours[one.step]
            tries = sum((o.step, o.index) == (one.step, index) for o in self.started)
            self.started.append(one)
        failing = behaviour.failing(index)
        if failing == ALWAYS or tries < failing:
            processing._end(job, "Failed", FailureReason=f"AlgorithmError: try {tries} fails")
            return
        metric = behaviour.metric(index)
        bucket, prefix = split_uri(_outputs(request)[REPORT[0]])
        body = {} if metric is None else {METRIC[0]: {METRIC[1]: metric}}
        cloud.client("s3", job).put_object(
            Bucket=bucket, Key=f"{prefix}{REPORT[1]}", Body=json.dumps(body).encode()
        )
        processing._end(job, "Completed")


def _outputs(request: Any) -> dict[str, str]:
    return {
        one["OutputName"]: one["S3Output"]["S3Uri"]
        for one in request["ProcessingOutputConfig"]["Outputs"]
    }


def _index(request: Any) -> int | None:
    if request["Environment"]["ITEM"] == "none":
        return None
    match = _INDEX.search(_outputs(request)[REPORT[0]])
    assert match, request
    return int(match[1])


@contextmanager
def fake_jobs() -> Iterator[Jobs]:
    """Let processing jobs be fakes; enter it before the local AWS starts."""
    jobs, real = Jobs(), processing._NOUN
    processing._NOUN = replace(real, run=jobs.run, problems=jobs.problems)
    try:
        yield jobs
    finally:
        processing._NOUN = real
