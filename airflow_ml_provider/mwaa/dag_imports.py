"""Imports a folder of DAGs as Airflow does, and writes what came of it as JSON to a file.

A program of its own: ``python -I dag_imports.py <folder> <file>``, run by the Python whose Airflow
shall import them. It knows nothing of this package.
"""

from __future__ import annotations

import json
import platform
import sys
from importlib import import_module
from pathlib import Path


def main(folder: str, out: str) -> None:
    """Import all DAG files of a folder; ``out`` gets versions, DAGs and errors by file."""
    airflow = import_module("airflow")
    # Airflow 2 does it itself, Airflow 3 leaves it to its DAG processor.
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        module = import_module("airflow.dag_processing.dagbag")
    except ImportError:  # up to 3.0
        module = import_module("airflow.models.dagbag")
    bag = module.DagBag(folder)
    found = {
        "airflow": airflow.__version__,
        "python": platform.python_version(),
        "dags": sorted(bag.dags),
        "errors": {str(file): str(error) for file, error in bag.import_errors.items()},
    }
    Path(out).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
