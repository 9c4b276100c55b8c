"""One operator for every kind of remote job."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow_ml_provider._compat import (
    AirflowException,
    BaseOperator,
    current_task,
    deferrable_by_default,
    is_tried_again,
    timed_out,
)
from airflow_ml_provider.jobs.errors import JobFailedError, JobTimeoutError
from airflow_ml_provider.jobs.patience import insist
from airflow_ml_provider.links.console import JobLink, LogLink, console_url, log_url
from airflow_ml_provider.operators.job_log import JobLog
from airflow_ml_provider.operators.job_report import report_left
from airflow_ml_provider.operators.job_request import checked
from airflow_ml_provider.operators.permanent import ends_for_good
from airflow_ml_provider.operators.staging import filled, staged
from airflow_ml_provider.operators.task_token import client_token, earlier_tokens, task_token
from airflow_ml_provider.targets.airflow_values import REPORT
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
# Airflow 3 gives a killed task 5 seconds.
_KILLED_SECONDS = 3.0
# Pauses before the looks for a job whose start a kill interrupted.
_LOOKS_FOR_KILLED = (0.0, 0.5, 0.5, 1.0, 1.0)
_TRIGGER_LATE_SECONDS = 900.0
_TRIGGER_FAILED = "__fail__"  # how Airflow resumes a task whose trigger broke or was too late


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
    :param attempts: how many of ``retries`` a failure of each class may use: ``service`` (AWS could
        not do it: no capacity, an internal error) and ``job`` (any other); by default all.
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
        attempts: Mapping[str, int] | None = None,
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
        self.attempts = attempts
        self._job_id: str | None = None
        self._starting: tuple[dict[str, Any], str] | None = None
        self._client: Any = None
        self._connecting = False
        self._ti: Any = None
        self._killed = False

    @ends_for_good
    def execute(self, context: Any) -> dict[str, Any]:
        """Start or find the job, then wait for it here or in the triggerer.

        :raises AirflowFailException: AWS would refuse, or refused, the request, or ``attempts`` are
            used up.
        :raises AirflowException: the job failed, was stopped or took too long.
        """
        began = time.time()
        deadline = began + self._patience_seconds()
        kind = self._kind()
        request = checked(kind, self._staged(context, deadline), self.task_id)
        state = self._start(context, kind, request, deadline)
        self._say_where(context, kind, state.job_id)
        running = not state.phase.final
        if running and (deferrable_by_default() if self.deferrable is None else self.deferrable):
            self._defer(state.job_id, began, deadline, began)
        log = self._job_log(kind, state.job_id)
        if running:
            state = self._wait(kind, state.job_id, deadline, log)
        return self._finish(context, kind, state, deadline, log)

    @ends_for_good
    def resume(self, context: Any, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the trigger; its event says which job, AWS is asked how it is."""
        from airflow_ml_provider.aws.watcher import wait_for  # noqa: PLC0415 - a worker's business

        self.log.info("Resumed by %s.", event)
        job_id, deadline = event["job_id"], event["deadline"]
        read_until = event.get("log_read_until", 0.0)
        self._job_id, self._ti = job_id, context["ti"]
        kind = self._kind()
        look_until = min(deadline, time.time() + _LOOK_SECONDS)
        try:
            state = wait_for(kind, self._connect, job_id, look_until)
        except JobTimeoutError as error:
            if time.time() < deadline:
                self._defer(job_id, event.get("began"), deadline, read_until)
            self._give_up(error)
        log = self._job_log(kind, job_id, read_until)
        return self._finish(context, kind, state, deadline, log)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Any
    ) -> Any:
        """Stop the job if Airflow ended the deferral and nobody will go on with it."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            ti = context["ti"]
            over = timed_out(error) or ti.try_number > ti.max_tries
            if next_method == _TRIGGER_FAILED and over:
                self._job_id = _remembered(ti)
                self._stop(_LOOK_SECONDS)
            raise

    def on_kill(self) -> None:
        """Stop the job that this process started, found, or is just about to start.

        It is left to the next try if there is one: Airflow also ends a process that it has not
        heard of for too long. Airflow 3 calls this from a signal handler and ends the process five
        seconds later.
        """
        self._killed = True
        ti = self._ti or current_task()
        if ti is not None and is_tried_again(ti):
            self.log.info("The next try goes on with %s.", self._job_id or "its job")
            return
        if self._connecting:
            # A signal interrupts imports too, and what is half imported reaches no AWS.
            return
        if ti is not None and self._ti is None:
            # The time of a task that was deferred was over before it could resume.
            self._job_id = _remembered(ti)
        self._stop(_KILLED_SECONDS)

    def _patience_seconds(self) -> float:
        seconds = self.timeout_seconds + QUEUE_SECONDS
        # Airflow 3 forgets the execution_timeout of a task that is deferred.
        limit = self.execution_timeout
        return min(seconds, limit.total_seconds()) if limit else seconds

    def _kind(self) -> JobKind:
        from airflow_ml_provider.jobs.registry import kind  # noqa: PLC0415 - a worker's business

        return kind(self.kind)

    def _aws(self) -> AwsConnection:
        return AwsConnection(self.aws_conn_id, self.region_name)

    def _new_client(self) -> Any:
        self._client = self._aws().client(self._kind().service, repeats=False)
        return self._client

    def _connect(self) -> Any:
        if not self._killed:
            self._connecting = True
            try:
                client = self._new_client()
            finally:
                self._connecting = False
                if self._killed:
                    self.on_kill()
        if self._killed:
            raise AirflowException("This try was ended; it starts nothing more.")
        return client

    def _start(
        self, context: Any, kind: JobKind, request: dict[str, Any], deadline: float
    ) -> JobState:
        from airflow_ml_provider.jobs.start import start  # noqa: PLC0415 - a worker's business

        prefix = task_token(context)
        self._ti = context["ti"]
        self._starting = (request, prefix)
        started = start(
            kind,
            self._connect,
            request,
            prefix,
            deadline=deadline,
            earlier=earlier_tokens(context),
            # Who was to stop it may be dead, or late.
            stop_earlier=self.stop_on_kill,
        )
        self._job_id, self._starting = started.job_id, None
        if self._killed:
            self.on_kill()
            raise AirflowException(f"This try was ended while it started {started.job_id}.")
        return started.state

    def _just_started(self) -> str | None:
        from airflow_ml_provider.jobs.start import find_running  # noqa: PLC0415

        if self._starting is None or self._client is None:
            return None
        request, prefix = self._starting
        # The call that was interrupted may be carried out yet.
        for pause_seconds in _LOOKS_FOR_KILLED:
            time.sleep(pause_seconds)
            if found := find_running(self._kind(), self._client, request, [prefix]):
                return found.job_id
        return None

    def _stop(self, patience_seconds: float) -> None:
        job_id = (self._job_id or self._just_started()) if self.stop_on_kill else None
        if job_id:
            # The connection can't be asked for here: its answer may be what a kill interrupted.
            client = self._client or self._new_client()
            deadline = time.time() + patience_seconds
            insist(lambda: self._kind().stop(client, job_id), f"Stopping {job_id}", deadline)
            self.log.info("Stopped %s job %s.", self.kind, job_id)

    def _staged(self, context: Any, deadline: float) -> Any:
        uris = staged(self, lambda: self._aws().client("s3"), deadline)
        return filled(self.request, uris, client_token(context))

    def _say_where(self, context: Any, kind: JobKind, job_id: str) -> None:
        ti = context["ti"]
        ti.xcom_push(key=JOB_KEY, value={"kind": kind.name, "job_id": job_id})
        job = console_url(self._client, kind.console_path(job_id))
        log = log_url(self._client, kind.logs(job_id, self.request))
        for link, url in ((JobLink, job), (LogLink, log)):
            if url:
                ti.xcom_push(key=link.xcom_key, value=url)
                self.log.info("%s: %s", link.name, url)

    def _defer(
        self, job_id: str, began: float | None, deadline: float, log_read_until: float
    ) -> NoReturn:
        from airflow_ml_provider.triggers.remote_job import (  # noqa: PLC0415 - needs no parse
            RemoteJobTrigger,
        )

        self.defer(
            trigger=RemoteJobTrigger(
                kind=self.kind,
                job_id=job_id,
                deadline=deadline,
                began=began,
                logs=[(one.group, one.prefix) for one in self._kind().logs(job_id, self.request)],
                log_lines=self.log_lines,
                log_read_until=log_read_until,
                aws_conn_id=self.aws_conn_id,
                region_name=self.region_name,
                poll_seconds=self.poll_seconds,
                stop_on_kill=self.stop_on_kill,
            ),
            method_name="resume",
            # Airflow's own limit, for a triggerer that is gone for good.
            timeout=timedelta(seconds=deadline - time.time() + _TRIGGER_LATE_SECONDS),
        )

    def _wait(self, kind: JobKind, job_id: str, deadline: float, log: JobLog) -> JobState:
        from airflow_ml_provider.aws.watcher import wait_for  # noqa: PLC0415 - a worker's business

        def print_log(_: JobState) -> None:
            log.print_new()

        poll_seconds = self.poll_seconds
        try:
            return wait_for(
                kind, self._connect, job_id, deadline, print_log, poll_seconds=poll_seconds
            )
        except JobTimeoutError as error:
            self._give_up(error)

    def _give_up(self, error: JobTimeoutError) -> NoReturn:
        self._stop(_LOOK_SECONDS)
        stopped = "It was stopped" if self.stop_on_kill else "It was left running"
        message = f"{error} {stopped}; timeout_seconds is {self.timeout_seconds}."
        raise AirflowException(message) from error

    def _job_log(self, kind: JobKind, job_id: str, since: float = 0.0) -> JobLog:
        streams = kind.logs(job_id, self.request)
        return JobLog(self._aws().client("logs"), streams, self.log, self.log_lines, since)

    def _finish(
        self, context: Any, kind: JobKind, state: JobState, deadline: float, log: JobLog
    ) -> dict[str, Any]:
        from airflow_ml_provider.jobs.state import Phase  # noqa: PLC0415 - a worker's business

        log.print_new()
        if state.phase is not Phase.SUCCEEDED:
            url = console_url(self._client, kind.console_path(state.job_id))
            failed = JobFailedError(kind.name, state)
            lines = [str(failed), *([url] if url else [])]
            tail = log.tail or self._job_log(kind, state.job_id).new_lines()
            lines += ["The last lines of its log:", *tail] if tail else []
            raise AirflowException("\n".join(lines)) from failed
        if self.report:
            report = report_left(self._aws(), self.report, deadline)
            context["ti"].xcom_push(key=REPORT, value=report)
        return {
            "job_id": state.job_id,
            "status": state.status,
            **state.result,
            "outputs": dict(self.outputs),
        }


def _remembered(ti: Any) -> str | None:
    known = ti.xcom_pull(ti.task_id, key=JOB_KEY, map_indexes=ti.map_index)
    return known["job_id"] if known else None
