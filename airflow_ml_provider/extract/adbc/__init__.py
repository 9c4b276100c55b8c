"""Rows through ADBC drivers."""
