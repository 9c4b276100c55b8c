"""The compiled state machines on an interpreter that really runs them."""
# ruff: noqa: PLR0917 - fixtures are asked for by position

from __future__ import annotations

import json
from threading import Thread

import pytest

from airflow_ml_provider.pipeline import JobField, Metric, Output, Parameter, Report, Retry, Run
from airflow_ml_provider.pipeline.conditions import AllOf, AnyOf, Comparison, Not
from airflow_ml_provider.pipeline.values import Item, Text, Token
from airflow_ml_provider.plan.nodes import Approval, Call, Choice, Fail, Map

NOWHERE = "http://127.0.0.1/123456789012/there-is-none"


def choice(name, when, then=(), otherwise=(), after=()):
    return Choice(name=name, after=after, when=when, then=then, otherwise=otherwise)


def test_a_run_of_an_interval(execute, send, queue, sent):
    done = execute(send("a", queue))
    assert done["status"] == "SUCCEEDED"
    assert sent() == ["a 20130829T000000"]
    run = done["output"]["run"]
    assert run["id"] == done["name"]
    assert run["date"] == "2013-08-29"
    assert run["interval_start"] == "2013-08-29T00:00:00+00:00"
    assert run["interval_end"] == "2013-08-30T00:00:00+00:00"
    assert len(run["hash"]) == 32


def test_a_run_without_an_interval_is_keyed_by_its_name(execute, send, queue, sent):
    done = execute(send("a", queue), given={})
    run = done["output"]["run"]
    assert sent() == [f"a {done['name']}"]
    began = done["startDate"].astimezone().isoformat()
    assert run["interval_start"] == run["interval_end"]
    assert run["interval_start"][14:19] == began[14:19]


def test_a_run_keyed_by_its_execution(execute, send, queue, sent):
    done = execute(send("a", queue), keyed_by="execution")
    assert sent() == [f"a {done['name']}"]
    assert done["output"]["run"]["date"] == "2013-08-29"


@pytest.mark.parametrize(
    "given",
    [
        {"data_interval_start": "2013-08-29T00:00:00Z"},
        {
            "data_interval_start": "2013-08-29T02:00:00+02:00",
            "data_interval_end": "2013-08-30T02:00:00+02:00",
        },
        {"data_interval_start": 5, "data_interval_end": 6},
    ],
)
def test_an_interval_that_can_not_be_used(execute, send, queue, given):
    done = execute(send("a", queue), given=given)
    assert (done["status"], done["error"]) == ("FAILED", "WrongInput")
    assert "in UTC" in done["cause"]


def test_parameters_and_their_defaults(execute, send, queue, sent):
    x, y = Parameter("x", 1), Parameter("y", 2.5)
    body = Text("{x} {y}", x=x, y=y)
    execute(
        send("a", queue, body=body), parameters=(x, y), given={"parameters": {"x": 7, "other": 1}}
    )
    assert sent() == ["7 2.5"]


def test_special_characters_of_text(execute, send, queue, sent):
    body = Text("""it's {{so}} \\ "{key}"\nü""", key=Run.KEY)
    execute(send("a", queue, body=body))
    assert sent() == ["""it's {so} \\ "20130829T000000"\nü"""]


def test_siblings_end_before_a_failure_fails_the_run(execute, send, queue, sent):
    done = execute(
        send("a", queue),
        send("b", NOWHERE),
        send("c", queue, ("a",)),
        send("d", queue, ("b",)),
        send("e", queue, ("c", "d")),
    )
    assert done["status"] == "FAILED"
    assert "does not exist" in done["cause"]
    assert sent() == ["a 20130829T000000", "c 20130829T000000"]


def test_a_fallback_in_the_place_of_a_step(execute, send, queue, sent):
    done = execute(
        send("a", NOWHERE, fallback=(send("f", queue),)), send("b", queue, ("a",)), send("c", queue)
    )
    assert done["status"] == "SUCCEEDED"
    assert sent() == ["b 20130829T000000", "c 20130829T000000", "f 20130829T000000"]


def test_a_failing_fallback_fails(execute, send, queue, sent):
    done = execute(
        send("a", NOWHERE, fallback=(send("f", NOWHERE),)),
        send("b", queue, ("a",)),
        send("c", queue),
    )
    assert done["status"] == "FAILED"
    assert sent() == ["c 20130829T000000"]


@pytest.mark.parametrize(
    ("errors", "tries"), [(None, 3), (("job",), 1), (("service",), 3), (("service", "job"), 3)]
)
def test_retries_by_class(execute, send, errors, tries):
    # An error that SQS has no class for counts as the service's.
    retry = (Retry(2, interval_seconds=1, errors=errors),)
    done = execute(send("a", NOWHERE, retry=retry))
    assert len(done["tried"]) == tries


def test_a_token_is_the_same_for_every_try(execute, send):
    call = send("a", NOWHERE, body=Token(), retry=(Retry(2, interval_seconds=1),))
    done = execute(call)
    tokens = {one["MessageBody"] for one in done["tried"]}
    assert len(done["tried"]) == 3
    assert len(tokens) == 1
    assert len(tokens.pop()) == 32


@pytest.mark.parametrize(("x", "ran"), [(1, "then"), (0, "otherwise")])
def test_a_choice_and_what_follows(execute, send, queue, sent, x, ran):
    when = Comparison(">", Parameter("x", 5), 0)
    done = execute(
        choice("g", when, (send("then", queue),), (send("otherwise", queue),)),
        send("z", queue, ("g",)),
        parameters=(Parameter("x", 5),),
        given={"parameters": {"x": x}},
    )
    assert done["status"] == "SUCCEEDED"
    assert [one.split()[0] for one in sent()] == sorted([ran, "z"])


def test_a_parameter_that_is_no_number(execute, send, queue, sent):
    when = Not(Comparison(">", Parameter("x", 5), 0))
    done = execute(
        choice("g", when, (send("then", queue),)),
        parameters=(Parameter("x", 5),),
        given={"parameters": {"x": "7"}},
    )
    assert (done["status"], done["error"]) == ("FAILED", "ParameterInvalid")
    assert sent() == []


def test_fail(execute, send, queue, sent):
    done = execute(
        send("a", queue),
        Fail(name="stop", message=Text("no {k}", k=Run.KEY)),
        send("b", queue, ("a",)),
    )
    assert (done["error"], done["cause"]) == ("PipelineFailed", "no 20130829T000000")
    assert [one.split()[0] for one in sent()] == ["a", "b"]


def test_fields_of_answers_pass_joins(execute, send, queue, sent):
    first = send("first-1", queue, body="hello")
    md5 = JobField("first-1", ("MD5OfMessageBody",))
    done = execute(
        first,
        send("a", queue, ("first-1",), body=md5),
        send("b", queue, ("first-1",), body=Text.of("b ", md5)),
        send("z", queue, ("a", "b"), body=Text.of("z ", JobField("b", ("MD5OfMessageBody",)), md5)),
    )
    assert done["status"] == "SUCCEEDED"
    hashed = "5d41402abc4b2a76b9719d911017c592"
    one, two, three, four = sent()
    assert (one, two, three) == (hashed, f"b {hashed}", "hello")
    assert four.startswith("z ")
    assert four.endswith(hashed)


def item(name, queue):
    return {"service": "sqs", "action": "send_message", "retry": (), "name": name} | {
        "request": {"QueueUrl": queue, "MessageBody": Text.of(Item("m"), " ", Output(name, "o"))}
    }


def test_a_map(execute, send, queue, sent):
    body = (Call(**item("inner", queue)),)
    done = execute(Map(name="m", items=("a", "b"), body=body), send("z", queue, ("m",)))
    assert done["status"] == "SUCCEEDED"
    path = "s3://bucket/ml/p/20130829T000000/inner"
    assert sent() == [f"a {path}/0/o/", f"b {path}/1/o/", "z 20130829T000000"]


def test_a_map_over_a_parameter_may_be_empty(execute, send, queue, sent):
    items = Parameter("days", [])
    done = execute(
        Map(name="m", items=items, body=(Call(**item("inner", queue)),)),
        send("z", queue, ("m",)),
        parameters=(items,),
    )
    assert done["status"] == "SUCCEEDED"
    assert sent() == ["z 20130829T000000"]


def test_an_item_that_fails_lets_the_others_end(execute, send, queue, sent):
    address = Text.of("http://127.0.0.1/123456789012/", Item("m"))
    fails = send("fails", address, body="x")
    done = execute(
        Map(name="m", items=(queue.rpartition("/")[2], "none"), body=(fails,)),
        send("z", queue, ("m",)),
        send("beside", queue),
    )
    assert done["status"] == "FAILED"
    assert "does not exist" in done["cause"]
    assert sent() == ["beside 20130829T000000", "x"]


def test_many_items(execute, send, queue, sent):
    body = (send("inner", queue, body=Text.of(Item("m"))),)
    done = execute(Map(name="m", items=tuple(range(45)), body=body))
    assert done["status"] == "SUCCEEDED"
    assert sent() == sorted(str(number) for number in range(45))


REPORT = {"a": {"f1-score": 0.5, "b": 1}, "c": "text", "d.e": 3}
F1 = Metric("evaluate", ("a", "f1-score"))
MISSING = Metric("evaluate", ("a", "none"))
TEXT = Metric("evaluate", ("c",))


@pytest.fixture
def evaluation(job):
    """A processing job that writes a report."""

    def evaluation(report):
        place = "/opt/ml/processing/output/report"
        script = f"open({f'{place}/evaluation.json'!r}, 'w').write({report!r})"
        output = {"S3Uri": Output("evaluate", "report"), "LocalPath": place}
        request = {
            "RoleArn": "arn:aws:iam::123456789012:role/ml",
            "AppSpecification": {
                "ImageUri": "python:3",
                "ContainerEntrypoint": ["python3", "-c", script],
                "ContainerArguments": ["--key", Run.KEY],
            },
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "report",
                        "S3Output": {**output, "S3UploadMode": "EndOfJob"},
                    }
                ]
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
        }
        return job("evaluate", request=request, report=Report("report", "evaluation.json"))

    return evaluation


@pytest.mark.parametrize(
    ("when", "ran"),
    [
        (
            AllOf((Comparison(">", F1, 0.4), Comparison("<=", 2, Metric("evaluate", ("d.e",))))),
            "yes",
        ),
        (AnyOf((Comparison(">=", F1, Parameter("x", 0.6)), Comparison("<", 1, 0))), "no"),
        (Not(Comparison("<", Metric("evaluate", ("a", "b")), F1)), "yes"),
    ],
)
def test_a_choice_on_metrics(execute, send, queue, sent, evaluation, when, ran):
    tell = send("tell", queue, ("g",), body=Text("f1 {f}", f=F1))
    done = execute(
        evaluation(json.dumps(REPORT)),
        choice("g", when, (send("yes", queue),), (send("no", queue),), after=("evaluate",)),
        tell,
        parameters=(Parameter("x", 0.6),),
    )
    assert done["status"] == "SUCCEEDED"
    assert sent() == ["f1 0.5", f"{ran} 20130829T000000"]
    assert "text" not in json.dumps(done["output"])


@pytest.mark.parametrize("metric", [MISSING, TEXT])
def test_a_metric_that_is_not_there(execute, send, queue, sent, evaluation, metric):
    when = Not(Comparison(">", metric, 0.4))
    done = execute(
        evaluation(json.dumps(REPORT)),
        choice("g", when, (send("yes", queue),), after=("evaluate",)),
        send("beside", queue, ("evaluate",)),
    )
    assert (done["status"], done["error"]) == ("FAILED", "MetricMissing")
    assert f"{metric.path[-1]!r} of step 'evaluate'" in done["cause"]
    # Only what needs the metric fails.
    assert sent() == ["beside 20130829T000000"]


def test_every_try_of_a_job_has_a_name_of_its_own(execute, aws, evaluation):
    step = evaluation("{}")
    entry = {
        "ImageUri": "python:3",
        "ContainerEntrypoint": ["python3", "-c", "raise SystemExit(3)"],
    }
    request = {**step.request, "AppSpecification": entry}
    failing = type(step)(
        **{**vars(step), "request": request, "retry": (Retry(2, 1, errors=("job",)),)}
    )
    done = execute(failing)
    assert done["error"] == "States.TaskFailed"
    names = [one["ProcessingJobName"] for one in done["tried"]]
    assert [name.rpartition("-")[2] for name in names] == ["0", "1", "2"]
    assert len({name.rpartition("-")[0] for name in names}) == 1


@pytest.mark.parametrize(("approved", "status"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_an_approval(execute, send, aws, queue, approved, status):
    def answer():
        sqs, states = aws("sqs"), aws("stepfunctions")
        while not (got := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")):
            pass
        question = json.loads(got[0]["Body"])
        asked.update(question)
        if approved:
            states.send_task_success(taskToken=question["token"], output="{}")
        else:
            states.send_task_failure(taskToken=question["token"], error="NotApproved", cause="bad")

    asked: dict[str, object] = {}
    group = {"ModelPackageGroupName": "flights"}
    register = Call(
        name="register",
        retry=(),
        service="sagemaker",
        action="create_model_package_group",
        request={**group, "Tags": [{"Key": "run", "Value": Run.KEY}]},
        creates=True,
    )
    other = Call(
        name="package",
        after=("register",),
        retry=(),
        service="sagemaker",
        action="create_model_package",
        request={
            **group,
            "InferenceSpecification": {
                "Containers": [{"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        },
    )
    ask = Approval(
        name="ask",
        after=("package",),
        model="package",
        queue_url=queue,
        timeout_seconds=1800,
        poll_seconds=1,
    )
    thread = Thread(target=answer)
    thread.start()
    done = execute(register, other, ask)
    thread.join()
    assert done["status"] == status, done
    assert asked["step"] == "ask"
    assert ":model-package/flights/" in asked["arguments"]["model_package_arn"]
    if not approved:
        assert (done["error"], done["cause"]) == ("NotApproved", "bad")
