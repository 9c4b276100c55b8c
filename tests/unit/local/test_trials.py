from __future__ import annotations

import pytest

from airflow_ml_provider.local.protocol import Identity
from airflow_ml_provider.local.store import Job
from airflow_ml_provider.local.trials import Trials
from airflow_ml_provider.local.tuning_request import request_problems, training_request

IDENTITY = Identity("123456789012", "eu-central-1", "key")
NOTHING = "No objective metrics found after running"


def tuning(kind="Maximize"):
    objective = {"Type": kind, "MetricName": "auc"}
    config = {"HyperParameterTuningJobObjective": objective}
    return Job("tuning", "t", IDENTITY, {"HyperParameterTuningJobConfig": config})


def trial(name, status="Completed", value=None, reason=None):
    job = Job("training-job", name, IDENTITY, {})
    metrics = [] if value is None else [{"MetricName": "auc", "Value": value}]
    document = {"TrainingJobName": name, "TrainingJobStatus": status, "FailureReason": reason}
    job.change(lambda _: {**document, "FinalMetricDataList": metrics, "TunedHyperParameters": {}})
    return job


@pytest.mark.parametrize(("kind", "best"), [("Maximize", "b"), ("Minimize", "a")])
def test_the_best_is_the_first_of_equals(kind, best):
    jobs = [trial("a", value=1.0), trial("b", value=3.0), trial("c", value=3.0)]
    jobs += [trial("d", "InProgress", 9.0), trial("e", "Failed"), trial("f", value=None)]
    trials = Trials(tuning(kind), jobs)
    told = trials.told()
    assert told["BestTrainingJob"]["TrainingJobName"] == best
    assert told["TrainingJobStatusCounters"] == {
        "Completed": 4,
        "InProgress": 1,
        "RetryableError": 0,
        "NonRetryableError": 1,
        "Stopped": 0,
    }
    assert told["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 1, "Failed": 2}
    assert trials.running() == [jobs[3]]
    assert trials.without_objective() is None


def test_nothing_to_compare():
    assert Trials(tuning()).without_objective() is None
    assert "BestTrainingJob" not in Trials(tuning()).told()
    failed = [trial("a", "Failed", reason="no data"), trial("b", "Failed")]
    assert Trials(tuning(), failed).without_objective(3) is None
    assert Trials(tuning(), failed).without_objective().endswith("The first: no data")
    mute = Trials(tuning(), [*failed, trial("c")])
    assert mute.without_objective().startswith(f"{NOTHING} 3 training jobs.")


def request(**fields):
    return {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "x", "Values": ["a"]}]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"MetricDefinitions": [{"Name": "auc", "Regex": "x"}]},
            "StaticHyperParameters": {"rounds": "3"},
        },
        **fields,
    }


def test_a_good_request():
    assert request_problems(request()) == []


def test_what_the_local_aws_does_not_have():
    problems = request_problems(request(WarmStartConfig={}, Autotune={"Mode": "Enabled"}))
    assert [problem.partition("constraint: ")[2] for problem in problems] == [
        "the local AWS has no warm start",
        "the local AWS has no Autotune",
    ]


def test_what_is_missing():
    config = {"Strategy": "Random", "ResourceLimits": {}}
    problems = request_problems({"HyperParameterTuningJobConfig": config})
    assert [problem.split("'")[1] for problem in problems] == [
        "trainingJobDefinition",
        "hyperParameterTuningJobConfig.resourceLimits.maxNumberOfTrainingJobs",
        "hyperParameterTuningJobConfig.hyperParameterTuningJobObjective.metricName",
        "hyperParameterTuningJobConfig.parameterRanges",
    ]


def test_a_training_job_of_it():
    machines = {"InstanceConfigs": [{"InstanceType": "ml.m5.large", "InstanceCount": 2}]}
    given = request(Tags=[{"Key": "a", "Value": "b"}])
    given["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] = machines
    given["TrainingJobDefinition"]["DefinitionName"] = "d"
    made = training_request(given, "t-001", {"x": "a"})
    assert made["HyperParameters"] == {"rounds": "3", "x": "a"}
    assert made["ResourceConfig"] == {"InstanceType": "ml.m5.large", "InstanceCount": 2}
    assert made["Tags"] == [{"Key": "a", "Value": "b"}]
    assert not {"DefinitionName", "StaticHyperParameters"} & made.keys()
