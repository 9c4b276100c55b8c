"""Load the example's flights into the stack's PostgreSQL: its warehouse.

Does nothing where it is loaded, or where dags/ has no example any more.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import psycopg2
from sqlalchemy import create_engine

NAME = "warehouse"
ADMIN = "postgresql://airflow:airflow@postgres/airflow"
URL = f"postgresql+psycopg2://{NAME}:{NAME}@postgres/{NAME}"
SOURCE = Path("dags/flight_delays/warehouse.py")


def make_database() -> None:
    """Make the warehouse's user and database where they are missing."""
    connection = psycopg2.connect(ADMIN)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (NAME,))
        if cursor.fetchone() is None:
            cursor.execute(f"create role {NAME} login password '{NAME}'")
            cursor.execute(f"create database {NAME} owner {NAME}")
    connection.close()


def load_flights() -> None:
    """Load the flights of 2013 into an empty warehouse; they come all at once or not at all."""
    example = runpy.run_path(str(SOURCE))
    engine = create_engine(URL)
    example["METADATA"].create_all(engine)
    with engine.connect() as connection:
        if connection.execute(example["FLIGHTS"].select().limit(1)).first():
            return
    print("loading the flights of 2013 into the warehouse ...")
    for name, count in example["load"](engine, example["csv_folder"]()).items():
        print(f"{name}: {count:,} rows")


if __name__ == "__main__":
    make_database()
    if SOURCE.exists():
        load_flights()
