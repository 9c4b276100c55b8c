"""The local AWS of the waiting benchmark: its jobs run until told to end, its calls are counted.

A program of its own, so that it shares no time with what is measured. Prints its address; ends with
its standard input. Training jobs are real ones of its API, but hold no process. A caller is told by
its access key. Below ``/bench`` it answers what the benchmark asks, uncounted:

- ``GET /bench/counts``: what each caller did so far.
- ``POST /bench/age``: the seconds that have passed, it seems, since jobs made from now on began.
- ``POST /bench/say``: names of jobs that write a line to their logs now, unless they have ended.
- ``POST /bench/end``: names of jobs that complete now; answers each one's end, in epoch seconds.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import socket
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from time import perf_counter, time

from a2wsgi import WSGIMiddleware
from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import logs_backends
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol
from werkzeug.wrappers import Response

from airflow_ml_provider.local import cloud, server, training
from airflow_ml_provider.local.store import now

_CALLER = re.compile(r"Credential=([^/]+)/")


DESCRIBE = "DescribeTrainingJob"
GROUP = "/aws/sagemaker/TrainingJobs"
KEEP_ALIVE_SECONDS = 120
BACKLOG = 2048
THREADS = 16
LINE = "[1200] train-logloss:0.48213 validation-logloss:0.50127"


class HeldJobs(cloud.Turns):
    """Keeps every job in progress until it is told to end, without a process."""

    jobs = {}  # noqa: RUF012 - one server a process
    age_seconds = 0.0

    def add(self, job, run, fail):
        training._enter(job, "Downloading", TrainingStartTime=now())
        training._enter(job, "Training")
        job.change(partial(_older, by=timedelta(seconds=self.age_seconds)))
        self.jobs[job.name] = job
        logs = _logs_of(job)
        with suppress(ResourceAlreadyExistsException):
            logs.create_log_group(GROUP, {})
        logs.create_log_stream(GROUP, f"{job.name}/algo-1")

    @classmethod
    def say(cls, names):
        for job in (cls.jobs[name] for name in names):
            if job.document["TrainingJobStatus"] == "InProgress":
                event = {"timestamp": int(time() * 1000), "message": LINE}
                _logs_of(job).put_log_events(GROUP, f"{job.name}/algo-1", [event])

    @classmethod
    def end(cls, names):
        for name in names:
            training._end(
                cls.jobs[name], "Completed", ModelArtifacts={"S3ModelArtifacts": "s3://b/m"}
            )
        return {name: cls.jobs[name].document["TrainingEndTime"].timestamp() for name in names}


def _logs_of(job):
    return logs_backends[job.identity.account][job.identity.region]


def _older(document, by):
    transitions = [
        {key: value - by if key.endswith("Time") else value for key, value in one.items()}
        for one in document["SecondaryStatusTransitions"]
    ]
    times = {key: value - by for key, value in document.items() if key.endswith("Time")}
    return {**times, "SecondaryStatusTransitions": transitions}


class CountedConnection(H11Protocol):
    """One TCP connection, which gets the next number."""

    numbers = itertools.count()
    by_port = {}  # noqa: RUF012 - one server a process

    def connection_made(self, transport):
        super().connection_made(transport)
        self.by_port[self.client[1]] = next(self.numbers)


class Front:
    """A WSGI application in front of the local AWS's own."""

    def __init__(self, app):
        self._app = app
        self._lock = Lock()
        self._ended = set()
        self._callers = defaultdict(
            lambda: {
                "calls": Counter(),
                "of_ended": Counter(),  # those of them that are about one job, which has ended
                "connections": set(),
                "answer_seconds": 0.0,
                "asked": set(),
            }
        )

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/bench/"):
            return self._control(environ)(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self._count(environ, body)
        caller = self._caller(environ)
        began = perf_counter()
        try:
            return self._app({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
        finally:
            with self._lock:
                self._callers[caller]["answer_seconds"] += perf_counter() - began

    def _caller(self, environ):
        found = _CALLER.search(environ.get("HTTP_AUTHORIZATION", ""))
        return found[1] if found else "nobody"

    def _count(self, environ, body):
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        operation = operation or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        name = json.loads(body).get("TrainingJobName") if operation == DESCRIBE else None
        with self._lock:
            mine = self._callers[self._caller(environ)]
            mine["calls"][operation] += 1
            if name in self._ended:
                mine["of_ended"][operation] += 1
            if name:
                mine["asked"].add(name)
            mine["connections"].add(CountedConnection.by_port[int(environ["REMOTE_PORT"])])

    def _control(self, environ):
        command = environ["PATH_INFO"].removeprefix("/bench/")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        given = json.loads(body or b"null")
        if command == "age":
            HeldJobs.age_seconds = given
        with self._lock:
            if command == "end":
                self._ended.update(given)
                answer = HeldJobs.end(given)
            elif command == "say":
                answer = HeldJobs.say(given)
            else:
                answer = {
                    caller: {k: len(v) if isinstance(v, set) else v for k, v in counts.items()}
                    for caller, counts in self._callers.items()
                }
        return Response(json.dumps(answer), content_type="application/json")


def main(state_dir: str) -> None:
    server.Turns = HeldJobs
    with server.LocalAws(state_dir=Path(state_dir), namespaces=False) as aws:
        # Werkzeug closes the connection after each answer, which AWS does not.
        config = Config(
            WSGIMiddleware(Front(aws._server.app), workers=THREADS),
            http=CountedConnection,
            log_level="error",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
        )
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        front = Server(config)

        def end_with_input() -> None:
            sys.stdin.read()
            front.should_exit = front.force_exit = True

        Thread(target=end_with_input, daemon=True).start()
        print("http://{}:{}".format(*listener.getsockname()), flush=True)  # noqa: T201
        front.run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
