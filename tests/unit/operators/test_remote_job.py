from __future__ import annotations

import io
import json
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowFailException,
)
from airflow_ml_provider.jobs.state import Phase
from airflow_ml_provider.operators import remote_job
from airflow_ml_provider.operators.remote_job import RemoteJobOperator
from airflow_ml_provider.operators.task_token import client_token, task_token
from airflow_ml_provider.pipeline.values import Code, Text, Token
from airflow_ml_provider.targets.airflow_values import Speller, codes_of
from airflow_ml_provider.triggers.connection import AwsConnection

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred

REQUEST = {"Message": "hello", "TopicArn": "arn:aws:sns:us-east-1:123456789012:ml"}


def operator(**fields):
    options = {"request": REQUEST, "deferrable": False, **fields}
    return RemoteJobOperator(task_id="train", kind="fake", **options)


def deferred(run, *args, **kwargs):
    with pytest.raises(TaskDeferred) as caught:
        run(*args, **kwargs)
    return caught.value


def event(remaining_seconds, phase="unknown"):
    return {"job_id": "job", "deadline": time.time() + remaining_seconds, "phase": phase}


def test_starts_the_job_waits_and_answers_what_aws_said(kind, clients, context):
    kind.born = Phase.SUCCEEDED
    result = operator(outputs={"model": "s3://lake/model/"}).execute(context)
    token = f"{task_token(context)}-1"
    assert token.startswith("flights-train-")
    assert result == {
        "job_id": token,
        "status": "Succeeded",
        "Name": token,
        "outputs": {"model": "s3://lake/model/"},
    }
    assert kind.requests_made == [REQUEST]


def test_links_are_there_before_the_task_defers(kind, clients, context, ti):
    deferral = deferred(operator(deferrable=True).execute, context)
    job_id = f"{task_token(context)}-1"
    assert ti.xcoms["aws_job_link"] == (
        f"https://eu-central-1.console.aws.amazon.com/fake/home?region=eu-central-1#/jobs/{job_id}"
    )
    assert "log-group/$252Faws$252Ffake$3F" in ti.xcoms["aws_log_link"]
    path, arguments = deferral.trigger.serialize()
    assert path == "airflow_ml_provider.triggers.remote_job.RemoteJobTrigger"
    assert arguments["job_id"] == job_id
    assert deferral.method_name == "resume"
    waited = arguments["deadline"] - time.time()
    assert 3600 + remote_job.QUEUE_SECONDS - 60 < waited <= 3600 + remote_job.QUEUE_SECONDS
    assert deferral.timeout.total_seconds() > waited


def test_a_retry_attaches_to_the_job_that_runs(kind, clients, context):
    first = deferred(operator(deferrable=True).execute, context)
    again = deferred(operator(deferrable=True).execute, context)
    assert again.trigger.job_id == first.trigger.job_id
    assert len(kind.requests_made) == 1


def test_a_retry_adopts_the_job_that_succeeded_and_never_defers(kind, clients, context):
    kind.put(f"{task_token(context)}-1", Phase.SUCCEEDED, result={"Name": "found"})
    assert operator(deferrable=True).execute(context)["Name"] == "found"
    assert not kind.requests_made


def test_a_cleared_task_starts_afresh(kind, clients, context, ti):
    kind.put(f"{task_token(context)}-1", Phase.SUCCEEDED)
    ti.max_tries = 3
    kind.born = Phase.SUCCEEDED
    operator().execute(context)
    assert len(kind.requests_made) == 1


def test_a_cleared_task_attaches_to_the_job_that_was_to_run_on(kind, clients, context, ti):
    running = f"{task_token(context)}-1"
    kind.put(running, Phase.RUNNING)
    ti.max_tries = 3
    deferral = deferred(operator(deferrable=True, stop_on_kill=False).execute, context)
    assert deferral.trigger.job_id == running
    assert not kind.requests_made


def test_a_cleared_task_stops_its_job_that_nobody_stopped(kind, clients, context, ti, monkeypatch):
    monkeypatch.setattr("airflow_ml_provider.jobs.patience.backoff_seconds", lambda *_: 0.0)
    running = f"{task_token(context)}-1"
    kind.put(running, Phase.RUNNING)
    kind.stop = lambda client, job_id: kind.put(job_id, Phase.STOPPED)
    ti.max_tries = 3
    deferral = deferred(operator(deferrable=True).execute, context)
    assert deferral.trigger.job_id == f"{task_token(context)}-1" != running


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.STOPPED])
def test_a_job_that_did_not_succeed_fails_the_task_with_reason_log_and_page(
    kind, clients, context, phase
):
    def broken(client, request, token):
        kind.put(token, phase, reason="AlgorithmError: out of memory")
        return token

    kind.submit = broken
    with pytest.raises(AirflowException) as caught:
        operator().execute(context)
    text = str(caught.value)
    assert "AlgorithmError: out of memory" in text
    assert "https://eu-central-1.console.aws.amazon.com/" in text
    assert text.endswith("first\nlast")


def test_a_request_that_aws_would_refuse_starts_nothing_and_names_all_problems(
    kind, clients, context
):
    with pytest.raises(AirflowFailException) as caught:
        operator(request={"TopicArn": 7, "Massage": "hello"}).execute(context)
    assert "Massage" in str(caught.value)
    assert "Message" in str(caught.value)
    assert not kind.requests_made


def test_resuming_asks_aws_and_not_the_event(kind, clients, context):
    kind.put("job", Phase.SUCCEEDED)
    result = operator().resume(context, event(60, phase="failed"))
    assert result["job_id"] == "job"


def test_resuming_early_waits_on(kind, clients, context, monkeypatch):
    monkeypatch.setattr(remote_job, "_LOOK_SECONDS", 0)
    kind.put("job", Phase.RUNNING)
    woken = event(60)
    trigger = deferred(operator().resume, context, woken).trigger
    assert (trigger.job_id, trigger.deadline) == ("job", woken["deadline"])
    assert not kind.stopped


@pytest.mark.parametrize(("stop", "stopped"), [(True, ["job"]), (False, [])])
def test_a_passed_deadline_fails_and_stops_the_job(kind, clients, context, stop, stopped):
    kind.put("job", Phase.RUNNING)
    with pytest.raises(AirflowException, match="when its deadline passed"):
        operator(stop_on_kill=stop).resume(context, event(-1))
    assert kind.stopped == stopped


def test_airflows_own_timeout_of_the_deferral_stops_the_job(kind, clients, context, ti):
    ti.xcoms["train", "aws_job"] = {"kind": "fake", "job_id": "job"}
    with pytest.raises(AirflowException):
        operator().resume_execution("__fail__", {"error": "Trigger timeout"}, context)
    assert kind.stopped == ["job"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_trigger_that_broke_leaves_the_job_to_the_retry_if_there_is_one(
    kind, clients, context, ti, number
):
    ti.try_number = number
    ti.xcoms["train", "aws_job"] = {"kind": "fake", "job_id": "job"}
    with pytest.raises(AirflowException):
        operator().resume_execution("__fail__", {"error": "Trigger failure"}, context)
    assert kind.stopped == ([] if number == 1 else ["job"])


def test_on_kill_stops_the_job_of_this_process(kind, clients, context):
    operator().on_kill()
    assert not kind.stopped
    task = operator(deferrable=True)
    deferred(task.execute, context)
    task.on_kill()
    assert kind.stopped == [f"{task_token(context)}-1"]


def test_a_try_that_airflow_repeats_leaves_its_job_to_the_next_one(
    kind, clients, context, monkeypatch
):
    monkeypatch.setattr(remote_job, "is_tried_again", lambda ti: ti is context["ti"])
    task = operator(deferrable=True)
    deferred(task.execute, context)
    task.on_kill()
    assert not kind.stopped


def test_a_try_that_was_ended_starts_nothing(kind, clients, context, monkeypatch):
    task, find = operator(), kind.find

    def ended_meanwhile(client, request, token):
        task.on_kill()
        kind.find = find
        raise ConnectionResetError

    monkeypatch.setattr(remote_job, "is_tried_again", lambda ti: True)
    monkeypatch.setattr("airflow_ml_provider.jobs.patience.backoff_seconds", lambda *_: 0.0)
    kind.find = ended_meanwhile
    with pytest.raises(AirflowException, match="starts nothing more"):
        task.execute(context)
    assert not kind.requests_made


def test_the_time_of_a_task_that_was_deferred_may_be_over_before_it_resumes(
    kind, clients, ti, monkeypatch
):
    ti.xcoms["train", "aws_job"] = {"kind": "fake", "job_id": "job"}
    monkeypatch.setattr(remote_job, "current_task", lambda: ti)
    monkeypatch.setattr(remote_job, "is_tried_again", lambda _: False)
    operator().on_kill()
    assert kind.stopped == ["job"]


def test_an_execution_timeout_bounds_the_wait_in_the_triggerer(kind, clients, context):
    task = operator(deferrable=True, execution_timeout=timedelta(seconds=90))
    waited = deferred(task.execute, context).trigger.deadline - time.time()
    assert 60 < waited <= 90


@pytest.mark.parametrize("stop", [True, False])
def test_a_kill_while_the_job_is_being_started_stops_it(kind, clients, context, monkeypatch, stop):
    monkeypatch.setattr(remote_job, "_LOOKS_FOR_KILLED", (0.0, 0.0))
    task, submit = operator(stop_on_kill=stop), kind.submit

    def killed(client, request, token):
        try:
            return submit(client, request, token)
        finally:
            task.on_kill()  # as from a signal, before the answer is there

    kind.submit = killed
    with pytest.raises(AirflowException, match="was ended while it started"):
        task.execute(context)
    assert kind.stopped == [f"{task_token(context)}-1"] * (2 if stop else 0)


def test_a_kill_before_anything_was_started_stops_nothing(kind, clients, context, monkeypatch):
    monkeypatch.setattr(remote_job, "_LOOKS_FOR_KILLED", (0.0, 0.0))
    task = operator()

    def killed(client, request, token):
        task.on_kill()
        raise AirflowException("Task received SIGTERM")

    kind.submit = killed
    with pytest.raises(AirflowException, match="SIGTERM"):
        task.execute(context)
    assert not kind.stopped


@pytest.mark.parametrize("unwinds", [False, True])
def test_a_kill_while_aws_is_being_connected_stops_the_job_then(
    kind, clients, context, monkeypatch, unwinds
):
    task, new_client = operator(), AwsConnection.client

    def killed(*arguments, **options):
        monkeypatch.setattr(AwsConnection, "client", new_client)
        task.on_kill()  # as from a signal, while the client's modules are being imported
        assert not kind.stopped
        if unwinds:
            raise AirflowException("Task received SIGTERM")
        return new_client(*arguments, **options)

    monkeypatch.setattr(AwsConnection, "client", killed)
    with pytest.raises(AirflowException, match="SIGTERM" if unwinds else "starts nothing more"):
        task.resume(context, event(60))
    assert kind.stopped == [event(60)["job_id"]]


def test_a_job_that_was_stopped_meanwhile_fails_the_task(kind, clients, context):
    own = f"{task_token(context)}-1"
    kind.put(own, Phase.STOPPED)
    with pytest.raises(AirflowException, match="ended as Stopped"):
        operator().resume(context, {**event(60), "job_id": own})
    assert not kind.requests_made


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_what_aws_will_always_refuse_is_not_retried(kind, clients, context, code):
    def refused(client, request, token):
        raise ClientError({"Error": {"Code": code, "Message": "not with this role"}}, "Publish")

    kind.submit = refused
    with pytest.raises(AirflowFailException, match="not with this role"):
        operator().execute(context)


def test_trouble_is_waited_out_from_the_code_to_the_report(
    kind, clients, context, script, monkeypatch
):
    monkeypatch.setattr("airflow_ml_provider.jobs.patience.backoff_seconds", lambda *_: 0.0)
    troubles = {}

    def troubled(name, answer):
        troubles[name] = [ConnectionResetError(name), TimeoutError(name)]

        def call(*_, **__):
            if troubles[name]:
                raise troubles[name].pop(0)
            return answer(*_, **__)

        return call

    kind.born = Phase.SUCCEEDED
    kind.find, kind.submit = troubled("find", kind.find), troubled("submit", kind.submit)
    clients["s3"] = SimpleNamespace(
        head_object=troubled("head", lambda **_: None),
        get_object=troubled("report", s3_with(b"{}").get_object),
    )
    operator(
        code={"code:a": Code(("train.py",), "file")},
        code_folder=str(script.parent),
        code_root="s3://lake/ml",
        report="s3://lake/e.json",
    ).execute(context)
    assert troubles == {"find": [], "submit": [], "head": [], "report": []}
    assert len(kind.requests_made) == 1


def test_without_an_answer_it_defers_if_a_triggerer_lives(kind, clients, context, monkeypatch):
    monkeypatch.setattr(remote_job, "deferrable_by_default", lambda: True)
    deferred(operator(deferrable=None).execute, context)


def s3_with(body):
    return SimpleNamespace(get_object=lambda **_: {"Body": io.BytesIO(body)})


def test_the_report_becomes_an_xcom(kind, clients, context, ti):
    kind.born = Phase.SUCCEEDED
    clients["s3"] = s3_with(json.dumps({"auc": 0.7}).encode())
    operator(report="s3://lake/evaluation.json").execute(context)
    assert ti.xcoms["report"] == {"auc": 0.7}


def test_a_broken_report_fails_without_retry(kind, clients, context):
    kind.born = Phase.SUCCEEDED
    clients["s3"] = s3_with(b"no json")
    with pytest.raises(AirflowFailException, match=r"s3://lake/evaluation.json is no JSON"):
        operator(report="s3://lake/evaluation.json").execute(context)


def test_a_missing_report_fails_without_retry(kind, clients, context):
    def get_object(**_):
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    kind.born = Phase.SUCCEEDED
    clients["s3"] = SimpleNamespace(get_object=get_object)
    with pytest.raises(AirflowFailException, match=r"left no report at s3://lake/e\.json"):
        operator(report="s3://lake/e.json").execute(context)


def test_code_and_token_are_put_into_the_request(kind, clients, context, script, monkeypatch):
    request = {
        "Message": Text.of("run ", Code(("train.py",), "file")),
        "MessageGroupId": Token(),
        "TopicArn": REQUEST["TopicArn"],
    }
    put = []
    clients["s3"] = SimpleNamespace(
        head_object=missing, put_object=lambda **fields: put.append(fields["Key"])
    )
    kind.born = Phase.SUCCEEDED
    operator(
        request=Speller().template(request),
        code=codes_of(request),
        code_folder=str(script.parent),
        code_root="s3://lake/ml",
    ).execute(context)
    assert len(put) == 1
    made = kind.requests_made[0]
    assert made["Message"] == f"run s3://lake/{put[0]}"
    assert made["MessageGroupId"] == client_token(context)


def missing(**_):
    raise ClientError({"Error": {"Code": "404"}}, "HeadObject")


def test_missing_code_is_named_before_anything_starts(kind, clients, context, tmp_path):
    code = {"code:a": Code(("a.py", "b.py"), "tar")}
    task = operator(code=code, code_folder=str(tmp_path), code_root="s3://lake/ml")
    with pytest.raises(FileNotFoundError, match=r"a\.py, .*b\.py do not exist"):
        task.execute(context)
    assert not kind.requests_made


def test_code_without_a_root_says_so(kind, clients, context, tmp_path):
    task = operator(code={"code:a": Code(("a.py",), "file")}, code_folder=str(tmp_path))
    with pytest.raises(AirflowFailException, match="code_root: missing"):
        task.execute(context)


@pytest.mark.parametrize("error", [PermissionError, TimeoutError])
def test_a_log_that_cannot_be_read_fails_nothing(kind, clients, context, error):
    def denied(name):
        raise error(name)

    kind.born = Phase.SUCCEEDED
    clients["logs"] = SimpleNamespace(get_paginator=denied)
    assert operator().execute(context)["status"] == "Succeeded"
