"""A Docker engine: the one that runs here, or one that is started for the length of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 60.0
PACKAGES = {
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "chromium": "chromium",
}


class EngineError(Exception):
    """There is no engine and none can be started; the message says what mends it."""


@contextmanager
def engine(folder: Path) -> Iterator[None]:
    """Have an engine answer; its log goes to ``folder`` if it is ours."""
    if answers():
        yield
        return
    _install()
    dockerd = shutil.which("dockerd")
    if dockerd is None or os.geteuid() != 0:
        raise EngineError("no Docker engine answers; mend: install Docker, and start it")
    log = folder / "dockerd.log"
    with log.open("wb") as output, subprocess.Popen([dockerd], stdout=output, stderr=output) as own:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not answers():
                if own.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text(errors="replace")[-2000:]
                    raise EngineError(f"dockerd does not start; {log} says\n{said}")
                time.sleep(0.5)
            yield
        finally:
            own.terminate()
            own.wait(STOP_SECONDS)


def _install() -> None:
    """Install Debian's packages of the commands that are missing, where one may."""
    missing = [name for command, name in PACKAGES.items() if shutil.which(command) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        for arguments in (("update",), ("install", "--yes", "--no-install-recommends", *missing)):
            subprocess.run(
                ["apt-get", "-q", *arguments],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                check=True,
                stdout=subprocess.DEVNULL,
            )


def answers() -> bool:
    """Tell whether an engine answers the command docker."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def docker(*arguments: str) -> str:
    """Run a command of docker and give what it prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}:\n{done.stdout[-3000:]}{done.stderr}")
    return done.stdout.strip()
