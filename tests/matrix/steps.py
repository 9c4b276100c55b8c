"""The steps of the matrix: each takes an environment and says in a few words what it saw."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from environment import TREE, Environment, StepError

from airflow_ml_provider.local.server import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
DAGS = TREE / "dags"
# What tests of the package are for Airflow's classes, and what they say about versions of it.
UNITS = (
    *("operators", "sensors", "triggers", "links", "factories"),
    *("test_compat.py", "test_get_provider_info.py"),
)
PARSING = ("dags/test_parse.py", "test_imports.py")
# And what reads the database of the examples: only MWAA 2.11.2 has it by itself.
FOR_TESTS = ("pytest", "hypothesis", "apache-airflow-providers-sqlite")
_PASSED = re.compile(r"\d+ passed(, \d+ skipped)?")
# MWAA adds its own constraints where no line of a requirements.txt has this, comments included.
_CONSTRAINED = re.compile(r"-c |--constraint ")


def environment(one: Environment) -> str:
    """Make the environment of the image."""
    return one.build()


def install(one: Environment) -> str:
    """Install the wheel by ``mwaa/requirements``, and see that nothing else changes."""
    name = "airflow-ml-provider"
    one.uv("pip", "uninstall", "--python", str(one.python), name)
    before = one.packages()
    file = one.folder / "requirements.txt"
    file.write_text(one.requirements())
    pip = ("pip", "install", "--python", str(one.python), "--constraint")
    wheels = ("--find-links", str(wheel(one).parent), "--refresh-package", name)
    essential = str(one.folder / "essential.txt")
    one.uv(*pip, essential, "--requirement", str(file), *wheels)
    added = _added(before, one.packages())
    one.uv("pip", "check", "--python", str(one.python))
    one.uv(*pip, str(one.constraints), *FOR_TESTS)
    return added


def installed(one: Environment, *arguments: str) -> str:
    """Ask :mod:`installed` by the environment's Python."""
    return _last(one.run(str(one.python), str(HERE / "installed.py"), *arguments))


def dags(one: Environment) -> str:
    """Load ``dags/`` as Airflow does; parsing it must load nothing that a job needs."""
    said = installed(one, "dags", str(DAGS))
    _units(one, PARSING)
    return said


def units(one: Environment) -> str:
    """Run the tests of operators, sensors, triggers, links and factories."""
    return _units(one, UNITS)


def alone(one: Environment) -> str:
    """Run every operator alone in a hand-written DAG, deferred and not."""
    return _pytest(
        one, sys.executable, "tests/e2e/test_operators_alone.py", AIRFLOW_PYTHON=str(one.python)
    )


def examples(one: Environment) -> str:
    """Run the examples by ``dag.test()``; the local AWS is of this program's environment."""
    home = one.folder / "examples"
    shutil.rmtree(home, ignore_errors=True)
    (home / "airflow").mkdir(parents=True)
    data = warehouse(one)
    with LocalAws(state_dir=home / "aws") as aws:
        program = (str(HERE / "run_examples.py"), aws.endpoint_url)
        folders = ("--dags", str(DAGS), "--home", str(home), "--sqlite", f"warehouse={data}")
        return _last(one.run(str(one.python), *program, *folders))


def offline(one: Environment) -> str:
    """Package, install by MWAA's command in a fresh environment without a network, and look."""
    fresh = replace(one, name="offline")
    fresh.build()
    if not fresh.is_of_its_python:
        raise StepError(f"the wheels are for Python {one.version.python_minor}: install it")
    before = fresh.packages()
    package = one.folder / "package"
    shutil.rmtree(package, ignore_errors=True)
    one.run(
        *(str(Path(sys.executable).with_name("airflow-ml")), "mwaa", "package", "--offline"),
        *("--version", one.version.airflow, "--wheel", str(wheel(one)), "--out", str(package)),
        *("--requirements", str(one.requirements_file), "--dags", str(DAGS)),
        cwd=TREE,
    )
    rest = one.folder / "usr-local"
    rest.mkdir(exist_ok=True)
    constrained = _CONSTRAINED.search((package / "requirements.txt").read_text())
    fresh.run(
        *("sh", str(HERE / "offline.sh"), str(fresh.python), str(package), str(rest)),
        str(one.folder / "essential.txt"),
        *(() if constrained else ("--constraint", str(fresh.constraints))),
    )
    added = _added(before, fresh.packages())
    for what in (("imports",), ("provider",), ("dags", str(package / "dags"))):
        installed(fresh, *what)
    return added


STEPS: Final[Mapping[str, Callable[[Environment], str]]] = {
    "environment": environment,
    "install": install,
    "imports": lambda one: installed(one, "imports"),
    "provider": lambda one: installed(one, "provider"),
    "dags": dags,
    "units": units,
    "alone": alone,
    "examples": examples,
    "offline": offline,
}
# Without these the others can't be.
FIRST = ("environment", "install")


def wheel(one: Environment) -> Path:
    """Give the package's wheel, which is built once."""
    folder = one.folder.parent / "dist"
    if not list(folder.glob("*.whl")):
        one.uv("build", "--wheel", "--out-dir", str(folder), str(TREE))
    (found,) = folder.glob("*.whl")
    return found


def warehouse(one: Environment) -> Path:
    """Give the database of the examples, which is filled once."""
    file = one.folder.parent / "warehouse.db"
    if not file.exists():
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        one.run(sys.executable, str(DAGS / "flight_delays" / "warehouse.py"), f"sqlite:///{part}")
        part.replace(file)
    return file


def _units(one: Environment, names: tuple[str, ...]) -> str:
    return _pytest(one, str(one.python), *(f"tests/unit/{name}" for name in names))


def _pytest(one: Environment, python: str, *tests: str, **env: str) -> str:
    """Run tests of the tree, but import the package from the environment: not from the tree."""
    options = ("-q", "-p", "no:cacheprovider", "--config-file", str(TREE / "pyproject.toml"))
    temporary = ("--rootdir", str(TREE), "--basetemp", str(one.folder / "pytest"))
    files = (str(TREE / test) for test in tests)
    printed = one.run(python, "-m", "pytest", *options, *temporary, *files, env=env)
    if not (passed := _PASSED.search(_last(printed))):
        raise StepError(f"no test passed:\n{printed}")
    return passed[0]


def _added(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say what came; nothing of the image may have changed."""
    changed = {name: after.get(name) for name in before if after.get(name) != before[name]}
    if changed:
        raise StepError(f"the installation changed what the image has: {changed}")
    new = sorted(set(after) - set(before))
    if "airflow-ml-provider" not in new:
        raise StepError(f"airflow-ml-provider did not come; these did: {new}")
    return f"{len(new)} packages came"


def _last(printed: str) -> str:
    return printed.rstrip().rpartition("\n")[2]
