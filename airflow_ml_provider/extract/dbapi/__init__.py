"""Rows over DB-API connections."""
