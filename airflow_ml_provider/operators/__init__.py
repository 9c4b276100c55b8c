"""Thin Airflow operators over remote jobs, single AWS calls, extracts and choices."""
