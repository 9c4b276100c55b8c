"""A Python that has what an image of MWAA has, and what a requirements.txt adds to it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from airflow_ml_provider.mwaa.resolution import uv_command

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.tags import Tag

    from airflow_ml_provider.mwaa.resolution import Resolution
    from airflow_ml_provider.mwaa.versions import MwaaVersion

_TIMEOUT_SECONDS = 900
_LINES = 12


class ImagePythonError(Exception):
    """The environment can't be made here; says why, and the mend."""


def image_python(
    version: MwaaVersion,
    folder: Path,
    resolution: Resolution | None = None,
    wheels: Path | None = None,
) -> Path:
    """Make a virtual environment of a version in an empty folder, and give its Python.

    It has the image's minor version of Python where this machine has one, else the newest that uv
    finds; the caller is told by ``dag_imports``.

    :param resolution: what a requirements.txt installs.
    :param wheels: stands for the unpacked plugins.zip. One that is for MWAA's platform alone is
        taken from an index, for this machine.
    :raises ImagePythonError: no network, or a package that can't be installed here.
    :raises RequirementsError: no uv.
    """
    uv = uv_command()
    made = _run(uv, "venv", "--quiet", "--python", version.python_minor, str(folder))
    if made.returncode:
        _checked(_run(uv, "venv", "--quiet", "--clear", str(folder)))
    python = folder / "bin" / "python"
    pip = (uv, "pip", "install", "--quiet", "--no-deps", "--python", str(python))
    found = ("--find-links", str(wheels)) if wheels else ()
    pins = {name: f"{name}=={number}" for name, number in version.installed.items()}
    if resolution:
        # What a requirements.txt names replaces what the image has.
        pins |= {name: f"{name}=={number}" for name, number in resolution.packages.items()}
        tags = _tags(folder)
        pins |= {
            name: f"{name} @ {address}"
            for name, address in resolution.addresses.items()
            if _fits(address, tags)
        }
    listed = folder / "requirements.txt"
    options = resolution.options if resolution else ()
    listed.write_text("\n".join([*options, *sorted(pins.values()), ""]), encoding="utf-8")
    _checked(_run(*pip, *found, "--requirement", str(listed)))
    return python


def _tags(folder: Path) -> set[Tag]:
    """Give the tags of wheels that the environment in a folder takes."""
    lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
    minor = tuple(int(part) for part in settings["version_info"].split(".")[:2])
    return {*cpython_tags(minor), *compatible_tags(minor, f"cp{minor[0]}{minor[1]}")}


def _fits(address: str, tags: set[Tag]) -> bool:
    """Tell whether a wheel, which is made for MWAA, can be installed here as well."""
    file = unquote(urlsplit(address).path).rpartition("/")[2]
    return not tags.isdisjoint(parse_wheel_filename(file)[3])


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    # A Python that is not there shall not be fetched from elsewhere.
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    try:
        return subprocess.run(  # noqa: S603 - uv alone
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        said = f"uv {command[1]} took longer than {_TIMEOUT_SECONDS} s"
        raise ImagePythonError(f"the environment of the version can't be made: {said}") from error


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-_LINES:])
        raise ImagePythonError(f"the environment of the version can't be made: {said}")
