"""One Airflow DAG for each shape of a pipeline; a call fails if its message says so."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_ml_provider._compat import AirflowFailException
from airflow_ml_provider.factories import pipeline_dag
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.remote_job import RemoteJobOperator
from airflow_ml_provider.pipeline import (
    Account,
    AwsCall,
    Choice,
    Fail,
    Item,
    Map,
    Parameter,
    Pipeline,
    RemoteJob,
    Report,
    Retry,
    Step,
    Text,
)


def fake_call(self: Any, context: Any, **_: Any) -> dict[str, str]:
    if "fail" in self.request["Message"]:
        raise AirflowFailException(self.request["Message"])
    return {"MessageId": str(context["ti"].map_index)}


def fake_job(self: Any, context: Any, **_: Any) -> dict[str, Any]:
    report = {"auc": float(self.request["Arguments"])}
    context["ti"].xcom_push(key="report", value=report)
    return {"outputs": self.outputs}


AwsCallOperator.execute = fake_call
RemoteJobOperator.execute = fake_job
YES, NO = Parameter("p", 1) > 0, Parameter("p", 1) < 0
NEVER = Retry(attempts=0)


class Scored(RemoteJob):
    """A job with a report."""

    @property
    def metrics_report(self) -> Report:
        return Report("o", "report.json")


def call(name: str, message: Any = "well", **options: Any) -> AwsCall:
    return AwsCall(name, "sns", "publish", {"Message": message}, retry=NEVER, **options)


def failing(name: str, **options: Any) -> AwsCall:
    return call(name, "fail", **options)


def tail(*after: Step) -> AwsCall:
    return call("tail", after=after)


def mapped(items: Any, message: Any = "well") -> Map:
    job = Scored("job", kind="k", request={"Arguments": Item("m", ("auc",))}, outputs=("o",))
    say = call("say", message, fallback=[call("sorry")])
    good = Choice("good", job.metric("auc") > 0.4, then=[say])
    return Map("m", items, [job, good, call("end", after=[good])])


def shapes() -> dict[str, list[Step]]:
    gate = Choice("gate", YES, then=[call("x")], otherwise=[call("y")])
    empty = Choice("gate", NO, then=[call("x")])
    broken = Choice("gate", YES, then=[failing("x")])
    inner = Choice("inner", NO, then=[call("x")])
    nested = Choice("gate", YES, then=[inner, call("z", after=inner)], otherwise=[call("y")])
    other = failing("other")
    saved = failing("a", fallback=[call("f")])
    unused = call("a", fallback=[call("f")])
    lost = failing("a", fallback=[failing("f")])
    never = call("a", after=[other], fallback=[call("f")])
    twice = failing("a", fallback=[failing("f", fallback=[call("g")])])
    aside = Choice("gate", NO, then=[saved], otherwise=[call("y")])
    items = [{"auc": 0.1, "say": "a"}, {"auc": 0.9, "say": "fail"}, {"auc": 0.5, "say": "c"}]
    whole = mapped(items, Item("m", ("say",)))
    nothing = mapped(Parameter("things", []))
    skipped = Choice("gate", NO, then=[mapped(items)], otherwise=[call("y")])
    torn = Map("m", [1, 2], [call("w", Text("{i} fail", i=Item("m")))])
    return {
        "rejoin": [gate, tail(gate)],
        "empty_arm": [empty, tail(empty)],
        "broken_arm": [broken, tail(broken)],
        "nested_arms": [nested, tail(nested)],
        "other_fails": [gate, other, tail(gate, other)],
        "saved": [saved, tail(saved)],
        "unused": [unused, tail(unused)],
        "lost": [lost, tail(lost)],
        "never": [other, never, tail(never)],
        "twice": [twice],
        "aside": [aside, tail(aside)],
        "ended": [Choice("gate", YES, then=[Fail("no", "because")])],
        "mapped": [whole, tail(whole)],
        "nothing": [nothing, tail(nothing)],
        "map_skipped": [skipped, tail(skipped)],
        "torn": [torn, tail(torn)],
    }


for shape, made in shapes().items():
    globals()[shape] = pipeline_dag(
        Pipeline(shape, made, root="s3://lake"),
        account=Account(role_arn="arn:aws:iam::123456789012:role/ml"),
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
