"""Airflow and the local AWS on one machine: the settings that make them find each other."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REGION = "us-east-1"
ROLE_ARN = "arn:aws:iam::123456789012:role/airflow-ml"
ROOT = "s3://airflow-ml/pipelines"
# The local AWS takes any; boto3 refuses to call without.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where DAGs, state and connections are."""
    parser.add_argument("--dags", type=_folder, default="dags", help="the DAGs folder")
    parser.add_argument(
        "--home", type=Path, default=Path("build/laptop"), help="where all state and logs go"
    )
    parser.add_argument(
        "--sqlite",
        action="append",
        default=[],
        type=_sqlite,
        metavar="CONN_ID=FILE",
        help="an Airflow connection to a SQLite file",
    )


def settings(
    args: argparse.Namespace, endpoint_url: str, airflow_home: str = "airflow"
) -> dict[str, str]:
    """Give the environment in which Airflow runs against the local AWS.

    ``airflow_home`` is the folder below ``--home`` that holds Airflow's own files.
    """
    home = args.home.absolute() / airflow_home
    # Lower case wins in some libraries, upper case is the only one in others.
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    no_proxy = ",".join(filter(None, [given, "127.0.0.1", "localhost"]))
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(args.dags.absolute()),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN": ROLE_ARN,
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROOT": ROOT,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        # A profile of this machine's user could lead away from the endpoint, to a real account.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **CREDENTIALS,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        **{
            f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps({"conn_type": "sqlite", "host": file})
            for conn_id, file in args.sqlite
        },
    }


def enter(environment: Mapping[str, str]) -> None:
    """Take the settings for this process; Airflow must not have been imported yet.

    Connections and variables of Airflow that the environment gives (``AIRFLOW_CONN_...``) stay.
    """
    strange = ("AWS_", "AIRFLOW__", "AIRFLOW_CONFIG")
    for name in [name for name in os.environ if name.startswith(strange)]:
        if name != "AWS_CA_BUNDLE":
            del os.environ[name]
    os.environ.update(environment)


def prepare_account(endpoint_url: str, buckets: Iterable[str], topics: Iterable[str]) -> None:
    """Make the buckets and topics that on AWS would be there already, and ``ROOT``'s bucket."""
    s3, sns = client("s3", endpoint_url), client("sns", endpoint_url)
    for bucket in sorted({*buckets, ROOT.split("/")[2]}):
        s3.create_bucket(Bucket=bucket)
    for topic in sorted(topics):
        sns.create_topic(Name=topic)


def keep_secrets(client: Any, conn_ids: Iterable[str]) -> list[str]:
    """Put connections where jobs outside Airflow's workers look for them; name those not given.

    They come from the variables ``AIRFLOW_CONN_<ID>``, as URI or JSON, which :func:`enter` sets for
    ``--sqlite``, and go where Airflow's own lie on MWAA. ``client`` is one of Secrets Manager.
    https://airflow.apache.org/docs/apache-airflow/stable/howto/connection.html
    """
    missing = []
    for conn_id in sorted(set(conn_ids)):
        if secret := os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}"):
            client.create_secret(Name=f"airflow/connections/{conn_id}", SecretString=secret)
        else:
            missing.append(conn_id)
    return missing


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


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder")
    return path


def _sqlite(text: str) -> tuple[str, str]:
    conn_id, _, file = text.partition("=")
    path = Path(file).absolute()
    if not conn_id or not path.is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r} must be CONN_ID=FILE, with a SQLite file that is there"
        )
    return conn_id, str(path)
