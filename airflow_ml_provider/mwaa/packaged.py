"""A folder that ``airflow-ml mwaa package`` has written, read back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_ml_provider.mwaa.environment import FILES
from airflow_ml_provider.mwaa.package import DAGS, MANIFEST, SUMS
from airflow_ml_provider.mwaa.stored import sha256
from airflow_ml_provider.mwaa.versions import UnknownVersionError, mwaa_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_ml_provider.mwaa.versions import MwaaVersion

_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_AGAIN = "run airflow-ml mwaa package again"


class PackageFolderError(Exception):
    """A folder is no package, or not as it was written; the message says all that differs."""


@dataclass(frozen=True)
class PackageFolder:
    """What a package holds; its files are as their checksums say.

    :param checksums: SHA-256 in hexadecimal, by path in the folder.
    """

    folder: Path
    version: MwaaVersion
    checksums: Mapping[str, str]

    @property
    def files(self) -> dict[str, Path]:
        """What an environment takes besides DAGs, by its name."""
        return {name: self.folder / name for name in FILES if name in self.checksums}

    @property
    def dags(self) -> dict[str, Path]:
        """The files of the DAGs folder by their paths in it."""
        prefix = f"{DAGS}/"
        return {
            path.removeprefix(prefix): self.folder / path
            for path in self.checksums
            if path.startswith(prefix)
        }


def read_package(folder: Path) -> PackageFolder:
    """Read a package, and hold its files against their checksums.

    :raises PackageFolderError: it is none, or something in it was changed, added or removed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = mwaa_version(manifest["airflow_version"])
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, KeyError, TypeError) as error:
        # These say in words what is wrong.
        worded = isinstance(error, OSError | UnknownVersionError)
        said = str(error) if worded else f"{error!r}"
        raise PackageFolderError(f"{folder} is no package: {said}; {_AGAIN}") from error
    found = [_SUM.fullmatch(line) for line in lines]
    checksums = {match[2]: match[1] for match in found if match}
    problems = [*_problems(folder, checksums)]
    if None in found:
        problems.append(f"{folder / SUMS}: it has lines that are no checksums; {_AGAIN}")
    if problems:
        raise PackageFolderError("\n".join(problems))
    return PackageFolder(folder, version, checksums)


def _problems(folder: Path, checksums: Mapping[str, str]) -> Iterator[str]:
    there = {
        file.relative_to(folder).as_posix(): file
        for file in folder.rglob("*")
        # A DAG that was tried out here leaves its cache.
        if file.is_file() and file.parent.name != "__pycache__"
    }
    for path, checksum in checksums.items():
        if path not in there:
            yield f"{folder / path}: it is missing; {_AGAIN}"
        elif sha256(there[path]) != checksum:
            yield f"{folder / path}: it was changed after it was packaged; {_AGAIN}"
    for path in sorted(there.keys() - checksums.keys() - {SUMS}):
        yield f"{folder / path}: it was added after it was packaged; {_AGAIN}"
