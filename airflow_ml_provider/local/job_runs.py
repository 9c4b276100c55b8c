"""What Glue runs and EMR Serverless runs have in common: one script, as Spark or plain Python."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airflow_ml_provider.local.protocol import AwsError
from airflow_ml_provider.local.s3 import DataError, download_file, split_uri
from airflow_ml_provider.local.spark.launch import spark_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.logs import JobLog
    from airflow_ml_provider.local.process import Ended
    from airflow_ml_provider.local.store import Job

_GLUE_LIBS = Path(__file__).parent / "spark" / "glue_libs"


@dataclass(frozen=True)
class Script:
    """A script on S3 and how to start it.

    Args:
        uri: where it lies.
        arguments: its command line.
        conf: Spark configuration.
        py_files: S3 URIs of modules, zips, eggs and wheels to import from.
        spark: whether Spark runs it, or plain Python.
        image: chooses the Python: ``glue``, ``glue-python-shell`` or ``emr-serverless``.

    """

    uri: str
    arguments: tuple[str, ...]
    conf: Mapping[str, str]
    py_files: tuple[str, ...]
    spark: bool
    image: str


def run_script(
    cloud: Cloud, job: Job, script: Script, folder: Path, *, job_log: JobLog, timeout_seconds: float
) -> Ended:
    """Fetch a script and what it imports, and run it to its end in the job's folder.

    Raises:
        DataError: if a file isn't on S3.
        SparkUnavailableError: if the Python can't run Spark.

    """
    s3 = cloud.client("s3", job)
    path = download_file(s3, script.uri, _made(folder / "script"))
    libraries = _made(folder / "libraries")
    py_files = [download_file(s3, uri, libraries) for uri in script.py_files]
    work = _made(folder / "work")
    python = str(cloud.interpreters.python(script.image))
    glue = script.image == "glue"
    env = cloud.environment(script.image, job)
    if script.spark:
        command = spark_command(
            path,
            script.arguments,
            conf=script.conf,
            py_files=py_files,
            endpoint_url=cloud.endpoint_url,
            region=job.identity.region,
            work_dir=work,
            cache_dir=_made(cloud.state_dir.parent / "spark-cache"),
            python=python,
            cores=cloud.cores,
            glue=glue,
        )
        argv, env = command.argv, {**env, **command.env}
    else:
        argv = (python, str(path), *script.arguments)
        # A lone module is imported from its folder, an archive from itself.
        places = [p.parent if p.suffix == ".py" else p for p in py_files]
        search = dict.fromkeys(map(str, [*places, _GLUE_LIBS]))
        env = {**env, "PYTHONPATH": os.pathsep.join(search)}
    return cloud.run(
        job, argv=argv, env=env, cwd=work, job_log=job_log, timeout_seconds=timeout_seconds
    )


def require_script_uri(uri: object) -> str:
    """Return the URI of a Python script on S3.

    Raises:
        DataError: if it is anything else.

    """
    text = str(uri or "")
    if not split_uri(text)[1].endswith(".py"):
        raise DataError(f"{text!r} is not a Python script on S3 (s3://bucket/script.py)")
    return text


def split_list(text: str | None) -> tuple[str, ...]:
    """Return the items of a comma-separated list."""
    return tuple(item.strip() for item in (text or "").split(",") if item.strip())


def ask(request: Callable[[], Any]) -> Any:
    """Return what `request` to this same server answers; its error becomes our answer's.

    Raises:
        AwsError: what the server answered.

    """
    try:
        return request()
    except ClientError as error:
        details = error.response["Error"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise AwsError(details["Code"], details["Message"], status) from error


def last_exception(stderr: Sequence[str]) -> str:
    """Return the last line of a traceback in a process' stderr, or its last line."""
    lines = [line.rstrip() for line in stderr if line.strip()]
    traceback = max(
        (n for n, line in enumerate(lines) if line.startswith("Traceback (")), default=None
    )
    if traceback is not None:
        said = next((line for line in lines[traceback + 1 :] if not line.startswith(" ")), None)
        if said:
            return said
    return lines[-1] if lines else ""


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
