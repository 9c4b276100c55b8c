"""Rows of a database to Parquet on S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    account,
    get_connection,
)
from airflow_ml_provider.extract.errors import ExtractError, NoRows
from airflow_ml_provider.operators.permanent import ends_for_good
from airflow_ml_provider.operators.run_values import (
    interval_end,
    interval_start,
    run_date,
    run_key,
)
from airflow_ml_provider.pipeline.extract_checks import CHECKS, check_problems
from airflow_ml_provider.pipeline.extract_options import option_problems
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_ml_provider.pipeline.extract_checks import Check

_ON_EMPTY = ("continue", "skip", "fail")


class _Killed(BaseException):
    """What no ``except Exception`` takes for a failure of what it cleans up."""


class SqlExtractOperator(BaseOperator):
    """Stream the rows of a query or a table into one Parquet file, published by its manifest.

    The XCom is ``uri``, ``rows``, ``bytes``, ``files`` and ``attempt``. What is there already is
    replaced.

    :param conn_id: Airflow connection to the database.
    :param query: SQL, or a file that ends in ``.sql``. ``:name`` is bound from ``parameters``; the
        run brings ``:run_date``, ``:data_interval_start`` and ``:data_interval_end``. (templated)
    :param table: a whole table instead. (templated)
    :param parameters: values of the query's parameters, or their JSON text; they are bound, never
        formatted into it. (templated)
    :param dag_params: parameters of the query that take the value of a DAG's param, with its type:
        names in the query to names of params.
    :param columns: Arrow types by column, where the database does not know them.
    :param output: the S3 prefix that is written. (templated)
    :param partitions: how many streams read at the same time, all of one snapshot.
    :param partition_by: the column whose values they share; of a table its pages without it.
    :param watermark: the column by which a run gets the rows above all that earlier runs got; it
        needs ``history``.
    :param watermark_delay_seconds: of a watermark of times, how old a row has to be; give the time
        that the longest transaction takes.
    :param on_drift: what happens if the columns are others than the last time, while the query is
        the same: ``fail``, ``evolve`` or ``ignore``. Nothing without ``history``.
    :param checks: ``RowCount``, ``NotNull``, ``Unique`` and ``InRange``, or the JSON text of their
        ``to_dict``: nothing is published if one fails. (templated)
    :param memory_mb: the memory that it may take besides what the process has already.
    :param history: the S3 URI of the object that keeps what the next run has to know; one for each
        task, and the same in each run. (templated)
    :param run_key: the run's name in the history: a run of the same name reads the same rows again;
        default: the start of its data interval, or its id where it has none. (templated)
    :param on_empty: what no rows mean: ``continue``, ``skip`` what follows, or ``fail``.
    :param attempts: how many of ``retries`` a failure of each class may use, as in
        ``RemoteJobOperator``.
    """

    template_fields = (
        *("query", "table", "parameters", "output_uri"),
        *("checks", "history", "run_key"),
    )
    template_ext = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"query": "sql", "parameters": "json"}
    ui_color = "#9fd8cb"

    def __init__(
        self,
        *,
        conn_id: str,
        output: str,
        query: str | None = None,
        table: str | None = None,
        parameters: Mapping[str, Any] | str | None = None,
        dag_params: Mapping[str, str] | None = None,
        columns: Mapping[str, str] | None = None,
        partitions: int = 1,
        partition_by: str | None = None,
        watermark: str | None = None,
        watermark_delay_seconds: int = 0,
        on_drift: str = "fail",
        checks: Sequence[Check | Mapping[str, Any]] | str = (),
        memory_mb: int = 300,
        history: str | None = None,
        run_key: str | None = None,
        on_empty: str = "continue",
        attempts: Mapping[str, int] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id
        self.output_uri = output
        self.query = query
        self.table = table
        self.parameters = parameters or {}
        self.dag_params = dag_params or {}
        self.columns = columns or {}
        self.partitions = partitions
        self.partition_by = partition_by
        self.watermark = watermark
        self.watermark_delay_seconds = watermark_delay_seconds
        self.on_drift = on_drift
        self.checks = checks
        self.memory_mb = memory_mb
        self.history = history
        self.run_key = run_key
        self.on_empty = on_empty
        self.attempts = attempts
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self._reading = False
        if problems := list(_problems(self)):
            raise ValueError("; ".join(f"{self.task_id}: {problem}" for problem in problems))
        if not isinstance(checks, str):
            self.checks = [c.to_dict() if isinstance(c, CHECKS) else dict(c) for c in checks]

    @ends_for_good
    def execute(self, context: Any) -> dict[str, Any]:
        """Read, write, publish.

        :raises AirflowFailException: the query or the destination is wrong, so that a retry is
            idle; or there are no rows and ``on_empty`` is ``fail``.
        :raises AirflowSkipException: there are no rows and ``on_empty`` is ``skip``.
        :raises AirflowException: the database or S3 could not be reached, or the task was killed.
        """
        from airflow_ml_provider.extract.connect import from_airflow  # noqa: PLC0415 - pyarrow
        from airflow_ml_provider.extract.query import extract_query  # noqa: PLC0415

        dag_run = context["dag_run"]
        run = {
            "run_date": run_date(dag_run),
            "data_interval_start": interval_start(dag_run),
            "data_interval_end": interval_end(dag_run),
        }
        # A template would render 10 as "10", which a database may take for something else.
        typed = {name: context["params"][param] for name, param in self.dag_params.items()}
        database: Any = get_connection(self.conn_id)
        try:
            self._reading = True
            manifest = extract_query(
                from_airflow(database),
                _opener(database),
                conn_id=self.conn_id,
                query=self.query,
                table=self.table,
                parameters={**_parsed(self.parameters), **typed},
                defaults=run,
                columns=self.columns,
                partitions=self.partitions,
                partition_by=self.partition_by,
                watermark=self.watermark,
                watermark_delay_seconds=self.watermark_delay_seconds,
                on_drift=self.on_drift,
                checks=_parsed(self.checks),
                memory_mb=self.memory_mb,
                history=self.history,
                run_key=self.run_key or run_key(dag_run),
                output=self.output_uri,
                on_empty=self.on_empty,
                kms_key_id=account().kms_key_id,
                client=partial(AwsConnection(self.aws_conn_id, self.region_name).client, "s3"),
            )
        except NoRows as error:
            if self.on_empty == "skip":
                raise AirflowSkipException(f"{error}: what follows is skipped.") from error
            raise AirflowFailException(f"{error}.") from error
        except ExtractError as error:
            kind = AirflowException if error.retryable else AirflowFailException
            raise kind(str(error)) from error
        except _Killed as error:
            raise AirflowException(f"{self.task_id} was killed") from error
        finally:
            self._reading = False
        return {
            "uri": self.output_uri,
            "rows": manifest.rows,
            "bytes": manifest.size_bytes,
            "files": [file.key for file in manifest.files],
            "attempt": manifest.attempt,
        }

    def on_kill(self) -> None:
        """End the extract where it is, once.

        Airflow 3 calls this from a signal handler, raises nothing itself, and ends the process five
        seconds later.
        """
        if self._reading:
            self._reading = False
            raise _Killed


def _problems(task: SqlExtractOperator) -> Iterator[str]:
    own = task.parameters
    given = {**own, **task.dag_params} if isinstance(own, Mapping) else None
    yield from option_problems(task, given)
    checks = task.checks
    if isinstance(checks, (list, tuple)):
        checks = [one for one in checks if not isinstance(one, Mapping)]
    if not isinstance(checks, str):
        yield from check_problems(checks)
    if task.watermark is not None and not task.history:
        yield f"watermark: {task.watermark!r} needs history='s3://<bucket>/<key>.json'"
    if task.on_empty not in _ON_EMPTY:
        yield f"on_empty {task.on_empty!r} is none of {', '.join(_ON_EMPTY)}"


def _opener(connection: Any) -> Callable[[], Any] | None:
    from airflow_ml_provider.extract.sources import hook_connect  # noqa: PLC0415 - pyarrow

    try:
        return hook_connect(connection.get_hook())
    except (AirflowException, ImportError):
        return None  # without its provider: ADBC may do without


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
