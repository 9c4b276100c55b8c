"""A job that loads the classes that most jobs load; its one argument is a folder to write to."""

from __future__ import annotations

import sys
from typing import Any

# ruff: noqa: TID253, a job script needs no late import
from pyspark.sql import SparkSession
from pyspark.sql import functions as f


def main(folder: str) -> None:
    """Write, read, join and group; then wait until Java has ended and kept what it learnt."""
    spark = SparkSession.builder.getOrCreate()
    frame = spark.range(100).withColumn("text", f.concat(f.lit("a"), f.col("id") % 7))
    frame = frame.withColumn("day", f.to_date(f.lit("2024-01-01")))
    for form in ("parquet", "csv", "json"):
        frame.write.partitionBy("day").format(form).save(f"{folder}/{form}")
        read = spark.read.format(form).load(f"{folder}/{form}")
        read.groupBy("day").agg(f.count("*"), f.avg(read.columns[0])).show()
    frame.createOrReplaceTempView("frame")
    spark.sql("select text, count(*) n from frame join range(9) using (id) group by 1").collect()
    gateway: Any = spark.sparkContext._gateway  # noqa: SLF001, PySpark ends Java without waiting
    spark.stop()
    gateway.proc.stdin.close()
    gateway.proc.wait()


if __name__ == "__main__":
    main(sys.argv[1])
