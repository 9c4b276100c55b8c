"""What Spark jobs do with S3, against moto, in one Spark session.

The file is also the job: `spark_command` runs it as a script, where it runs every `check_*` and
writes what each said; the tests then read that.
"""

# ruff: noqa: FBT003, PLC0415, Java has no keywords; the job must not import moto, nor the
# tests Spark and awsglue
from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "spark-contract"
ROOT = f"s3://{BUCKET}"
BIG_ROWS = 1_300_000


def keys(prefix: str) -> list[str]:
    """Every key under a prefix, as S3 itself lists them."""
    pages = boto3.client("s3").get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for page in found for item in page.get("Contents", [])]


def rows(spark: Any, path: str) -> list[int]:
    return sorted(row.id for row in spark.read.parquet(path).select("id").collect())


def check_parquet_by_every_scheme(spark: Any) -> None:
    spark.range(10).write.parquet(f"{ROOT}/schemes")
    for scheme in ("s3", "s3a", "s3n"):
        assert rows(spark, f"{scheme}://{BUCKET}/schemes") == list(range(10))
    assert "schemes/_SUCCESS" in keys("schemes/")
    assert not [key for key in keys("schemes") if "_temporary" in key or key.endswith("/")]


def check_append_and_overwrite(spark: Any) -> None:
    path = f"{ROOT}/modes"
    spark.range(3).write.parquet(path)
    spark.range(3, 5).write.mode("append").parquet(path)
    assert rows(spark, path) == [0, 1, 2, 3, 4]
    spark.range(7, 9).write.mode("overwrite").parquet(path)
    assert rows(spark, path) == [7, 8]
    spark.range(1).write.mode("ignore").parquet(path)
    assert rows(spark, path) == [7, 8]
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        spark.range(1).write.parquet(path)


def check_csv_and_json(spark: Any) -> None:
    frame = spark.createDataFrame([(1, 'a "quoted", word'), (2, None)], "id int, text string")
    frame.write.csv(f"{ROOT}/csv", header=True, escape='"')
    read = spark.read.csv(f"{ROOT}/csv", header=True, escape='"', inferSchema=True)
    assert sorted(map(tuple, read.collect())) == [(1, 'a "quoted", word'), (2, None)]
    frame.write.json(f"{ROOT}/json", compression="gzip")
    assert sorted(row.id for row in spark.read.json(f"{ROOT}/json").collect()) == [1, 2]
    assert sum(key.endswith(".json.gz") for key in keys("json/")) >= 1
    assert spark.sparkContext.textFile(f"{ROOT}/csv/part-*").count() >= 2


def check_partitions_are_written_and_pruned(spark: Any) -> None:
    path = f"{ROOT}/partitioned"
    spark.range(12).selectExpr("id", "id % 3 as day", "id % 2 as hour").write.partitionBy(
        "day", "hour"
    ).parquet(path)
    pruned = spark.read.parquet(path).where("day = 2")
    assert {name.split("/")[4] for name in pruned.inputFiles()} == {"day=0", "day=1", "day=2"}
    assert sorted(row.id for row in pruned.collect()) == [2, 5, 8, 11]
    plan = pruned._jdf.queryExecution().executedPlan().toString()
    assert "PartitionFilters: [isnotnull(day" in plan
    assert rows(spark, f"{path}/day=2/hour=0") == [2, 8]


def check_dynamic_partition_overwrite(spark: Any) -> None:
    path = f"{ROOT}/dynamic"
    spark.range(6).selectExpr("id", "id % 3 as day").write.partitionBy("day").parquet(path)
    spark.sql("select 40L as id, 1L as day union all select 90L, 9L").write.mode(
        "overwrite"
    ).option("partitionOverwriteMode", "dynamic").partitionBy("day").parquet(path)
    assert rows(spark, path) == [0, 2, 3, 5, 40, 90]
    assert not [key for key in keys("dynamic") if "staging" in key or "_temporary" in key]


def check_globs(spark: Any) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-02-01"):
        spark.range(int(day[-2:])).write.parquet(f"{ROOT}/globs/{day}")
    assert len(rows(spark, f"{ROOT}/globs/2024-01-*")) == 3
    assert len(rows(spark, f"{ROOT}/globs/{{2024-01-01,2024-02-01}}")) == 2
    assert spark.read.option("recursiveFileLookup", "true").parquet(f"{ROOT}/globs").count() == 4


def check_missing_paths_are_errors(spark: Any) -> None:
    for path in (f"{ROOT}/missing", "s3://no-such-bucket/missing", f"{ROOT}/missing/*.csv"):
        with pytest.raises(Exception, match="PATH_NOT_FOUND"):
            spark.read.parquet(path)


def check_unusual_names(spark: Any) -> None:
    prefix = "näme with 空 space/a=b/1+1=2 & 50%/#hash;~'x'"
    frame = spark.sql("select 1L as id, '10:00 / ä?' as at union all select 2L, null")
    frame.write.partitionBy("at").parquet(f"{ROOT}/{prefix}")
    read = spark.read.option("basePath", f"{ROOT}/{prefix}").parquet(f"{ROOT}/{prefix}")
    assert sorted(map(tuple, read.collect())) == [(1, "10:00 / ä?"), (2, None)]
    assert any(key.startswith(f"{prefix}/at=10%3A00") for key in keys("näme"))
    assert read.where("at = '10:00 / ä?'").count() == 1


def check_empty_frames(spark: Any) -> None:
    spark.range(0).write.parquet(f"{ROOT}/empty")
    assert rows(spark, f"{ROOT}/empty") == []
    spark.range(0).selectExpr("id", "id as day").write.partitionBy("day").parquet(f"{ROOT}/none")
    assert keys("none") == ["none/_SUCCESS"]


def check_a_failed_job_shows_nothing(spark: Any) -> None:
    bad = "case when id = 99 then raise_error('row 99 is bad') else id end as id"
    with pytest.raises(Exception, match="row 99 is bad"):
        spark.range(0, 100, 1, 4).selectExpr(bad).write.parquet(f"{ROOT}/failed")
    assert keys("failed") == []


def check_files_larger_than_one_fetch(spark: Any) -> None:
    from pyspark.sql import functions as f

    path = f"{ROOT}/big"
    spark.range(0, BIG_ROWS, 1, 1).withColumn("x", f.rand(1)).write.parquet(path)
    sizes = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="big/part")["Contents"]
    assert sizes[0]["Size"] > 10 * 1024 * 1024
    expected = spark.range(0, BIG_ROWS, 1, 1).withColumn("x", f.rand(1))
    totals = [
        frame.agg(f.sum("id"), f.sum("x")).first() for frame in (spark.read.parquet(path), expected)
    ]
    assert totals[0] == totals[1]


def check_listing_pages_and_batch_deletes(spark: Any) -> None:
    fs, path = hadoop(spark, f"{ROOT}/many")
    assert len(fs.listStatus(path)) == 1005
    assert fs.delete(path, True)
    assert keys("many") == []


def check_the_file_system_contract(spark: Any) -> None:
    fs, root = hadoop(spark, f"{ROOT}/contract")
    jvm = spark._jvm

    def path(name: str) -> Any:
        return jvm.org.apache.hadoop.fs.Path(root, name)

    assert not fs.exists(root)
    assert fs.mkdirs(path("a/b"))
    assert fs.getFileStatus(root).isDirectory()
    assert [status.getPath().getName() for status in fs.listStatus(root)] == ["a"]
    assert fs.listStatus(path("a/b")).__len__() == 0
    fs.create(path("a/b/file"), False).close()
    assert [status.getLen() for status in fs.listStatus(path("a/b/file"))] == [0]
    with pytest.raises(Exception, match="FileAlreadyExists"):
        fs.create(path("a/b/file"), False)
    with pytest.raises(Exception, match="FileAlreadyExists"):
        fs.mkdirs(path("a/b/file"))
    with pytest.raises(Exception, match="NotEmpty"):
        fs.delete(path("a"), False)
    with pytest.raises(Exception, match="FileNotFound"):
        fs.open(path("a"))
    assert not fs.rename(path("nothing"), path("else"))
    assert not fs.rename(path("a"), path("a/b/inside"))
    assert fs.rename(path("a/b"), path("c"))
    assert keys("contract") == ["contract/c/file"]
    assert not fs.exists(path("a"))
    assert fs.mkdirs(path("d"))
    assert fs.rename(path("c/file"), path("d"))
    assert keys("contract") == ["contract/d/file"]
    assert fs.delete(root, True)
    assert not fs.exists(root)
    assert not fs.delete(root, True)


def check_python_rows_and_time_zone(spark: Any) -> None:
    from pyspark.sql import functions as f

    double = f.udf(lambda value: value * 2, "long")
    assert [row[0] for row in spark.range(3).select(double("id")).collect()] == [0, 2, 4]
    row = spark.sql("select timestamp '2024-06-01 00:30:00' as at, 1 as id").first()
    assert row.at == dt.datetime(2024, 6, 1, 0, 30)  # noqa: DTZ001
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"


def check_tables(spark: Any) -> None:
    spark.range(4).write.saveAsTable("kept", path=f"{ROOT}/table")
    spark.sql("insert into kept values (9)")
    assert spark.table("kept").count() == 5
    assert len(rows(spark, f"{ROOT}/table")) == 5


def check_glue_reads_and_writes(spark: Any) -> None:
    from awsglue.context import GlueContext
    from awsglue.dynamicframe import DynamicFrame
    from awsglue.job import Job

    glue = GlueContext(spark.sparkContext)
    job = Job(glue)
    job.init("job", {"job_bookmark_option": "job-bookmark-enable"})
    glue.get_logger().info("a line of Glue's logger")
    frame = glue.spark_session.sql("select 1L as id, 'a' as text, 'x' as part")
    for form in ("parquet", "json", "csv"):
        path = f"{ROOT}/glue/{form}"
        for _ in range(2):
            glue.write_dynamic_frame.from_options(
                frame=DynamicFrame.fromDF(frame, glue, "frame"),
                connection_type="s3",
                connection_options={"path": path, "partitionKeys": ["part"]},
                format=form,
            )
        read = glue.create_dynamic_frame.from_options(
            "s3",
            {"paths": [path]},
            form,
            format_options={"withHeader": True} if form == "csv" else {},
        )
        assert read.count() == 2
        assert {(str(row.id), row.text, row.part) for row in read.toDF().collect()} == {
            ("1", "a", "x")
        }
    bare = glue.create_dynamic_frame.from_options("s3", {"paths": [f"{ROOT}/glue/csv"]}, "csv")
    assert bare.toDF().columns == ["col0", "col1", "part"]
    nested = {"paths": [f"{ROOT}/glue/json"], "recurse": True}
    assert glue.create_dynamic_frame.from_options("s3", nested, "json").count() == 2
    for wrong in (
        lambda: glue.create_dynamic_frame.from_catalog(database="d", table_name="t"),
        lambda: glue.create_dynamic_frame.from_options("s3", {"paths": ["s3://b/k"]}, "orc"),
        lambda: glue.create_dynamic_frame.from_options("mysql", {}, "csv"),
        lambda: glue.create_dynamic_frame.from_options("s3", {"paths": [], "odd": 1}, "csv"),
        lambda: read.apply_mapping([]),
        lambda: glue.purge_s3_path("s3://b/k"),
    ):
        with pytest.raises(NotImplementedError, match="is not part of the local awsglue"):
            wrong()
    job.commit()


def hadoop(spark: Any, path: str) -> tuple[Any, Any]:
    found = spark._jvm.org.apache.hadoop.fs.Path(path)
    return found.getFileSystem(spark._jsc.hadoopConfiguration()), found


CHECKS = sorted(name for name in dict(globals()) if name.startswith("check_"))


def main(report: str) -> None:
    """Run every check as the Spark job."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    said: dict[str, str | None] = {}
    for name in CHECKS:
        try:
            globals()[name](spark)
        except BaseException:  # noqa: BLE001, PERF203, every check's words are wanted
            said[name] = traceback.format_exc()
        else:
            said[name] = None
    Path(report).write_text(json.dumps(said))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str | None]]:
    """What each check said in the one job."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer
    from moto.s3.models import s3_backends

    folder = tmp_path_factory.mktemp("spark")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint_url = f"http://{host}:{port}"
    report = folder / "report.json"
    try:
        argv, environment = prepare(folder, Path(__file__), [str(report)], endpoint_url)
        boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        ).create_bucket(Bucket=BUCKET)
        stored = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for number in range(1005):
            stored.put_object(BUCKET, f"many/{number:04}.txt", b"x\n")
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        yield json.loads(report.read_text())
    finally:
        with contextlib.suppress(Exception):
            server.stop()


def prepare(folder: Path, script: Path, arguments: list[str], endpoint_url: str) -> Any:
    """The command and the whole environment of a job, with no Java to be found in it."""
    from airflow_ml_provider.local.spark.launch import spark_command

    command = spark_command(
        script,
        arguments,
        conf={"spark.executor.memory": "300g", "spark.executor.instances": "40"},
        py_files=[],
        endpoint_url=endpoint_url,
        region="us-east-1",
        work_dir=folder / "work",
        cache_dir=folder.parent / "spark-cache",
        python=sys.executable,
        cores=2,
        glue=True,
    )
    tools = folder / "bin"
    tools.mkdir()
    for name in ("bash", "cat", "chmod", "dirname", "env", "ls", "ps", "readlink", "rm"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    keyed = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    return command.argv, {"PATH": str(tools), **keyed, **command.env}


def test_killing_the_process_group_ends_java_and_the_python_workers(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(
        "import sys, time\n"
        "from pyspark.sql import SparkSession\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "spark.sparkContext.parallelize([1]).map(str).collect()\n"
        "print('ready', flush=True)\n"
        "time.sleep(300)\n"
    )
    argv, environment = prepare(tmp_path, script, [], "http://127.0.0.1:9")
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        started = psutil.Process(job.pid).children(recursive=True)
        assert {"java"} < {process.name().split(".")[0] for process in started}
        os.killpg(job.pid, signal.SIGKILL)
    assert psutil.wait_procs(started, timeout=20)[1] == []


@pytest.mark.parametrize("name", CHECKS)
def test_spark_on_s3(said: dict[str, str | None], name: str) -> None:
    assert said[name] is None, said[name]


if __name__ == "__main__":
    main(sys.argv[1])
