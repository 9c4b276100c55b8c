"""The proxy does to its clients what each fault says, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from fault import Fault, JobCalls, Role, What
from proxy import Proxy, is_alive
from stack import until

CALLS = JobCalls(
    "CreateTrainingJob",
    frozenset({"DescribeTrainingJob"}),
    re.compile(rb'"TrainingJobStatus": "Completed"'),
)
EMR_CALLS = JobCalls(
    "StartJobRun", frozenset({"GetJobRun", "ListJobRuns"}), re.compile(rb'"state": "SUCCESS"')
)
JOB = {
    "TrainingJobName": "a",
    "RoleArn": "arn:aws:iam::123456789012:role/ml",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "a"},
    "OutputDataConfig": {"S3OutputPath": "s3://a/b"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
# A client of its own, since it is to be killed: it submits, or asks twice.
CLIENT = """
import sys, urllib.request
url, *operations = sys.argv[1:]
for operation in operations:
    headers = {"X-Amz-Target": "SageMaker." + operation}
    request = urllib.request.Request(url, data=b"{}", headers=headers)
    print(operation, urllib.request.urlopen(request).read().decode(), flush=True)
import time
time.sleep(30)
"""


class Aws:
    """Answers as SageMaker does, and counts what it was asked."""

    def __init__(self):
        aws = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                target = self.headers.get("X-Amz-Target", "")
                aws.asked[target.rpartition(".")[2] or self.path] += 1
                self.give({"TrainingJobStatus": aws.status, "applicationId": "a", "jobRunId": "r"})

            def do_GET(self):
                aws.asked[self.path] += 1
                one = self.path.endswith("/r")
                self.give({"jobRun": {"state": "SUCCESS"}} if one else {"jobRuns": []})

            def give(self, answer):
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.asked = Counter()
        self.status = "InProgress"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def aws():
    aws = Aws()
    thread = Thread(target=aws.server.serve_forever, args=(0.01,))
    thread.start()
    yield aws
    aws.server.shutdown()
    thread.join()
    aws.server.server_close()


@pytest.fixture
def proxy(aws):
    with Proxy(aws.url, lambda _: True) as proxy:
        yield proxy


@pytest.fixture
def client():
    clients = []

    def make(port, service="sagemaker", attempts=1, **options):
        clients.append(
            boto3.client(
                service,
                endpoint_url=port.url,
                region_name="us-east-1",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=Config(
                    retries={"total_max_attempts": attempts},
                    connect_timeout=1,
                    read_timeout=0.5,
                    **options,
                ),
            )
        )
        return clients[-1]

    yield make
    for one in clients:
        one.close()


@pytest.fixture
def start():
    started = []

    def start(port, *operations):
        command = [sys.executable, "-c", CLIENT, port.url, *operations]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def fails(call, code=None, kind=ClientError):
    with pytest.raises(kind) as caught:
        call()
    if code:
        assert caught.value.response["Error"]["Code"] == code
    return caught.value


def test_without_a_fault_all_passes(aws, proxy, client):
    sagemaker = client(port := proxy.open(CALLS))
    sagemaker.describe_training_job(TrainingJobName="a")
    sagemaker.create_training_job(**JOB)
    sagemaker.describe_training_job(TrainingJobName="a")
    aws.status = "Completed"
    assert sagemaker.describe_training_job(TrainingJobName="a")["TrainingJobStatus"] == "Completed"
    assert port.seen == {
        (Role.LOOK, "DescribeTrainingJob"): 1,
        (Role.SUBMIT, "CreateTrainingJob"): 1,
        (Role.WAIT, "DescribeTrainingJob"): 1,
        (Role.COLLECT, "DescribeTrainingJob"): 1,
    }
    assert aws.asked == {"DescribeTrainingJob": 3, "CreateTrainingJob": 1}
    assert port.strikes == 0


def test_rest_operations_logs_and_reports_are_recognised(proxy, client):
    port = proxy.open(EMR_CALLS)
    emr = client(port, "emr-serverless")
    emr.start_job_run(applicationId="a", executionRoleArn=JOB["RoleArn"], clientToken="t")
    emr.list_job_runs(applicationId="a")
    client(port, "logs").get_log_events(logGroupName="a", logStreamName="b")
    emr.get_job_run(applicationId="a", jobRunId="r")
    client(port, "s3", s3={"addressing_style": "path"}).get_object(Bucket="a", Key="b")
    assert port.seen == {
        (Role.SUBMIT, "StartJobRun"): 1,
        (Role.WAIT, "ListJobRuns"): 1,
        (Role.WAIT, "GetLogEvents"): 1,
        (Role.COLLECT, "GetJobRun"): 1,
        (Role.COLLECT, "GetObject"): 1,
    }


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (What.THROTTLE, "ThrottlingException"),
        (What.ERROR, "InternalFailure"),
        (What.EXPIRED, "ExpiredTokenException"),
        (What.DENIED, "AccessDeniedException"),
        (What.REJECTED, "ValidationException"),
    ],
)
def test_aws_says_no_a_few_times_and_carries_nothing_out(aws, proxy, client, what, code):
    sagemaker = client(port := proxy.open(CALLS, Fault(what, Role.SUBMIT, times=2)))
    for _ in range(2):
        fails(lambda: sagemaker.create_training_job(**JOB), code)
    assert aws.asked == {}
    sagemaker.create_training_job(**JOB)
    assert (port.struck, aws.asked) == ({"CreateTrainingJob": 2}, {"CreateTrainingJob": 1})


def test_a_role_is_struck_alone(aws, proxy, client):
    port = proxy.open(CALLS, Fault(What.THROTTLE, Role.COLLECT, times=1))
    sagemaker = client(port)
    sagemaker.create_training_job(**JOB)
    sagemaker.describe_training_job(TrainingJobName="a")
    assert port.strikes == 0
    aws.status = "Completed"
    fails(lambda: sagemaker.describe_training_job(TrainingJobName="a"), "ThrottlingException")
    logs = client(port, "logs")
    fails(lambda: logs.describe_log_streams(logGroupName="a"), "ThrottlingException")
    s3 = client(port, "s3", s3={"addressing_style": "path"})
    fails(lambda: s3.get_object(Bucket="a", Key="b"), "SlowDown")
    sagemaker.describe_training_job(TrainingJobName="a")
    assert port.struck == {"DescribeTrainingJob": 1, "DescribeLogStreams": 1, "GetObject": 1}


def test_a_fault_may_be_for_one_operation(aws, proxy, client):
    aws.status = "Completed"
    port = proxy.open(CALLS, Fault(What.ERROR, Role.COLLECT, operation="GetObject"))
    sagemaker = client(port)
    sagemaker.create_training_job(**JOB)
    sagemaker.describe_training_job(TrainingJobName="a")
    s3 = client(port, "s3", s3={"addressing_style": "path"})
    fails(lambda: s3.get_object(Bucket="a", Key="b"), "InternalError")
    assert port.struck == {"GetObject": 1}


def test_a_client_retries_into_the_same_fault(proxy, client):
    port = proxy.open(CALLS, Fault(What.THROTTLE, Role.SUBMIT, times=3))
    fails(lambda: client(port, attempts=2).create_training_job(**JOB), "ThrottlingException")
    assert port.struck == {"CreateTrainingJob": 2}


@pytest.mark.parametrize(("what", "carried_out"), [(What.RESET, 0), (What.LOST, 1)])
def test_a_connection_is_reset(aws, proxy, client, what, carried_out):
    sagemaker = client(port := proxy.open(CALLS, Fault(what, Role.SUBMIT)))
    error = fails(lambda: sagemaker.create_training_job(**JOB), kind=ConnectionClosedError)
    assert "ConnectionResetError" in repr(error.__context__ or error.kwargs)
    assert aws.asked["CreateTrainingJob"] == carried_out
    sagemaker.create_training_job(**JOB)
    assert port.strikes == 1


def test_a_paused_call_is_accepted_and_never_answered(aws, proxy, client):
    sagemaker = client(port := proxy.open(CALLS, Fault(What.PAUSE, Role.SUBMIT)))
    fails(lambda: sagemaker.create_training_job(**JOB), kind=ReadTimeoutError)
    assert aws.asked == {}
    sagemaker.create_training_job(**JOB)
    assert port.strikes == 1


def test_connections_are_refused_for_a_while(aws, proxy, client):
    fault = Fault(What.REFUSE, Role.SUBMIT, seconds=0.5)
    sagemaker = client(port := proxy.open(CALLS, fault))
    sagemaker.describe_training_job(TrainingJobName="a")
    fails(lambda: sagemaker.create_training_job(**JOB), kind=ConnectionClosedError)
    fails(lambda: sagemaker.create_training_job(**JOB), kind=EndpointConnectionError)
    deadline = time.monotonic() + 10
    while port.seen[Role.SUBMIT, "CreateTrainingJob"] < 2:
        assert time.monotonic() < deadline
        try:
            sagemaker.create_training_job(**JOB)
        except EndpointConnectionError:
            time.sleep(0.05)
    assert (port.strikes, aws.asked["CreateTrainingJob"]) == (1, 1)


@pytest.mark.parametrize(("what", "carried_out"), [(What.KILL_BEFORE, 0), (What.KILL_AFTER, 1)])
def test_the_client_is_killed_at_its_call(aws, proxy, start, what, carried_out):
    port = proxy.open(CALLS, Fault(what, Role.SUBMIT))
    process = start(port, "CreateTrainingJob")
    assert process.wait(10) == -9
    assert process.stdout.read() == ""
    assert aws.asked["CreateTrainingJob"] == carried_out
    assert (port.strikes, port.dead) == (1, [process.pid])
    again = start(port, "CreateTrainingJob")
    assert again.stdout.readline().startswith("CreateTrainingJob")
    assert port.strikes == 1


def test_the_client_is_killed_while_it_waits(aws, proxy, start):
    port = proxy.open(CALLS, Fault(What.KILL_AFTER, Role.WAIT))
    process = start(port, "DescribeTrainingJob", "CreateTrainingJob", "DescribeTrainingJob")
    assert process.wait(10) == -9
    said = process.stdout.read().split()
    assert said.count("DescribeTrainingJob") == said.count("CreateTrainingJob") == 1


@pytest.mark.parametrize("more", [(), ("DescribeTrainingJob",)])
def test_the_client_is_killed_once_it_has_the_final_answer(aws, proxy, start, more):
    aws.status = "Completed"
    port = proxy.open(CALLS, Fault(What.KILL_DELIVERED, Role.COLLECT))
    process = start(port, "CreateTrainingJob", "DescribeTrainingJob", *more)
    assert process.wait(10) == -9
    assert process.stdout.read().split().count("DescribeTrainingJob") <= 1
    assert port.strikes == 1


def test_its_parent_dies_with_it(proxy, aws):
    port = proxy.open(CALLS, Fault(What.KILL_AFTER, Role.SUBMIT, with_parent=True))
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    parent = subprocess.Popen([sys.executable, "-c", code, CLIENT, port.url, "CreateTrainingJob"])
    assert parent.wait(10) == -9
    assert port.dead[0] == parent.pid

    def living():
        return {process.pid for process in psutil.process_iter() if is_alive(process)}

    # The kernel takes a moment after the signal was sent.
    until(lambda: port.dead[1] not in living(), "the death of both", 10)


def test_who_is_no_victim_gets_its_answer(aws, client):
    with Proxy(aws.url, lambda process: process.pid != os.getpid()) as proxy:
        port = proxy.open(CALLS, Fault(What.KILL_AFTER, Role.SUBMIT))
        client(port).create_training_job(**JOB)
        assert (port.strikes, aws.asked["CreateTrainingJob"]) == (0, 1)
