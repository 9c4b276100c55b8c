"""The classes of Spark, read and verified once and for all: a class-data archive of Java.

See https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from airflow_ml_provider.local.spark.launch import spark_command
from airflow_ml_provider.local.spark.runtime import (
    SparkUnavailableError,
    class_archive,
    find_runtime,
    s3_jar,
)

_FIRST_JOB = Path(__file__).with_name("first_job.py")


def build_class_archive(*, python: str, cache_dir: Path) -> Path:
    """Build the archive unless it is there: later jobs start about 3 s sooner, on less CPU.

    It runs one small job to learn which classes count, then writes them: about 30 s of one core
    and 150 MB of disk. Jobs may start meanwhile; they use the archive once it is whole.

    Raises:
        SparkUnavailableError: Spark does not run with `python`, or Java writes no archive.

    """
    runtime = find_runtime(python)
    cache_dir = cache_dir.resolve()
    jar = s3_jar(runtime, cache_dir)
    archive = class_archive(runtime, jar)
    if archive.exists():
        return archive
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix=".building-") as folder:
        classes, building = Path(folder, "classes.lst"), Path(folder, "classes.jsa")
        job = spark_command(
            _FIRST_JOB,
            [f"{Path(folder).as_uri()}/out"],
            conf={"spark.driver.extraJavaOptions": f"-XX:DumpLoadedClassList={classes}"},
            py_files=[],
            endpoint_url="http://127.0.0.1:9",
            region="us-east-1",
            work_dir=Path(folder, "work"),
            cache_dir=cache_dir,
            python=python,
            cores=1,
            glue=False,
        )
        _run(list(job.argv), {**os.environ, **job.env})
        class_path = [jar, f"{jar.with_name('conf')}{os.sep}", runtime.spark_home / "jars" / "*"]
        _run(
            [
                *(os.fspath(runtime.java), "-Xshare:dump", "-XX:+UseSerialGC"),
                *(f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={building}"),
                *("-cp", os.pathsep.join(str(path) for path in class_path)),
            ]
        )
        building.replace(archive)
    return archive


def _run(argv: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603, our own command
        argv, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SparkUnavailableError(
            f"Spark's class archive was not built: {argv[0]} said:\n{done.stderr}"
        )
