"""How one kind of remote job is submitted once, watched and stopped.

Takes a client and imports neither boto3 nor Airflow.
"""
