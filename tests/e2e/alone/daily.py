"""A Spark job: it copies Parquet."""

import argparse

from pyspark.sql import SparkSession

parser = argparse.ArgumentParser()
parser.add_argument("--flights")
parser.add_argument("--copy")
options, _ = parser.parse_known_args()
spark = SparkSession.builder.getOrCreate()
spark.read.parquet(options.flights).write.mode("overwrite").parquet(options.copy)
