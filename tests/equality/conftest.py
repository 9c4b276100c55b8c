from __future__ import annotations

import json
import os
import random
import sys
import time

import boto3
import pytest

from airflow_ml_provider.jobs import pace


def pytest_addoption(parser):
    parser.addoption("--pipelines", type=int, default=300, help="how many pipelines are drawn")
    parser.addoption("--draw-seed", type=int, help="draw those of an earlier run again")


def pytest_configure(config):
    # pytest-xdist's workers draw by the seed that their controller prints.
    given = getattr(config, "workerinput", {}).get("draw_seed", config.option.draw_seed)
    config.option.draw_seed = random.randrange(1_000_000) if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["draw_seed"] = node.config.option.draw_seed


def pytest_report_header(config):
    return f"pipelines drawn with --draw-seed {config.option.draw_seed}"


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def jobs():
    from fakes import fake_jobs  # noqa: PLC0415

    with fake_jobs() as found:
        yield found


@pytest.fixture(scope="session")
def endpoint_url(jobs, tmp_path_factory):
    from airflow_ml_provider.local.server import LocalAws  # noqa: PLC0415

    with LocalAws(state_dir=tmp_path_factory.mktemp("aws"), wait_scale=0.01) as aws:
        yield aws.endpoint_url


@pytest.fixture(scope="session")
def client(endpoint_url):
    clients = {}

    def get(service):
        if service not in clients:
            clients[service] = boto3.client(
                service,
                endpoint_url=endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )
        return clients[service]

    get("s3").create_bucket(Bucket="equality")
    return get


@pytest.fixture(scope="session")
def airflow(endpoint_url, tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    import on_airflow  # noqa: PLC0415 - Airflow reads its settings when it is imported

    on_airflow.prepare()
    with pytest.MonkeyPatch.context() as patch:
        # The fakes end at once: nobody shall wait seconds before looking again.
        patch.setattr(pace, "FIRST_SECONDS", 0.05)
        patch.setattr(pace, "_LONGEST_BACKOFF_SECONDS", 0.05)
        patch.setattr(time, "sleep", _short_for_dag_test)
        yield on_airflow


def _short_for_dag_test(seconds, sleep=time.sleep):
    caller = sys._getframe(1).f_globals.get("__name__")
    sleep(min(seconds, 0.05) if caller == "airflow.sdk.definitions.dag" else seconds)


@pytest.fixture(scope="session")
def script_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "job.py").write_text("# never run: the jobs are fakes\n")
    return folder
