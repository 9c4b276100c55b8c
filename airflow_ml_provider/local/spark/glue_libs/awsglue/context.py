"""GlueContext for files on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pyspark.sql import SparkSession  # noqa: TID253, only a Spark job imports this

from . import MissingError
from .dynamicframe import DynamicFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark import SparkContext

Options = dict[str, Any]

# Options of https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-format.html in
# Spark's words; None: a hint about speed, which changes no result.
_SPARK_NAMES: dict[str, dict[str, str | None]] = {
    "csv": {
        "separator": "sep",
        "quoteChar": "quote",
        "escaper": "escape",
        "multiLine": "multiLine",
        "multiline": "multiLine",
        "withHeader": "header",
        "writeHeader": "header",
        "optimizePerformance": None,
    },
    "json": {"multiLine": "multiLine", "multiline": "multiLine", "optimizePerformance": None},
    "parquet": {
        "compression": "compression",
        "useGlueParquetWriter": None,
        "blockSize": None,
        "pageSize": None,
    },
}
_READ_OPTIONS = {"paths", "path", "recurse"}
_WRITE_OPTIONS = {"path", "partitionKeys", "compression"}
_HINTS = {"groupFiles", "groupSize", "useS3ListImplementation", "maxBand", "maxFilesInBand"}


class GlueContext:
    """Reads and writes DynamicFrames; `from_options` knows csv, json and parquet on S3."""

    def __init__(self, sparkContext: SparkContext, **_: object) -> None:  # noqa: N803, Glue's name
        """Use the session of a Spark context."""
        self.spark_session = SparkSession(sparkContext)
        self.create_dynamic_frame = _Reader(self)
        self.write_dynamic_frame = _Writer(self)

    def get_logger(self) -> Any:
        """Answer a logger with `info`, `warn`, `error` and `debug`; it writes to stderr."""
        jvm: Any = self.spark_session._jvm  # noqa: SLF001, PySpark's only way to a Java class
        return jvm.org.slf4j.LoggerFactory.getLogger("GlueLogger")

    def create_dynamic_frame_from_options(
        self,
        connection_type: str,
        connection_options: Options | None = None,
        format: str | None = None,  # noqa: A002, Glue's name
        format_options: Options | None = None,
        transformation_ctx: str = "",
        **rest: object,
    ) -> DynamicFrame:
        """Read files; csv columns are strings, and are named `col0`, ... without a header."""
        where = "create_dynamic_frame.from_options"
        given = connection_options or {}
        kind = _format(where, connection_type, format)
        _refuse(where, "connection_options", set(given) - _READ_OPTIONS - _HINTS)
        _refuse(where, "argument", {name for name, value in rest.items() if value})
        paths = given.get("paths", given.get("path"))
        if not paths:
            raise ValueError(f"{where}: connection_options has no 'paths', a list of s3:// paths")
        options = _options(where, kind, format_options)
        options["recursiveFileLookup"] = given.get("recurse", False)
        reader = self.spark_session.read.format(kind).options(**options)
        frame = reader.load([paths] if isinstance(paths, str) else list(paths))
        if kind == "csv" and not _true(options.get("header")):
            partitioned = [name for name in frame.columns if not name.startswith("_c")]
            plain = len(frame.columns) - len(partitioned)
            frame = frame.toDF(*(f"col{i}" for i in range(plain)), *partitioned)
        return DynamicFrame(frame, self, transformation_ctx)

    def write_dynamic_frame_from_options(  # noqa: PLR0917, Glue's order
        self,
        frame: DynamicFrame,
        connection_type: str,
        connection_options: Options | None = None,
        format: str | None = None,  # noqa: A002, Glue's name
        format_options: Options | None = None,
        transformation_ctx: str = "",
    ) -> DynamicFrame:
        """Add files to a path, as Glue does; it never overwrites."""
        del transformation_ctx
        where = "write_dynamic_frame.from_options"
        given = connection_options or {}
        kind = _format(where, connection_type, format)
        _refuse(where, "connection_options", set(given) - _WRITE_OPTIONS - _HINTS)
        if not given.get("path"):
            raise ValueError(f"{where}: connection_options has no 'path', an s3:// path")
        options = _options(where, kind, format_options)
        if kind == "csv":
            options.setdefault("header", True)
        if given.get("compression"):
            options["compression"] = given["compression"]
        writer = frame.toDF().write.format(kind).options(**options).mode("append")
        writer.partitionBy(*given.get("partitionKeys", ())).save(given["path"])
        return frame

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse the rest of Glue's methods by name."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingError(f"awsglue.context.GlueContext.{name}")


class _Reader:
    def __init__(self, context: GlueContext) -> None:
        self.from_options = context.create_dynamic_frame_from_options

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingError(f"awsglue.context.GlueContext.create_dynamic_frame.{name}")


class _Writer:
    def __init__(self, context: GlueContext) -> None:
        self.from_options = context.write_dynamic_frame_from_options

    def __getattr__(self, name: str) -> NoReturn:
        raise MissingError(f"awsglue.context.GlueContext.write_dynamic_frame.{name}")


def _format(where: str, connection_type: str, given: str | None) -> str:
    if connection_type != "s3":
        raise MissingError(f"{where} with connection_type={connection_type!r}")
    kind = "parquet" if given == "glueparquet" else given
    if kind not in _SPARK_NAMES:
        raise MissingError(f"{where} with format={given!r}")
    return kind


def _options(where: str, kind: str, given: Mapping[str, Any] | None) -> Options:
    known = _SPARK_NAMES[kind]
    _refuse(where, "format_options", set(given or {}) - set(known))
    options = {known[name]: value for name, value in (given or {}).items() if known[name]}
    if options.get("quote") in (-1, "-1"):
        options["quote"] = ""
    return {str(name): value for name, value in options.items()}


def _refuse(where: str, what: str, names: set[str]) -> None:
    if names:
        raise MissingError(f"{where} with {what} {', '.join(sorted(names))}")


def _true(value: object) -> bool:
    return str(value).lower() == "true"
