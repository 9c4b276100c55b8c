"""A Python that has what an image of MWAA has, and what a requirements.txt adds to it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from airflow_ml_provider.mwaa.resolution import uv_command

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    :param wheels: stands for the unpacked plugins.zip.
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
    pins = dict(version.installed)
    addresses: Mapping[str, str] = {}
    if resolution:
        # What a requirements.txt names replaces what the image has.
        pins |= resolution.packages
        addresses = resolution.addresses
    lines = [
        f"{name} @ {addresses[name]}" if name in addresses else f"{name}=={pinned}"
        for name, pinned in sorted(pins.items())
    ]
    listed = folder / "requirements.txt"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _checked(_run(*pip, *found, "--requirement", str(listed)))
    return python


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    # A Python that is not there shall not be fetched from elsewhere.
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(  # noqa: S603 - uv alone
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=_TIMEOUT_SECONDS,
    )


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-_LINES:])
        raise ImagePythonError(f"the environment of the version can't be made: {said}")
