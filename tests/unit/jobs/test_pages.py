from __future__ import annotations

from airflow_ml_provider.jobs.pages import wanted
from airflow_ml_provider.jobs.state import JobState, Phase


def page(*names):
    return [JobState(name, Phase.RUNNING, "x") for name in names]


def test_stops_reading_when_all_were_seen():
    pages = iter([page("a", "z"), page("b", "c"), page("never")])
    assert set(wanted(pages, ["a", "b", "c"])) == {"a", "b", "c"}
    assert next(pages)[0].job_id == "never"


def test_stops_reading_when_asking_singly_is_cheaper():
    pages = iter([page("x"), page("y"), page("a")])
    assert wanted(pages, ["a", "b"]) == {}
    assert next(pages)[0].job_id == "a"


def test_an_empty_page_is_not_the_end():
    assert set(wanted([[], page("a", "b")], ["a", "b"])) == {"a", "b"}


def test_what_is_not_listed_is_missing():
    assert wanted([page("a")], ["a", "b", "c"]).keys() == {"a"}
