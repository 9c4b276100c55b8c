"""Rows of a database to Parquet on S3."""

from __future__ import annotations

import json
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
from airflow_ml_provider.operators.run_values import interval_end, interval_start, run_date
from airflow_ml_provider.triggers.connection import AwsConnection

if TYPE_CHECKING:
    from collections.abc import Mapping

_ON_EMPTY = ("continue", "skip", "fail")


class SqlExtractOperator(BaseOperator):
    """Stream the rows of a query or a table into one Parquet file, published by its manifest.

    The XCom is ``uri``, ``rows``, ``bytes`` and ``files``. What is there already is replaced.

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
    :param on_empty: what no rows mean: ``continue``, ``skip`` what follows, or ``fail``.
    :param attempts: how many of ``retries`` a failure of each class may use, as in
        ``RemoteJobOperator``.
    """

    template_fields = ("query", "table", "parameters", "output_uri")
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
        on_empty: str = "continue",
        attempts: Mapping[str, int] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (query is None) == (table is None):
            raise ValueError(f"{self.task_id}: give either query= or table=")
        if on_empty not in _ON_EMPTY:
            allowed = ", ".join(_ON_EMPTY)
            raise ValueError(f"{self.task_id}: on_empty {on_empty!r} is none of {allowed}")
        self.conn_id = conn_id
        self.output_uri = output
        self.query = query
        self.table = table
        self.parameters = parameters or {}
        self.dag_params = dag_params or {}
        self.columns = columns or {}
        self.on_empty = on_empty
        self.attempts = attempts
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    @ends_for_good
    def execute(self, context: Any) -> dict[str, Any]:
        """Read, write, publish.

        :raises AirflowFailException: the query or the destination is wrong, so that a retry is
            idle; or there are no rows and ``on_empty`` is ``fail``.
        :raises AirflowSkipException: there are no rows and ``on_empty`` is ``skip``.
        :raises AirflowException: the database or S3 could not be reached.
        """
        from airflow_ml_provider.extract.query import extract_query  # noqa: PLC0415 - pyarrow

        dag_run = context["dag_run"]
        run = {
            "run_date": run_date(dag_run),
            "data_interval_start": interval_start(dag_run),
            "data_interval_end": interval_end(dag_run),
        }
        # A template would render 10 as "10", which a database may take for something else.
        typed = {name: context["params"][param] for name, param in self.dag_params.items()}
        own = self.parameters
        given = json.loads(own) if isinstance(own, str) else own
        try:
            manifest = extract_query(
                _hook(self.conn_id).get_conn,
                conn_id=self.conn_id,
                query=self.query,
                table=self.table,
                parameters={**given, **typed},
                defaults=run,
                columns=self.columns,
                output=self.output_uri,
                on_empty=self.on_empty,
                kms_key_id=account().kms_key_id,
                client=AwsConnection(self.aws_conn_id, self.region_name).client("s3"),
            )
        except NoRows as error:
            if self.on_empty == "skip":
                raise AirflowSkipException(f"{error}: what follows is skipped.") from error
            raise AirflowFailException(f"{error}.") from error
        except ExtractError as error:
            kind = AirflowException if error.retryable else AirflowFailException
            raise kind(str(error)) from error
        return {
            "uri": self.output_uri,
            "rows": manifest.rows,
            "bytes": manifest.size_bytes,
            "files": [file.key for file in manifest.files],
        }


def _hook(conn_id: str) -> Any:
    connection: Any = get_connection(conn_id)
    return connection.get_hook()
