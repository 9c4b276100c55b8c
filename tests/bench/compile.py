"""What it costs to compile the example for each target, above Python's own start.

Each sample is a fresh process: ``airflow-ml compile``, or ``python -c pass`` as the floor. They
take turns; medians are shown, of the wall clock and of CPU time (user and system). Byte code is
cached beforehand. The environment holds no variable but those below, so no credentials, and where
``unshare -rn`` works the process has no network either. ``-X importtime`` tells what of it are
imports, and that nothing heavy is among them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

TREE = Path(__file__).parents[2]
FILE = TREE / "dags" / "flight_delays" / "flight_delays.py"
BUILD = TREE / "build" / "bench"
FLOOR = "python -c pass"
TARGETS = ("airflow", "step-functions", "sagemaker")
HEAVY = {"airflow", "boto3", "botocore", "moto", "pandas", "pyarrow", "pyspark", "rich"}
LIMIT_MS = 1000
ACCOUNT = (
    *("--role-arn", "arn:aws:iam::123456789012:role/ml"),
    *("--worker-image-uri", "123456789012.dkr.ecr.us-east-1.amazonaws.com/worker:1"),
)
CLI = "import sys; from airflow_ml_provider.cli import main; sys.exit(main(sys.argv[1:]))"
NO_NETWORK = ("unshare", "-rn")


def main(repetitions: int) -> bool:
    isolated = can_unshare()
    with TemporaryDirectory(prefix="bench-") as home:
        for target in TARGETS:  # caches the byte code
            run(command(target, home), home, isolated=isolated)
        imports = {target: imported(target, home) for target in TARGETS}
        rounds = [name for _ in range(repetitions) for name in (FLOOR, *TARGETS)]
        samples = [
            {"variant": name, **measure(command(name, home), home, isolated=isolated)}
            for name in track(rounds, "compiling", transient=True)
        ]
    medians = {name: median(samples, name) for name in (FLOOR, *TARGETS)}
    above = {
        name: {key: round(value - medians[FLOOR][key], 1) for key, value in medians[name].items()}
        for name in TARGETS
    }
    result = {
        "unit": "milliseconds",
        "python": sys.version.split()[0],
        "network": not isolated,
        "repetitions": repetitions,
        "above_floor": above,
        "medians": medians,
        "imports": imports,
        "samples": samples,
    }
    (BUILD / "compile.json").write_text(json.dumps(result, indent=2) + "\n")
    show(medians, above, imports, isolated=isolated)
    return all(one["wall_ms"] < LIMIT_MS for one in above.values())


def can_unshare() -> bool:
    try:
        done = subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def command(name: str, home: str, *options: str) -> list[str]:
    if name == FLOOR:
        return [sys.executable, "-c", "pass"]
    wanted = ("--target", name, "--out", f"{home}/out", *ACCOUNT)
    return [sys.executable, *options, "-c", CLI, "compile", str(FILE), *wanted]


def run(command: list[str], home: str, *, isolated: bool) -> str:
    """Run it without AWS variables, or end the benchmark with its error; give what it said."""
    env = {
        "HOME": home,
        "PATH": os.defpath,
        "PYTHONPATH": str(TREE),
        "PYTHONPYCACHEPREFIX": str(BUILD / "pyc"),
    }
    command = [*NO_NETWORK, *command] if isolated else command
    done = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stderr


def measure(command: list[str], home: str, *, isolated: bool) -> dict[str, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(command, home, isolated=isolated)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_ms": round(wall * 1000, 2), "cpu_ms": round(cpu * 1000, 2)}


def imported(target: str, home: str) -> dict[str, Any]:
    """Tell how many modules a compilation imports and how long that takes, its ten slowest too."""
    said = run(command(target, home, "-X", "importtime"), home, isolated=False)
    lines = [line.removeprefix("import time:").split("|") for line in said.splitlines()[1:]]
    selves = {name.strip(): int(own) / 1000 for own, _, name in lines}
    if heavy := sorted(HEAVY & {name.partition(".")[0] for name in selves}):
        sys.exit(f"compiling for {target} imports {', '.join(heavy)}")
    slowest = sorted(selves, key=lambda name: -selves[name])[:10]
    return {
        "modules": len(selves),
        "ms": round(sum(selves.values()), 1),
        "slowest_ms": {name: selves[name] for name in slowest},
    }


def median(samples: list[dict[str, Any]], name: str) -> dict[str, float]:
    mine = [one for one in samples if one["variant"] == name]
    return {
        key: round(statistics.median(one[key] for one in mine), 1) for key in ("wall_ms", "cpu_ms")
    }


def show(medians: Any, above: Any, imports: Any, *, isolated: bool) -> None:
    table = Table(title="Compiling the flight-delay example, milliseconds")
    table.add_column("")
    for title in ("wall", "CPU", "wall above Python", "CPU above Python", "of it imports"):
        table.add_column(title, justify="right")
    for name, cost in medians.items():
        more = above.get(name)
        extra = [f"{more['wall_ms']:.0f}", f"{more['cpu_ms']:.0f}"] if more else ["", ""]
        took = f"{imports[name]['ms']:.0f}" if name in imports else ""
        table.add_row(name, f"{cost['wall_ms']:.0f}", f"{cost['cpu_ms']:.0f}", *extra, took)
    console = Console()
    console.print(table)
    network = "no network (unshare -rn)" if isolated else "a network: unshare -rn doesn't work here"
    console.print(f"No AWS variable was set, and there was {network}.")
    console.print(f"All numbers: {(BUILD / 'compile.json').relative_to(TREE)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=10, help="samples of each point")
    BUILD.mkdir(parents=True, exist_ok=True)
    if not main(parser.parse_args().repetitions):
        sys.exit(f"A target takes more than {LIMIT_MS} ms above Python's start.")
