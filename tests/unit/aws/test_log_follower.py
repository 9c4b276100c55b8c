from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider.aws import log_follower
from airflow_ml_provider.aws.log_follower import FollowedLog, LogFollower
from airflow_ml_provider.jobs.state import LogStreams

TRAINING, ERRORS = "/aws/sagemaker/TrainingJobs", "/aws/errors"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class CloudWatch:
    """Streams of lines by group and name; it counts the calls, and pages hold two lines."""

    def __init__(self):
        self.lines = {}
        self.calls = []
        self.errors = []
        self.clients = 0

    def connect(self):
        self.clients += 1
        return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=self.pages))

    def write(self, group, name, second, text):
        event = {"logStreamName": name, "timestamp": int(second * 1000), "message": f"{text}\n"}
        self.lines.setdefault(group, []).append(event)

    def pages(self, logGroupName, startTime, endTime, logStreamNamePrefix=""):  # noqa: N803
        self.calls.append((logGroupName, startTime / 1000, endTime / 1000, logStreamNamePrefix))
        if self.errors:
            raise self.errors.pop(0)
        if logGroupName not in self.lines:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        found = [
            event
            for event in self.lines[logGroupName]
            if startTime <= event["timestamp"] <= endTime
            and event["logStreamName"].startswith(logStreamNamePrefix)
        ]
        for first in range(0, len(found), 2) or [0]:
            yield {"events": found[first : first + 2]}


@pytest.fixture
def aws():
    return CloudWatch()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def follower(aws, clock):
    return LogFollower(aws.connect, clock)


def followed(*prefixes, began=1000.0, limit=100, group=TRAINING):
    told = []
    streams = [LogStreams(group, prefix) for prefix in prefixes]
    return FollowedLog(streams, limit, told.extend, began, began), told


def test_one_call_reads_the_logs_of_all_jobs(aws, clock, follower):
    jobs = [followed(f"daily-{number}/") for number in range(1000)]
    aws.write(TRAINING, "daily-7/algo-1", 1001, "seven")
    aws.write(TRAINING, "daily-77/algo-1", 1002, "seventy-seven")
    aws.write(TRAINING, "daily-x/algo-1", 1003, "somebody else's")
    clock.now = 1020.0
    follower.follow([log for log, _ in jobs])
    assert {number: told for number, (_, told) in enumerate(jobs) if told} == {
        7: ["seven"],
        77: ["seventy-seven"],
    }
    assert aws.calls == [(TRAINING, 1000.0, 1009.999, "daily-")]
    assert {log.read_until for log, _ in jobs} == {1010.0}


def test_each_line_is_told_once_and_only_when_it_has_settled(aws, clock, follower):
    log, told = followed("j/")
    aws.write(TRAINING, "j/1", 1005, "a")
    clock.now = 1017.0
    follower.follow([log])
    aws.write(TRAINING, "j/1", 1008, "b")
    follower.follow([log])
    assert (told, len(aws.calls)) == (["a"], 1)
    clock.now = 1030.0
    follower.follow([log])
    assert told == ["a", "b"]
    assert aws.clients == 1


def test_old_jobs_are_read_once_a_minute_and_a_newcomer_from_its_beginning(aws, clock, follower):
    old, told_old = followed("old/")
    old.read_until = 4000.0
    clock.now = 4068.0
    follower.follow([old])
    assert aws.calls == []
    aws.write(TRAINING, "old/1", 3990, "told before")
    aws.write(TRAINING, "new/1", 3990, "first")
    new, told_new = followed("new/", began=3980.0)
    follower.follow([old, new])
    assert (told_old, told_new) == ([], ["first"])


def test_several_groups_of_a_job_are_merged_by_time(aws, clock, follower):
    told = []
    streams = [LogStreams(TRAINING, "jr_1"), LogStreams(ERRORS, "jr_1")]
    log = FollowedLog(streams, 100, told.extend, 1000.0, 1000.0)
    aws.write(TRAINING, "jr_1", 1001, "out")
    aws.write(ERRORS, "jr_1", 1003, "warning")
    aws.write(TRAINING, "jr_1", 1005, "more")
    clock.now = 1060.0
    follower.follow([log])
    assert told == ["[TrainingJobs] out", "[errors] warning", "[TrainingJobs] more"]


def test_no_more_than_the_limit_is_told_and_no_more_than_some_pages_read(
    aws, clock, follower, monkeypatch
):
    monkeypatch.setattr(log_follower, "_MAX_PAGES", 3)
    log, told = followed("j/", limit=2)
    quiet, told_quiet = followed("k/")
    for number in range(20):
        aws.write(TRAINING, "j/1", 1001, number)
    clock.now = 1060.0
    follower.follow([log, quiet])
    assert told == [f"... 4 or more lines left out; all are in {TRAINING} (j/*)", "4", "5"]
    assert told_quiet == [f"... perhaps some lines left out; all are in {TRAINING} (k/*)"]


def test_trouble_loses_no_line_and_a_refusal_is_said_once(aws, clock, follower, caplog):
    log, told = followed("j/")
    aws.write(TRAINING, "j/1", 1001, "a")
    clock.now = 1060.0
    aws.errors = [ConnectionResetError(), PermissionError("logs:FilterLogEvents")]
    follower.follow([log])
    assert (told, aws.clients) == ([], 1)
    follower.follow([log])
    clock.now = 1200.0
    follower.follow([log])
    assert (told, aws.clients, len(aws.calls)) == ([], 2, 2)
    assert "logs:FilterLogEvents" in caplog.text


def test_trouble_in_between_tells_everything_later(aws, clock, follower):
    log, told = followed("j/")
    aws.write(TRAINING, "j/1", 1001, "a")
    aws.errors = [TimeoutError()]
    clock.now = 1060.0
    follower.follow([log])
    follower.follow([log])
    assert told == ["a"]


def test_a_group_that_is_not_there_yet_is_no_trouble(aws, clock, follower):
    log, told = followed("j/", group="/none")
    clock.now = 1060.0
    follower.follow([log])
    assert (told, log.read_until) == ([], 1050.0)
    follower.follow([])
