from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_ml_provider.pipeline import (
    Account,
    Approval,
    AwsCall,
    Choice,
    Fail,
    InRange,
    Item,
    LambdaCall,
    Map,
    NotNull,
    Parameter,
    Pipeline,
    RegisterModel,
    RemoteJob,
    Retry,
    RowCount,
    Run,
    SqlExtract,
    Text,
)
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.targets.airflow import document, findings

YES = Parameter("p", 1) > 0
OPTIONS = {
    *("partitions", "partition_by", "watermark", "watermark_delay_seconds", "on_drift"),
    *("checks", "memory_mb", "history", "run_key"),
}
SOME = "none_failed_min_one_success"


def call(name, **options):
    return AwsCall(name, "sns", "publish", {"Message": name}, **options)


def plan(*steps, **options):
    pipeline = Pipeline("p", steps, root="s3://lake", **options)
    return build(pipeline, Account(role_arn="arn:aws:iam::123456789012:role/ml"))


def tasks(*steps, **options):
    return {task["task_id"]: task for task in document(plan(*steps, **options))["tasks"]}


def order(*steps, **options):
    return {
        name: (task["upstream"], task.get("trigger_rule"))
        for name, task in tasks(*steps, **options).items()
    }


def test_it_is_json_of_the_whole_dag(pipeline):
    described = document(build(pipeline))
    assert json.loads(json.dumps(described)) == described
    assert {name: described[name] for name in ("dag_id", "keyed_by", "params", "maps")} == {
        "dag_id": "flight_delays",
        "keyed_by": "interval",
        "params": {"max_depth": 6},
        "maps": {},
    }
    train = next(task for task in described["tasks"] if task["task_id"] == "train")
    assert train["operator"] == "remote_job"
    assert train["upstream"] == ["features"]
    (code,) = train["arguments"]["code"].values()
    assert code == {"files": ["jobs/train.py"], "form": "tar", "texts": []}


def test_order_without_data():
    a, b = call("a"), call("b")
    assert order(a, b, call("c", after=[a, b]))["c"] == (["a", "b"], None)


def test_the_tail_of_a_choice_follows_both_arms():
    arm = call("x")
    gate = Choice("gate", YES, then=[arm, call("y", after=arm)], otherwise=[call("z")])
    assert order(gate, call("tail", after=gate)) == {
        "gate": ([], None),
        "x": (["gate"], None),
        "y": (["x"], None),
        "z": (["gate"], None),
        "tail": (["y", "z"], SOME),
    }


def test_an_empty_arm_ends_with_the_choice_and_arms_nest():
    inner = Choice("inner", YES, then=[call("x")])
    gate = Choice("gate", YES, otherwise=[inner])
    other = call("other")
    assert order(gate, other, call("tail", after=[gate, other]))["tail"] == (
        ["gate", "x", "inner", "other"],
        SOME,
    )


def test_an_extract_that_may_skip_is_not_taken_for_an_arm():
    rows = SqlExtract("rows", conn_id="db", table="t")
    gate = Choice("gate", YES, then=[call("x")], otherwise=[call("y")])
    steps = (rows, gate, call("tail", after=[gate, rows]), call("more", after=[gate, rows]))
    found = order(*steps, on_empty="skip")
    assert found["tail"] == found["more"] == (["gate.end", "rows"], None)
    assert found["gate.end"] == (["x", "y"], SOME)
    assert order(*steps)["tail"] == (["x", "y", "rows"], SOME)


def test_a_fallback_is_decided_by_a_task_of_its_own():
    job = call("job", fallback=[call("f", fallback=call("g")), call("h")])
    found = tasks(job, call("tail", after=job))
    assert found["job.fallback"] == {
        "task_id": "job.fallback",
        "operator": "fallback",
        "arguments": {"of": "job", "fallback": ["f", "h"]},
        "upstream": ["job"],
        "trigger_rule": "none_skipped",
    }
    assert found["f"]["upstream"] == ["job.fallback"]
    assert found["tail"]["upstream"] == ["job.fallback", "f.fallback", "g", "h"]
    assert found["tail"]["trigger_rule"] == SOME


def test_a_map_is_a_group():
    job = RemoteJob(
        "job",
        kind="glue",
        request={"JobName": Text("{c}", c=Item("m", ("c",)))},
        outputs=("o",),
    )
    gate = Choice("gate", YES, then=[call("x")])
    stations = Map("m", [{"c": "a"}, {"c": "b"}], [job, gate], concurrency=2)
    described = document(plan(stations, call("tail", after=stations), call("m-items")))
    found = {task["task_id"]: task for task in described["tasks"]}
    assert described["maps"] == {"m-items-": "m"}
    assert found["m"]["operator"] == "map_items"
    assert found["m"]["arguments"] == {"items": [{"c": "a"}, {"c": "b"}]}
    assert [name for name, task in found.items() if task.get("group")] == ["job", "gate", "x"]
    assert found["job"]["arguments"]["max_active_tis_per_dagrun"] == 2
    assert found["job"]["arguments"]["outputs"] == {
        "o": "s3://lake/p/{{ run_key(dag_run) }}/job/{{ ti.map_index }}/o/"
    }
    assert found["m.end"]["upstream"] == ["m", "job", "x", "gate"]
    assert found["m.end"]["trigger_rule"] == SOME
    assert found["tail"]["upstream"] == ["m.end"]


def test_a_map_over_a_parameter():
    stations = Map("m", Parameter("stations", ("a",)), [call("x")])
    described = document(plan(stations))
    assert described["params"] == {"stations": ["a"]}
    assert described["tasks"][0]["arguments"] == {"param": "stations"}


def test_calls_ends_and_approvals():
    job = RemoteJob("job", kind="glue", request={"JobName": "j"})
    model = RegisterModel("register", model=_Trained("job", kind="k", request={"a": 1}), group="g")
    found = tasks(
        job,
        model,
        Approval("approved", model, timeout_seconds=60, poll_seconds=5),
        LambdaCall("fn", "f", {"n": Parameter("n", 1), "d": Run.DATE}, timeout_seconds=9),
        Fail("end", Text("of {d}", d=Run.DATE)),
        AwsCall("made", "sns", "create_topic", {"Name": "t"}, creates=True, retry=[]),
    )
    assert found["approved"]["operator"] == "model_approval"
    assert found["approved"]["upstream"] == ["register"]
    approved = found["approved"]["arguments"]
    assert approved["timeout"] == 60
    assert approved["poll_seconds"] == 5
    assert approved["model_package_arn"] == (
        "{{ ti.xcom_pull(task_ids='register')['ModelPackageArn'] }}"
    )
    assert found["fn"]["arguments"]["payload"] == (
        '{"n": {{ params.n | tojson }}, "d": {{ run_date(dag_run) | tojson }}}'
    )
    assert found["end"]["arguments"] == {"message": "of {{ run_date(dag_run) }}"}
    assert found["made"]["arguments"]["creates"] is True
    assert found["made"]["arguments"]["retries"] == 0


class _Trained(RemoteJob):
    """A job with an artifact, without the files that a training needs."""

    image_uri = "image"
    artifact = "s3://lake/model.tar.gz"


def test_items_in_a_query_keep_their_type():
    rows = SqlExtract(
        "rows", conn_id="db", query="select :n, :k", parameters={"n": Item("m"), "k": "x"}
    )
    found = tasks(Map("m", [1, 2], [rows]))["rows"]["arguments"]
    assert '"n": {{ ti.xcom_pull' in found["parameters"]
    assert '"k": "x"' in found["parameters"]


def test_the_options_of_an_extract():
    bare = SqlExtract("bare", conn_id="db", table="t")
    rows = SqlExtract(
        "rows",
        conn_id="db",
        table="t",
        partitions=2,
        watermark="id",
        checks=[NotNull("id"), RowCount(1)],
    )
    timed = SqlExtract(
        "timed",
        conn_id="db",
        table="t",
        checks=[InRange("at", Run.INTERVAL_START), RowCount(Parameter("least", 1))],
    )
    found = tasks(bare, rows, timed, Map("m", [1], [SqlExtract("in_map", conn_id="db", table="t")]))
    assert {name for name in found["bare"]["arguments"] if name in OPTIONS} == {
        "history",
        "run_key",
    }
    arguments = found["rows"]["arguments"]
    assert {name: one for name, one in arguments.items() if name in OPTIONS} == {
        "partitions": 2,
        "watermark": "id",
        "checks": [
            {"check": "not_null", "columns": ["id"]},
            {"check": "row_count", "minimum": 1},
        ],
        "history": "s3://lake/p/_history/rows.json",
        "run_key": "{{ run_key(dag_run) }}",
    }
    mapped = found["in_map"]["arguments"]["history"]
    assert mapped == "s3://lake/p/_history/in_map/{{ ti.map_index }}.json"
    # As JSON text values keep their type.
    assert found["timed"]["arguments"]["checks"] == (
        '[{"check": "in_range", "column": "at", "minimum": {{ interval_start(dag_run) | tojson }}}'
        ', {"check": "row_count", "minimum": {{ params.least | tojson }}}]'
    )


def test_retries_of_several_classes():
    entries = [
        Retry(0, errors=("job",)),
        Retry(4, interval_seconds=5, backoff=1, errors=("service",)),
    ]
    assert tasks(call("a", retry=entries))["a"]["arguments"] | {"request": 0} == {
        "service": "sns",
        "action": "publish",
        "request": 0,
        "retries": 4,
        "retry_delay_seconds": 5,
        "retry_exponential_backoff": False,
        "max_retry_delay_seconds": 900,
        "attempts": {"service": 4, "job": 0},
    }
    assert "attempts" not in tasks(call("a", retry=Retry(3)))["a"]["arguments"]


@pytest.mark.parametrize(
    ("entries", "feature", "how"),
    [
        ([Retry(2, backoff=3)], "retry backoff", "each pause is twice the one before, not 3 times"),
        ([Retry(2, jitter=True)], "retry jitter", "pauses are spread by a hash of the task"),
        (
            [Retry(2, backoff=1, jitter=True)],
            "retry jitter",
            "the pause is the same each time; Airflow spreads pauses only with a backoff",
        ),
        (
            [Retry(2, errors=("service",)), Retry(1, errors=("job",))],
            "several retries",
            (
                "tries are counted together, at most 2 for service, 1 for job; "
                "the pauses are the first entry's"
            ),
        ),
    ],
)
def test_retries_that_are_lowered(entries, feature, how):
    found = {one.feature: one for one in findings(plan(call("a", retry=entries)))}
    assert (found[feature].verdict, found[feature].how) == ("lowered", how)
    assert found["retry"].verdict == "kept"


def test_findings_of_maps():
    small = Map("m", [1], [call("x", retry=Retry(0))], concurrency=3)
    found = {(one.step, one.feature): one for one in findings(plan(small))}
    assert found["m", "map"].verdict == "kept"
    assert "at most 3 at a time" in found["m", "map concurrency"].how
    assert ("x", "retry") not in found
    big = findings(plan(Map("m", list(range(1025)), [call("x")])))
    assert "max_map_length of 1025" in next(f for f in big if f.feature == "map").how
    over = findings(plan(Map("m", Parameter("n", []), [call("x")])))
    assert all(one.verdict == "kept" for one in over)


def test_there_is_no_cache():
    cached = plan(RemoteJob("job", kind="glue", request={"JobName": "j"}, cache="P7D"))
    found = next(one for one in findings(cached) if one.feature == "cache")
    assert (found.verdict, found.how) == ("lowered", "the job runs anew in every run")


def test_the_target_imports_no_airflow():
    code = (
        "import sys, airflow_ml_provider.targets.airflow; "
        "assert not {'airflow', 'boto3', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
