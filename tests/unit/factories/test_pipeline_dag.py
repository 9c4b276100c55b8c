from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from importlib import import_module

import pytest

from airflow_ml_provider.factories import document_dag, pipeline_dag, training_dag
from airflow_ml_provider.operators.aws_call import AwsCallOperator
from airflow_ml_provider.operators.choice import ChoiceOperator
from airflow_ml_provider.operators.remote_job import RemoteJobOperator
from airflow_ml_provider.operators.sql_extract import SqlExtractOperator
from airflow_ml_provider.pipeline import (
    Account,
    Approval,
    AwsCall,
    Choice,
    Fail,
    LambdaCall,
    Map,
    Metric,
    NotNull,
    Parameter,
    Pipeline,
    PipelineError,
    RegisterModel,
    RemoteJob,
    Retry,
    RowCount,
    SqlExtract,
)
from airflow_ml_provider.plan.build import build
from airflow_ml_provider.targets.airflow import document

ACCOUNT = Account(role_arn="arn:aws:iam::123456789012:role/ml")
KEY = "{{ run_key(dag_run) }}"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def dag(pipeline):
    return pipeline_dag(pipeline, account=ACCOUNT, schedule="@daily", start_date=START)


def test_tasks_and_their_order(dag):
    assert {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks} == {
        "flights": [],
        "daily": ["flights"],
        "features": ["daily"],
        "train": ["features"],
        "evaluate": ["features", "train"],
        "good_enough": ["evaluate", "train"],
        "register": ["good_enough"],
        "tell_team": ["good_enough"],
    }
    assert {task.task_id: type(task) for task in dag.tasks} == {
        "flights": SqlExtractOperator,
        **dict.fromkeys(("daily", "features", "train", "evaluate"), RemoteJobOperator),
        "good_enough": ChoiceOperator,
        **dict.fromkeys(("register", "tell_team"), AwsCallOperator),
    }


def test_values_become_templates(dag):
    extract, train = dag.get_task("flights"), dag.get_task("train")
    assert extract.output_uri == f"s3://lake/ml/flight_delays/{KEY}/flights/output/"
    assert extract.parameters == {
        "run_date": "{{ run_date(dag_run) }}",
        "data_interval_start": "{{ interval_start(dag_run) }}",
        "data_interval_end": "{{ interval_end(dag_run) }}",
    }
    assert train.request["HyperParameters"]["max_depth"] == "{{ params.max_depth }}"
    (channel,) = train.request["InputDataConfig"]
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == (
        f"s3://lake/ml/flight_delays/{KEY}/features/train/"
    )
    (placeholder,) = train.code
    assert train.request["HyperParameters"]["sagemaker_submit_directory"] == placeholder
    evaluate = dag.get_task("evaluate")
    assert evaluate.report == f"s3://lake/ml/flight_delays/{KEY}/evaluate/report/evaluation.json"
    register = dag.get_task("register")
    (container,) = register.request["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == (
        "{{ ti.xcom_pull(task_ids='train')['ModelArtifacts']['S3ModelArtifacts'] }}"
    )


def test_a_parameter_of_a_query_keeps_its_type(pipeline):
    rows = SqlExtract(
        "rows", conn_id="db", query="select :n", parameters={"n": Parameter("least", 3)}
    )
    dag = pipeline_dag(type(pipeline)("p", [rows], root="s3://lake"), account=ACCOUNT)
    task = dag.get_task("rows")
    assert task.dag_params == {"n": "least"}
    assert "n" not in task.parameters
    assert dag.params["least"] == 3


def test_the_options_of_an_extract_reach_its_task(pipeline):
    rows = SqlExtract(
        "rows",
        conn_id="db",
        table="t",
        partitions=2,
        watermark="id",
        checks=[NotNull("id"), RowCount(Parameter("least", 3))],
        on_drift="ignore",
    )
    dag = pipeline_dag(type(pipeline)("p", [rows], root="s3://lake"), account=ACCOUNT)
    task = dag.get_task("rows")
    assert (task.partitions, task.watermark, task.on_drift) == (2, "id", "ignore")
    assert (task.history, task.run_key) == (
        "s3://lake/p/_history/rows.json",
        KEY,
    )
    rendered = task.checks.replace("{{ params.least | tojson }}", "3")
    assert json.loads(rendered) == [
        {"check": "not_null", "columns": ["id"]},
        {"check": "row_count", "minimum": 3},
    ]
    assert dag.params["least"] == 3


def test_a_cron_schedule_has_intervals(dag):
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert dag.catchup is False
    assert dag.params["max_depth"] == 6


def test_run_key_follows_the_pipeline(dag, pipeline):
    class Run:
        run_id = "manual__1"
        data_interval_start = datetime(2013, 8, 29, tzinfo=timezone.utc)

    assert dag.user_defined_macros["run_key"](Run) == "20130829T000000"
    by_execution = pipeline_dag(
        type(pipeline)(
            pipeline.name,
            pipeline.steps,
            root=pipeline.root,
            folder=pipeline.folder,
            keyed_by="execution",
        ),
        account=ACCOUNT,
    )
    assert by_execution.user_defined_macros["run_key"](Run).startswith("manual__1-")


def test_retries_and_options(pipeline):
    steps = [
        SqlExtract(
            "rows",
            conn_id="db",
            table="t",
            retry=Retry(attempts=5, interval_seconds=7, backoff=1, max_delay_seconds=9),
            timeout_seconds=11,
        )
    ]
    dag = pipeline_dag(
        type(pipeline)("p", steps, root="s3://lake"),
        account=ACCOUNT,
        aws_conn_id="other",
        region_name="eu-west-1",
        tags=["x"],
        params={"more": 1},
        user_defined_macros={"mine": 2},
        max_active_runs=3,
    )
    (task,) = dag.tasks
    assert (task.retries, task.retry_delay, task.max_retry_delay) == (
        5,
        timedelta(seconds=7),
        timedelta(seconds=9),
    )
    assert not task.retry_exponential_backoff
    assert task.execution_timeout == timedelta(seconds=11)
    assert (task.aws_conn_id, task.region_name) == ("other", "eu-west-1")
    assert "x" in dag.tags
    assert dag.params["more"] == 1
    assert dag.user_defined_macros["mine"] == 2
    assert dag.max_active_runs == 3


@pytest.mark.parametrize("deferrable", [True, False, None])
def test_deferrable_is_passed_on(pipeline, deferrable):
    dag = pipeline_dag(pipeline, account=ACCOUNT, deferrable=deferrable)
    assert dag.get_task("train").deferrable is deferrable


def test_the_account_may_come_from_the_configuration(pipeline, monkeypatch):
    monkeypatch.setenv("AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN", "arn:aws:iam::1:role/configured")
    dag = pipeline_dag(pipeline)
    assert dag.get_task("train").request["RoleArn"] == "arn:aws:iam::1:role/configured"


def test_training_dag_is_the_usual_shape(steps, folder):
    dag = training_dag(
        "usual",
        data=[steps["flights"], steps["daily"], steps["features"]],
        training=steps["train"],
        evaluation=steps["evaluate"],
        gate=steps["evaluate"].metric("auc") >= 0.7,
        group="delays",
        root="s3://lake/ml",
        folder=folder,
        account=ACCOUNT,
        schedule=timedelta(days=1),
        start_date=START,
    )
    assert sorted(dag.task_ids) == [
        "daily",
        "evaluate",
        "features",
        "flights",
        "gate",
        "register",
        "train",
    ]
    assert dag.get_task("register").upstream_task_ids == {"gate"}
    assert type(dag.timetable).__name__ == "DeltaDataIntervalTimetable"


def test_training_dag_names_all_problems(steps, folder):
    with pytest.raises(PipelineError) as caught:
        training_dag(
            "usual",
            data=[steps["flights"]],
            training=steps["train"],
            evaluation=steps["evaluate"],
            gate=Metric("flights", ("x",)) >= 0.7,
            group="",
            folder=folder,
        )
    text = str(caught.value)
    assert "unknown step 'features'" in text
    assert "group: missing" in text
    assert "a metric of 'flights', which has no report" in text


def test_a_document_is_all_that_a_dag_needs(pipeline):
    described = document(build(pipeline, ACCOUNT))
    dag = document_dag(json.loads(json.dumps(described)), tags=["x"])
    made = pipeline_dag(pipeline, account=ACCOUNT)
    assert dag.dag_id == "flight_delays"
    assert dag.task_ids == made.task_ids
    for name in dag.task_ids:
        assert serialised(dag.get_task(name)) == serialised(made.get_task(name))
    assert dag.get_task("train").code == made.get_task("train").code
    assert dag.get_task("register").resource == made.get_task("register").resource


def serialised(task):
    return {name: getattr(task, name) for name in task.template_fields}


def test_maps_fallbacks_and_ends_become_tasks():
    def call(name, **options):
        return AwsCall(name, "sns", "publish", {"Message": name}, **options)

    stations = Map("stations", [{"c": "a"}], [call("x", fallback=call("f"))], concurrency=2)
    steps = [
        stations,
        LambdaCall("fn", "f", retry=[Retry(3, errors=("service",))]),
        Choice("gate", Parameter("p", 1) > 0, then=[Fail("no", "why")]),
        call("tail", after=[stations]),
    ]
    dag = pipeline_dag(Pipeline("p", steps, root="s3://lake"), account=ACCOUNT)
    assert {task.task_id: type(task).__name__ for task in dag.tasks} == {
        "stations": "MapItemsOperator",
        "x": "AwsCallOperator",
        "x.fallback": "FallbackOperator",
        "f": "AwsCallOperator",
        "stations.end": "JoinOperator",
        "fn": "LambdaCallOperator",
        "gate": "ChoiceOperator",
        "no": "FailOperator",
        "tail": "AwsCallOperator",
    }
    group = dag.task_group.children["stations-items"]
    assert sorted(group.children) == ["f", "x", "x.fallback"]
    assert dag.get_task("x").upstream_task_ids == {"stations"}
    assert dag.get_task("x").max_active_tis_per_dagrun == 2
    assert dag.get_task("x.fallback").trigger_rule == "none_skipped"
    end = dag.get_task("stations.end")
    assert end.trigger_rule == "none_failed_min_one_success"
    assert end.upstream_task_ids == {"stations", "x.fallback", "f"}
    assert dag.get_task("tail").upstream_task_ids == {"stations.end"}
    assert (dag.get_task("fn").retries, dag.get_task("fn").attempts) == (
        3,
        {"service": 3, "job": 0},
    )


@pytest.mark.parametrize("counts", [False, True])
def test_jobs_of_a_bounded_map_defer_only_where_that_counts(monkeypatch, counts):
    module = import_module("airflow_ml_provider.factories.pipeline_dag")
    monkeypatch.setattr(module, "counts_deferred", lambda: counts)
    bounded = Map("m", [1], [RemoteJob("few", "glue", {"JobName": "x"})], concurrency=1)
    steps = [bounded, Map("n", [1], [RemoteJob("many", "glue", {"JobName": "x"})])]
    dag = pipeline_dag(Pipeline("p", steps, root="s3://lake"), account=ACCOUNT, deferrable=True)
    assert dag.get_task("few").deferrable is counts
    assert dag.get_task("many").deferrable is True


def test_an_approval_waits_in_the_registry(steps, folder):
    register = RegisterModel("register", model=steps["train"], group="delays")
    before = [steps[name] for name in ("flights", "daily", "features", "train")]
    approval = Approval("approved", register, poll_seconds=30)
    pipeline = Pipeline("p", [*before, register, approval], root="s3://lake", folder=folder)
    task = pipeline_dag(pipeline, account=ACCOUNT, deferrable=True).get_task("approved")
    assert (task.poll_seconds, task.timeout, task.deferrable) == (30, 7 * 24 * 3600, True)
    assert task.mode == "reschedule"
