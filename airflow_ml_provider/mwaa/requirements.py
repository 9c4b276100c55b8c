"""A requirements.txt as Amazon MWAA reads it.

https://docs.aws.amazon.com/mwaa/latest/userguide/best-practices-dependencies.html
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from airflow_ml_provider.mwaa.versions import PLUGINS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_ml_provider.mwaa.versions import MwaaVersion

FILE = "requirements.txt"
PROVIDER = "airflow-ml-provider"
# MWAA adds its own constraints where no line has one of these, comments included.
_CONSTRAINED = re.compile(r"-c |--constraint ")
_COMMENT = re.compile(r"(^|\s)#.*$")
# An option whose value follows at once.
_JOINED = re.compile(r"^(-[cfir](?=\S)|--[a-z-]+(?==))=?")
_SHORT = {"-c": "--constraint", "-f": "--find-links", "-i": "--index-url", "-r": "--requirement"}
_KEPT = {"--index-url", "--extra-index-url", "--find-links", "--trusted-host"}
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_ADBC = ("adbc-driver-manager", "adbc-driver-postgresql", "adbc-driver-sqlite")


class RequirementsError(Exception):
    """A requirements.txt will not install on MWAA; ``problems`` says all that is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Named:
    """One requirement and the line that it stands in.

    :param wheel: the file of plugins.zip that the line asks for, if it asks for one.
    """

    line: int
    requirement: Requirement
    wheel: str = ""

    @property
    def name(self) -> str:
        """The package's normalised name."""
        return canonicalize_name(self.requirement.name)

    def __str__(self) -> str:
        return f"{FILE}, line {self.line}: {shown(str(self.requirement))}"


@dataclass(frozen=True)
class Requirements:
    """What a requirements.txt says.

    :param options: lines about indexes; the folder of plugins.zip, which is on MWAA only, is none.
    :param constraints: addresses of constraints files.
    :param opted_out: it names no constraints, and keeps MWAA from adding its own.
    :param index: packages may come from an index.
    """

    named: tuple[Named, ...]
    options: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    opted_out: bool = False
    index: bool = True


def default_text(version: MwaaVersion) -> str:
    """Give the requirements.txt of a version for this package and what its extract needs."""
    lines = [
        f"# What Amazon MWAA {version.airflow} installs. Put your own packages below, and run",
        f"# airflow-ml mwaa package --version {version.airflow} --requirements <this file>",
        f'--constraint "{version.constraints_url}"',
        f"{PROVIDER}[extract]",
    ]
    if version.airflow in {"2.11.2", "3.0.6"}:
        lines.append("# These constraints name no ADBC; 1.8.0 reads PostgreSQL the fastest.")
        lines.extend(f"{name}==1.8.0" for name in _ADBC)
    return "\n".join([*lines, ""])


def parse(text: str) -> Requirements:
    """Read a requirements.txt.

    :raises RequirementsError: it holds what MWAA can't install, or what can't be read.
    """
    named: list[Named] = []
    options: list[tuple[str, str]] = []
    problems = []
    for number, line in _lines(text):
        try:
            if line.startswith("-"):
                options.append(_option(line))
            else:
                named.append(Named(number, *_requirement(line)))
        except ValueError as error:  # noqa: PERF203 - all that is wrong is told
            problems.append(f"{FILE}, line {number}: {shown(line)}: {error}")
    problems.extend(_twice(named))
    if problems:
        raise RequirementsError(problems)
    constraints = tuple(value for name, value in options if name == "--constraint")
    return Requirements(
        tuple(named),
        tuple(
            f"{name} {value}"
            for name, value in options
            if name in _KEPT and value.rstrip("/") != PLUGINS_FOLDER
        ),
        constraints,
        not constraints and any(_CONSTRAINED.search(line) for line in text.splitlines()),
        ("--no-index", "") not in options,
    )


def shown(text: str) -> str:
    """Give a text without the user and password of the addresses in it."""
    return _CREDENTIALS.sub("***@", text)


def conflicts(
    requirements: Requirements, version: MwaaVersion, pins: Mapping[str, str]
) -> list[str]:
    """Say which lines ask for another version than the one that is pinned, each with its mend.

    :param pins: versions by normalised name, of the constraints. Those that nobody can change on
        MWAA are always looked at.
    """
    found = []
    for one in requirements.named:
        essential = version.essential.get(one.name)
        held = essential or pins.get(one.name)
        # A line with a marker may not hold on MWAA.
        asked = SpecifierSet() if one.requirement.marker else one.requirement.specifier
        if held and not asked.contains(held, prereleases=True):
            by = "lets no one change it from" if essential else "constrains it to"
            found.append(
                f"{one}: MWAA {version.airflow} {by} {held}; "
                f"write {one.requirement.name}=={held}, or leave the version out"
            )
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, with continued ones joined."""
    start, parts = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        said = _COMMENT.sub("", line).strip()
        if said.endswith("\\"):
            parts += f"{said[:-1]} "
            continue
        if parts := f"{parts}{said}".strip():
            yield start, parts
        start, parts = 0, ""
    if parts.strip():
        yield start, parts.strip()


def _option(line: str) -> tuple[str, str]:
    name, *values = shlex.split(_JOINED.sub(r"\1 ", line))
    name, value = _SHORT.get(name, name), " ".join(values)
    if name == "--requirement":
        raise ValueError("MWAA takes one file; write that file's lines into it")
    if name in {"-e", "--editable"}:
        raise ValueError("MWAA has no source to install from; make a wheel, put it in --wheelhouse")
    if name not in {*_KEPT, "--constraint", "--no-index"}:
        raise ValueError(
            "this option is not understood here; "
            f"there are --constraint, --no-index, {', '.join(sorted(_KEPT))}"
        )
    if any(one.startswith("-") for one in values):
        raise ValueError("write each option in a line of its own")
    if bool(value) == (name == "--no-index"):
        raise ValueError("it takes no value" if value else "it must have a value")
    if name == "--find-links" and "://" not in value and value.rstrip("/") != PLUGINS_FOLDER:
        raise ValueError(f"MWAA has {PLUGINS_FOLDER} alone, where the wheels of --wheelhouse lie")
    return name, value


def _requirement(line: str) -> tuple[Requirement, str]:
    if " --" in line:
        raise ValueError(
            "options of one requirement, such as --hash, are not understood; leave them"
        )
    path, bracket, extras = line.partition(".whl")
    if "://" in path and "@" not in path:
        raise ValueError("write the package's name before its address: NAME @ https://...")
    if bracket and "@" not in path:
        if ";" in extras:
            raise ValueError("write a marker so: NAME @ file://PATH ; MARKER")
        return _of_wheel(f"{path.rpartition('/')[2]}.whl", extras.strip())
    try:
        found = Requirement(line)
    except InvalidRequirement as error:
        raise ValueError(f"it can't be read: {str(error).splitlines()[0]}") from None
    if found.url and found.url.startswith(f"file://{PLUGINS_FOLDER}/"):
        extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
        return _of_wheel(found.url.rpartition("/")[2], extras)
    if found.url and not found.url.partition("#")[0].endswith(".whl"):
        raise ValueError("only wheels install surely; make one of it, and put it in --wheelhouse")
    return found, ""


def _of_wheel(file: str, extras: str) -> tuple[Requirement, str]:
    try:
        name, version, *_ = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        raise ValueError(str(error)) from None
    return Requirement(f"{name}{extras}=={version}"), file


def _twice(named: Iterable[Named]) -> Iterator[str]:
    first: dict[tuple[str, str], Named] = {}
    for one in named:
        before = first.setdefault((one.name, str(one.requirement.marker)), one)
        if before is not one:
            yield f"{one}: line {before.line} has it too; keep one"
