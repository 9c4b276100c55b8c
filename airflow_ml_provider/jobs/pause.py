"""The pause before a failed step is tried again."""

from __future__ import annotations

from dataclasses import dataclass

_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Pause:
    """``tried`` of at most ``tries`` have failed, the last one for ``reason``.

    With ``jitter`` the next one comes after at most ``seconds``, else exactly then.
    """

    step: str
    tried: int
    tries: int
    reason: str
    seconds: float
    jitter: bool = False

    def __str__(self) -> str:
        """Tell it in one line."""
        reason = " ".join(self.reason.split())[:_REASON_CHARACTERS]
        return (
            f"{self.step}: try {self.tried} of {self.tries} failed: {reason}; the next one in "
            f"{'at most ' if self.jitter else ''}{self.seconds:.0f} s"
        )
