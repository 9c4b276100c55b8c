"""The training jobs of a tuning job, and what they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_ml_provider.local.sagemaker_jobs import ENDED

if TYPE_CHECKING:
    from airflow_ml_provider.local.protocol import Json
    from airflow_ml_provider.local.store import Job

CONFIG = "HyperParameterTuningJobConfig"
TUNED = "TunedHyperParameters"
"""The field of a training job's document that holds what was drawn for it."""
_SUMMARY = (
    *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime"),
    *("TrainingJobStatus", "FailureReason", TUNED),
)


@dataclass(frozen=True)
class Trials:
    """The training jobs of a tuning job, in the order of their start."""

    tuning: Job
    jobs: list[Job] = field(default_factory=list)

    @property
    def objective(self) -> Json:
        """Its type and the name of its metric."""
        return dict(self.tuning.request[CONFIG]["HyperParameterTuningJobObjective"])

    def running(self) -> list[Job]:
        """Return those that have not ended."""
        return [job for job in self.jobs if job.document["TrainingJobStatus"] not in ENDED]

    def value(self, job: Job) -> float | None:
        """Return the objective of a training job, once it has completed."""
        document = job.document
        if document["TrainingJobStatus"] != "Completed":
            return None
        metrics = {
            one["MetricName"]: float(one["Value"])
            for one in document.get("FinalMetricDataList", ())
        }
        return metrics.get(self.objective["MetricName"])

    def ranked(self) -> list[tuple[float, Job]]:
        """Return those that have an objective with it, the best first, the earlier of equals."""
        values = [(self.value(job), job) for job in self.jobs]
        known = [(value, job) for value, job in values if value is not None]
        largest = self.objective["Type"] == "Maximize"
        return sorted(known, key=lambda one: one[0], reverse=largest)

    def summary(self, job: Job) -> Json:
        """Return what the API tells of one training job."""
        document = job.document
        value = self.value(job)
        ended = document["TrainingJobStatus"] in ENDED
        found = {**self.objective, "Value": value}
        return {
            **{key: document[key] for key in _SUMMARY if key in document},
            "TuningJobName": self.tuning.name,
            "ObjectiveStatus": "Pending"
            if not ended
            else "Failed"
            if value is None
            else "Succeeded",
            **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": found}),
        }

    def told(self) -> Json:
        """Return what Describe of the tuning job says of them."""
        statuses = [job.document["TrainingJobStatus"] for job in self.jobs]
        objectives = [self.summary(job)["ObjectiveStatus"] for job in self.jobs]
        ranked = self.ranked()
        return {
            "TrainingJobStatusCounters": {
                "Completed": statuses.count("Completed"),
                "InProgress": statuses.count("InProgress") + statuses.count("Stopping"),
                "RetryableError": 0,
                "NonRetryableError": statuses.count("Failed"),
                "Stopped": statuses.count("Stopped"),
            },
            "ObjectiveStatusCounters": {
                word: objectives.count(word) for word in ("Succeeded", "Pending", "Failed")
            },
            **({"BestTrainingJob": self.summary(ranked[0][1])} if ranked else {}),
        }

    def without_objective(self, at_least: int = 1) -> str | None:
        """Return why there is nothing to compare once so many have ended, if there is nothing."""
        ended = [job for job in self.jobs if job.document["TrainingJobStatus"] in ENDED]
        if len(ended) < at_least or self.ranked():
            return None
        if all(job.document["TrainingJobStatus"] == "Failed" for job in ended):
            return (
                "All training jobs failed. Please take a look at the training jobs failures to get "
                f"more details. The first: {ended[0].document.get('FailureReason')}"
            )
        return (
            f"No objective metrics found after running {len(ended)} training jobs. Please ensure "
            "that the custom algorithm is emitting the objective metric as defined by the regular "
            "expression provided."
        )
