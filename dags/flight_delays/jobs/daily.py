"""Spark: a day's extracts become rows of the flight history, and the last days become one file.

Runs on Glue, EMR Serverless or any Spark 3.5. A day is a partition that each run overwrites, so
running a day twice leaves one copy. Without ``--window`` it only writes the history, which is how
many days are loaded at once.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEYS = ("flight_date", "carrier", "flight", "origin")
WEATHER = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)
LATE_MINUTES = 15


def daily_flights(flights: DataFrame, weather: DataFrame, planes: DataFrame) -> DataFrame:
    """One row a flight that arrived: its keys, what was known before it left, and the label.

    Everything is cast, because a database without strict types may hand over anything.
    """
    hour = F.col("time_hour").cast("timestamp")
    # A flight is judged by the weather of the hour before: its own hour is not over when it leaves.
    seen = weather.select(
        "origin",
        (hour + F.expr("interval 1 hour")).alias("time_hour"),
        *(F.col(name).cast("double") for name in WEATHER),
    )
    built = planes.select(
        "tailnum",
        F.col("year").cast("int").alias("plane_year"),
        F.col("seats").cast("int"),
    )
    # Left joins: one flight in six has no known plane, and some hours have no weather.
    return (
        flights.where("arr_delay is not null")
        .withColumn("time_hour", hour)
        .join(F.broadcast(seen), ["origin", "time_hour"], "left")
        .join(F.broadcast(built), "tailnum", "left")
        .select(
            F.to_date("flight_date").alias("flight_date"),
            "carrier",
            F.col("flight").cast("int"),
            "origin",
            "dest",
            _minutes("sched_dep_time").alias("departure_minute"),
            _minutes("sched_arr_time").alias("arrival_minute"),
            F.dayofweek(F.to_date("flight_date")).alias("day_of_week"),
            F.col("distance").cast("int"),
            (F.year(F.to_date("flight_date")) - F.col("plane_year")).alias("plane_age_years"),
            "seats",
            *WEATHER,
            (F.col("arr_delay").cast("int") > LATE_MINUTES).cast("int").alias("late"),
        )
    )


def missing_days(window: DataFrame, first: date, last: date) -> list[str]:
    """Name the days from first to last, both included, that have no flights."""
    present = {row.flight_date for row in window.select("flight_date").distinct().collect()}
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day.isoformat() for day in days if day not in present]


def _minutes(clock: str) -> Column:
    """Minutes after midnight of a clock time written as 1745."""
    time = F.col(clock).cast("int")
    return (F.floor(time / 100) * 60 + time % 100).cast("int")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for name in ("flights", "weather", "planes", "history"):
        parser.add_argument(f"--{name}", required=True, help="Parquet prefix")
    parser.add_argument("--window", help="Parquet prefix for the last days as one file")
    parser.add_argument("--run_date", type=date.fromisoformat, required=True, help="YYYY-MM-DD")
    parser.add_argument("--days", type=int, default=35, help="length of the window")
    # Glue adds arguments of its own.
    return parser.parse_known_args()[0]


def main() -> None:
    """Write the day, then the window that ends with it.

    Raises:
        ValueError: the window would have a gap; it names the days.
    """
    args = _arguments()
    settings: dict[str, bool | float | int | str | None] = {
        "spark.sql.session.timeZone": "UTC",
        # A window is 30,000 rows: more partitions would only cost start-up time.
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    }
    with SparkSession.builder.config(map=settings).getOrCreate() as spark:
        extracts = (spark.read.parquet(path) for path in (args.flights, args.weather, args.planes))
        dataset = daily_flights(*extracts)
        (
            dataset.repartition("flight_date")
            .sortWithinPartitions(*KEYS)
            .write.option("partitionOverwriteMode", "dynamic")
            .partitionBy("flight_date")
            .parquet(args.history, mode="overwrite")
        )
        if args.window is None:
            return
        first = args.run_date - timedelta(days=args.days - 1)
        window = (
            spark.read.schema(dataset.schema)
            .parquet(args.history)
            .where(F.col("flight_date").between(first, args.run_date))
            .cache()
        )
        if missing := missing_days(window, first, args.run_date):
            raise ValueError(
                f"--history {args.history} has no flights on {', '.join(missing)}: the {args.days} "
                f"days to {args.run_date} must all be there; mend: load those days, then run again"
            )
        (
            window.coalesce(1)
            .sortWithinPartitions(*KEYS)
            .write.parquet(args.window, mode="overwrite")
        )


if __name__ == "__main__":
    main()
