"""Which DAG files break when the Airflow of a version imports them?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.mwaa import dag_imports
from airflow_ml_provider.mwaa.finding import DAGS, ERROR, GOOD, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_ml_provider.mwaa.versions import MwaaVersion

_TIMEOUT_SECONDS = 600
_LINES = 8
# What a file gets that asks for a Variable or a Connection while there is no metadata database.
_NEEDS_DATABASE = re.compile(
    r"no such table|VARIABLE_NOT_FOUND|CONNECTION_NOT_FOUND|Variable \S+ does not exist"
    r"|SUPERVISOR_COMMS|AirflowNotFoundException|AIRFLOW_RUNTIME_ERROR"
)
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
# They would lead away from this machine.
_LEFT_OUT = re.compile("AIRFLOW__(CELERY|DATABASE|LOGGING|METRICS|SECRETS)__")


@dataclass(frozen=True)
class Imported:
    """What came of the import: the versions that did it, DAGs, and a trace by file."""

    airflow: str
    python: str
    dags: tuple[str, ...]
    errors: Mapping[str, str]


class DagImportError(Exception):
    """The import itself could not be run; says why."""


def variables(version: MwaaVersion, options: Mapping[str, str]) -> dict[str, str]:
    """Give the variables by which Airflow reads the options that a DAG file may see."""
    return {
        "AIRFLOW__{}__{}".format(*name.upper().split(".", 1)): value
        for name, value in options.items()
        if "." in name and name.lower() not in version.forced
    }


def import_dags(
    python: Path, folder: Path, settings: Mapping[str, str], plugins: Path | None = None
) -> Imported:
    """Import a DAGs folder in a process of another Python, in a home of its own.

    The process gets none of this one's credentials and settings.

    :param settings: variables that it gets.
    :param plugins: the folder that plugins.zip was unpacked to.
    :raises DagImportError: that Python has no Airflow, or the process died.
    """
    with tempfile.TemporaryDirectory(prefix="airflow-") as home:
        out = Path(home, "imported.json")
        environment = {
            **{name: os.environ[name] for name in ("LANG", "PATH") if name in os.environ},
            "AWS_EC2_METADATA_DISABLED": "true",
            # Where boto3 would look for credentials.
            "HOME": home,
            **{name: value for name, value in settings.items() if not _LEFT_OUT.match(name)},
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder.absolute()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins or Path(home, "plugins")),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }
        # -B leaves no caches in the folder, which may be a package that has checksums.
        command = [str(python), "-IB", dag_imports.__file__, str(folder.absolute()), str(out)]
        try:
            done = subprocess.run(  # noqa: S603 - that Python was asked for
                command,
                cwd=home,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DagImportError(f"{python} could not import {folder}: {error}") from error
        if not out.is_file():
            said = _end(done.stderr) or f"exit code {done.returncode}"
            raise DagImportError(f"{python} could not import {folder}: {said}")
        found = json.loads(out.read_text(encoding="utf-8"))
    return Imported(found["airflow"], found["python"], tuple(found["dags"]), found["errors"])


def dag_findings(version: MwaaVersion, folder: Path, imported: Imported) -> Iterator[Finding]:
    """Say which files broke, and whether the right versions imported them."""
    if imported.airflow != version.airflow:
        said = f"imported by Airflow {imported.airflow}, not by {version.airflow}"
        yield Finding(DAGS, ERROR, said, "give --python one that has it, or leave it out")
    if not imported.python.startswith(f"{version.python_minor}."):
        said = f"imported by Python {imported.python}; MWAA has {version.python}"
        yield Finding(DAGS, WARNING, said, f"install Python {version.python_minor} here")
    for file, error in sorted(imported.errors.items()):
        said = _told(Path(file), error, folder)
        if _NEEDS_DATABASE.search(error):
            mend = (
                "it asks Airflow for a Variable or Connection as it is parsed, which can't be "
                "judged here: ask in a task or a template"
            )
            yield Finding(DAGS, WARNING, said, mend)
        else:
            yield Finding(DAGS, ERROR, said, _mend(error))
    if not imported.errors:
        names = ", ".join(imported.dags) or "no DAG"
        severity = GOOD if imported.dags else WARNING
        yield Finding(DAGS, severity, f"{folder}: Airflow {imported.airflow} imports {names}")


def _mend(error: str) -> str:
    missing = re.search(r"No module named '([\w.]+)'", error)
    if missing is None:
        return "mend the line that it names"
    return f"name what has {missing[1]} in requirements.txt, or put it into the DAGs folder"


def _told(file: Path, error: str, folder: Path) -> str:
    """Say what happened in the last of the user's own lines that a trace names."""
    named = [(Path(name), line) for name, line in _FRAME.findall(error)]
    own = [place for place in named if folder.absolute() in place[0].parents]
    where = "".join(f"{place}, line {line}: " for place, line in own[-1:])
    return f"{where or f'{file}: '}{error.strip().splitlines()[-1]}"


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LINES:])
