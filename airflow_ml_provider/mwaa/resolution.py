"""What a requirements.txt installs on the image of an MWAA version, found by uv.

uv knows markers and wheels of another Python and platform than those that run it, which pip does
not: https://docs.astral.sh/uv/pip/compile/
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import unquote
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from airflow_ml_provider.mwaa.requirements import FILE, RequirementsError, conflicts, parse, shown
from airflow_ml_provider.mwaa.versions import PLUGINS_FOLDER, pins
from airflow_ml_provider.mwaa.wheelhouse import wheels as all_wheels

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from airflow_ml_provider.mwaa.requirements import Requirements
    from airflow_ml_provider.mwaa.versions import MwaaVersion

# A folder with <version>-constraints.txt, for where their address can't be reached.
CONSTRAINTS_VARIABLE = "MWAA_CONSTRAINTS"
_DAGS_FOLDER = "/usr/local/airflow/dags"
_IMAGE, _RESOLVED = "image", "resolved.txt"
_FETCH_SECONDS = 30
_AIRFLOWS = re.compile(r"/apache/airflow/constraints-([0-9.]+)/constraints-([0-9.]+)\.txt$")
_OPTIONS = ("--no-header", "--no-annotate", "--only-binary=:all:")
_NO_EXTRA = re.compile(r"`([^`=\s]+)[^`]*` does not have an extra named `([^`]+)`")


@dataclass(frozen=True)
class Resolution:
    """All packages that are there once the requirements are installed.

    :param packages: versions by normalised name, the image's own included where they are needed.
    :param addresses: of the packages that a line asks for by address.
    :param options: lines that say which indexes they come from.
    """

    version: MwaaVersion
    packages: Mapping[str, str]
    addresses: Mapping[str, str]
    options: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def added(self) -> dict[str, str]:
        """What is installed beside, or in place of, what the image has."""
        has = self.version.installed
        return {name: number for name, number in self.packages.items() if has.get(name) != number}

    @cached_property
    def replaced(self) -> dict[str, tuple[str, str]]:
        """What of the image is replaced: its version and the new one, by name."""
        has = self.version.installed
        return {name: (has[name], number) for name, number in self.added.items() if name in has}


def resolve(
    text: str,
    version: MwaaVersion,
    *,
    wheels: Path | None = None,
    dags: Path | None = None,
    index: bool = True,
) -> Resolution:
    """Find out what a requirements.txt installs.

    :param wheels: stands for the unpacked plugins.zip; a package that has a wheel here
        comes from nowhere else.
    :param dags: stands for the environment's DAGs, where constraints may lie.
    :param index: look for packages in an index, too.
    :raises RequirementsError: it can't be installed; with all reasons that can be told at once.
    """
    requirements = parse(text)
    own = all_wheels(sorted(wheels.glob("*.whl")) if wheels else (), version)
    constraints = _constraints(requirements, version, wheels, dags)
    held = {name: number for one in constraints for name, number in pins(one).items()}
    problems = [
        *conflicts(requirements, version, held),
        *_missing(requirements, {one.file.name for one in own}),
    ]
    if problems:
        raise RequirementsError(problems)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # What has a wheel here comes from nowhere else, whatever an index calls by that name.
        direct = "".join(f"{one.name} @ {one.file.absolute().as_uri()}\n" for one in own)
        limits = [*constraints, _lines(version.essential), direct]
        for number, one in enumerate(limits):
            (folder / f"constraints-{number}.txt").write_text(one)
        asked = [str(one.requirement) for one in requirements.named]
        (folder / "requirements.txt").write_text("\n".join([*requirements.options, *asked, ""]))
        command = [
            *(uv_command(), "pip", "compile", *_OPTIONS),
            # Nothing is built, so any Python does, and none need be looked for.
            *("--python", sys.executable, f"--python-version={version.python_minor}"),
            "--python-platform=x86_64-manylinux_{}_{}".format(*version.glibc),
            *(f"--constraints={folder}/constraints-{number}.txt" for number in range(len(limits))),
            *(f"--find-links={folder / _IMAGE}", f"--output-file={folder / _RESOLVED}"),
            *([] if index and requirements.index else ["--no-index"]),
            str(folder / "requirements.txt"),
        ]
        # uv keeps to the versions that its output had before, wherever it can.
        has = version.installed
        preferred = {name: has[name] for name in has.keys() - {one.name for one in own}}
        (folder / _RESOLVED).write_text(_lines(preferred))
        lacking = _compile(command, folder, version, frozenset())
        if problems := [
            f"{one}: there is no extra {extra!r}; correct its name, or leave it out"
            for one in requirements.named
            for extra in sorted(one.requirement.extras)
            if (one.name, canonicalize_name(extra)) in lacking
        ]:
            raise RequirementsError(problems)
        return _read((folder / _RESOLVED).read_text(), version, requirements.options)


def _missing(requirements: Requirements, wheels: Container[str]) -> Iterator[str]:
    for one in requirements.named:
        if one.wheel and one.wheel not in wheels:
            yield f"{one}: plugins.zip has no {one.wheel}; put it in --wheelhouse, or name another"


def uv_command() -> str:
    """Find uv: beside this Python, else where commands are.

    :raises RequirementsError: it is not there.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        raise RequirementsError(
            ["uv is missing, which resolves requirements; pip install 'airflow-ml-provider[mwaa]'"]
        )
    return found


def _constraints(
    requirements: Requirements, version: MwaaVersion, wheels: Path | None, dags: Path | None
) -> list[str]:
    """Read the constraints that hold: those that are named, or those that MWAA adds itself."""
    if requirements.opted_out:
        return []
    found, problems = [], []
    for address in requirements.constraints or (version.constraints_url,):
        try:
            found.append(_constraint(address, version, wheels, dags))
        except (OSError, ValueError) as error:  # noqa: PERF203 - all that is wrong is told
            problems.append(f"--constraint {shown(address)}: {error}")
    if problems:
        raise RequirementsError(problems)
    return found


def _constraint(address: str, version: MwaaVersion, wheels: Path | None, dags: Path | None) -> str:
    if (named := _AIRFLOWS.search(address)) and address != version.constraints_url:
        raise ValueError(
            f"these are of Airflow {named[1]} and Python {named[2]}, and MWAA {version.airflow} "
            f"has Python {version.python_minor}; write --constraint {version.constraints_url}"
        )
    given = os.environ.get(CONSTRAINTS_VARIABLE)
    if given and address == version.constraints_url:
        try:
            return (Path(given) / f"{version.airflow}-constraints.txt").read_text()
        except OSError as error:
            raise ValueError(
                f"the variable {CONSTRAINTS_VARIABLE} names no such folder: {error}"
            ) from error
    for place, folder in ((PLUGINS_FOLDER, wheels), (_DAGS_FOLDER, dags)):
        if folder and address.startswith(f"{place}/"):
            return (folder / address[len(place) + 1 :]).read_text()
    if not address.startswith("https://"):
        raise ValueError(
            f"it must be an https address, or a file below {_DAGS_FOLDER} or {PLUGINS_FOLDER}"
        )
    try:
        with urllib.request.urlopen(address, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - https
            return str(answer.read().decode())
    except (HTTPException, URLError) as error:
        # What other errors say may have the address's password in it.
        reason = getattr(error, "reason", type(error).__name__)
        raise ValueError(
            f"it can't be fetched ({reason}); where it can't be reached, name a folder that "
            f"has {version.airflow}-constraints.txt in the variable {CONSTRAINTS_VARIABLE}"
        ) from error


def _compile(
    command: Sequence[str], folder: Path, version: MwaaVersion, unknown: frozenset[str]
) -> set[tuple[str, str]]:
    """Run uv with stubs for what the image has; give packages and extras that they lack.

    Stubs are quick to read, and stand for what has no wheel. But they say nothing of extras, so a
    package is looked up where one of its extras is asked for.
    """
    known = {name: one for name, one in version.installed.items() if name not in unknown}
    shutil.rmtree(folder / _IMAGE, ignore_errors=True)
    (folder / _IMAGE).mkdir()
    for name, number in known.items():
        _stub(folder / _IMAGE, name.replace("-", "_"), number)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RequirementsError([_told(done.stderr, version)])
    lacking: set[tuple[str, str]] = {
        (canonicalize_name(name), canonicalize_name(extra))
        for name, extra in _NO_EXTRA.findall(done.stderr)
    }
    hidden = {name for name, _ in lacking} & known.keys()
    if hidden and "--no-index" in command:
        raise RequirementsError(
            f"{name}: nothing says what its extras need, with no index to ask; name those packages"
            for name in sorted(hidden)
        )
    return _compile(command, folder, version, unknown | hidden) if hidden else lacking


def _stub(folder: Path, name: str, version: str) -> None:
    inside = f"{name}-{version}.dist-info"
    with ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        described = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{inside}/METADATA", described)
        archive.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{inside}/RECORD", "")


def _told(said: str, version: MwaaVersion) -> str:
    none = "No solution found"
    lines = [
        one for one in said.splitlines() if not one.startswith("warning: ") and none not in one
    ]
    told = "\n".join(lines).strip()
    if none not in said:
        return f"uv could not resolve {FILE}:\n{told}"
    return (
        f"{FILE} can't be installed on MWAA {version.airflow}:\n{told}\n"
        "Leave out the versions that disagree with MWAA's; for a package that has no wheels make "
        "one (pip wheel --no-deps NAME), and put it in --wheelhouse"
    )


def _read(text: str, version: MwaaVersion, options: tuple[str, ...]) -> Resolution:
    packages: dict[str, str] = pins(text)
    addresses: dict[str, str] = {}
    for line in text.splitlines():
        found = Requirement(line)
        if found.url:
            file = unquote(found.url.partition("#")[0].rpartition("/")[2])
            packages[canonicalize_name(found.name)] = str(parse_wheel_filename(file)[1])
            addresses[canonicalize_name(found.name)] = found.url
    return Resolution(version, packages, addresses, options)


def _lines(packages: Mapping[str, str]) -> str:
    return "".join(f"{name}=={number}\n" for name, number in packages.items())
