"""Packages that the container lacks."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from airflow_ml_provider.worker.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_PIP = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet")


def install(requirements: Sequence[str]) -> None:
    """Install with pip into a folder of this job's own, and let imports look there first.

    :raises StepError: pip failed; its last line says why.
    """
    if not requirements:
        return
    folder = tempfile.mkdtemp(prefix="packages-")
    log.info("Installing %s.", ", ".join(requirements))
    command = [sys.executable, *_PIP, "--target", folder, "--", *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        log.error("%s", said)
        why = said.splitlines()[-1] if said else f"exit code {done.returncode}"
        message = f"requirements {', '.join(requirements)} could not be installed: {why}"
        raise StepError(message)
    sys.path.insert(1, folder)  # after run.py's own folder, which holds this package
    importlib.invalidate_caches()
