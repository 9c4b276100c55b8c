"""A processing job that says one thing and runs until it is stopped."""

import signal

print("waiting for a signal", flush=True)  # noqa: T201 - into its log
signal.pause()
