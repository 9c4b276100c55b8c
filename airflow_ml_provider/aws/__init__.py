"""Clients and their errors, the watcher, code staged to S3, reports and logs read back.

The only layer below the operators that imports boto3; never imported when a DAG is parsed.
"""
