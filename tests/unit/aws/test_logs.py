from __future__ import annotations

import time
from contextlib import suppress

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from airflow_ml_provider.aws import logs as logs_module
from airflow_ml_provider.aws.logs import LogReader
from airflow_ml_provider.jobs.state import LogStreams

GROUP = "/aws/sagemaker/TrainingJobs"
START_MS = int(time.time() * 1000) - 60_000  # CloudWatch refuses events that are days old


@pytest.fixture
def logs(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("logs", region_name="us-east-1")


@pytest.fixture
def write(logs):
    def put(stream, *lines, first=0):
        for create in (
            lambda: logs.create_log_group(logGroupName=GROUP),
            lambda: logs.create_log_stream(logGroupName=GROUP, logStreamName=stream),
        ):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                create()
        events = [
            {"timestamp": START_MS + first + 2 * number, "message": line}
            for number, line in enumerate(lines)
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)

    return put


@pytest.fixture
def reader(logs):
    return LogReader(logs, [LogStreams(GROUP, "j/")])


def test_nothing_is_there_yet(reader):
    assert reader.new_lines() == []


def test_gives_each_line_once(reader, write):
    write("j/algo-1", "one", "two\n")
    write("other/algo-1", "not ours")
    assert reader.new_lines() == ["one", "two"]
    assert reader.new_lines() == []
    write("j/algo-1", "three", first=10)
    assert reader.new_lines() == ["three"]


def test_several_streams_are_merged_by_time_and_named(reader, write):
    write("j/algo-1", "a", "c")
    write("j/algo-2", "b", "d", first=1)
    assert reader.new_lines() == ["[algo-1] a", "[algo-2] b", "[algo-1] c", "[algo-2] d"]


def test_a_stream_that_is_its_prefix_is_named_by_its_group(logs, write):
    write("j", "a")
    write("j/algo-1", "b", first=1)
    reader = LogReader(logs, [LogStreams(GROUP, "j")])
    assert reader.new_lines() == ["[TrainingJobs] a", "[/algo-1] b"]


def test_only_the_last_lines_are_kept_and_the_rest_is_counted(reader, write):
    write("j/algo-1", *map(str, range(10)))
    assert reader.new_lines(3) == [f"... 7 lines left out; all are in {GROUP} (j/*)", "7", "8", "9"]


def test_a_long_log_comes_in_pieces(reader, write, monkeypatch):
    monkeypatch.setattr(logs_module, "_MAX_PAGES", 1)
    write("j/algo-1", "one")
    assert reader.new_lines() == ["one"]
    write("j/algo-1", "two", first=9)
    assert reader.new_lines() == ["two"]


class Refusing:
    def __init__(self, code, operation):
        self.code, self.operation = code, operation

    def _refuse(self, operation):
        if operation == self.operation:
            raise ClientError({"Error": {"Code": self.code}}, operation)

    def get_paginator(self, _):
        return self

    def paginate(self, **_):
        self._refuse("DescribeLogStreams")
        return [{"logStreams": [{"logStreamName": "j/1"}]}]

    def get_log_events(self, **_):
        self._refuse("GetLogEvents")


@pytest.mark.parametrize("operation", ["DescribeLogStreams", "GetLogEvents"])
def test_a_missing_stream_is_no_error_and_a_refusal_is(operation):
    streams = [LogStreams(GROUP, "j/")]
    assert LogReader(Refusing("ResourceNotFoundException", operation), streams).new_lines() == []
    with pytest.raises(ClientError, match="AccessDenied"):
        LogReader(Refusing("AccessDeniedException", operation), streams).new_lines()
