"""What stands against the stack is named, with its mend, before anything is made. No Docker."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"
GIB = 2**30


@pytest.fixture
def commands(tmp_path):
    """Put a command into the folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def add(name, body):
        script = folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)

    return add


@pytest.fixture
def preflight(tmp_path, free_ports):
    def run(**env):
        done = subprocess.run(
            [sys.executable, DOCKER / "preflight.py"],
            env={"PATH": str(tmp_path / "bin"), **free_ports, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def free_ports():
    one, two = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    with one, two:
        return {"UI_PORT": str(one.getsockname()[1]), "AWS_PORT": str(two.getsockname()[1])}


def test_a_machine_that_has_all_is_told_the_command(commands, preflight):
    commands("docker", f"echo {8 * GIB}")
    commands("docker-compose", "echo 1.29.2")
    assert preflight() == (0, "The stack can start: docker-compose up\n")


def test_an_old_compose_yields_to_the_plugin(commands, preflight):
    commands("docker-compose", "echo 1.25.0")
    commands("docker", f'if [ "$1" = info ]; then echo {8 * GIB}; else echo v2.40.3; fi')
    assert preflight() == (0, "The stack can start: docker compose up\n")


def test_no_docker(commands, preflight):
    assert preflight() == (
        1,
        "preflight: there is no command docker; install Docker Desktop or Docker Engine\n",
    )


def test_no_engine(commands, preflight):
    commands("docker", "exit 1")
    status, said = preflight()
    assert status == 1
    assert "no Docker engine answers; start Docker Desktop, or `sudo systemctl start" in said


def test_all_problems_are_named_at_once(commands, preflight):
    commands("docker", f'if [ "$1" = info ]; then echo {GIB}; else exit 1; fi')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = preflight(UI_PORT=str(port), AWS_PORT="many")
    assert status == 1
    assert said == (
        "preflight: Docker has 1.0 GiB of memory, and the stack needs 3.5; give it more "
        "(Docker Desktop: Settings, Resources, Memory)\n"
        "preflight: there is no Compose of 1.29 or newer; install Docker's plugin (v2)\n"
        f"preflight: port {port} on 127.0.0.1 can't be had (Address already in use); end what uses "
        f"it, or choose another one: UI_PORT={port + 1} docker-compose up\n"
        "preflight: AWS_PORT=many is no port; give one of 1 to 65535\n"
    )
