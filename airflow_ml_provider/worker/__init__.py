"""What runs in the container of a worker job, without Airflow: an extract, a Glue run, an AWS call.

Only this folder, `extract`, `jobs` and parts of `aws` are there, with Python 3.10 or later, boto3
and, for extracts, pyarrow.
"""
