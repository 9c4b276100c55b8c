from __future__ import annotations

import pytest

from airflow_ml_provider.jobs.pause import Pause


@pytest.mark.parametrize(("jitter", "when"), [(False, "in 4 s"), (True, "in at most 4 s")])
def test_a_pause_is_one_line(jitter, when):
    pause = Pause("train", 1, 3, "no\n  memory", 4.2, jitter=jitter)
    assert str(pause) == f"train: try 1 of 3 failed: no memory; the next one {when}"


def test_a_long_reason_is_cut():
    assert len(str(Pause("train", 1, 3, "no memory " * 1000, 4))) < 400
