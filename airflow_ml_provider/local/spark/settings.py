"""What Spark's configuration becomes on one machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A cluster's size, its services and its interpreters: none of them is here.
_CLUSTER_ONLY = re.compile(
    r"""spark\.(
        master | submit\.deployMode
        | executor\. .* | dynamicAllocation\. .* | shuffle\.service\. .*
        | driver\.(cores | memoryOverhead.* | host | bindAddress | port)
        | yarn\. .* | kubernetes\. .* | emr-serverless\. .*
        | pyspark\.(driver\.)?python
        | hadoop\.fs\.(AbstractFileSystem\.)?s3[an]?\.impl
    )""",
    re.VERBOSE,
)
_DRIVER_ENVIRONMENT = "spark.emr-serverless.driverEnv."
_SCHEMES = ("s3", "s3a", "s3n")
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}


def local_conf(
    given: Mapping[str, str],
    *,
    endpoint_url: str,
    region: str,
    work_dir: Path,
    jar: Path,
    cores: int,
) -> dict[str, str]:
    """Turn the configuration of a cluster's job into one that runs on `cores` local cores.

    Cluster sizing is dropped, what a script's meaning depends on is kept.
    See https://spark.apache.org/docs/3.5.6/configuration.html.
    """
    kept = {key: value for key, value in given.items() if not _CLUSTER_ONLY.fullmatch(key)}
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if _bytes(kept.get("spark.driver.memory", "")) > memory_bytes // 2:
        del kept["spark.driver.memory"]
    gigabytes = min(max(memory_bytes // 4 // 1024**3, 1), 4)
    java_options = [
        f"-Djava.io.tmpdir={work_dir / 'tmp'}",
        f"-Dderby.system.home={work_dir}",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}",
        "-Duser.timezone=UTC",
        # Short jobs: the optimising compiler costs them more than it gains.
        "-XX:TieredStopAtLevel=1",
    ]
    # Java refuses two collectors; the job's own choice stands.
    if "GC" not in kept.get("spark.driver.extraJavaOptions", ""):
        java_options.append("-XX:+UseSerialGC")
    defaults = {
        "spark.driver.memory": f"{gigabytes}g",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": (work_dir / "warehouse").as_uri(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    fixed = {
        "spark.master": f"local[{cores}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.defaultJavaOptions": " ".join(map(_quoted, java_options)),
        "spark.driver.extraClassPath": os.pathsep.join(
            filter(None, [os.fspath(jar), kept.get("spark.driver.extraClassPath")])
        ),
        "spark.hadoop.fs.s3.local.endpoint": endpoint_url.rstrip("/"),
        "spark.hadoop.fs.s3.local.region": region,
        # Version 1 publishes a job's files when the whole job is committed.
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "1",
        **{f"spark.hadoop.fs.{scheme}.impl": "airflowml.S3FileSystem" for scheme in _SCHEMES},
    }
    return {**defaults, **kept, **fixed}


def driver_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Answer the variables that `spark.emr-serverless.driverEnv.*` sets.

    See https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html.
    """
    return {
        key.removeprefix(_DRIVER_ENVIRONMENT): value
        for key, value in given.items()
        if key.startswith(_DRIVER_ENVIRONMENT)
    }


def properties(conf: Mapping[str, str]) -> str:
    """Write a configuration as a Java properties file, in ASCII.

    See https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html.
    """
    return "".join(f"{_escaped(key)}={_escaped(value)}\n" for key, value in sorted(conf.items()))


def _escaped(text: str) -> str:
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(
        chr(c) if chr(c).isascii() and chr(c).isalnum() else f"\\u{c:04x}" for c in codes
    )


def _quoted(option: str) -> str:
    return '"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytes(size: str) -> int:
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower())
    return int(match[1]) * 1024 ** _UNITS.get(match[2], 2) if match else 0
