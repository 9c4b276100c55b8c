"""Airflow and the local AWS on one machine: the settings that make them find each other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

REGION = "us-east-1"
ROLE_ARN = "arn:aws:iam::123456789012:role/airflow-ml"
ROOT = "s3://airflow-ml/pipelines"
# The local AWS takes any; boto3 refuses to call without.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where DAGs, state and connections are."""
    parser.add_argument("--dags", type=Path, default=Path("dags"), help="the DAGs folder")
    parser.add_argument(
        "--home", type=Path, default=Path("build/laptop"), help="where all state and logs go"
    )
    parser.add_argument(
        "--sqlite",
        action="append",
        default=[],
        metavar="CONN_ID=FILE",
        help="an Airflow connection to a SQLite file",
    )


def settings(args: argparse.Namespace, endpoint_url: str) -> dict[str, str]:
    """Give the environment in which Airflow runs against the local AWS."""
    home: Path = args.home.absolute()
    environment = {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(args.dags.absolute()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow/airflow.db",
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN": ROLE_ARN,
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT": ROOT,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        **CREDENTIALS,
    }
    for connection in args.sqlite:
        conn_id, _, file = connection.partition("=")
        value = {"conn_type": "sqlite", "host": str(Path(file).absolute())}
        environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(value)
    return environment


def enter(environment: Mapping[str, str]) -> None:
    """Take the settings for this process; Airflow must not have been imported yet."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW__"))]:
        if name != "AWS_CA_BUNDLE":
            del os.environ[name]
    os.environ.update(environment)


def prepare_account(endpoint_url: str, buckets: Iterable[str], topics: Iterable[str]) -> None:
    """Make the buckets and topics that on AWS would be there already."""
    s3, sns = client("s3", endpoint_url), client("sns", endpoint_url)
    for bucket in sorted(buckets):
        s3.create_bucket(Bucket=bucket)
    for topic in sorted(topics):
        sns.create_topic(Name=topic)


def keep_objects(endpoint_url: str, folder: Path) -> int:
    """Copy all that lies in the local S3 to ``<folder>/<bucket>/<key>``; return how much it is.

    The local AWS forgets its state when it ends.
    """
    s3 = client("s3", endpoint_url)
    count = 0
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for item in page.get("Contents", []):
                if item["Key"].endswith("/"):
                    continue
                file = folder / bucket["Name"] / item["Key"]
                file.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket["Name"], item["Key"], str(file))
                count += 1
    return count


def client(service: str, endpoint_url: str) -> Any:
    """Give a boto3 client of the local AWS."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
