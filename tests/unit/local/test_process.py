"""How processes end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Event

import pytest

from airflow_ml_provider.local.process import Ended, run_process


class Run:
    def __init__(self, code: str, *, stop_on: str = "", timeout_seconds: float = 60) -> None:
        self.lines: list[tuple[str, str]] = []
        self.stop = Event()
        self._stop_on = stop_on
        self.ended: Ended = run_process(
            (sys.executable, "-c", code),
            env=os.environ,
            cwd=Path.cwd(),
            write=self._write,
            stop=self.stop,
            timeout_seconds=timeout_seconds,
            grace_seconds=lambda: 0.5,
        )

    def _write(self, channel: str, line: str) -> None:
        self.lines.append((channel, line))
        if line == self._stop_on:
            self.stop.set()


def test_output_and_exit_code() -> None:
    run = Run("import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)")
    assert (run.ended.exit_code, run.ended.cause, run.ended.stderr) == (3, "exited", ("b",))
    assert sorted(run.lines) == [("stderr", "b"), ("stdout", "a")]


def test_stop_lets_the_process_clean_up() -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(0)))
print("up", flush=True)
time.sleep(60)
"""
    run = Run(code, stop_on="up")
    assert run.ended.cause == "stopped"
    assert ("stdout", "saved") in run.lines


def test_stop_ends_the_deaf_and_their_children() -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
print("up", flush=True)
time.sleep(60)
"""
    run = Run(code, stop_on="up")
    assert (run.ended.cause, run.ended.exit_code) == ("stopped", -9)
    with pytest.raises(ProcessLookupError):
        _signal_until_reaped(int(run.lines[0][1]))


def _signal_until_reaped(pid: int) -> None:
    for _ in range(500):
        os.kill(pid, 0)
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            raise ProcessLookupError  # killed; its new parent has not reaped it yet
        Event().wait(0.01)


def test_timeout() -> None:
    run = Run("import time; time.sleep(60)", timeout_seconds=0.2)
    assert run.ended.cause == "timeout"


def test_what_was_left_running_is_ended() -> None:
    code = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
"""
    run = Run(code)
    assert (run.ended.cause, run.ended.exit_code) == ("exited", 0)
    assert run.ended.seconds < 30


def test_stopped_before_it_started() -> None:
    stop = Event()
    stop.set()
    ended = run_process(
        ("/nonexistent",),
        env={},
        cwd=Path.cwd(),
        write=lambda *_: None,
        stop=stop,
        timeout_seconds=1,
        grace_seconds=lambda: 0,
    )
    assert ended.cause == "stopped"
