"""Will a requirements.txt install on a version of MWAA, and what does it change there?"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from airflow_ml_provider.mwaa.finding import ERROR, GOOD, NOTE, REQUIREMENTS, WARNING, Finding
from airflow_ml_provider.mwaa.requirements import RequirementsError, parse
from airflow_ml_provider.mwaa.resolution import resolve
from airflow_ml_provider.mwaa.wheelhouse import SDISTS, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_ml_provider.mwaa.requirements import Requirements
    from airflow_ml_provider.mwaa.resolution import Resolution
    from airflow_ml_provider.mwaa.versions import MwaaVersion

_SHOWN = 12


def unpack(plugins: Path, folder: Path) -> Path:
    """Unpack plugins.zip as MWAA does, and give the folder.

    :raises RequirementsError: it can't be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ZipFile(plugins) as archive:
            archive.extractall(folder)  # drops what would lead out of the folder
    # RuntimeError: it is encrypted, or compressed as Python can't read it.
    except (BadZipFile, EOFError, OSError, RuntimeError, zlib.error) as error:
        raise RequirementsError([f"{plugins}: it can't be unpacked: {error}"]) from error
    return folder


def install_findings(
    file: Path, version: MwaaVersion, plugins: Path | None, dags: Path | None
) -> tuple[list[Finding], Resolution | None]:
    """Say whether a requirements.txt installs; give what it installs, if it does.

    :param plugins: the folder that plugins.zip was unpacked to.
    :param dags: the DAGs folder, where constraints may lie.
    """
    found: list[Finding] = []
    try:
        text = file.read_text(encoding="utf-8-sig")
        found += _constraint_findings(file, parse(text), version)
        found += _sdist_findings(plugins, version) if plugins else []
        resolution = resolve(text, version, wheels=plugins, dags=dags)
    except (OSError, UnicodeDecodeError) as error:
        return [Finding(REQUIREMENTS, ERROR, f"{file}: it can't be read: {error}")], None
    except RequirementsError as error:
        return [*found, *(_problem(file, one) for one in error.problems)], None
    if replaced := sorted(resolution.replaced.items()):
        said = ", ".join(f"{name} {has} by {new}" for name, (has, new) in replaced)
        said = f"{file}: replaces what Airflow itself runs with: {said}"
        mend = f"keep {', '.join(f'{name}=={has}' for name, (has, _) in replaced)}"
        found.append(Finding(REQUIREMENTS, WARNING, said, mend))
    added = [f"{name} {number}" for name, number in sorted(resolution.added.items())]
    shown = ", ".join(added[:_SHOWN]) + (" ..." if len(added) > _SHOWN else "")
    said = f"{file}: installs {len(added)} packages: {shown}" if added else f"{file}: adds nothing"
    return [*found, Finding(REQUIREMENTS, GOOD, said)], resolution


def _sdist_findings(plugins: Path, version: MwaaVersion) -> Iterator[Finding]:
    for file in sorted(plugins.iterdir()):
        if file.name.endswith(SDISTS):
            try:
                wheel(file, version)
            except ValueError as error:
                yield _problem(Path("plugins.zip", file.name), str(error))


def _problem(file: Path, problem: str) -> Finding:
    said, _, mend = problem.partition("; ") if "\n" not in problem else (problem, "", "")
    return Finding(REQUIREMENTS, ERROR, f"{file}: {said.removeprefix('requirements.txt, ')}", mend)


def _constraint_findings(
    file: Path, requirements: Requirements, version: MwaaVersion
) -> Iterator[Finding]:
    if not requirements.index:
        return  # plugins.zip alone decides
    if requirements.opted_out:
        said = f"{file}: a comment keeps MWAA from adding its constraints"
        mend = f"remove it, or name --constraint {version.constraints_url}"
        yield Finding(REQUIREMENTS, WARNING, said, mend)
    elif not requirements.constraints:
        said = f"{file}: it names no constraints; MWAA adds its own"
        yield Finding(REQUIREMENTS, NOTE, said)
