"""The other side of the measured triggerer: gives it triggers, takes its events, weighs it.

Airflow's ``TriggerRunnerSupervisor`` does the same with the metadata database, which is the same
work whoever wrote the trigger and no part of the measured process.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import msgspec
import psutil
from airflow.executors.workloads import RunTrigger
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import messages
from airflow.models.trigger import Trigger
from airflow.sdk.execution_time.comms import _RequestFrame, _ResponseFrame

PROGRAM = Path(__file__).with_name("wait_triggerer.py")
START_SECONDS = 120
STOP_SECONDS = 120


@dataclass(frozen=True)
class Report:
    """What the process noted. Times are epoch seconds.

    ``fired`` is when each trigger did, ``stalls`` are (when over, how long, CPU time meanwhile),
    ``wakes`` is how often the watch woke in which second, at ``wake_cpu_seconds`` each.
    """

    fired: dict[int, float]
    stalls: list[tuple[float, float, float]]
    wakes: dict[int, int]
    wake_cpu_seconds: float

    def longest_stall(self, start: float, end: float) -> tuple[float, float]:
        """Give the longest one's length, and the CPU time of the one that used most."""
        during = [stall[1:] for stall in self.stalls if start <= stall[0] <= end]
        return tuple(max(seconds) for seconds in zip(*during, strict=True)) or (0.0, 0.0)

    def watch_cpu_seconds(self, start: float, end: float) -> float:
        wakes = sum(count for at, count in self.wakes.items() if start <= at < end)
        return wakes * self.wake_cpu_seconds


class Triggerer:
    """A process that runs triggers, for the length of a ``with`` block."""

    def __init__(self, folder: Path, env: dict[str, str], modules: tuple[str, ...]) -> None:
        self._result = folder / "triggerer.json"
        log, output = folder / "triggerer.log", folder / "triggerer.out"
        ours, its = socket.socketpair()
        with its, output.open("wb") as out:
            command = [sys.executable, str(PROGRAM), str(self._result), str(log), *modules]
            self._process = subprocess.Popen(command, stdin=its, stdout=out, stderr=out, env=env)
        self._socket = ours
        self._output = output
        self._new: list[RunTrigger] = []
        self._alive = Event()
        self.events: dict[int, dict] = {}
        self.failures: dict[int, str] = {}
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._alive.wait(START_SECONDS):
            self.__exit__(None, None, None)
            sys.exit(f"the triggerer did not start:\n{self._output.read_text()}")
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._socket.close()
        self._thread.join()

    def give(self, triggers) -> None:
        """Hand over triggers, as the database would, all at once."""
        self._new = [_workload(number, trigger) for number, trigger in enumerate(triggers, 1)]

    def cpu_seconds(self) -> float:
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def memory_kib(self) -> float:
        """The memory that is this process's own (unique set size)."""
        return psutil.Process(self._process.pid).memory_full_info().uss / 1024

    def stop(self) -> Report:
        """End it in the ordinary way."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)
        found = json.loads(self._result.read_text())
        fired, wakes = ({int(k): v for k, v in found[name].items()} for name in ("fired", "wakes"))
        return Report(fired, found["stalls"], wakes, found["wake_cpu_seconds"])

    def _serve(self) -> None:
        decoder = msgspec.msgpack.Decoder(_RequestFrame)
        with self._socket.makefile("rb") as stream:
            self._answer(0, messages.StartTriggerer())
            while size := stream.read(4):
                frame = decoder.decode(stream.read(int.from_bytes(size, "big")))
                body = frame.body or {}
                if body.get("type") != "TriggerStateChanges":
                    self._answer(frame.id, None)
                    continue
                for number, event, *_ in body.get("events") or ():
                    self.events[number] = event["payload"]
                for number, trace in body.get("failures") or ():
                    self.failures[number] = "".join(trace or ())
                new, self._new = self._new, []
                self._answer(frame.id, messages.TriggerStateSync(to_create=new, to_cancel=set()))
                self._alive.set()

    def _answer(self, number, message) -> None:
        body = message.model_dump() if message else None
        try:
            self._socket.sendall(_ResponseFrame(id=number, body=body).as_bytes())
        except OSError:  # it has ended
            return


def _workload(number, trigger) -> RunTrigger:
    classpath, kwargs = trigger.serialize()
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="bench",
        run_id="manual__2026-01-01T00:00:00+00:00",
        task_id=f"train_{number}",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        priority_weight=1,
    )
    return RunTrigger(
        id=number, classpath=classpath, encrypted_kwargs=Trigger.encrypt_kwargs(kwargs), ti=ti
    )
