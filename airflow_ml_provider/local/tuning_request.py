"""What a tuning job asks for: what is refused of it, and the training jobs that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_ml_provider.local.rules import problem
from airflow_ml_provider.local.search import range_problems
from airflow_ml_provider.local.trials import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.local.protocol import Json

DEFINITION = "TrainingJobDefinition"
_WHERE = "hyperParameterTuningJobConfig"
_NOT_HERE = {
    "TrainingJobDefinitions": "one TrainingJobDefinition only",
    "WarmStartConfig": "no warm start",
    "Autotune": "no Autotune",
}
# What a training job's own request does not have.
_OF_THE_SEARCH = {
    *("DefinitionName", "TuningObjective", "HyperParameterRanges", "StaticHyperParameters"),
    *("HyperParameterTuningResourceConfig", "RetryStrategy"),
}


def training_request(request: Json, name: str, hyperparameters: Json) -> Json:
    """Return the request of one training job of a tuning job."""
    definition = request[DEFINITION]
    static = definition.get("StaticHyperParameters", {})
    own = {key: value for key, value in definition.items() if key not in _OF_THE_SEARCH}
    machines = definition.get("HyperParameterTuningResourceConfig")
    if machines:
        chosen = {**machines, **machines.get("InstanceConfigs", [{}])[0]}
        wanted = ("InstanceType", "InstanceCount", "VolumeSizeInGB")
        own["ResourceConfig"] = {key: chosen[key] for key in wanted if key in chosen}
    return {
        **own,
        "TrainingJobName": name,
        "HyperParameters": {**static, **hyperparameters},
        "Tags": request.get("Tags", []),
    }


def request_problems(request: Json) -> list[str]:
    """Return what is refused beyond the service's model."""
    return [problem(*found) for found in _problems(request)]


def _problems(request: Json) -> Iterator[tuple[object, str, str]]:
    for key, what in _NOT_HERE.items():
        if key in request:
            yield key, key[0].lower() + key[1:], f"the local AWS has {what}"
    config, definition = request[CONFIG], request.get(DEFINITION, {})
    strategy, ranges = config["Strategy"], config.get("ParameterRanges", {})
    if not definition:
        yield None, "trainingJobDefinition", "Member must not be null"
    if "MaxNumberOfTrainingJobs" not in config["ResourceLimits"] and strategy != "Grid":
        path = f"{_WHERE}.resourceLimits.maxNumberOfTrainingJobs"
        yield None, path, "Member must not be null"
    yield from _objective_problems(config, definition)
    if not any(ranges.values()) or "AutoParameters" in ranges:
        yield None, f"{_WHERE}.parameterRanges", "ranges to search must be given"
        return
    for value, path, constraint in range_problems(ranges, strategy):
        yield value, f"{_WHERE}.parameterRanges.{path}", constraint
    static = definition.get("StaticHyperParameters", {})
    tuned = [one["Name"] for kind in ranges.values() for one in kind]
    both = sorted({name for name in tuned if name in static or tuned.count(name) > 1})
    if both:
        constraint = "a hyperparameter is either static or has one range"
        yield ", ".join(both), f"{_WHERE}.parameterRanges", constraint


def _objective_problems(config: Json, definition: Json) -> Iterator[tuple[object, str, str]]:
    algorithm = definition.get("AlgorithmSpecification", {})
    metrics = [one["Name"] for one in algorithm.get("MetricDefinitions", ())]
    objective = config.get("HyperParameterTuningJobObjective", {}).get("MetricName")
    if objective not in metrics:
        path = f"{_WHERE}.hyperParameterTuningJobObjective.metricName"
        yield objective, path, f"Member must be one of the metrics [{', '.join(metrics)}]"
