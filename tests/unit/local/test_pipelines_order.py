from __future__ import annotations

from airflow_ml_provider.local.pipelines_order import (
    Arm,
    Need,
    Place,
    again,
    cycle,
    ready,
    unhandled,
)

PLACES = (
    Place("a"),
    Place("b", (Need("a"),)),
    Place("instead", (Need("b", "Failed"),)),
    Place("gate", (Need("a"),)),
    Place("yes", (), Arm("gate", "True")),
    Place("no", (Need("b"),), Arm("gate", "False")),
    Place("always", (Need("b", "Any"),)),
    Place("stopped", (Need("b", "Stopped"),)),
)


def test_what_may_start() -> None:
    def names(statuses: dict[str, str], **outcomes: str) -> list[str]:
        return list(ready(PLACES, statuses, outcomes))

    assert names({}) == ["a"]
    assert names({"a": "Executing"}) == []
    assert names({"a": "Succeeded"}) == ["b", "gate"]
    ended = {"a": "Succeeded", "b": "Failed", "gate": "Succeeded"}
    assert names(ended, gate="False") == ["instead", "always"]
    assert names({**ended, "b": "Succeeded"}, gate="False") == ["no", "always"]
    assert names({**ended, "b": "Stopped"}, gate="True") == ["yes", "always", "stopped"]
    assert names({"a": "Failed"}) == []


def test_a_failure_that_a_step_was_started_for_is_handled() -> None:
    failed = {"a": "Succeeded", "b": "Failed"}
    assert unhandled(PLACES, failed) == ["b"]
    assert unhandled(PLACES, {**failed, "instead": "Executing"}) == []
    assert unhandled(PLACES, {**failed, "instead": "Failed"}) == ["instead"]


def test_a_retry_runs_what_failed_and_what_came_after() -> None:
    statuses = {"a": "Succeeded", "b": "Failed", "instead": "Succeeded", "gate": "Succeeded"}
    assert again(PLACES, statuses) == {"b", "instead"}
    stopped = {"a": "Succeeded", "gate": "Stopped", "yes": "Succeeded"}
    assert again(PLACES, stopped) == {"gate", "yes"}
    assert again(PLACES, {"a": "Succeeded"}) == set()


def test_cycles() -> None:
    assert cycle(PLACES) == []
    circle = (Place("a", (Need("c"),)), Place("b", (Need("a"),)), Place("c", (), Arm("b", "True")))
    found = cycle(circle)
    assert found[0] == found[-1]
    assert set(found) == {"a", "b", "c"}
