"""Links from the Airflow UI to the AWS console."""
