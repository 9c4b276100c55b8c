"""Steps that bring and shape data: out of a database, through Spark."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class SqlExtract(Step):
    """Rows of a database, as Parquet on S3.

    Give a ``query`` (SQL, or a file of the pipeline's folder that ends in ``.sql``) or a ``table``.
    ``:name`` in the query is bound from ``parameters``; the run brings ``:run_date``,
    ``:data_interval_start`` and ``:data_interval_end``. ``columns`` gives Arrow types by column
    name where the database does not know them.

    Airflow reads the rows itself. Other targets do it in a SageMaker processing job: ``image_uri``,
    ``instance_type`` and ``role_arn`` are its, ``requirements`` the packages that its image lacks.
    """

    conn_id: str
    query: str | None = None
    table: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    image_uri: str | None = None
    instance_type: str = "ml.m5.large"
    role_arn: str | None = None
    requirements: tuple[str, ...] = ()

    required: ClassVar[tuple[str, ...]] = ("conn_id",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """One: ``output``."""
        return ("output",)


@dataclass(frozen=True)
class Glue:
    """Run Spark on AWS Glue, in a job that is created where it is missing.

    ``job_name`` defaults to ``<pipeline>-<step>``. ``definition`` is merged last into the
    ``CreateJob`` request.
    """

    workers: int = 2
    worker_type: str = "G.1X"
    version: str = "5.0"
    job_name: str | None = None
    role_arn: str | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EmrServerless:
    """Run Spark on an EMR Serverless application that exists.

    ``application_id`` may be a parameter; ``conf`` of the step sizes the run.
    """

    application_id: Any
    role_arn: str | None = None
    log_group: str = "/aws/emr-serverless"


@dataclass(frozen=True)
class SparkTransform(Step):
    """A PySpark script.

    It gets ``--<input> <s3 uri>`` for each input, ``--<output> <s3 uri>`` for each output and
    ``--<name> <value>`` for each of ``arguments``. ``modules`` are further Python files that the
    script imports.
    """

    script: str = ""
    on: Glue | EmrServerless = field(default_factory=Glue)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("output",)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    conf: Mapping[str, str] = field(default_factory=dict)

    required: ClassVar[tuple[str, ...]] = ("script",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """As given by ``outputs``."""
        return tuple(self.outputs)
