"""Can the stack start here? All that stands against it, each with its mend; nothing is changed.

Run it as ``python3 docker/preflight.py``: it needs Python 3.8 and nothing else. It reads the
variables UI_PORT and AWS_PORT, as docker-compose.yaml does.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import sys

MEMORY_GIB = 3.5
COMPOSE = [1, 29]
HOST = "127.0.0.1"
PORTS = {"UI_PORT": 8080, "AWS_PORT": 4566}
ANSWER_SECONDS = 30
_NO_ENGINE = (
    "no Docker engine answers; start Docker Desktop, or `sudo systemctl start docker`, and see "
    "that your user is in the group docker"
)


def compose() -> list[str] | None:
    """Give the command of Compose that this machine has, the old one first."""
    for command in (["docker-compose"], ["docker", "compose"]):
        numbers = re.findall(r"\d+", _output(*command, "version", "--short"))
        if [int(number) for number in numbers[:2]] >= COMPOSE:
            return command
    return None


def engine_problems() -> list[str]:
    """Say what is wrong with Docker: its command, its engine, its memory, Compose."""
    if not shutil.which("docker"):
        return ["there is no command docker; install Docker Desktop or Docker Engine"]
    memory = _output("docker", "info", "--format", "{{.MemTotal}}")
    if not memory.isdigit() or memory == "0":
        return [_NO_ENGINE]
    problems = []
    gib = int(memory) / 2**30
    if gib < MEMORY_GIB:
        problems.append(
            f"Docker has {gib:.1f} GiB of memory, and the stack needs {MEMORY_GIB}; give it more "
            "(Docker Desktop: Settings, Resources, Memory)"
        )
    if compose() is None:
        problems.append("there is no Compose of 1.29 or newer; install Docker's plugin (v2)")
    return problems


def port_problems() -> list[str]:
    """Name the ports that are taken, or are none."""
    problems = []
    for name, default in PORTS.items():
        given = os.environ.get(name) or str(default)
        try:
            said = _obstacle(int(given))
        except (ValueError, OverflowError):
            problems.append(f"{name}={given} is no port; give one of 1 to 65535")
        else:
            if said:
                problems.append(
                    f"port {given} on {HOST} can't be had ({said}); end what uses it, or "
                    f"choose another one: {name}={int(given) + 1} docker-compose up"
                )
    return problems


def _obstacle(port: int) -> str:
    """Say why nothing can listen on a port; nothing if it can."""
    with socket.socket() as caller:
        # Beside what listens on all addresses macOS lets another one bind.
        if caller.connect_ex((HOST, port)) == 0:
            return os.strerror(errno.EADDRINUSE)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def main() -> int:
    """Print all problems and return the exit status."""
    problems = engine_problems() + port_problems()
    for problem in problems:
        print(f"preflight: {problem}", file=sys.stderr)
    if not problems:
        print("The stack can start:", *(compose() or ()), "up")
    return 1 if problems else 0


def _output(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
