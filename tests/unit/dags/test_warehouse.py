from __future__ import annotations

import re
import sqlite3
import zipfile
from contextlib import closing

import pytest
from sqlalchemy import create_engine

FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,\
tailnum,origin,dest,air_time,distance,hour,minute,time_hour
2013,8,29,2005,2000,5,2210,2200,10,UA,1545,N14228,EWR,IAH,227,1400,20,0,2013-08-30T00:00:00Z
2013,8,29,NA,545,NA,NA,850,NA,AA,1141,NA,JFK,MIA,NA,1089,5,45,2013-08-29T09:00:00Z
2013,8,30,10,5,5,300,310,-10,B6,725,N804JB,JFK,BQN,183,1576,0,5,2013-08-30T04:00:00Z
"""
WEATHER = """\
origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,\
time_hour
JFK,2013,8,28,23,70,60,50,270,10.5,NA,0,1012,10,2013-08-29T03:00:00Z
JFK,2013,8,29,4,71,60,50,NA,10.5,NA,0,1012,10,2013-08-29T08:00:00Z
JFK,2013,8,29,23,72,60,50,270,10.5,20.1,0.1,NA,10,2013-08-30T03:00:00Z
JFK,2013,8,30,0,73,60,50,270,10.5,NA,0,1012,10,2013-08-30T04:00:00Z
"""
PLANES = """\
tailnum,year,type,manufacturer,model,engines,seats,speed,engine
N14228,1999,Fixed wing multi engine,BOEING,737-824,2,149,NA,Turbo-fan
N804JB,NA,Fixed wing multi engine,AIRBUS,A320-232,2,200,NA,Turbo-fan
"""
AIRPORTS = """\
faa,name,lat,lon,alt,tz,dst,tzone
MIA,Miami Intl,25.793194,-80.290556,8,-5,A,America/New_York
"""
AIRLINES = "carrier,name\nUA,United Air Lines Inc.\n"
COUNTS = {"airlines": 1, "airports": 1, "flights": 3, "planes": 2, "weather": 4}


@pytest.fixture(scope="module")
def warehouse(load_script):
    return load_script("warehouse.py")


@pytest.fixture
def csv_folder(tmp_path):
    folder = tmp_path / "csv"
    folder.mkdir()
    with zipfile.ZipFile(folder / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    tables = {"weather": WEATHER, "planes": PLANES, "airports": AIRPORTS, "airlines": AIRLINES}
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/warehouse.db")
    yield engine
    engine.dispose()


@pytest.fixture
def query(tmp_path):
    def run(sql, **parameters):
        with closing(sqlite3.connect(tmp_path / "warehouse.db")) as connection:
            return connection.execute(sql, parameters).fetchall()

    return run


@pytest.fixture
def extract(query, flight_delays):
    def run(name, start, end):
        return query(
            (flight_delays / "sql" / f"{name}.sql").read_text(),
            data_interval_start=f"{start} 00:00:00+00:00",
            data_interval_end=f"{end} 00:00:00+00:00",
        )

    return run


def test_loads_every_table_typed_with_nulls_and_local_dates(warehouse, engine, csv_folder, query):
    assert warehouse.load(engine, csv_folder) == COUNTS
    columns = "flight_date, flight, tailnum, dep_delay, distance, time_hour"
    assert query(f"select {columns} from flights order by flight_date, flight") == [
        ("2013-08-29", 1141, None, None, 1089, "2013-08-29 09:00:00.000000"),
        ("2013-08-29", 1545, "N14228", 5, 1400, "2013-08-30 00:00:00.000000"),
        ("2013-08-30", 725, "N804JB", 5, 1576, "2013-08-30 04:00:00.000000"),
    ]


def test_loading_again_replaces(warehouse, engine, csv_folder, query):
    warehouse.load(engine, csv_folder)
    (csv_folder / "planes.csv").write_text(PLANES.replace("149", "150"))
    assert warehouse.load(engine, csv_folder) == COUNTS
    assert query("select seats from planes where tailnum = 'N14228'") == [(150,)]
    assert query("select count(*) from flights") == [(3,)]


def test_a_load_that_fails_changes_nothing(warehouse, engine, csv_folder, query):
    warehouse.load(engine, csv_folder)
    (csv_folder / "airlines.csv").write_text("carrier,name\n")
    (csv_folder / "weather.csv").write_text(WEATHER.replace("10.5", "calm"))
    with pytest.raises(ValueError, match="calm"):
        warehouse.load(engine, csv_folder)
    for name, count in COUNTS.items():
        assert query(f"select count(*) from {name}") == [(count,)]


def test_an_interval_takes_its_local_days_and_not_its_end(warehouse, engine, csv_folder, extract):
    warehouse.load(engine, csv_folder)
    assert {row[2] for row in extract("flights", "2013-08-29", "2013-08-30")} == {1545, 1141}
    assert {row[2] for row in extract("flights", "2013-08-30", "2013-08-31")} == {725}
    assert len(extract("flights", "2013-08-01", "2013-09-01")) == 3


def test_weather_reaches_back_to_the_hour_before_midnight(warehouse, engine, csv_folder, extract):
    warehouse.load(engine, csv_folder)
    hours = {row[1][:16] for row in extract("weather", "2013-08-30", "2013-08-31")}
    assert hours == {"2013-08-29 08:00", "2013-08-30 03:00", "2013-08-30 04:00"}
    # The first day has no day before it.
    assert len(extract("weather", "2013-08-28", "2013-08-29")) == 1


def test_the_whole_package_is_found_without_importing_it(warehouse):
    airlines = list(warehouse.rows(warehouse.AIRLINES, warehouse.csv_folder()))
    assert len(airlines) == 16


def test_no_query_has_a_colon_that_is_no_parameter(flight_delays):
    for file in (flight_delays / "sql").glob("*.sql"):
        names = set(re.findall(r":(\w*)", file.read_text()))
        assert names <= {"data_interval_start", "data_interval_end"}, file
