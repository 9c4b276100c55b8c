"""The process of the waiting benchmark that is measured: Airflow's own ``TriggerRunner``.

It is started and spoken to as Airflow's triggerer starts and speaks to it, over a socket that is
its standard input, and writes its log as JSON, to a file. Added are a watch on its event loop, what
the watch itself costs, and the time of each event. Arguments: the file that gets them at the end,
as JSON; the log; modules to load beforehand, because imports are not what is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.sdk.log import configure_logging
from airflow.triggers.base import BaseTrigger, TriggerEvent

WAKE_SECONDS = 0.01
WORTH_NOTING_SECONDS = 0.02
CALIBRATION_SECONDS = 3.0


class TimedEvents(deque):
    """The runner's queue of events, which notes when each trigger fired."""

    def __init__(self):
        super().__init__()
        self.times = {}

    def append(self, entry):
        self.times[entry.trigger_id] = time.time()
        super().append(entry)


class Watch:
    """Sees how late a coroutine wakes that sleeps ``WAKE_SECONDS``.

    And how much CPU time the process used meanwhile: on a busy machine it may only have been kept
    waiting.
    """

    def __init__(self):
        self.stalls = []
        self.wakes = Counter()  # by the second: each one costs some CPU time

    async def run(self):
        while True:
            before, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(WAKE_SECONDS)
            late_seconds = time.perf_counter() - before - WAKE_SECONDS
            now = time.time()
            self.wakes[int(now)] += 1
            if late_seconds > WORTH_NOTING_SECONDS:
                self.stalls.append((now, late_seconds, time.process_time() - used))


class JustWaits(BaseTrigger):
    """What a trigger costs Airflow at least."""

    def serialize(self):
        return "wait_triggerer.JustWaits", {}

    async def run(self):
        await asyncio.Event().wait()
        yield TriggerEvent({})


class WatchedRunner(TriggerRunner):
    def __init__(self):
        super().__init__()
        self.events = TimedEvents()
        self.watch = Watch()

    async def arun(self):
        watch = asyncio.create_task(self.watch.run())
        await super().arun()
        watch.cancel()


def main(result: str, log: str, *modules: str) -> None:
    for module in modules:
        import_module(module)
    with Path(log).open("wb", buffering=0) as lines:
        configure_logging(json_output=True, output=lines, sending_to_supervisor=True)
        wake_cpu_seconds = asyncio.run(cost_of_waking())
        runner = WatchedRunner()
        gc.collect()
        runner.run()
    found = {
        "fired": runner.events.times,
        "stalls": runner.watch.stalls,
        "wakes": runner.watch.wakes,
        "wake_cpu_seconds": wake_cpu_seconds,
    }
    Path(result).write_text(json.dumps(found))


async def cost_of_waking() -> float:
    watch = Watch()
    before = time.process_time()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(watch.run(), CALIBRATION_SECONDS)
    return (time.process_time() - before) / watch.wakes.total()


if __name__ == "__main__":
    main(*sys.argv[1:])
