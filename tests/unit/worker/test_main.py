from __future__ import annotations

import json
import signal
import sys

import pytest

from airflow_ml_provider.extract.errors import BadQuery
from airflow_ml_provider.worker import api_call, glue_run, main, sql_extract
from airflow_ml_provider.worker.errors import StoppedError

IDENTITY = ["p", "daily", {"$value": "ID", "type": "string"}]


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Run the program for a step; give its exit code and its message."""
    monkeypatch.setenv("ID", "execution-1")
    monkeypatch.setattr(main.signal, "signal", lambda *given: None)
    monkeypatch.setattr(main.logging, "basicConfig", lambda **given: None)

    def start(text):
        step, message = tmp_path / "step.json", tmp_path / "output" / "message"
        step.write_text(text if isinstance(text, str) else json.dumps(text))
        monkeypatch.setattr(sys, "argv", ["run.py", str(step), str(message)])
        with pytest.raises(SystemExit) as caught:
            main.main()
        return caught.value.code, message.read_text()

    return start


def works(monkeypatch, module, answer):
    """Put something in the place of a kind of work; give what it gets."""
    given = []

    def run(*args):
        given.append(args)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(module, "run", run)
    return given


@pytest.mark.parametrize(
    ("kind", "module"), [("extract", sql_extract), ("glue", glue_run), ("call", api_call)]
)
def test_each_kind_of_work_gets_its_values(start, monkeypatch, kind, module):
    given = works(monkeypatch, module, "done")
    work = {"x": IDENTITY[2], "token": {"$token": ""}}
    assert start({"step": "daily", "identity": IDENTITY, kind: work}) == (
        0,
        "step 'daily': done",
    )
    ((work, *_),) = given
    assert work["x"] == "execution-1"
    assert len(work["token"]) == 36
    if kind == "glue":
        assert given[0][2].startswith("p-daily-")


def test_an_error_is_one_line(start, monkeypatch, caplog):
    works(monkeypatch, sql_extract, BadQuery("no such table:\n  trains" + "." * 2000))
    code, said = start({"step": "flights", "identity": [], "extract": {}})
    assert code == 1
    assert said.startswith("step 'flights': BadQuery: no such table: trains...")
    assert len(said) == 900
    assert caplog.messages == [said]


def test_what_was_not_foreseen_is_logged_whole(start, monkeypatch, caplog):
    works(monkeypatch, api_call, ZeroDivisionError("oh"))
    expected = (1, "step 'daily': ZeroDivisionError: oh")
    assert start({"step": "daily", "identity": [], "call": {}}) == expected
    assert "Traceback" in caplog.text


def test_a_step_that_can_not_be_read_is_an_error(start):
    code, said = start("no json")
    assert code == 1
    assert said.startswith("JSONDecodeError: ")


def test_a_stop_is_said(start, monkeypatch):
    works(monkeypatch, glue_run, StoppedError())
    step = {"step": "daily", "identity": [], "glue": {}}
    assert start(step) == (143, "step 'daily': stopped")


def test_the_first_signal_stops_and_the_next_do_nothing(monkeypatch):
    set_to = []
    monkeypatch.setattr(main.signal, "signal", lambda *given: set_to.append(given))
    with pytest.raises(StoppedError):
        main._stop(signal.SIGTERM, None)
    assert set_to == [(signal.SIGTERM, signal.SIG_IGN)]
