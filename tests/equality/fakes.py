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
        self.started: list[Started] = []

    def expect(self, behaviours: Mapping[str, Behaviour]) -> None:
        with self._lock:
            self._behaviours = behaviours
            self.started = []

    def run(self, cloud: Any, job: Any) -> None:
        """Stand in for the runner of processing jobs."""
        request = job.request
        outputs = {
            one["OutputName"]: one["S3Output"]["S3Uri"]
            for one in request["ProcessingOutputConfig"]["Outputs"]
        }
        match = _INDEX.search(outputs[REPORT[0]])
        index = int(match[1]) if match and request["Environment"]["ITEM"] != "none" else None
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
        bucket, prefix = split_uri(outputs[REPORT[0]])
        body = {} if metric is None else {METRIC[0]: {METRIC[1]: metric}}
        cloud.client("s3", job).put_object(
            Bucket=bucket, Key=f"{prefix}{REPORT[1]}", Body=json.dumps(body).encode()
        )
        processing._end(job, "Completed")


@contextmanager
def fake_jobs() -> Iterator[Jobs]:
    """Let processing jobs be fakes; enter it before the local AWS starts."""
    jobs, real = Jobs(), processing._NOUN
    processing._NOUN = replace(real, run=jobs.run)
    try:
        yield jobs
    finally:
        processing._NOUN = real
