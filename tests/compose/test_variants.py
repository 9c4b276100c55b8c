"""The ways to start it that docker/*.env offer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compose_stack import DEFAULT, REPOSITORY, Stack, started

CELERY = (*DEFAULT, "redis", "worker")
VERSION = "3.3.1"


def variant(tmp_path_factory, images, name):
    folder = tmp_path_factory.mktemp(name)
    return Stack(folder, images, project=f"airflow-ml-e2e-{name}", env_file=f"docker/{name}.env")


def test_celery_runs_the_tasks_in_its_worker(images, tmp_path_factory, saw):
    stack = variant(tmp_path_factory, images, "celery")
    with started(stack, *CELERY):
        run = stack.trigger("flight_delays_history")
        assert run.ends() == "success", (run.states, stack.logs("worker"))
        worker = stack.inspect("worker")["Config"]["Hostname"]
        # What deferred ended in the worker, too.
        assert {task["hostname"] for task in run.tasks.values()} == {worker}
        assert {tuple(states) for states in stack.jobs().values()} == {("SUCCEEDED",)}
        saw("flight_delays_history, all tasks in the worker")


def test_mwaa_installs_the_package_at_its_start(images, tmp_path_factory, saw):
    stack = variant(tmp_path_factory, images, "mwaa")
    package = stack.folder / "build/mwaa" / VERSION
    subprocess.run(
        [
            *(Path(sys.executable).with_name("airflow-ml"), "mwaa", "package"),
            *("--version", VERSION, "--offline", "--out", package),
        ],
        cwd=REPOSITORY,
        check=True,
    )
    with started(stack, *CELERY):
        code = "import airflow_ml_provider; print(airflow_ml_provider.__file__)"
        where = stack.compose("exec", "-T", "worker", "python", "-c", code)
        assert "/opt/venv/lib/" in where, "it comes from plugins.zip, not from the checkout"
        listed = stack.compose("exec", "-T", "worker", "airflow", "providers", "list")
        assert "airflow-ml-provider" in listed
        run = stack.trigger("flight_delays_history")
        assert run.ends() == "success", (run.states, stack.logs("worker"))
        saw(f"{VERSION}: flight_delays_history")


def test_real_aws_gets_the_profiles_and_no_local_aws(images, tmp_path_factory, saw):
    stack = variant(tmp_path_factory, images, "aws")
    stack.copy()
    profiles = stack.folder / "profiles"
    profiles.mkdir()
    (profiles / "config").write_text("[profile default]\nregion = eu-west-1\n")
    file = stack.folder / "docker/aws.env"
    file.write_text(file.read_text().replace("AWS_FOLDER=~/.aws", f"AWS_FOLDER={profiles}"))
    try:
        stack.compose("up", "--detach", "init", "warehouse", "aws")
        assert not stack.container("aws")
        seen = stack.compose(
            *("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "scheduler", "-c"),
            "cat ~/.aws/config; env; touch ~/.aws/config || echo read-only",
        )
    finally:
        stack.down()
    assert "region = eu-west-1" in seen
    lines = seen.splitlines()
    assert "AWS_PROFILE=default" in lines
    # To boto3 empty ones are none.
    assert "AWS_ENDPOINT_URL=" in lines
    assert "AWS_ACCESS_KEY_ID=" in lines
    assert "read-only" in seen
    saw("~/.aws mounted read-only, no local AWS")


def test_every_env_file_is_tried():
    assert {file.name for file in (REPOSITORY / "docker").glob("*.env")} == {
        "celery.env",
        "mwaa.env",
        "aws.env",
    }


@pytest.fixture(autouse=True)
def _enough_disk():
    free_gib = shutil.disk_usage("/").free / 2**30
    assert free_gib > 3, f"{free_gib:.1f} GiB of disk are free; mend: docker system prune"
