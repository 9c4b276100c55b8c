"""SageMaker hyperparameter tuning jobs: real training jobs, and the best of them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHyperParameterTuningJob.html
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from airflow_ml_provider.local import training
from airflow_ml_provider.local.logs import JobLog, LogStream
from airflow_ml_provider.local.protocol import AwsError
from airflow_ml_provider.local.sagemaker_jobs import FAILURE_REASON_CHARS, Noun, find
from airflow_ml_provider.local.sagemaker_jobs import operations as job_operations
from airflow_ml_provider.local.script_mode import OBJECTIVE
from airflow_ml_provider.local.search import points
from airflow_ml_provider.local.store import Job, now, page
from airflow_ml_provider.local.trials import CONFIG, TUNED, Trials
from airflow_ml_provider.local.tuning_request import request_problems, training_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.protocol import Call, Json, Operations
    from airflow_ml_provider.local.search import Point

_POLL_SECONDS = 0.05
_DEFAULT_PAGE = 10
# The service gives up when so many training jobs left nothing to compare.
_MAX_WITHOUT_OBJECTIVE = 5


def operations(cloud: Cloud) -> Operations:
    """Return the operations of tuning jobs."""
    return {
        **job_operations(cloud, _NOUN),
        ("sagemaker", "ListTrainingJobsForHyperParameterTuningJob"): lambda call: _list(
            cloud, call
        ),
    }


def _list(cloud: Cloud, call: Call) -> Json:
    params = call.params
    tuning = find(cloud, _NOUN, call)
    arn = tuning.document[_NOUN.arn]
    started = cloud.store.all("training-job", call.identity)
    trials = Trials(tuning, [job for job in started if job.document.get("TuningJobArn") == arn])
    by = params.get("SortBy", "Name")
    jobs = trials.jobs
    ranks: dict[str, str] = {}
    if by == "FinalObjectiveMetricValue":  # those that left none are not listed then
        ranked = sorted(trials.ranked(), key=lambda one: one[0])
        ranks = {job.name: f"{n:06d}" for n, (_, job) in enumerate(ranked)}
        jobs = [job for _, job in ranked]
    wanted = params.get("StatusEquals")
    fields = {"CreationTime": "CreationTime", "Status": "TrainingJobStatus"}
    found = page(
        [job for job in jobs if wanted in (None, job.document["TrainingJobStatus"])],
        lambda job: ranks.get(job.name) or job.document[fields.get(by, "TrainingJobName")],
        descending=params.get("SortOrder", "Ascending") == "Descending",
        size=params.get("MaxResults", _DEFAULT_PAGE),
        token=params.get("NextToken"),
    )
    summaries = [trials.summary(job) for job in found.jobs]
    return {"TrainingJobSummaries": summaries, "NextToken": found.next_token}


def _created(job: Job) -> Json:
    config = job.request[CONFIG]
    # Its list call tells these two by themselves.
    listed = {"Strategy": config["Strategy"], "ResourceLimits": config["ResourceLimits"]}
    return {**listed, **Trials(job).told()}


def _end(job: Job, status: str, **fields: object) -> None:
    at = now()
    ended = {"HyperParameterTuningJobStatus": status, "HyperParameterTuningEndTime": at}
    job.change(lambda _: {**ended, "LastModifiedTime": at, **fields})


def _fail(job: Job, reason: str) -> None:
    _end(job, "Failed", FailureReason=reason[:FAILURE_REASON_CHARS])


def _run(cloud: Cloud, job: Job) -> None:
    trials = Trials(job)
    path = cloud.work_folder(job) / "log.txt"
    # The service writes no log for it; here one lies beside those of its training jobs.
    stream = LogStream("/aws/sagemaker/TrainingJobs", f"{job.name}-search/local-aws")
    log = JobLog({"stdout": path}, cloud.client("logs", job), {"stdout": stream})
    refusal = None
    with log:
        for text in _lowered(job.request[CONFIG]):
            log.write("stdout", f"[local AWS] {text}")
        try:
            _search(cloud, trials, log)
        except AwsError as error:
            refusal = f"{error.code}: {error.message}"
        _stop_all(cloud, trials)
    if job.stop_requested.is_set():
        _end(job, "Stopped", **trials.told())
        return
    reason = refusal or trials.without_objective()
    if reason or not trials.ranked():
        job.change(lambda _: trials.told())
        _fail(job, reason or "The tuning job ended before its first training job")
    else:
        _end(job, "Completed", **trials.told())


def _lowered(config: Json) -> Iterator[str]:
    """Say what is done otherwise than SageMaker does it."""
    if config["Strategy"] in ("Bayesian", "Hyperband"):
        yield f"the strategy {config['Strategy']} is a random search here"
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield "no training job is stopped early"
    if "ConvergenceDetected" in config.get("TuningJobCompletionCriteria", {}):
        yield "convergence is not detected"


def _search(cloud: Cloud, trials: Trials, log: JobLog) -> None:
    """Start training jobs until all have ended, or until there is a reason to leave it."""
    job = trials.tuning
    config = job.request[CONFIG]
    limits = config["ResourceLimits"]
    deadline = time.monotonic() + limits.get("MaxRuntimeInSeconds", math.inf)
    left = _points(job)
    point = next(left, None)
    while not job.stop_requested.is_set() and time.monotonic() < deadline:
        running = trials.running()
        if trials.without_objective(_MAX_WITHOUT_OBJECTIVE) or _good_enough(trials):
            return
        if point is None and not running:
            return
        if point is not None and len(running) < limits["MaxParallelTrainingJobs"]:
            _start(cloud, trials, point, log)
            full = len(trials.jobs) >= limits.get("MaxNumberOfTrainingJobs", math.inf)
            point = None if full else next(left, None)
        else:
            job.stop_requested.wait(_POLL_SECONDS)
        _tell(trials)


def _tell(trials: Trials) -> None:
    told, document = trials.told(), trials.tuning.document
    if any(document.get(key) != value for key, value in told.items()):
        trials.tuning.change(lambda _: {**told, "LastModifiedTime": now()})


def _points(job: Job) -> Iterator[Point]:
    config = job.request[CONFIG]
    seed = config.get("RandomSeed", int(sha256(job.name.encode()).hexdigest()[:8], 16))
    return points(config.get("ParameterRanges", {}), config["Strategy"], seed)


def _start(cloud: Cloud, trials: Trials, point: Point, log: JobLog) -> None:
    tuning = trials.tuning
    number = len(trials.jobs) + 1
    digest = sha256(f"{tuning.name} {number}".encode()).hexdigest()[:8]
    name = f"{tuning.name}-{number:03d}-{digest}"
    values = {OBJECTIVE: trials.objective["MetricName"], **point}
    request = training_request(tuning.request, name, values)
    job = training.start(cloud, tuning.identity, request)
    arn = tuning.document[_NOUN.arn]
    job.change(lambda _: {"TuningJobArn": arn, TUNED: point})
    trials.jobs.append(job)
    log.write("stdout", f"{name}: {', '.join(f'{key}={value}' for key, value in point.items())}")


def _good_enough(trials: Trials) -> bool:
    """Tell whether the request's completion criteria are met."""
    criteria = trials.tuning.request[CONFIG].get("TuningJobCompletionCriteria", {})
    ranked = trials.ranked()
    if not ranked:
        return False
    value, best = ranked[0]
    target = criteria.get("TargetObjectiveMetricValue")
    largest = trials.objective["Type"] == "Maximize"
    if target is not None and (value >= target if largest else value <= target):
        return True
    patience = criteria.get("BestObjectiveNotImproving", {}).get(
        "MaxNumberOfTrainingJobsNotImproving", math.inf
    )
    later = trials.jobs[trials.jobs.index(best) + 1 :]
    ended = len(later) - len([job for job in later if job in trials.running()])
    return bool(ended >= patience)


def _stop_all(cloud: Cloud, trials: Trials) -> None:
    for job in trials.running():
        with suppress(AwsError):  # it has just ended
            training.stop(cloud, job)
    while trials.running():
        time.sleep(_POLL_SECONDS)


_NOUN = Noun(
    title="HyperParameterTuningJob",
    resource="hyper-parameter-tuning-job",
    words="tuning job",
    summary=(
        *("HyperParameterTuningJobName", "HyperParameterTuningJobArn", "Strategy"),
        *("HyperParameterTuningJobStatus", "CreationTime", "HyperParameterTuningEndTime"),
        *("LastModifiedTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters"),
        "ResourceLimits",
    ),
    problems=request_problems,
    create=_created,
    stopping=lambda _: {"LastModifiedTime": now()},
    run=_run,
    fail=_fail,
    waits=True,
)
