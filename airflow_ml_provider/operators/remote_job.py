"""One operator for every kind of remote job."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowFailException,
    BaseOperator,
    account,
    deferrable_by_default,
    timed_out,
)
from airflow_ml_provider.jobs.errors import (
    JobFailedError,
    JobTimeoutError,
    ReportError,
    is_not_found,
)
from airflow_ml_provider.links.console import JobLink, LogLink, console_url, log_url
from airflow_ml_provider.operators.job_log import JobLog
from airflow_ml_provider.operators.spell import REPORT
from airflow_ml_provider.operators.staging import filled, stage
from airflow_ml_provider.operators.task_token import client_token, earlier_tokens, task_token
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.jobs.kind import JobKind
    from airflow_ml_provider.jobs.state import JobState
    from airflow_ml_provider.pipeline.values import Code

QUEUE_SECONDS = 1800.0
"""How long a job may wait for machines on top of its own runtime before the wait is given up."""
JOB_KEY = "aws_job"
_LOOK_SECONDS = 60.0
_TRIGGER_LATE_SECONDS = 900.0


class RemoteJobOperator(BaseOperator):
    """Start a remote job exactly once, wait for it and answer what AWS says of it.

    A retry finds the job of the try before it: it attaches to one that runs and adopts the result
    of one that succeeded. A task that a person clears starts afresh.

    The XCom is small JSON: ``job_id``, ``status``, ``outputs`` and the fields of AWS's Describe
    answer that later tasks need, in AWS's own names.

    Give ``retries`` of at least 1: a worker may die, and a busy scheduler may fail a task that has
    just resumed. ``execution_timeout`` bounds the wait in the triggerer too: leave it unset, or
    well above ``timeout_seconds``.

    :param kind: a name of the registry: ``sagemaker_training``, ``sagemaker_processing``,
        ``glue``, ``emr_serverless``.
    :param request: the AWS request that starts the job, without its name or token. (templated)
    :param code: local code by the placeholder that stands for its S3 address in ``request``.
    :param code_folder: where the files of ``code`` lie; by default where the DAG's file does.
    :param code_root: S3 prefix below which code is staged; by default the ``root`` of the
        section ``[airflow_ml_provider]``. (templated)
    :param report: S3 address of a JSON report that becomes the XCom ``report``. (templated)
    :param outputs: S3 prefixes by name, repeated in the XCom. (templated)
    :param aws_conn_id: Airflow connection; ``None``: the environment's credentials.
    :param region_name: wins over the connection's region.
    :param deferrable: wait in the triggerer; by default if there is one alive.
    :param stop_on_kill: stop the job when the task is killed, or when its time is over.
    :param poll_seconds: the longest time between two looks at the job.
    :param timeout_seconds: the job's own maximum runtime. The wait ends half an hour later, which
        leaves time for a queue.
    :param log_lines: most lines of the job's log that are printed at a time; 0: none.
    """

    template_fields = ("request", "report", "outputs", "code_root")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json", "outputs": "json"}
    operator_extra_links = (JobLink(), LogLink())
    ui_color = "#f4a742"

    def __init__(
        self,
        *,
        kind: str,
        request: Mapping[str, Any],
        code: Mapping[str, Code] | None = None,
        code_folder: str | None = None,
        code_root: str | None = None,
        report: str | None = None,
        outputs: Mapping[str, str] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        deferrable: bool | None = None,
        stop_on_kill: bool = True,
        poll_seconds: float = 60,
        timeout_seconds: float = 3600,
        log_lines: int = 5000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.request = request
        self.code = code or {}
        self.code_folder = code_folder
        self.code_root = code_root
        self.report = report
        self.outputs = outputs or {}
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.deferrable = deferrable
        self.stop_on_kill = stop_on_kill
        self.poll_seconds = poll_seconds
        self.timeout_seconds = timeout_seconds
        self.log_lines = log_lines
        self._job_id: str | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Start or find the job, then wait for it here or in the triggerer.

        :raises AirflowFailException: AWS would refuse the request; all its problems are named.
        :raises AirflowException: the job failed, was stopped or took too long.
        """
        from airflow_ml_provider.jobs.start import start  # noqa: PLC0415 - a worker's business

        kind = self._kind()
        client = self._client(kind.service)
        request = self._checked(kind, self._staged(context))
        started = start(kind, client, request, task_token(context), earlier=earlier_tokens(context))
        self._job_id = started.job_id
        deadline = time.time() + self.timeout_seconds + QUEUE_SECONDS
        self._say_where(context, kind, client, started.job_id)
        state = started.state
        log = self._job_log(kind, started.job_id)
        if not state.phase.final:
            if deferrable_by_default() if self.deferrable is None else self.deferrable:
                self._defer(started.job_id, deadline)
            state = self._wait(kind, client, started.job_id, deadline, log)
        return self._finish(context, kind, client, state, log)

    def resume(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the trigger; its event says which job, AWS is asked how it is."""
        from airflow_ml_provider.aws.watcher import wait_for  # noqa: PLC0415 - a worker's business

        self.log.info("Resumed by %s.", event)
        job_id, deadline = event["job_id"], event["deadline"]
        self._job_id = job_id
        kind = self._kind()
        client = self._client(kind.service)
        try:
            state = wait_for(kind, client, job_id, min(deadline, time.time() + _LOOK_SECONDS))
        except JobTimeoutError as error:
            if time.time() < deadline:
                self._defer(job_id, deadline)
            self._give_up(error)
        return self._finish(context, kind, client, state, self._job_log(kind, job_id))

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Stop the job if Airflow ended the deferral because the task's own time was over."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            if timed_out(error):
                ti = context["ti"]
                known = ti.xcom_pull(self.task_id, key=JOB_KEY, map_indexes=ti.map_index)
                self._job_id = known["job_id"] if known else None
                self.on_kill()
            raise

    def on_kill(self) -> None:
        """Stop the job that this process started or found."""
        if self.stop_on_kill and self._job_id:
            kind = self._kind()
            kind.stop(self._client(kind.service), self._job_id)
            self.log.info("Stopped %s job %s.", self.kind, self._job_id)

    def _kind(self) -> JobKind:
        from airflow_ml_provider.jobs.registry import kind  # noqa: PLC0415 - a worker's business

        return kind(self.kind)

    def _client(self, service: str) -> Any:
        return AwsConnection(self.aws_conn_id, self.region_name).client(service)

    def _staged(self, context: Any) -> Any:
        uris: dict[str, str] = {}
        if self.code:
            defaults = account()
            root = self.code_root or defaults.root
            if not root:
                message = "code_root: missing; give code_root= or configure `root`"
                raise AirflowFailException(message)
            folder = Path(self.code_folder or self.dag.folder)
            uris = stage(self._client("s3"), self.code, folder, root, defaults)
        return filled(self.request, uris, client_token(context))

    def _checked(self, kind: JobKind, request: Any) -> dict[str, Any]:
        from airflow_ml_provider.aws.validation import (  # noqa: PLC0415 - imports botocore
            coerce_job_request,
            job_request_problems,
        )

        coerced = coerce_job_request(kind, request)
        if problems := job_request_problems(kind, coerced):
            listed = "\n".join(f"  - {problem}" for problem in problems)
            message = (
                f"AWS would refuse the request of {self.task_id!r} (defaults such as role_arn come "
                f"from the section [airflow_ml_provider] of Airflow's configuration):\n{listed}"
            )
            raise AirflowFailException(message)
        return coerced

    def _say_where(self, context: Any, kind: JobKind, client: Any, job_id: str) -> None:
        ti = context["ti"]
        ti.xcom_push(key=JOB_KEY, value={"kind": kind.name, "job_id": job_id})
        job = console_url(client, kind.console_path(job_id))
        log = log_url(client, kind.logs(job_id, self.request))
        for link, url in ((JobLink, job), (LogLink, log)):
            if url:
                ti.xcom_push(key=link.xcom_key, value=url)
                self.log.info("%s: %s", link.name, url)

    def _defer(self, job_id: str, deadline: float) -> NoReturn:
        from airflow_ml_provider.triggers.remote_job import (  # noqa: PLC0415 - needs no parse
            RemoteJobTrigger,
        )

        self.defer(
            trigger=RemoteJobTrigger(
                kind=self.kind,
                job_id=job_id,
                deadline=deadline,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                poll_seconds=self.poll_seconds,
                stop_on_kill=self.stop_on_kill,
            ),
            method_name="resume",
            # Airflow's own limit, for a triggerer that is gone for good.
            timeout=timedelta(seconds=deadline - time.time() + _TRIGGER_LATE_SECONDS),
        )

    def _wait(
        self, kind: JobKind, client: Any, job_id: str, deadline: float, log: JobLog
    ) -> JobState:
        from airflow_ml_provider.aws.watcher import wait_for  # noqa: PLC0415 - a worker's business

        def print_log(_: JobState) -> None:
            log.print_new()

        try:
            return wait_for(
                kind, client, job_id, deadline, print_log, poll_seconds=self.poll_seconds
            )
        except JobTimeoutError as error:
            self._give_up(error)

    def _give_up(self, error: JobTimeoutError) -> NoReturn:
        self.on_kill()
        stopped = "It was stopped" if self.stop_on_kill else "It was left running"
        message = f"{error} {stopped}; timeout_seconds is {self.timeout_seconds}."
        raise AirflowException(message) from error

    def _job_log(self, kind: JobKind, job_id: str) -> JobLog:
        streams = kind.logs(job_id, self.request)
        return JobLog(self._client("logs"), streams, self.log, self.log_lines)

    def _finish(
        self, context: Any, kind: JobKind, client: Any, state: JobState, log: JobLog
    ) -> dict[str, Any]:
        from airflow_ml_provider.jobs.state import Phase  # noqa: PLC0415 - a worker's business

        log.print_new()
        if state.phase is not Phase.SUCCEEDED:
            lines = [str(JobFailedError(kind.name, state))]
            lines += [url for url in [console_url(client, kind.console_path(state.job_id))] if url]
            lines += ["The last lines of its log:", *log.tail] if log.tail else []
            raise AirflowException("\n".join(lines))
        if self.report:
            context["ti"].xcom_push(key=REPORT, value=self._read_report(self.report))
        return {
            "job_id": state.job_id,
            "status": state.status,
            **state.result,
            "outputs": dict(self.outputs),
        }

    def _read_report(self, uri: str) -> Any:
        from airflow_ml_provider.aws.reports import read_report  # noqa: PLC0415

        # A retry would adopt the same job and find the same report.
        try:
            return read_report(self._client("s3"), uri)
        except ReportError as error:
            raise AirflowFailException(str(error)) from error
        except Exception as error:
            if not is_not_found(error):
                raise
            message = f"The job succeeded but left no report at {uri}."
            raise AirflowFailException(message) from error
