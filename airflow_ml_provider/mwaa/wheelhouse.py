"""Wheels, and no others than those that the image of an MWAA version can install."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airflow_ml_provider.mwaa.requirements import RequirementsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packaging.tags import Tag

    from airflow_ml_provider.mwaa.versions import MwaaVersion

_MACHINE = "x86_64"
SDISTS = (".tar.bz2", ".tar.gz", ".tgz")
"""How archives of source end; among wheels a .zip is one, too."""


@dataclass(frozen=True)
class Wheel:
    """A wheel on disk; ``name`` is normalised."""

    file: Path
    name: str
    version: str


def wheels(files: Iterable[Path], version: MwaaVersion) -> list[Wheel]:
    """Read the names of wheels.

    :raises RequirementsError: one is no wheel, or none that the image can install; or there are
        several of one package.
    """
    found: dict[str, Wheel] = {}
    problems = []
    for file in files:
        try:
            one = wheel(file, version)
        except ValueError as error:
            problems.append(f"{file}: {error}")
            continue
        before = found.setdefault(one.name, one)
        if before is not one:
            problems.append(f"{file}: there is {before.file.name}, too; leave one of them")
    if problems:
        raise RequirementsError(problems)
    return [*found.values()]


def wheel(file: Path, version: MwaaVersion) -> Wheel:
    """Read a wheel's name.

    :raises ValueError: it is none, or none that the image can install.
    """
    if file.name.endswith((*SDISTS, ".zip")):
        raise ValueError(
            "this is source, which MWAA would have to build; make a wheel of it "
            f"(pip wheel --no-deps {file.name}), and put that here in its place"
        )
    if not file.is_file():
        said = "it is a folder" if file.is_dir() else "there is no such file"
        raise ValueError(f"{said}; give a wheel")
    try:
        name, number, _, tags = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise ValueError(f"only wheels may lie here: {error}") from None
    if tags.isdisjoint(_tags(version)):
        raise ValueError(
            f"MWAA {version.airflow} can't install it: it is made for "
            f"{', '.join(sorted(map(str, tags)))}; take the wheel for Python "
            f"{version.python_minor} and {platforms(version)[0]}, or an older manylinux"
        )
    return Wheel(file, name, str(number))


def platforms(version: MwaaVersion) -> list[str]:
    """Give the platforms of wheels that the image can install, the newest first.

    https://peps.python.org/pep-0600/
    """
    major, minor = version.glibc
    newer = [f"manylinux_{major}_{number}_{_MACHINE}" for number in range(minor, 4, -1)]
    older = [f"manylinux{name}_{_MACHINE}" for name in ("2014", "2010", "1")]
    return [*newer, *older, f"linux_{_MACHINE}"]


def download(lines: Iterable[str], version: MwaaVersion, folder: Path) -> None:
    """Download the wheels of exact requirements, without what those require.

    :param lines: of a requirements file; options about indexes, and ``name==version``.
    :raises RequirementsError: pip is missing, or could not get them all.
    """
    listed = folder / "requirements.txt"
    listed.write_text("\n".join([*lines, ""]))
    options = ["--only-binary=:all:", "--implementation=cp", f"--dest={folder}"]
    python = f"--python-version={version.python_minor}"
    target = [f"--platform={platform}" for platform in platforms(version)]
    _pip("download", *options, python, *target, f"--requirement={listed}")
    listed.unlink()


def build(source: Path, folder: Path) -> Path:
    """Build the wheel of a source folder, and give its file.

    :raises RequirementsError: pip is missing, or could not build it.
    """
    _pip("wheel", f"--wheel-dir={folder}", str(source))
    return next(folder.glob("*.whl"))


def _pip(command: str, *arguments: str) -> None:
    quiet = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-deps")
    done = subprocess.run(  # noqa: S603 - this interpreter's own
        [sys.executable, "-m", "pip", command, *quiet, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.strip() or f"exit code {done.returncode}"
    if "No module named pip" in said:
        said = "pip install 'airflow-ml-provider[mwaa]' or python -m ensurepip brings it\n" + said
    if done.returncode:
        raise RequirementsError([f"pip {command} failed:\n{said}"])


def _tags(version: MwaaVersion) -> frozenset[Tag]:
    python = tuple(map(int, version.python_minor.split(".")))
    interpreter = f"cp{version.python_minor.replace('.', '')}"
    names = platforms(version)
    return frozenset(
        [
            *cpython_tags(python, [interpreter], names),
            *compatible_tags(python, interpreter, names),
        ]
    )
