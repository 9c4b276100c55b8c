"""The AWS requests of each step, literally."""

from __future__ import annotations

from airflow_ml_provider.pipeline import (
    Account,
    EmrServerless,
    Evaluation,
    Glue,
    Metric,
    Notify,
    Output,
    Parameter,
    Processing,
    RegisterModel,
    RemoteJob,
    Run,
    SparkTransform,
    Text,
    Training,
)
from airflow_ml_provider.pipeline.values import Code, Token
from airflow_ml_provider.plan.build import job
from airflow_ml_provider.plan.calls import notify_call, register_call
from airflow_ml_provider.plan.place import Place, as_texts, merged, present, with_texts

ROLE = "arn:aws:iam::123456789012:role/ml"
ACCOUNT = Account(
    role_arn=ROLE,
    kms_key_id="key",
    subnets=("subnet-1",),
    security_group_ids=("sg-1",),
    tags={"team": "ml"},
)
BARE = Place(Account(role_arn=ROLE), "p-", {})
FULL = Place(ACCOUNT, "p-", {})
MODEL = Training(
    "train", script="jobs/train.py", image_uri="image", inputs={"train": "s3://lake/train/"}
)


def test_glue():
    step = SparkTransform(
        "daily",
        script="jobs/daily.py",
        on=Glue(workers=4, definition={"Command": {"PythonVersion": "3.9"}}),
        inputs={"flights": "s3://lake/f/"},
        arguments={"days": 35},
        modules=("jobs/a.py", "jobs/b.py"),
        conf={"spark.b": "2", "spark.a": "1"},
        timeout_seconds=61,
        overrides={"ExecutionClass": "FLEX"},
    )
    node = job(step, FULL)
    script = Code(("jobs/daily.py",), "file")
    assert node.kind == "glue"
    assert node.request == {
        "JobName": "p-daily",
        "Definition": {
            "Role": ROLE,
            "Command": {"Name": "glueetl", "ScriptLocation": script, "PythonVersion": "3.9"},
            "GlueVersion": "5.0",
            "WorkerType": "G.1X",
            "NumberOfWorkers": 4,
            "ExecutionProperty": {"MaxConcurrentRuns": 20},
            "Tags": {"team": "ml"},
        },
        "Arguments": {
            "--scriptLocation": script,
            "--extra-py-files": Text.of(
                Code(("jobs/a.py",), "file"), ",", Code(("jobs/b.py",), "file")
            ),
            "--conf": "spark.a=1 --conf spark.b=2",
            "--enable-continuous-cloudwatch-log": "true",
            "--flights": "s3://lake/f/",
            "--output": Output("daily", "output"),
            "--days": "35",
        },
        "WorkerType": "G.1X",
        "NumberOfWorkers": 4,
        "Timeout": 2,
        "ExecutionClass": "FLEX",
    }


def test_emr_serverless():
    step = SparkTransform(
        "daily",
        script="jobs/daily.py",
        on=EmrServerless("00abc"),
        inputs={"flights": "s3://lake/f/"},
        modules=("jobs/a.py",),
        conf={"spark.a": "1"},
    )
    node = job(step, FULL)
    assert node.kind == "emr_serverless"
    assert node.request == {
        "applicationId": "00abc",
        "executionRoleArn": ROLE,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": Code(("jobs/daily.py",), "file"),
                "entryPointArguments": [
                    "--flights",
                    "s3://lake/f/",
                    "--output",
                    Output("daily", "output"),
                ],
                "sparkSubmitParameters": Text.of(
                    "--conf spark.a=1 ", "--py-files ", Text.of(Code(("jobs/a.py",), "file"))
                ),
            }
        },
        "configurationOverrides": {
            "monitoringConfiguration": {
                "cloudWatchLoggingConfiguration": {
                    "enabled": True,
                    "logGroupName": "/aws/emr-serverless",
                }
            }
        },
        "executionTimeoutMinutes": 60,
        "tags": {"team": "ml"},
    }
    plain = SparkTransform("d", script="d.py", on=EmrServerless("a"), conf={"x": "1", "y": "2"})
    submit = job(plain, BARE).request["jobDriver"]["sparkSubmit"]
    assert submit["sparkSubmitParameters"] == "--conf x=1 --conf y=2"


def test_processing():
    step = Processing(
        "features",
        script="jobs/features.py",
        image_uri="image",
        inputs={"window": "s3://lake/w/"},
        outputs=("train",),
        arguments={"days": 7},
        modules=("jobs/common.py",),
        environment={"A": "b"},
        overrides={"ProcessingResources": {"ClusterConfig": {"InstanceCount": 2}}},
    )
    node = job(step, FULL)
    assert node.kind == "sagemaker_processing"
    assert node.request == {
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": "image",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/features.py"],
            "ContainerArguments": ["--days", "7"],
        },
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": f"/opt/ml/processing/input/{name}",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in (
                ("window", "s3://lake/w/"),
                ("code", Code(("jobs/features.py", "jobs/common.py"), "prefix")),
            )
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "train",
                    "S3Output": {
                        "S3Uri": Output("features", "train"),
                        "LocalPath": "/opt/ml/processing/output/train",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ],
            "KmsKeyId": "key",
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 2,
                "VolumeSizeInGB": 30,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "Environment": {"A": "b"},
        "NetworkConfig": {"VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        "Tags": [{"Key": "team", "Value": "ml"}],
    }


def test_evaluation_is_processing_with_a_model():
    step = Evaluation(
        "evaluate", script="e.py", image_uri="i", model=MODEL.artifact, data="s3://lake/test/"
    )
    node = job(step, BARE)
    names = [entry["InputName"] for entry in node.request["ProcessingInputs"]]
    assert names == ["model", "data", "code"]
    assert node.request["ProcessingInputs"][0]["S3Input"]["S3Uri"] == MODEL.artifact
    assert "NetworkConfig" not in node.request
    assert "Tags" not in node.request


def test_training():
    step = Training(
        "train",
        script="jobs/train.py",
        image_uri="image",
        inputs={"train": "s3://lake/train/"},
        hyperparameters={"depth": Parameter("depth", 6), "eta": 0.1},
        metrics={"auc": "auc=([0-9.]+)"},
        timeout_seconds=600,
    )
    node = job(step, FULL)
    assert node.kind == "sagemaker_training"
    assert node.request == {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "image",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "auc", "Regex": "auc=([0-9.]+)"}],
        },
        "HyperParameters": {
            "depth": Text.of(Parameter("depth", 6)),
            "eta": "0.1",
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": Code(("jobs/train.py",), "tar"),
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": "s3://lake/train/",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": Output("train", "model"), "KmsKeyId": "key"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "VpcConfig": {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "Tags": [{"Key": "team", "Value": "ml"}],
    }


def test_a_plain_request():
    step = RemoteJob("x", kind="glue", request={"JobName": "j"}, overrides={"Timeout": 5})
    assert job(step, BARE).request == {"JobName": "j", "Timeout": 5}


def test_register():
    scores = Evaluation("evaluate", script="e.py", image_uri="i", model="m", data="d")
    call = register_call(
        RegisterModel("register", model=MODEL, metrics=scores, group="delays"), FULL, after=("x",)
    )
    assert (call.service, call.action, call.after) == ("sagemaker", "create_model_package", ("x",))
    assert call.request == {
        "ModelPackageGroupName": "delays",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": "image", "ModelDataUrl": MODEL.artifact}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ClientToken": Token(),
        "ModelMetrics": {
            "ModelQuality": {
                "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": Text.of(Output("evaluate", "report"), "evaluation.json"),
                }
            }
        },
    }
    assert call.resource.describe == "describe_model_package_group"
    assert call.resource.request == {
        "ModelPackageGroupName": "delays",
        "Tags": [{"Key": "team", "Value": "ml"}],
    }
    bare = register_call(RegisterModel("r", model=MODEL, group="g", image_uri="j"), BARE, after=())
    assert "ModelMetrics" not in bare.request
    assert bare.request["InferenceSpecification"]["Containers"][0]["Image"] == "j"


def test_notify():
    call = notify_call(
        Notify("n", topic_arn="arn:aws:sns:x", message="m", subject="s"), after=("a",)
    )
    assert call.request == {"TopicArn": "arn:aws:sns:x", "Message": "m", "Subject": "s"}
    assert (call.service, call.action, call.resource) == ("sns", "publish", None)


def test_merged_goes_deep_into_objects_only():
    request = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert merged(request, {"a": {"c": [2], "e": 3}, "d": {"f": 4}}) == {
        "a": {"b": 1, "c": [2], "e": 3},
        "d": {"f": 4},
    }
    assert request == {"a": {"b": 1, "c": [1]}, "d": 2}


def test_present_drops_what_is_empty():
    assert present(A=None, B="", C=[], D={}, E=0, F=False, G="x") == {"E": 0, "F": False, "G": "x"}


def test_what_must_be_text_in_a_request_of_any_step():
    depth = Parameter("depth", 6)
    request = {
        "Environment": {"A": 1, "B": depth, "C": "x"},
        "AppSpecification": {"ContainerArguments": ["--x", 0.5, False]},
        "Arguments": {"--n": 2},
        "InstanceCount": depth,
    }
    assert with_texts(request) == {
        "Environment": {"A": "1", "B": Text.of(depth), "C": "x"},
        "AppSpecification": {"ContainerArguments": ["--x", "0.5", "false"]},
        "Arguments": {"--n": "2"},
        "InstanceCount": depth,
    }


def test_arguments_are_text():
    metric = Metric("evaluate", ("auc",))
    found = as_texts({"a": 1, "b": 0.5, "c": True, "d": "x", "e": metric, "f": Run.KEY})
    assert found == {
        "a": "1",
        "b": "0.5",
        "c": "true",
        "d": "x",
        "e": Text.of(metric),
        "f": Run.KEY,
    }
