"""A tuning step as a request of SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.pipeline.model_steps import CategoricalRange, ContinuousRange, IntegerRange
from airflow_ml_provider.pipeline.values import Text
from airflow_ml_provider.plan.place import merged, present
from airflow_ml_provider.plan.sagemaker import training_job

if TYPE_CHECKING:
    from airflow_ml_provider.pipeline.model_steps import Tuning
    from airflow_ml_provider.plan.nodes import Json
    from airflow_ml_provider.plan.place import Place

# What the service takes for a limit of the whole search.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceLimits.html
MIN_SECONDS = 120
_KINDS = {
    "ContinuousParameterRanges": ContinuousRange,
    "IntegerParameterRanges": IntegerRange,
    "CategoricalParameterRanges": CategoricalRange,
}


def tuning_request(step: Tuning, place: Place) -> Json:
    """Give the ``CreateHyperParameterTuningJob`` request, without its job name."""
    definition = training_job(step, place)
    definition["StaticHyperParameters"] = definition.pop("HyperParameters")
    tags = definition.pop("Tags", None)
    # A grid has as many jobs as combinations; the service refuses any other number.
    jobs = {} if step.strategy == "Grid" else {"MaxNumberOfTrainingJobs": step.max_jobs}
    request = {
        "HyperParameterTuningJobConfig": {
            "Strategy": step.strategy,
            "HyperParameterTuningJobObjective": {
                "Type": step.objective_type,
                "MetricName": step.objective,
            },
            "ResourceLimits": {
                **jobs,
                "MaxParallelTrainingJobs": step.parallel_jobs,
                "MaxRuntimeInSeconds": step.timeout_seconds,
            },
            "ParameterRanges": _ranges(step),
        },
        "TrainingJobDefinition": definition,
        **present(Tags=tags),
    }
    return merged(request, step.overrides)


def _ranges(step: Tuning) -> dict[str, Any]:
    return present(
        **{
            key: [_range(name, one) for name, one in step.ranges.items() if isinstance(one, wanted)]
            for key, wanted in _KINDS.items()
        }
    )


def _range(name: str, given: ContinuousRange | IntegerRange | CategoricalRange) -> Json:
    if isinstance(given, CategoricalRange):
        return {"Name": name, "Values": [_text(value) for value in given.values]}
    return {
        "Name": name,
        "MinValue": _text(given.min_value),
        "MaxValue": _text(given.max_value),
        "ScalingType": given.scaling_type,
    }


def _text(value: Any) -> Any:
    # The API wants strings; a value of the run becomes one where it is spelled.
    return str(value) if isinstance(value, (str, int, float)) else Text.of(value)
