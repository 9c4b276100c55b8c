"""Which Python stands in for a container image, and the environment a job's process gets.

No image is pulled: a job runs with a Python of this machine, chosen by the image's URI.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_ml_provider.local.protocol import Identity

# All that a job inherits: no credentials, no AWS profile, nothing of Airflow's configuration.
_INHERITED = (
    *("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "JAVA_HOME"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX", "OMP_NUM_THREADS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
)


@dataclass(frozen=True)
class Interpreters:
    """Pythons by image.

    Args:
        default: the Python of every image that no glob matches.
        globs: (image glob, Python) pairs; the first match wins. ``glue``,
            ``glue-python-shell`` and ``emr-serverless`` stand for the runs of these services.

    """

    default: Path
    globs: tuple[tuple[str, Path], ...] = ()

    def python(self, image: str) -> Path:
        """Return the Python that runs jobs of this image."""
        return next((p for glob, p in self.globs if fnmatchcase(image, glob)), self.default)


def commands_folder(python: Path, state_dir: Path) -> Path:
    """Return a folder whose ``python`` and ``python3`` start this interpreter.

    Wrappers, not links: a link would hide a virtual environment's configuration.
    """
    folder = state_dir / "bin" / sha256(str(python).encode()).hexdigest()[:12]
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3"):
            command = folder / name
            command.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python))} "$@"\n')
            command.chmod(0o755)
    return folder


def environment(
    python: Path, state_dir: Path, endpoint_url: str, identity: Identity
) -> dict[str, str]:
    """Return the environment that every job starts from.

    boto3 in the job reaches this local AWS as the one who submitted the job.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = [str(commands_folder(python, state_dir)), str(python.parent), _search_path(os.environ)]
    return {
        **inherited,
        "PATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": identity.region,
        "AWS_DEFAULT_REGION": identity.region,
        "AWS_ACCESS_KEY_ID": identity.access_key,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _search_path(env: Mapping[str, str]) -> str:
    return env.get("PATH") or os.defpath
