"""Compiled, never run."""
