"""SageMaker's container contract: what lies below /opt/ml before and after a job.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_ml_provider.local.logs import JobLog, LogStream
from airflow_ml_provider.local.mounts import ML_ROOT, inside
from airflow_ml_provider.local.protocol import Json, to_json
from airflow_ml_provider.local.s3 import DataError, download_manifest, download_prefix
from airflow_ml_provider.local.script_mode import HOST
from airflow_ml_provider.local.store import Job, now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from airflow_ml_provider.local.cloud import Cloud
    from airflow_ml_provider.local.process import Ended

MESSAGE_CHARS = 1024


class Container:
    """One job's stand-in for a container: its /opt/ml and its command.

    Args:
        cloud: the local AWS.
        job: the job.
        image: its image, which chooses the Python.
        group: its CloudWatch log group.

    """

    def __init__(self, cloud: Cloud, job: Job, image: str, group: str) -> None:
        self.job = job
        self.image = image
        self.folder = cloud.work_folder(job)
        self.ml = self.folder / "ml"
        self.ml.mkdir()
        self._cloud = cloud
        stream = LogStream(group, f"{job.name}/{HOST}-{int(now().timestamp())}")
        client = cloud.client("logs", job)
        path = self.folder / "log.txt"
        self.log = JobLog(
            {"stdout": path, "stderr": path}, client, {"stdout": stream, "stderr": stream}
        )

    def make(self, path: str) -> Path:
        """Make a folder of the container, such as ``/opt/ml/model``, and return where it lies."""
        folder = inside(self.ml, path)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def write_json(self, path: str, content: Json) -> None:
        """Write a configuration file of the container."""
        target = inside(self.ml, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = to_json(content).decode()
        target.write_text(self._cloud.isolation.relocate(text, self.ml))

    def read_message(self, path: str) -> str:
        """Return the first 1,024 characters of a file that the job may have written."""
        target = inside(self.ml, path)
        if not target.is_file():
            return ""
        with target.open(encoding="utf-8", errors="replace") as file:
            return file.read(MESSAGE_CHARS).strip()

    def note(self, text: str) -> None:
        """Tell the reader of the log where the local AWS differs."""
        self.log.write("stdout", f"[local AWS] {text}")

    def run(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        *,
        timeout_seconds: float,
        cwd: str = ML_ROOT,
    ) -> Ended:
        """Run the container's command in directory `cwd` of the container, to its end.

        Raises:
            DataError: if the command can't be started.

        """
        isolation = self._cloud.isolation
        env = {
            **self._cloud.environment(self.image, self.job),
            **{k: isolation.relocate(v, self.ml) for k, v in variables.items()},
        }
        command = isolation.wrap(tuple(argv), ml=self.ml, cwd=cwd)
        here = inside(self.ml, cwd)
        try:
            return self._cloud.run(
                self.job,
                argv=command,
                env=env,
                cwd=here,
                job_log=self.log,
                timeout_seconds=timeout_seconds,
            )
        except OSError as error:
            raise DataError(
                f"the container's command {argv[0]!r} could not be started: {error}"
            ) from error


def download_input(client: Any, source: Json, folder: Path) -> None:
    """Fetch what an S3 data source of either API names.

    Raises:
        DataError: if it isn't there, or is of a kind that isn't supported here.

    """
    data_type = source.get("S3DataType", "S3Prefix")
    folder.mkdir(parents=True, exist_ok=True)
    if data_type == "S3Prefix":
        download_prefix(client, source["S3Uri"], folder)
    elif data_type == "ManifestFile":
        download_manifest(client, source["S3Uri"], folder)
    else:
        raise DataError(
            f"the local AWS reads S3DataType S3Prefix and ManifestFile, not {data_type}"
        )


def resource_config(instance_type: str) -> Json:
    """Return the content of ``resourceconfig.json``: one host, whatever was asked for."""
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "network_interface_name": "lo",
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": instance_type,
                "hosts": [HOST],
            }
        ],
    }


def last_lines(stderr: Sequence[str], count: int = 5) -> str:
    """Return the end of what a failed process said."""
    return "\n".join([line for line in stderr if line.strip()][-count:])
