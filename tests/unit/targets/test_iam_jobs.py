"""What jobs may do by their own roles."""

from __future__ import annotations

from dataclasses import replace

from iam_plans import (
    ACCOUNT,
    BUCKET,
    DEFINITION,
    ROLE,
    allowed,
    arn,
    call,
    each,
    emr,
    execution,
    extract,
    glue,
    made,
    model,
    processing,
    training,
    transform,
)

from airflow_ml_provider.pipeline.values import Code, History, Output, Parameter, Text
from airflow_ml_provider.plan.nodes import (
    Call,
)


def test_encrypted_reports_and_volumes() -> None:
    key = arn("kms", "key/k1")
    config = {"Outputs": [], "KmsKeyId": "k1"}
    cluster = {"ClusterConfig": {"VolumeKmsKeyId": "alias/volumes"}}
    job = processing(request={"ProcessingOutputConfig": config, "ProcessingResources": cluster})
    found = execution("airflow", job)
    assert each("kms", "Decrypt GenerateDataKey", key) <= found
    assert each("kms", "CreateGrant DescribeKey", arn("kms", "key/*")) <= found
    policy = made("airflow", job)["jobs"][ROLE]["policy"]
    assert each("kms", "Decrypt GenerateDataKey", key) <= allowed(policy)
    by_arn = processing(request={"ProcessingOutputConfig": {"Outputs": [], "KmsKeyId": key}})
    assert ("kms:Decrypt", key) in execution("airflow", by_arn)


def test_a_worker_job_does_what_airflows_worker_would() -> None:
    work = {"raw": extract(), "daily": glue(Definition={**DEFINITION, "Role": ROLE})}
    jobs = [processing(name, work=one) for name, one in work.items()]
    notify = processing("tell", work=call("sns", "publish", TopicArn=arn("sns", "t")))
    roles = made("sagemaker", *jobs, notify)["jobs"]
    found = allowed(roles[ROLE]["policy"])
    secret = arn("secretsmanager", "secret:airflow/connections/warehouse-??????")
    assert ("secretsmanager:GetSecretValue", secret) in found
    assert ("s3:DeleteObject", f"{BUCKET}/ml/flights/*/raw/output/*") in found
    history = f"{BUCKET}/ml/flights/_history/raw.json"
    assert each("s3", "GetObject PutObject", history) <= found
    assert ("glue:StartJobRun", arn("glue", "job/flights-daily")) in found
    assert ("iam:PassRole", ROLE) in found
    assert ("sns:Publish", arn("sns", "t")) in found
    # The Glue run itself has that role, too.
    assert ("s3:PutObject", f"{BUCKET}/ml/flights/*/daily/window/*") in found
    principal = roles[ROLE]["trust"]["Statement"][0]["Principal"]
    assert principal == {"Service": ["glue.amazonaws.com", "sagemaker.amazonaws.com"]}
    assert execution("sagemaker", *jobs, notify) == execution("sagemaker", processing("raw"))


def test_a_worker_job_reads_its_history_and_what_begins_like_it_not() -> None:
    history = {"Environment": {"A": History("raw"), "B": Output("raw", "output")}}
    job = processing("raw", request=history, work=extract())
    policy = made("sagemaker", job)["jobs"][ROLE]["policy"]
    read = {resource for action, resource in allowed(policy) if action == "s3:GetObject"}
    assert f"{BUCKET}/ml/flights/_history/raw.json" in read
    assert f"{BUCKET}/ml/flights/_history/raw.json*" not in read


def test_a_model_that_exists_has_a_role_of_its_own() -> None:
    assert made("airflow", transform("fixed"))["jobs"] == {}


def test_the_role_of_a_training_job() -> None:
    policy = made("airflow", training())["jobs"][ROLE]["policy"]
    logs = arn("logs", "log-group:/aws/sagemaker/TrainingJobs:*")
    assert allowed(policy) == {
        *each(
            "s3",
            "GetObject",
            f"{BUCKET}/ml/code/*",
            f"{BUCKET}/ml/datasets/days/*",
            f"{BUCKET}/ml/flights/*/features/train/*",
        ),
        *each("s3", "AbortMultipartUpload PutObject", f"{BUCKET}/ml/flights/*/train/model/*"),
        ("s3:ListBucket", BUCKET),
        *each(
            "ecr",
            "BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer",
            arn("ecr", "repository/team/model"),
        ),
        ("ecr:GetAuthorizationToken", "*"),
        *each("logs", "CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents", logs),
        ("cloudwatch:PutMetricData", "*"),
    }
    (listing,) = [one for one in policy["Statement"] if one["Action"] == ["s3:ListBucket"]]
    assert listing["Condition"] == {
        "StringLike": {
            "s3:prefix": ["ml/code/*", "ml/datasets/days/*", "ml/flights/*/features/train/*"]
        }
    }


def test_the_role_of_a_spark_job() -> None:
    found = allowed(
        made("airflow", glue(Definition=DEFINITION))["jobs"][
            f"arn:aws:iam::{ACCOUNT}:role/glue-jobs"
        ]["policy"]
    )
    dataset, window = f"{BUCKET}/ml/datasets/days/*", f"{BUCKET}/ml/flights/*/daily/window/*"
    verbs = "AbortMultipartUpload DeleteObject GetObject PutObject"
    assert each("s3", verbs, dataset, window) <= found
    assert (
        "s3:PutObject",
        window.replace("/*/daily", "/*/daily").removesuffix("/*") + "_$folder$",
    ) in found
    assert ("s3:GetObject", f"{BUCKET}/ml/flights/*/raw/output/*") in found
    assert ("s3:PutObject", f"{BUCKET}/ml/flights/*/raw/output/*") not in found
    found = allowed(made("airflow", emr())["jobs"][ROLE]["policy"])
    assert each("s3", "GetObject", f"{BUCKET}/ml/code/*", "arn:aws:s3:::x/y*") <= found
    assert ("logs:PutLogEvents", arn("logs", "log-group:/spark:*")) in found
    assert ("cloudwatch:PutMetricData", "*") not in found


def test_a_glue_job_that_is_defined_elsewhere_has_its_own_role() -> None:
    assert made("airflow", glue())["jobs"] == {}


def test_an_extract_by_glue() -> None:
    output = Output("raw", "output")
    command = {"Name": "pythonshell", "ScriptLocation": Code((), "wheel")}
    definition = {"Role": ROLE, "Command": command, "Connections": {"Connections": ["shop-vpc"]}}
    request = {
        "JobName": "flights-raw",
        "Definition": definition,
        "Arguments": {
            "--AIRFLOW_ML_VALUE_1": Text.of("=", output),
            "--AIRFLOW_ML_VALUE_2": Text.of("=", History("raw")),
        },
    }
    job = replace(glue(), name="raw", request=request, outputs={"output": output}, work=extract())
    for target in ("airflow", "step-functions"):
        found = allowed(made(target, job)["jobs"][ROLE]["policy"])
        rows = f"{BUCKET}/ml/flights/*/raw/output/*"
        assert found == {
            *each("s3", "GetObject", f"{BUCKET}/ml/code/*"),
            *each("s3", "ListBucket ListBucketMultipartUploads", BUCKET),
            *each("s3", "AbortMultipartUpload DeleteObject GetObject PutObject", rows),
            *each("s3", "GetObject PutObject", f"{BUCKET}/ml/flights/_history/raw.json"),
            (
                "secretsmanager:GetSecretValue",
                arn("secretsmanager", "secret:airflow/connections/warehouse-??????"),
            ),
            *each("glue", "GetConnection", arn("glue", "catalog")),
            *each("glue", "GetConnection", arn("glue", "connection/shop-vpc")),
            *each("ec2", "CreateNetworkInterface DeleteNetworkInterface", "*"),
            *each("ec2", "DescribeNetworkInterfaces DescribeRouteTables DescribeSubnets", "*"),
            *each("ec2", "DescribeSecurityGroups DescribeVpcAttribute DescribeVpcEndpoints", "*"),
            *each("ec2", "CreateTags DeleteTags", arn("ec2", "network-interface/*")),
            ("cloudwatch:PutMetricData", "*"),
            *each(
                "logs",
                "CreateLogGroup CreateLogStream DescribeLogStreams PutLogEvents",
                arn("logs", "log-group:/aws-glue/python-jobs/output:*"),
                arn("logs", "log-group:/aws-glue/python-jobs/error:*"),
            ),
        }
    assert allowed(made("airflow", replace(job, work=None))["jobs"][ROLE]["policy"]) >= each(
        "s3", "PutObject", f"{BUCKET}/ml/flights/*/raw/output_$folder$"
    )


def test_jobs_in_a_network_and_data_by_parameter() -> None:
    network = {"NetworkConfig": {"VpcConfig": {"Subnets": ["s"]}}}
    uri = Parameter("data", "s3://elsewhere/data/")
    inputs = {"ProcessingInputs": [{"S3Input": {"S3Uri": uri}}]}
    job = processing(request={**network, **inputs})
    found = allowed(made("airflow", job, parameters=(uri,))["jobs"][ROLE]["policy"])
    assert ("ec2:CreateNetworkInterface", "*") in found
    assert each("s3", "GetObject", "arn:aws:s3:::*") <= found
    in_network = Call(
        **{**vars(model()), "request": {**model().request, "VpcConfig": {"Subnets": []}}}
    )
    found = allowed(made("airflow", in_network)["jobs"][f"{ROLE}-model"]["policy"])
    assert ("ec2:CreateNetworkInterface", "*") in found


def test_an_image_of_no_registry_of_aws_needs_no_pull() -> None:
    job = processing(request={"AppSpecification": {"ImageUri": "python:3"}})
    found = allowed(made("airflow", job)["jobs"][ROLE]["policy"])
    assert not [action for action, _ in found if action.startswith("ecr:")]
