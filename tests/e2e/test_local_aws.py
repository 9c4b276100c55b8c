"""The local AWS as a server: what it prints, refuses, queues and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_ml_provider.cli import main
from airflow_ml_provider.local.server import LocalAws, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]


def client(endpoint_url: str, service: str = "sagemaker") -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def processing(name: str, code: str, *arguments: str, image: str = "image") -> Json:
    return {
        "ProcessingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/ml",
        "AppSpecification": {
            "ImageUri": image,
            "ContainerEntrypoint": ["python3", "-c", code],
            **({"ContainerArguments": list(arguments)} if arguments else {}),
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
    }


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def described(endpoint_url: str, name: str) -> Json:
    return dict(client(endpoint_url).describe_processing_job(ProcessingJobName=name))


def ended(endpoint_url: str, name: str) -> Json:
    until(lambda: "ProcessingEndTime" in described(endpoint_url, name))
    return described(endpoint_url, name)


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_hosts_and_ports_that_are_refused(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(ServerError, match="not a loopback address"), LocalAws(host="0.0.0.0"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["local", "--port", port, "--state-dir", str(tmp_path)]) == 1
    assert f"port {port} on 127.0.0.1 is in use: choose another" in capsys.readouterr().err


def test_a_container_may_let_others_in(tmp_path: Path) -> None:
    with LocalAws(host="0.0.0.0", allow_remote=True, state_dir=tmp_path) as aws:
        # Its own jobs go by loopback all the same.
        assert aws.endpoint_url.startswith("http://127.0.0.1:")
        assert client(aws.endpoint_url, "s3").list_buckets()["Buckets"] == []


def test_it_starts_with_what_on_aws_would_be_there(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [
        *(Path(sys.executable).with_name("airflow-ml"), "local", "--port", "0"),
        *("--bucket", "lake", "--topic", "team", "--connection", "shop"),
        *("--state-dir", tmp_path / "state", "--ready-file", ready),
    ]
    env = {**os.environ, "AIRFLOW_CONN_SHOP": "sqlite:///shop.db"}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: ready.exists() and ready.read_text().endswith("\n"))
            url = ready.read_text().strip()
            buckets = client(url, "s3").list_buckets()["Buckets"]
            assert "lake" in {bucket["Name"] for bucket in buckets}
            topics = client(url, "sns").list_topics()["Topics"]
            assert [topic["TopicArn"].split(":")[-1] for topic in topics] == ["team"]
            secrets = client(url, "secretsmanager")
            kept = secrets.get_secret_value(SecretId="airflow/connections/shop")
            assert kept["SecretString"] == "sqlite:///shop.db"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_connection_without_its_variable_is_refused(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SHOP", raising=False)
    with pytest.raises(SystemExit):
        main(["local", "--connection", "shop"])
    assert "'shop' needs the variable AIRFLOW_CONN_SHOP" in capsys.readouterr().err


def test_a_missing_extra_and_a_bad_python(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "airflow_ml_provider.local.server", None)
    assert main(["local"]) == 1
    assert "pip install 'airflow-ml-provider[local]'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["local", "--python", "glue=/nowhere"])
    assert "must be IMAGE_GLOB=PATH" in capsys.readouterr().err


def test_web_pages_are_refused(tmp_path: Path) -> None:
    with LocalAws(state_dir=tmp_path) as aws:
        request = urllib.request.Request(aws.endpoint_url, headers={"Origin": "http://evil.test"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)


def test_jobs_wait_for_their_turn_and_can_be_stopped_there(tmp_path: Path) -> None:
    with LocalAws(state_dir=tmp_path, max_jobs=1, stop_grace_seconds=0.2) as aws:
        sagemaker = client(aws.endpoint_url)
        deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
        sagemaker.create_processing_job(**processing("first", deaf))
        for name in ("second", "third"):
            sagemaker.create_processing_job(**processing(name, "print('mine')"))
        until(lambda: "ProcessingStartTime" in described(aws.endpoint_url, "first"))
        sagemaker.stop_processing_job(ProcessingJobName="second")
        second = ended(aws.endpoint_url, "second")
        assert second["ProcessingJobStatus"] == "Stopped"
        assert "ProcessingStartTime" not in second
        assert "ProcessingStartTime" not in described(aws.endpoint_url, "third")
        sagemaker.stop_processing_job(ProcessingJobName="first")
        assert ended(aws.endpoint_url, "first")["ProcessingJobStatus"] == "Stopped"
        assert ended(aws.endpoint_url, "third")["ProcessingJobStatus"] == "Completed"
        logs = sorted(aws.state_dir.glob("processing-job/*/log.txt"))
        assert [path.parent.name for path in logs] == ["first", "third"]
        assert logs[1].read_text() == "mine\n"


def test_state_ends_with_the_server(tmp_path: Path) -> None:
    # In a process of its own: another server in this one would keep moto's state.
    code = """
import sys
from pathlib import Path
import boto3
from airflow_ml_provider.local.server import LocalAws
for _ in range(2):
    with LocalAws(state_dir=Path(sys.argv[1])) as aws:
        s3 = boto3.client("s3", endpoint_url=aws.endpoint_url, region_name="us-east-1",
                          aws_access_key_id="local", aws_secret_access_key="local")
        print(len(s3.list_buckets()["Buckets"]))
        s3.create_bucket(Bucket="gone")
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0"]


def test_without_namespaces_paths_are_rewritten(tmp_path: Path) -> None:
    code = """
import json, os, sys
folder = sys.argv[1]
job = json.load(open(folder + "/config/processingjobconfig.json"))
assert job["ProcessingInputs"][0]["S3Input"]["LocalPath"].startswith(folder + "/processing/"), job
assert os.environ["PLACE"] == folder + "/place", os.environ["PLACE"]
open(folder + "/output/message", "w").write("found")
"""
    with LocalAws(state_dir=tmp_path, namespaces=False) as aws:
        s3 = client(aws.endpoint_url, "s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="job.py", Body=code)
        request = processing("rewritten", "", "/opt/ml")
        path = "/opt/ml/processing/code"
        request["AppSpecification"]["ContainerEntrypoint"] = ["python3", f"{path}/job.py"]
        source = {"S3Uri": "s3://bucket/job.py", "S3DataType": "S3Prefix", "LocalPath": path}
        request["ProcessingInputs"] = [{"InputName": "code", "S3Input": source}]
        request["Environment"] = {"PLACE": "/opt/ml/place"}
        client(aws.endpoint_url).create_processing_job(**request)
        job = ended(aws.endpoint_url, "rewritten")
    assert (job["ProcessingJobStatus"], job.get("ExitMessage")) == ("Completed", "found"), job


def test_a_job_reaches_the_same_aws_with_the_python_of_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "special"
    python.write_text(f'#!/bin/sh\nSPECIAL=1 exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    code = (
        "import boto3, os; boto3.client('s3').create_bucket(Bucket='made-' + os.environ['SPECIAL'])"
    )
    with LocalAws(state_dir=tmp_path, pythons={"*/special:*": python}) as aws:
        request = processing("special", code, image="repository/special:1")
        sagemaker = client(aws.endpoint_url)
        monkeypatch.setenv(
            "AWS_PROFILE", "of-the-user"
        )  # must not matter to the server or its jobs
        sagemaker.create_processing_job(**request)
        until(
            lambda: (
                "ProcessingEndTime"
                in sagemaker.describe_processing_job(ProcessingJobName="special")
            )
        )
        monkeypatch.delenv("AWS_PROFILE")
        assert described(aws.endpoint_url, "special")["ProcessingJobStatus"] == "Completed"
        buckets = client(aws.endpoint_url, "s3").list_buckets()["Buckets"]
    assert "made-1" in [bucket["Name"] for bucket in buckets]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_jobs_end_with_the_server(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    program = "from airflow_ml_provider.cli import main; raise SystemExit(main())"
    command = [
        sys.executable,
        "-c",
        program,
        "local",
        "--port",
        "0",
        "--state-dir",
        tmp_path,
        "--ready-file",
        ready,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        until(lambda: ready.exists() and ready.read_text().endswith("\n"))
        endpoint_url = ready.read_text().strip()
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
        client(endpoint_url).create_processing_job(**processing("long", code))
        until(lambda: any(path.read_text() for path in tmp_path.rglob("long/log.txt")))
        pid = int(next(tmp_path.rglob("long/log.txt")).read_text())
        assert is_alive(pid)
        os.kill(server.pid, number)
        server.wait(20)
        until(lambda: not is_alive(pid))
        said = server.stdout.read() if server.stdout else ""
    assert f"export AWS_ENDPOINT_URL={endpoint_url}" in said
    assert json.dumps(server.returncode) == ("0" if number == signal.SIGTERM else "-9")
