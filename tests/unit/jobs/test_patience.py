from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.patience import insist


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_call_is_repeated_until_it_is_answered(caplog):
    troubles = [ConnectionResetError("gone"), TimeoutError("slow")]
    clock = Clock()

    def call():
        if troubles:
            raise troubles.pop(0)
        return "answer"

    assert insist(call, "Asking", 60, clock=clock, sleep=clock.sleep) == "answer"
    assert 3 <= clock.now <= 6
    assert [one.split(" waits ")[0] for one in caplog.messages] == ["Asking", "Asking"]
    assert caplog.messages[0].endswith("s for AWS: gone")


def test_at_the_deadline_the_last_error_is_raised():
    clock = Clock()

    def call():
        raise TimeoutError(f"at {clock.now:.0f}")

    with pytest.raises(TimeoutError, match="at 45"):
        insist(call, "Asking", 45, clock=clock, sleep=clock.sleep)


def test_what_does_not_heal_is_raised_at_once():
    clock = Clock()

    def call():
        raise PermissionError

    with pytest.raises(PermissionError):
        insist(call, "Asking", 45, clock=clock, sleep=clock.sleep)
    assert clock.now == 0
