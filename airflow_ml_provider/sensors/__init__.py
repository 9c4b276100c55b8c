"""Sensors: waiting for data, approvals and metrics."""
