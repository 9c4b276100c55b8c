"""Rows of PostgreSQL: streams of one snapshot."""
