from __future__ import annotations

from threading import Event
from unittest.mock import Mock

from airflow_ml_provider.local.cloud import Turns

SECONDS = 30


def test_a_job_that_waits_for_another_one_does_not_hold_its_turn():
    turns = Turns(max_jobs=1)
    done, seen = Event(), []
    turns.add(Mock(), lambda _job: seen.append(done.wait(SECONDS)), Mock())
    turns.add(Mock(), lambda _job: done.set(), Mock(), awaited=True)
    assert done.wait(SECONDS)
    turns.close()
    assert seen == [True]


def test_one_after_the_other():
    turns = Turns(max_jobs=1)
    order, first = [], Event()

    def run(number):
        order.append(number)
        if number == 2:
            first.set()

    for number in (1, 2):
        turns.add(Mock(), lambda _job, number=number: run(number), Mock())
    assert first.wait(SECONDS)
    turns.close()
    assert order == [1, 2]
