"""Waiting for what takes long, without spending the processor on looking for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.target import until

PAUSE_SECONDS = 0.5


def poll(condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition holds, as `until` does, but look only twice a second."""

    def look() -> object:
        if found := condition():
            return found
        time.sleep(PAUSE_SECONDS)
        return None

    until(look, seconds)
