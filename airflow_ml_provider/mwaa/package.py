"""What an environment's bucket takes: plugins.zip, requirements.txt, DAGs, and their checksums.

https://docs.aws.amazon.com/mwaa/latest/userguide/best-practices-dependencies.html
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_ml_provider.mwaa.archive import write_zip
from airflow_ml_provider.mwaa.requirements import (
    FILE,
    PROVIDER,
    Requirements,
    RequirementsError,
    parse,
)
from airflow_ml_provider.mwaa.resolution import resolve
from airflow_ml_provider.mwaa.versions import PLUGINS_FOLDER
from airflow_ml_provider.mwaa.wheelhouse import Wheel, download, wheels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.requirements import Requirement

    from airflow_ml_provider.mwaa.resolution import Resolution
    from airflow_ml_provider.mwaa.versions import MwaaVersion

PLUGINS, REQUIREMENTS, STARTUP = "plugins.zip", FILE, "startup.sh"
DAGS, MANIFEST, SUMS = "dags", "manifest.json", "SHA256SUMS"


class PackageError(Exception):
    """Nothing was packaged; the message says all that is in the way."""


@dataclass(frozen=True)
class Inputs:
    """What is packaged.

    :param text: the requirements.txt; it names this package.
    :param own: this package's wheel.
    :param wheelhouse: a folder of more wheels, which go before any index.
    :param plugins: a folder of Airflow plugins, which plugins.zip holds beside the wheels.
    :param offline: all wheels lie in plugins.zip, for a web server without internet.
    :param index: an index may be asked for what has no wheel here.
    """

    version: MwaaVersion
    text: str
    own: Path
    dags: Path
    wheelhouse: Path | None = None
    plugins: Path | None = None
    startup: Path | None = None
    offline: bool = False
    index: bool = True


@dataclass(frozen=True)
class Packaged:
    """What was packaged: the wheels in plugins.zip, and what the image gets in all."""

    wheels: tuple[str, ...]
    resolution: Resolution
    unused: tuple[str, ...]


def package(inputs: Inputs, out: Path) -> Packaged:
    """Write the package into a folder, all of it or nothing.

    The same inputs give the same bytes. What an earlier package has left there is replaced.

    :raises PackageError: something given is wrong, or can't be installed on that version.
    """
    own, requirements = _checked(inputs, out)
    with _all_or_nothing(out) as folder, tempfile.TemporaryDirectory() as made:
        try:
            resolution, used = _wheels(inputs, requirements, own, Path(made))
        except RequirementsError as error:
            raise PackageError(str(error)) from error
        lines = (_offline if inputs.offline else _online)(inputs, requirements, resolution, used)
        (folder / REQUIREMENTS).write_text("\n".join([*lines, ""]), encoding="utf-8")
        in_zip = {one.file.name: one.file for one in used}
        write_zip(folder / PLUGINS, {**files_of(inputs.plugins), **in_zip})
        members = {f"{DAGS}/{name}": file for name, file in files_of(inputs.dags).items()}
        if inputs.startup:
            members[STARTUP] = inputs.startup
        for name, file in members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / name)
        _describe(folder, inputs, resolution, sorted(in_zip))
    unused = tuple(one.file.name for one in own if one not in used)
    return Packaged(tuple(sorted(in_zip)), resolution, unused)


def _checked(inputs: Inputs, out: Path) -> tuple[list[Wheel], Requirements]:
    """Look at all that is given, before anything is resolved or written."""
    problems = [*_folder_problems(inputs, out)]
    own: list[Wheel] = []
    requirements = Requirements(())
    if inputs.startup and not inputs.startup.is_file():
        problems.append(f"--startup-script {inputs.startup}: there is no such file")
    house = inputs.wheelhouse if inputs.wheelhouse and inputs.wheelhouse.is_dir() else None
    others = sorted(house.iterdir()) if house else []
    try:
        own = wheels(
            [inputs.own, *(one for one in others if one.name != inputs.own.name)], inputs.version
        )
    except RequirementsError as error:
        problems += error.problems
    try:
        requirements = parse(inputs.text)
    except RequirementsError as error:
        problems += error.problems
    else:
        problems += _disagreements(inputs, requirements, own)
    if problems:
        raise PackageError("\n".join(problems))
    return own, requirements


def _folder_problems(inputs: Inputs, out: Path) -> Iterator[str]:
    ours = all((out / name).is_file() for name in (MANIFEST, SUMS))
    if out.exists() and not ours and (out.is_file() or any(out.iterdir())):
        yield f"--out {out}: it holds something else; give a folder of its own"
    above = next(one for one in out.absolute().parents if one.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        yield f"--out {out}: {above} is no folder that can be written to; give another one"
    given = {"--dags": inputs.dags, "--plugins": inputs.plugins, "--wheelhouse": inputs.wheelhouse}
    for option, folder in given.items():
        if folder is None:
            continue
        if not (folder.is_dir() and files_of(folder)):
            yield f"{option} {folder}: it is no folder with files in it"
        elif folder.resolve() in out.resolve().parents:
            yield f"--out {out}: it lies in {option} {folder}; give another folder"
        yield from (f"{option} {folder}: {one}" for one in _unfit(folder))
    for file in sorted(inputs.plugins.glob("*.whl") if inputs.plugins else ()):
        yield f"--plugins {file}: put wheels in --wheelhouse, where they are looked at"


def _unfit(folder: Path) -> Iterator[str]:
    """Say which files of a folder can't be packaged."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        if file.is_symlink() and not file.is_file():
            yield f"{name} links to a folder, or to nothing; put the files in its place"
        # A line of SHA256SUMS and a key in S3 must be able to hold it.
        if not str(name).isprintable() or "\\" in str(name):
            yield f"{str(name)!r} has characters that can't be packaged; rename it"


def _disagreements(
    inputs: Inputs, requirements: Requirements, own: Sequence[Wheel]
) -> Iterator[str]:
    if PROVIDER not in {one.name for one in requirements.named}:
        yield f"{FILE} does not name this package; add the line {PROVIDER}[extract]"
    if own and own[0].name != PROVIDER:
        yield f"--wheel {inputs.own}: it is {own[0].name}; give one of {PROVIDER}"
    if not requirements.index and not inputs.offline:
        yield f"{FILE} says --no-index; leave it out, or give --offline"
    has = {one.name: one for one in own}
    for one in requirements.named:
        wheel = has.get(one.name)
        if wheel and not one.requirement.specifier.contains(wheel.version, prereleases=True):
            yield f"{one}: its wheel here is {wheel.version}; let them agree"


def _wheels(
    inputs: Inputs, requirements: Requirements, own: Sequence[Wheel], folder: Path
) -> tuple[Resolution, list[Wheel]]:
    """Resolve, and give the wheels that plugins.zip holds."""
    plugins, fetched = folder / "plugins", folder / "fetched"
    # Constraints may lie among the plugins.
    if inputs.plugins:
        shutil.copytree(inputs.plugins, plugins, ignore=shutil.ignore_patterns("*.whl"))
    plugins.mkdir(exist_ok=True)
    for one in own:
        shutil.copyfile(one.file, plugins / one.file.name)
    resolution = resolve(
        inputs.text, inputs.version, wheels=plugins, dags=inputs.dags, index=inputs.index
    )
    used = [one for one in own if one.name in resolution.added]
    missing = sorted(resolution.added.keys() - {one.name for one in used})
    if inputs.offline and missing:
        fetched.mkdir()
        at = resolution.addresses
        exact = [
            f"{name} @ {at[name]}" if name in at else f"{name}=={resolution.added[name]}"
            for name in missing
        ]
        alone = [] if inputs.index and requirements.index else ["--no-index"]
        download([*alone, *requirements.options, *exact], inputs.version, fetched)
        used += wheels(sorted(fetched.iterdir()), inputs.version)
    return resolution, used


def _offline(
    inputs: Inputs, requirements: Requirements, resolution: Resolution, _: Sequence[Wheel]
) -> list[str]:
    lines = [
        f"# Amazon MWAA {inputs.version.airflow}: all that the image lacks lies in plugins.zip.",
        # MWAA looks for the option in comments, too.
        "# It is pinned, so MWAA shall not add a --constraint of its own.",
        "--no-index",
        f"--find-links {PLUGINS_FOLDER}",
    ]
    has = resolution.packages
    # What a marker leaves out is not there.
    named = [one for one in requirements.named if one.name in has]
    pinned = [f"{_name(one.requirement)}=={has[one.name]}" for one in named]
    return [*lines, *dict.fromkeys(pinned)]


def _online(
    inputs: Inputs, requirements: Requirements, _: Resolution, used: Sequence[Wheel]
) -> list[str]:
    # By its file, so that no index can give another package under the same name.
    at = {one.name: f"file://{PLUGINS_FOLDER}/{one.file.name}" for one in used}
    asked = {one.name: _name(one.requirement) for one in requirements.named}
    constraints = requirements.constraints or (inputs.version.constraints_url,)
    return [
        f"# Amazon MWAA {inputs.version.airflow}: wheels of plugins.zip, the rest from the index.",
        *(
            ["# As asked for, without any --constraint of MWAA's."]
            if requirements.opted_out
            else [f'--constraint "{address}"' for address in constraints]
        ),
        *requirements.options,
        *[f"{asked.get(name, name)} @ {address}" for name, address in sorted(at.items())],
        *[str(one.requirement) for one in requirements.named if one.name not in at],
    ]


def _name(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}"


def _describe(folder: Path, inputs: Inputs, resolution: Resolution, in_zip: Sequence[str]) -> None:
    said = {
        "airflow_version": inputs.version.airflow,
        "form": "offline" if inputs.offline else "online",
        "package": resolution.packages[PROVIDER],
        "wheels": in_zip,
        "installs": dict(sorted(resolution.added.items())),
    }
    (folder / MANIFEST).write_text(f"{json.dumps(said, indent=2)}\n", encoding="utf-8")
    sums = {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def files_of(folder: Path | None) -> dict[str, Path]:
    """Give the files of a folder that belong on MWAA, by their names in it."""
    found = {}
    for file in folder.rglob("*") if folder else ():
        name = file.relative_to(folder) if folder else file
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if file.is_file() and (not hidden or name.name == ".airflowignore"):
            found[name.as_posix()] = file
    return found


@contextmanager
def _all_or_nothing(out: Path) -> Iterator[Path]:
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as made:
        new = Path(made) / "new"
        new.mkdir()
        yield new
        old = Path(made) / "old"
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
