from __future__ import annotations

import socket
import sys
import time
from threading import Event

import psutil
import pytest

from airflow_ml_provider.cli import standalone

# Stands for Python: `-m airflow <command>` comes as its arguments.
WORKS = """#!/bin/sh
if [ $3 = db ]; then exit 0; fi
trap '' TERM
(sleep 61 & echo $! > {folder}/orphan) &
wait
sleep 62
"""


@pytest.fixture
def airflow(tmp_path, monkeypatch):
    def make(program: str) -> standalone.Standalone:
        file = tmp_path / "python"
        file.write_text(program)
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))
        monkeypatch.setattr(standalone, "_POLL_SECONDS", 0.05)
        monkeypatch.setattr(standalone, "_STOP_SECONDS", 0.2)
        return standalone.Standalone(standalone.free_port(0), tmp_path, Event())

    return make


def test_a_taken_port_is_refused():
    with socket.create_server((standalone.HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(standalone.StandaloneError, match=f"can't listen on 127.0.0.1:{port}"):
            standalone.free_port(port)
    assert standalone.free_port(port) == port


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(standalone.StandaloneError, match="99999"):
        standalone.free_port(99999)


def test_a_failed_migration_is_told_with_its_log(airflow):
    program = "#!/bin/sh\necho no such table; exit 3\n"
    with (
        airflow(program) as running,
        pytest.raises(standalone.StandaloneError, match=r"(?s)db ended with exit code 3.*no such"),
    ):
        running.start(wait_seconds=20)


def test_a_server_that_dies_ends_the_wait(airflow):
    program = "#!/bin/sh\nif [ $3 = triggerer ]; then exit 1; fi\n[ $3 = db ] || sleep 63\n"
    with (
        airflow(program) as running,
        pytest.raises(standalone.StandaloneError, match="triggerer ended with exit code 1"),
    ):
        running.start(wait_seconds=20)


def test_the_end_leaves_no_process_not_even_a_deaf_one_or_an_orphan(airflow, tmp_path):
    orphan = tmp_path / "orphan"
    with (
        airflow(WORKS.format(folder=tmp_path)) as running,
        pytest.raises(standalone.StandaloneError, match="not healthy within 3 s"),
    ):
        running.start(wait_seconds=3)
    # It may be a zombie until the first process of the machine looks.
    pid = int(orphan.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert psutil.Process().children() == []


def test_a_wait_ends_when_the_end_is_asked_for(airflow):
    running = airflow("#!/bin/sh\nsleep 64\n")
    running._stop.set()
    began = time.monotonic()
    with pytest.raises(standalone.StoppedError), running:
        running.start(wait_seconds=20)
    assert time.monotonic() - began < 10
    assert psutil.Process().children() == []
