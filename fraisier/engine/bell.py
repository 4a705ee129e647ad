"""The bell: whoever changes the queue rings it, so that nobody who waits has to ask so often."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Bell:
    """Wakes the one who waits in this process, and tells those who carry it to other processes."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._listeners: list[Callable[[], None]] = []

    def ring(self) -> None:
        """Say that something in the queue has changed; called after it is committed."""
        self.hear()
        for tell in self._listeners:
            tell()

    def hear(self) -> None:
        """Wake who waits here: it was rung in another process."""
        self._rung.set()

    def listen(self, tell: Callable[[], None]) -> None:
        """Have `tell` called for each ring in this process; it must not block nor raise."""
        self._listeners.append(tell)

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, for at most so many seconds; False where it did not."""
        rang = self._rung.wait(seconds)
        self._rung.clear()
        return rang
