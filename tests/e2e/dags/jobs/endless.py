"""A processing job that runs until it is stopped."""

import signal

signal.pause()
