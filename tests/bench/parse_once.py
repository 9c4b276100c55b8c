"""Parse and serialise one DAG file in this process; prints what that cost as JSON.

A program of its own, because an import is paid for once a process. Arguments: the DAG file and how
many DAGs it must give. Exits with Airflow's own traceback if the file can't be imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import process_time

# What a process that parses DAG files has loaded before it meets the first one.
from airflow.dag_processing.processor import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization


def main(file: str, expected: int) -> dict[str, float]:
    """Give the CPU seconds (user and system) of Airflow's start, the parse and serialising."""
    start = process_time()
    bag = BundleDagBag(dag_folder=file, bundle_path=Path(file).parent, bundle_name="bench")
    parsed = process_time()
    if bag.import_errors:
        sys.exit("\n".join(bag.import_errors.values()))
    if len(bag.dags) != expected or any(len(dag.tasks) != 6 for dag in bag.dags.values()):
        sys.exit(f"{file} gave {len(bag.dags)} DAGs, not {expected}, or not six tasks each")
    began = process_time()
    size = sum(len(json.dumps(DagSerialization.to_dict(dag))) for dag in bag.dags.values())
    return {
        "start": start,
        "parse": parsed - start,
        "serialise": process_time() - began,
        "bytes": size,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))  # noqa: T201
