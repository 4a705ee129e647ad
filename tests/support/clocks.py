"""Clocks that are wrong, as those of workers on other machines may be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from fraisier.domain import ids


class _Wrong:
    """What a process with a wrong clock reads."""

    def __init__(self, seconds: float) -> None:
        self._nanoseconds = int(seconds * 1e9)

    def time_ns(self) -> int:
        """Return the wrong time."""
        return time.time_ns() + self._nanoseconds


@contextmanager
def clock_ahead(seconds: float) -> Iterator[None]:
    """Let the clock of this process be wrong while the block runs; its boot clock stays right."""
    with mock.patch.object(ids, "time", _Wrong(seconds)):
        yield
