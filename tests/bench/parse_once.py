"""Parse and serialise one DAG file in this process; prints what that cost as JSON.

A program of its own, because an import is paid for once a process. Arguments: the DAG file and how
many DAGs it must give. Exits with Airflow's own traceback if the file can't be imported.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from time import process_time

import airflow.dag_processing.processor  # noqa: F401 - what Airflow has loaded before the file
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization


def main(file: str, expected: int) -> dict[str, float]:
    """Give the CPU time (user and system) of Airflow's start, of the parse and of serialising."""
    # As Airflow's DAG processor does; a collection of all of Airflow would fall on one of many.
    gc.collect()
    gc.freeze()
    start = process_time()
    bag = BundleDagBag(dag_folder=file, bundle_path=Path(file).parent, bundle_name="bench")
    parsed = process_time()
    if bag.import_errors:
        sys.exit("\n".join(bag.import_errors.values()))
    if len(bag.dags) != expected or any(len(dag.tasks) != 6 for dag in bag.dags.values()):
        sys.exit(f"{file} gave {len(bag.dags)} DAGs, not {expected}, or not six tasks each")
    began = process_time()
    serialised = [DagSerialization.to_dict(dag) for dag in bag.dags.values()]
    done = process_time()
    return {
        "start_ms": start * 1e3,
        "parse_ms": (parsed - start) * 1e3,
        "serialise_ms": (done - began) * 1e3,
        "json_bytes": sum(len(json.dumps(dag)) for dag in serialised),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))  # noqa: T201
