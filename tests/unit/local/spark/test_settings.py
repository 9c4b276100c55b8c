"""What becomes of a cluster's Spark configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_ml_provider.local.spark.settings import driver_environment, local_conf, properties


def conf(given: dict[str, str]) -> dict[str, str]:
    return local_conf(
        given,
        endpoint_url="http://127.0.0.1:5000/",
        region="eu-west-1",
        work_dir=Path("/work dir"),
        jar=Path("/cache/s3.jar"),
        cores=3,
    )


def test_the_master_and_the_s3_of_this_machine() -> None:
    made = conf({})
    assert made["spark.master"] == "local[3]"
    assert made["spark.sql.shuffle.partitions"] == "3"
    assert made["spark.hadoop.fs.s3.local.endpoint"] == "http://127.0.0.1:5000"
    assert made["spark.hadoop.fs.s3.local.region"] == "eu-west-1"
    assert {made[f"spark.hadoop.fs.{scheme}.impl"] for scheme in ("s3", "s3a", "s3n")} == {
        "airflowml.S3FileSystem"
    }
    assert made["spark.sql.warehouse.dir"] == "file:///work%20dir/warehouse"
    assert '"-Djava.io.tmpdir=/work dir/tmp"' in made["spark.driver.defaultJavaOptions"]


@pytest.mark.parametrize(
    "key",
    [
        "spark.executor.memory",
        "spark.executor.instances",
        "spark.dynamicAllocation.enabled",
        "spark.driver.cores",
        "spark.driver.memoryOverheadFactor",
        "spark.submit.deployMode",
        "spark.emr-serverless.executor.disk",
        "spark.pyspark.python",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl",
    ],
)
def test_what_only_a_cluster_has_is_dropped(key: str) -> None:
    assert conf({key: "17"}) == conf({})


@pytest.mark.parametrize(
    "key",
    [
        "spark.executorEnv.STAGE",
        "spark.sql.shuffle.partitions",
        "spark.sql.sources.partitionOverwriteMode",
        "spark.driver.maxResultSize",
        "spark.sql.session.timeZone",
        "spark.ui.enabled",
    ],
)
def test_what_a_script_means_is_kept(key: str) -> None:
    assert conf({key: "17"})[key] == "17"


def test_the_master_and_the_file_systems_are_not_the_jobs_to_choose() -> None:
    given = {"spark.master": "yarn", "spark.hadoop.fs.s3a.impl": "org.other.S3A"}
    assert conf(given) == conf({})


def test_driver_memory_beyond_half_the_machine_is_dropped() -> None:
    assert conf({"spark.driver.memory": "512m"})["spark.driver.memory"] == "512m"
    assert conf({"spark.driver.memory": "100t"}) == conf({})


def test_the_jobs_own_collector_is_the_only_one() -> None:
    made = conf({"spark.driver.extraJavaOptions": "-XX:+UseG1GC"})
    assert "UseSerialGC" not in made["spark.driver.defaultJavaOptions"]
    assert "UseSerialGC" in conf({})["spark.driver.defaultJavaOptions"]


def test_the_jobs_class_path_comes_after_ours() -> None:
    made = conf({"spark.driver.extraClassPath": "/more.jar"})
    assert made["spark.driver.extraClassPath"] == "/cache/s3.jar:/more.jar"


def test_the_driver_environment_of_emr_serverless() -> None:
    given = {"spark.emr-serverless.driverEnv.STAGE": "dev", "spark.executorEnv.STAGE": "prod"}
    assert driver_environment(given) == {"STAGE": "dev"}


def test_properties_keep_every_character() -> None:
    text = properties({"spark.a": "x = \\ #!:ä \U0001f600\n"})
    assert text.isascii()
    key, value = text.rstrip("\n").split("=")
    assert key.encode().decode("unicode_escape") == "spark.a"
    units = value.encode().decode("unicode_escape").encode("utf-16", "surrogatepass")
    assert units.decode("utf-16") == "x = \\ #!:ä \U0001f600\n"
