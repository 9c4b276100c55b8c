"""Exit with 1 unless a part of the stack does its work: the container's health check.

Airflow's own ``airflow jobs check`` asks the same table, but takes seconds of CPU to start.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from urllib.request import urlopen

# The loops of Airflow write a heartbeat every five seconds; a busy laptop is late.
HEARTBEAT_SECONDS = 45
ANSWER_SECONDS = 20
JOBS = {
    "scheduler": "SchedulerJob",
    "triggerer": "TriggererJob",
    "dag-processor": "DagProcessorJob",
}
ALIVE = """
    select 1 from job
    where job_type = %s and hostname = %s and state = 'running'
    and latest_heartbeat > now() - interval '1 second' * %s
"""


def beats(job_type: str) -> bool:
    """Tell whether the loop of this container wrote its heartbeat lately."""
    import psycopg2  # noqa: PLC0415 - only where it is asked

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    with psycopg2.connect(url, connect_timeout=ANSWER_SECONDS) as connection:
        cursor = connection.cursor()
        cursor.execute(ALIVE, (job_type, socket.gethostname(), HEARTBEAT_SECONDS))
        return cursor.fetchone() is not None


def worker_answers() -> bool:
    """Tell whether the Celery worker of this container takes a message and answers it."""
    from celery import Celery  # noqa: PLC0415 - slow

    app = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    name = f"celery@{socket.gethostname()}"
    return bool(app.control.ping(destination=[name], timeout=ANSWER_SECONDS / 2))


def api_answers() -> bool:
    """Tell whether the API server answers and has its database."""
    with urlopen("http://127.0.0.1:8080/api/v2/monitor/health", timeout=ANSWER_SECONDS) as answer:
        return bool(json.load(answer)["metadatabase"]["status"] == "healthy")


def aws_answers() -> bool:
    """Tell whether the local AWS lists its buckets."""
    with urlopen("http://127.0.0.1:4566/", timeout=ANSWER_SECONDS) as answer:
        return b"<Bucket>" in answer.read()


def main(part: str) -> int:
    """Return the exit status for one part; an error ends with 1, too."""
    checks = {"api-server": api_answers, "aws": aws_answers, "worker": worker_answers}
    healthy = beats(JOBS[part]) if part in JOBS else checks[part]()
    if not healthy:
        print(f"{part} gives no sign of life")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
