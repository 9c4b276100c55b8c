"""Database to Parquet on S3, streaming.

Nothing is imported here, so that `extract.errors` stays cheap; `extract.extraction` needs pyarrow
and is imported where a task runs.
"""
