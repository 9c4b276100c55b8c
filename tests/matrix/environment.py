"""A virtual environment that holds what the image of one MWAA version holds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from airflow_ml_provider.mwaa.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_ml_provider.mwaa.versions import MwaaVersion

TREE = Path(__file__).parents[2]
# Settings of whoever runs this that must reach no step; those of pip and uv say where packages are.
STRANGE = ("AIRFLOW", "AWS_", "JAVA", "PYTEST", "PYTHON", "VIRTUAL_ENV")
LIMIT_SECONDS = 1800.0
FETCH_SECONDS = 60.0
TAIL_LINES = 25


class StepError(Exception):
    """A step of the matrix did not pass; the message says why."""


@dataclass(frozen=True)
class Environment:
    """One MWAA version and where its things lie.

    :param version: which one.
    :param folder: ``build/matrix/<version>``; the environments lie in it.
    :param name: which of the version's environments this is.
    """

    version: MwaaVersion
    folder: Path
    name: str = "venv"

    @property
    def python(self) -> Path:
        """The environment's Python."""
        return self.folder / self.name / "bin" / "python"

    @property
    def constraints(self) -> Path:
        """Airflow's constraints, as :meth:`build` has fetched them."""
        return self.folder / "constraints.txt"

    @property
    def log(self) -> Path:
        """All that the steps printed."""
        return self.folder / "matrix.log"

    @property
    def requirements_file(self) -> Path:
        """What users give to MWAA."""
        return TREE / "mwaa" / "requirements" / f"{self.version.airflow}.txt"

    @property
    def is_of_its_python(self) -> bool:
        """Whether the environment's Python is MWAA's, but for the last number."""
        return python_version(self.python).startswith(f"{self.version.python_minor}.")

    def requirements(self) -> str:
        """Give :attr:`requirements_file` with :attr:`constraints` for their address.

        :raises StepError: it does not name the version's constraints.
        """
        text = self.requirements_file.read_text()
        if self.version.constraints_url not in text:
            raise StepError(f"{self.requirements_file} must name {self.version.constraints_url}")
        return text.replace(self.version.constraints_url, str(self.constraints))

    def build(self) -> str:
        """Make it from nothing, and say of which Python it is."""
        shutil.rmtree(self.folder / self.name, ignore_errors=True)
        self.constraints.write_text(fetch_constraints(self.version))
        python = find_python(self.version.python_minor)
        self.uv("venv", "--seed", "--python", str(python), str(self.folder / self.name))
        pins = self.write("image.txt", self.version.installed)
        self.write("essential.txt", self.version.essential)
        self.uv(
            *("pip", "install", "--python", str(self.python)),
            *("--constraint", str(self.constraints), "--requirement", str(pins)),
        )
        return f"Python {python_version(self.python)}"

    def packages(self) -> dict[str, str]:
        """Give the versions of all that is installed, by name."""
        lines = self.uv("pip", "freeze", "--python", str(self.python)).splitlines()
        pairs = (re.split("==| @ ", line, maxsplit=1) for line in lines if not line.startswith("#"))
        return {pair[0]: pair[-1] for pair in pairs}

    def write(self, name: str, pins: Mapping[str, str]) -> Path:
        """Write versions by name as a requirements file of this version's folder."""
        file = self.folder / name
        file.write_text("".join(f"{one}=={version}\n" for one, version in sorted(pins.items())))
        return file

    def uv(self, *arguments: str) -> str:
        """Run uv of the project's own environment, and give what it printed."""
        uv = Path(sys.executable).with_name("uv")
        return self.run(str(uv), *arguments)

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> str:
        """Run a command as if the environment were activated; give what it wrote to stdout.

        All that it wrote goes to the version's log.

        :raises StepError: it failed or did not end.
        """
        try:
            done = subprocess.run(
                command,
                env={**self._variables(), **(env or {})},
                cwd=cwd or self.folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepError(f"not over within {LIMIT_SECONDS:.0f} s: {_named(command)}") from None
        with self.log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
            raise StepError(
                f"{_named(command)} ended with {done.returncode}:\n{tail}\nall: {self.log}"
            )
        return done.stdout

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(STRANGE)}
        return {
            **kept,
            "PATH": f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin",
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "NO_COLOR": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # What an installed pytest plugin of the image does is none of our tests' business.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }


def environments(versions: list[str], folder: Path) -> list[Environment]:
    """Give the environments of some versions below a folder, which is made, with empty logs."""
    found = [Environment(VERSIONS[version], folder / version) for version in versions]
    for one in found:
        one.folder.mkdir(parents=True, exist_ok=True)
        one.log.unlink(missing_ok=True)
    return found


def fetch_constraints(version: MwaaVersion) -> str:
    """Read Airflow's constraints in the folder ``MWAA_CONSTRAINTS``, else from their address.

    :raises StepError: they are not there.
    """
    folder = os.environ.get("MWAA_CONSTRAINTS")
    try:
        if folder:
            return (Path(folder) / f"{version.airflow}-constraints.txt").read_text()
        with urlopen(version.constraints_url, timeout=FETCH_SECONDS) as answer:
            return str(answer.read().decode())
    except OSError as error:
        raise StepError(
            f"the constraints can't be read: {error}; MWAA_CONSTRAINTS may name a folder that has "
            f"what {version.constraints_url} has as {version.airflow}-constraints.txt"
        ) from error


def find_python(minor: str) -> Path:
    """Find Python ``3.12`` on the PATH, of pyenv or of uv; else give the one that runs this."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{minor}.*")
    of_uv = Path.home().glob(f".local/share/uv/python/cpython-{minor}.*")
    given = shutil.which(f"python{minor}")
    others = (str(folder / "bin" / "python3") for folder in (*pyenv, *of_uv))
    for python in [*filter(None, [given]), *sorted(others)]:
        # Where pyenv has not chosen this version its command is there, but fails.
        with_sqlite = [python, "-c", "import sqlite3, ssl"]
        if subprocess.run(with_sqlite, capture_output=True, check=False).returncode == 0:
            return Path(python)
    return Path(sys.executable)


def python_version(python: Path) -> str:
    """Give the version of a Python in full."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def _named(command: tuple[str, ...]) -> str:
    return " ".join(Path(word).name if word.startswith("/") else word for word in command[:4])
