"""How long to wait before AWS is asked again."""

from __future__ import annotations

FIRST_SECONDS = 5.0
POLL_SECONDS = 60.0
_LONGEST_BACKOFF_SECONDS = 120.0
_AGE_SHARE = 0.1
_ANSWERED_SHARE = 0.98


def interval_seconds(age_seconds: float, poll_seconds: float = POLL_SECONDS) -> float:
    """Ask young jobs often, old ones rarely: a tenth of the age, from 5 s to ``poll_seconds``.

    A little less at most: an answer takes time, and after ``poll_seconds`` an end shall be known.
    """
    return min(poll_seconds * _ANSWERED_SHARE, max(FIRST_SECONDS, age_seconds * _AGE_SHARE))


def backoff_seconds(failures: int, jitter: float) -> float:
    """Double with every failure in a row, up to two minutes; ``jitter`` in [0, 1) spreads it."""
    longest: float = min(_LONGEST_BACKOFF_SECONDS, 2.0 ** min(failures, 10))
    return longest * (0.5 + jitter / 2)
