"""Small plans, and a place where their state machines really run."""

from __future__ import annotations

import json
import time
import uuid
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from statelint.linter import Linter

from airflow_ml_provider.local.server import LocalAws
from airflow_ml_provider.pipeline import JobField, Metric, Parameter, Report, Retry
from airflow_ml_provider.pipeline.conditions import Comparison
from airflow_ml_provider.pipeline.values import Output, Run, Text
from airflow_ml_provider.plan.nodes import Call, Choice, Fail, Job, Map, Plan
from airflow_ml_provider.targets.step_functions import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_ml_provider.plan.nodes import Block

Json = dict[str, Any]
ROLE = "arn:aws:iam::123456789012:role/ml"
ONCE = (Retry(attempts=0),)


@pytest.fixture(scope="session")
def plan_of() -> Callable[..., Plan]:
    def plan_of(*nodes, parameters=(), keyed_by="interval", name="p"):
        return Plan(
            name=name,
            root="s3://bucket/ml",
            folder=Path(),
            keyed_by=keyed_by,
            parameters=parameters,
            nodes=nodes,
        )

    return plan_of


@pytest.fixture(scope="session")
def states_of(plan_of, checked) -> Callable[..., Json]:
    """Compile nodes, and give all states by name, those inside others too."""

    def states_of(*nodes, **options):
        machine = document(plan_of(*nodes, **options))
        checked(machine)
        return dict(every_state(machine))

    return states_of


@pytest.fixture(scope="session")
def checked() -> Callable[[Json], None]:
    """Check a document with statelint, with cfn-lint's schema, and for what AWS says of names."""
    (cfnlint,) = find_spec("cfnlint").submodule_search_locations
    schema = Path(cfnlint, "data/schemas/other/step_functions/statemachine.json").read_text()
    # cfn-lint's own validator takes "#/" for the whole schema.
    validator = Draft202012Validator(json.loads(schema.replace('"#/"', '"#"')))

    def checked(machine):
        assert [one.message for one in validator.iter_errors(machine)] == []
        problems = Linter.validate(machine)
        # statelint takes no hyphen in a quoted key.
        assert [one for one in problems if "is not a JSONPath" not in one] == []
        names = [name for name, _ in every_state(machine)]
        assert len(names) == len(set(names))
        assert all(len(name) <= 80 for name in names)
        assert machine["TimeoutSeconds"] > 0

    return checked


def every_state(machine: Json) -> Iterator[tuple[str, Json]]:
    for name, state in machine["States"].items():
        yield name, state
        inner = [*state.get("Branches", ())]
        if "ItemProcessor" in state:
            inner.append(state["ItemProcessor"])
        for one in inner:
            yield from every_state(one)


@pytest.fixture(scope="session")
def job() -> Callable[..., Job]:
    """A processing job that leaves its outputs where they are derived."""

    def job(name, after=(), *, request=None, report=False, outputs=("output",), **options):
        fields = {
            "kind": "sagemaker_processing",
            "retry": ONCE,
            "timeout_seconds": 60,
            "report": Report("report", "evaluation.json") if report else None,
            **options,
        }
        names = ("report",) if report else outputs
        return Job(
            name=name,
            after=after,
            request={"RoleArn": ROLE} if request is None else request,
            outputs={one: Output(name, one) for one in names},
            **fields,
        )

    return job


@pytest.fixture(scope="session")
def send() -> Callable[..., Call]:
    """A call that leaves the step's name and the run's key in a queue; to no queue, it fails."""

    def send(name, queue, after=(), *, body=None, retry=ONCE, **options):
        message = Text.of(name, " ", Run.KEY) if body is None else body
        return Call(
            name=name,
            after=after,
            retry=retry,
            service="sqs",
            action="send_message",
            request={"QueueUrl": queue, "MessageBody": message},
            **options,
        )

    return send


@pytest.fixture(scope="session")
def blocks(send, job) -> st.SearchStrategy[Block]:
    """A strategy of plans: steps that take fields and metrics of earlier ones, in all nodes."""

    def name(count):
        return f"s{count[0]}-x" if count[0] % 3 else f"step_{count[0]}"

    def block(draw, count, depth, seen, *, in_map):
        nodes = []
        for _ in range(draw(st.integers(1, 4))):
            count[0] += 1
            own = name(count)
            after = tuple(draw(st.lists(st.sampled_from(nodes), unique_by=id)) if nodes else ())
            after = tuple(one.name for one in after)
            before = [*seen, *(one for one in nodes if one.name in after)]
            jobs = [one.name for one in before if getattr(one, "report", None)]
            kinds = ["job", "call", "fallback", "fail"]
            kinds += ["choice"] if depth else []
            kinds += ["map"] if depth and not in_map else []
            kind = draw(st.sampled_from(kinds))
            fields = {one: JobField(one, ("A", "B")) for one in jobs}

            def inner(seen=tuple(before), map_=in_map):
                return block(draw, count, depth - 1, seen, in_map=map_)

            if kind == "job":
                node = job(own, after, request={"Environment": fields}, report=True)
            elif kind == "call":
                node = send(own, "q", after, retry=(Retry(1),))
            elif kind == "fallback":
                node = send(own, "q", after, fallback=inner() if depth else (send(own + "f", "q"),))
            elif kind == "fail":
                node = Fail(name=own, after=after, message="no")
            elif kind == "choice":
                left = Metric(jobs[0], ("f1-score",)) if jobs else Parameter("x", 1)
                arms = (inner(), inner() if draw(st.booleans()) else ())
                when = Comparison(">", left, 0.5)
                node = Choice(name=own, after=after, when=when, then=arms[0], otherwise=arms[1])
            else:
                node = Map(name=own, after=after, items=(1, 2), body=inner(map_=True))
            nodes.append(node)
        return tuple(nodes)

    return st.composite(lambda draw: block(draw, [0], 2, (), in_map=False))()


@pytest.fixture(scope="module")
def aws(tmp_path_factory) -> Iterator[Callable[[str], Any]]:
    """Clients of a local AWS."""
    with LocalAws(state_dir=tmp_path_factory.mktemp("aws"), wait_scale=0.01) as local:
        session = boto3.session.Session()

        def client(service):
            return session.client(
                service,
                endpoint_url=local.endpoint_url,
                region_name="eu-central-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",
            )

        client("s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        yield client


@pytest.fixture
def queue(aws) -> str:
    return aws("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]


@pytest.fixture
def sent(aws, queue) -> Callable[[], list[str]]:
    """Take all messages out of the queue."""

    def sent():
        sqs, found = aws("sqs"), []
        while some := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in some:
                found.append(message["Body"])
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)

    return sent


INTERVAL = {
    "data_interval_start": "2013-08-29T00:00:00+00:00",
    "data_interval_end": "2013-08-30T00:00:00Z",
}


@pytest.fixture
def execute(aws, plan_of) -> Callable[..., Json]:
    """Compile nodes, run their machine to its end, and describe the execution.

    ``entered`` lists the states that were entered, ``tried`` those of tasks, with every try.
    """

    def execute(*nodes, given=INTERVAL, **options):
        client = aws("stepfunctions")
        machine = client.create_state_machine(
            name=f"m-{uuid.uuid4().hex}",
            definition=json.dumps(document(plan_of(*nodes, **options))),
            roleArn=ROLE,
        )["stateMachineArn"]
        arn = client.start_execution(stateMachineArn=machine, input=json.dumps(given))[
            "executionArn"
        ]
        deadline = time.monotonic() + 60
        while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        events = client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        details = [event.get("stateEnteredEventDetails") for event in events]
        tries = [event for event in events if event["type"] == "TaskScheduled"]
        return {
            **found,
            "entered": [one["name"] for one in details if one],
            "tried": [json.loads(one["taskScheduledEventDetails"]["parameters"]) for one in tries],
            "output": json.loads(found.get("output", "null")),
        }

    return execute
