"""Steps that bring and shape data: out of a database, through Spark."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_ml_provider.pipeline.frozen import dataclass
from airflow_ml_provider.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.pipeline.extract_checks import Check


@dataclass(frozen=True)
class SqlExtract(Step):
    """Rows of a database, as one Parquet file on S3.

    Give a ``query`` (SQL, or a file of the pipeline's folder that ends in ``.sql``) or a ``table``.
    ``:name`` in the query is bound from ``parameters``; the run brings ``:run_date``,
    ``:data_interval_start`` and ``:data_interval_end``. ``columns`` gives Arrow types by column
    name where the database does not know them.

    ``partitions`` streams read at the same time, out of one snapshot: each a share of the values of
    ``partition_by``, or of a table's pages. With a ``watermark`` every run gets the rows in which
    this column is above all that earlier runs got, of times only those that are older than
    ``watermark_delay_seconds``. ``on_drift`` says what happens if the query is the same and its
    columns are not: ``fail``, ``evolve`` or ``ignore``. Nothing is published if one of the
    ``checks`` fails. ``memory_mb`` bounds the memory that it takes.

    Airflow reads the rows itself. Other targets do it in a SageMaker processing job: ``image_uri``,
    ``instance_type`` and ``role_arn`` are its, ``requirements`` the packages that its image lacks.
    With ``on`` a job of Glue does it, on every target.
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
    partitions: int = 1
    partition_by: str | None = None
    watermark: str | None = None
    watermark_delay_seconds: int = 0
    on_drift: str = "fail"
    checks: tuple[Check, ...] = ()
    memory_mb: int = 300
    on: GluePythonShell | None = None

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
class GluePythonShell:
    """Extract in a Python shell job of AWS Glue, which is created where it is missing.

    ``max_capacity`` is 0.0625 DPU (1 GB of memory) or 1 (16 GB). ``connections`` name the Glue
    connections that give the job its network; the secret of ``conn_id`` says what it opens there.
    ``job_name`` defaults to ``<pipeline>-<step>``. ``definition`` is merged last into the
    ``CreateJob`` request.
    https://docs.aws.amazon.com/glue/latest/dg/add-job-python.html
    """

    max_capacity: float = 0.0625
    connections: tuple[str, ...] = ()
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
