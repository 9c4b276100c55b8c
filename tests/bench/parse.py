"""What a DAG costs Airflow's DAG processor, beside its peers: CPU time to parse and serialise it.

The same six tasks (extract, Spark on Glue, processing, training, evaluation, registration) are
made by this package, by hand with the stock Amazon operators, by dag-factory from YAML, and as six
``EmptyOperator``: the floor, which is Airflow's own cost. One file gives 1, 50 or 200 DAGs, in a
loop where the language has one, so that imports and DAGs can be told apart: the cost per DAG is the
slope from 1 to 200, the fixed cost what is left of one DAG. Each sample is a fresh process that has
loaded Airflow; the variants take turns; medians are shown. Byte code is cached beforehand.

Every DAG but the floor has one parameter. By hand it is a DAG's param, which Airflow copies to each
task, checks and serialises with it; ours stays with the DAG.

Not in these numbers: the DAG processor imports the ``airflow.*`` modules that a file names once
for all files (``[dag_processor] parsing_pre_import_modules``). Tasks, tests and the CLI do not.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

HERE = Path(__file__).parent
TREE = HERE.parents[1]
FOLDER = TREE / "dags" / "flight_delays"
BUILD = TREE / "build" / "bench"
VARIANTS = ("floor", "ours", "stock", "dag_factory")
COUNTS = (1, 50, 200)
PACKAGES = ("apache-airflow", "apache-airflow-providers-amazon", "boto3", "dag-factory")
Costs = dict[str, dict[str, float]]


def main(repetitions: int) -> None:
    samples: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="bench-") as home:
        for variant in VARIANTS:  # caches the byte code, and finds what can't be imported
            measure(variant, 1, Path(home))
        rounds = [(n, v) for _ in range(repetitions) for n in COUNTS for v in VARIANTS]
        for count, variant in track(rounds, "parsing", transient=True):
            samples.append(measure(variant, count, Path(home)))
    medians = {
        variant: {str(count): median(samples, variant, count) for count in COUNTS}
        for variant in VARIANTS
    }
    costs = {variant: split(medians[variant]) for variant in VARIANTS}
    compared = ratios(costs)
    result = {
        "unit": "CPU milliseconds, user and system",
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in PACKAGES},
        "repetitions": repetitions,
        "ratios": compared,
        "costs": costs,
        "medians": medians,
        "samples": samples,
    }
    (BUILD / "parse.json").write_text(json.dumps(result, indent=2) + "\n")
    show(costs, compared)


def measure(variant: str, count: int, home: Path) -> dict[str, Any]:
    """Parse and serialise once in a fresh process, or end the benchmark with that one's error."""
    config = home / f"{count}.yaml"
    if variant == "dag_factory":
        write_yaml(config, count)
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and name != "PYTHONDONTWRITEBYTECODE"
    }
    env |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__AIRFLOW_ML_PROVIDER__ROLE_ARN": "arn:aws:iam::123456789012:role/ml",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_FACTORY__ENABLE_TELEMETRY": "False",
        "BENCH_DAGS": str(count),
        "BENCH_FOLDER": str(FOLDER),
        "BENCH_YAML": str(config),
        "DO_NOT_TRACK": "1",
        "PYTHONPYCACHEPREFIX": str(BUILD / "pyc"),
    }
    dag_file = HERE / "dags" / f"{variant}.py"
    command = [sys.executable, str(HERE / "parse_once.py"), str(dag_file), str(count)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{variant} with {count} DAGs failed:\n{done.stdout}{done.stderr}")
    return {"variant": variant, "dags": count, **json.loads(done.stdout.splitlines()[-1])}


def write_yaml(path: Path, count: int) -> None:
    document = yaml.safe_load((HERE / "dags" / "dag_factory.yaml").read_text())
    dag = document.pop("dag_factory")
    dag["template_searchpath"] = [str(FOLDER)]
    document |= {f"dag_factory_{number}": copy.deepcopy(dag) for number in range(count)}
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def median(samples: list[dict[str, Any]], variant: str, count: int) -> dict[str, float]:
    mine = [s for s in samples if (s["variant"], s["dags"]) == (variant, count)]
    return {
        name: round(statistics.median(sample[name] for sample in mine), 2)
        for name in ("start_ms", "parse_ms", "serialise_ms", "json_bytes")
    }


def split(medians: dict[str, dict[str, float]]) -> dict[str, float]:
    """Tell the cost of a DAG from what is paid once."""
    costs = {}
    for phase in ("parse", "serialise"):
        first, last = (medians[str(count)][f"{phase}_ms"] for count in (COUNTS[0], COUNTS[-1]))
        costs[f"{phase}_per_dag_ms"] = (last - first) / (COUNTS[-1] - COUNTS[0])
        costs[f"{phase}_fixed_ms"] = first - costs[f"{phase}_per_dag_ms"]
    costs["per_dag_ms"] = costs["parse_per_dag_ms"] + costs["serialise_per_dag_ms"]
    return {name: round(value, 2) for name, value in costs.items()}


def ratios(costs: Costs) -> dict[str, float]:
    """Compare: fixed costs by what they add to the floor, costs per DAG as they are."""

    def added(variant: str) -> float:
        return costs[variant]["parse_fixed_ms"] - costs["floor"]["parse_fixed_ms"]

    found = {"fixed_vs_stock": added("ours") / added("stock")}
    found["fixed_vs_dag_factory"] = added("ours") / added("dag_factory")
    for other in ("stock", "dag_factory", "floor"):
        for name in ("per_dag", "parse_per_dag", "serialise_per_dag"):
            found[f"{name}_vs_{other}"] = costs["ours"][f"{name}_ms"] / costs[other][f"{name}_ms"]
    return {name: round(value, 3) for name, value in found.items()}


def show(costs: Costs, compared: dict[str, float]) -> None:
    table = Table(title="CPU milliseconds, user and system")
    table.add_column("")
    for title in (
        "fixed",
        "over floor",
        "parse a DAG",
        "serialise it",
        "a DAG in all",
        "of stock",
        "of floor",
    ):
        table.add_column(title, justify="right")
    for variant in VARIANTS:
        cost = costs[variant]
        total = cost["per_dag_ms"]
        table.add_row(
            variant,
            f"{cost['parse_fixed_ms']:.1f}",
            f"{cost['parse_fixed_ms'] - costs['floor']['parse_fixed_ms']:.1f}",
            f"{cost['parse_per_dag_ms']:.2f}",
            f"{cost['serialise_per_dag_ms']:.2f}",
            f"{total:.2f}",
            f"{total / costs['stock']['per_dag_ms']:.2f}",
            f"{total / costs['floor']['per_dag_ms']:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"Our imports add {compared['fixed_vs_stock']:.1%} of what the stock operators' add; a DAG "
        f"costs {compared['per_dag_vs_stock']:.2f} of a stock one "
        f"(parse {compared['parse_per_dag_vs_stock']:.2f}, "
        f"serialise {compared['serialise_per_dag_vs_stock']:.2f})."
    )
    console.print(f"All numbers: {(BUILD / 'parse.json').relative_to(TREE)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5, help="samples of each point")
    BUILD.mkdir(parents=True, exist_ok=True)
    main(parser.parse_args().repetitions)
