"""A clock whose pauses take no time."""

from __future__ import annotations

import time


class VirtualTime:
    """Stands in for the module `time`: a pause moves the clock on, and nobody waits."""

    def __init__(self) -> None:
        self.slept = 0.0

    def monotonic(self) -> float:
        """Return the seconds of the real clock and of all pauses."""
        return time.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.slept += seconds
