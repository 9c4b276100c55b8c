"""One job's process: its own process group, its output line by line, its end by whatever cause."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TAIL_LINES = 50
_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 5.0

Cause = Literal["exited", "stopped", "timeout"]
Channel = Literal["stdout", "stderr"]


@dataclass(frozen=True)
class Ended:
    """How a process ended: by itself, because it was stopped, or because its time was up."""

    exit_code: int
    cause: Cause
    stderr: tuple[str, ...]
    seconds: float


def run_process(
    argv: tuple[str, ...],
    *,
    env: Mapping[str, str],
    cwd: Path,
    write: Callable[[Channel, str], None],
    stop: Event,
    timeout_seconds: float,
    grace_seconds: Callable[[], float],
) -> Ended:
    """Run a command until it ends, is stopped or times out.

    Stop and timeout send SIGTERM to the whole process group, and SIGKILL `grace_seconds()` later.
    Whatever the group left running is killed when its first process ends, as in a container.

    Args:
        argv: the command.
        env: the whole environment of the process.
        cwd: its working directory.
        write: gets every line of its output, with the channel it came from.
        stop: set by whoever wants the process stopped.
        timeout_seconds: how long it may run.
        grace_seconds: asked when the process is to end: how long it may take.

    Raises:
        OSError: if the command can't be started.

    """
    if stop.is_set():
        return Ended(0, "stopped", (), 0.0)
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - running what it is given is its purpose
        argv,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def to_stderr(line: str) -> None:
        tail.append(line)
        write("stderr", line)

    readers = [
        _reader(process.stdout, lambda line: write("stdout", line)),
        _reader(process.stderr, to_stderr),
    ]
    try:
        cause = _wait(process, stop, timeout_seconds)
        if cause != "exited":
            _signal(process, signal.SIGTERM)
            try:
                process.wait(grace_seconds())
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
    finally:
        _signal(process, signal.SIGKILL)
        exit_code = process.wait()
    for reader in readers:
        reader.join(_DRAIN_SECONDS)
    # Whoever asked for the stop gets it, even if the process was quicker.
    cause = "stopped" if stop.is_set() else cause
    return Ended(exit_code, cause, tuple(tail), time.monotonic() - began)


def _wait(process: subprocess.Popen[bytes], stop: Event, timeout_seconds: float) -> Cause:
    deadline = time.monotonic() + timeout_seconds
    while process.poll() is None:
        if stop.wait(_POLL_SECONDS):
            return "stopped"
        if time.monotonic() >= deadline:
            return "timeout"
    return "exited"


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _reader(stream: IO[bytes] | None, write: Callable[[str], None]) -> Thread:
    def read() -> None:
        if stream is None:
            return
        with stream:
            for line in stream:
                write(line.decode("utf-8", "replace").rstrip("\r\n"))

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread
