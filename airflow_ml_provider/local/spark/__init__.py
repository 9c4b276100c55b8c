"""Spark jobs on localhost: no system Java, no Maven, no network; `s3://` is the local AWS."""
