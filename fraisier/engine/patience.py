"""Reading records in the midst of work: a database that is away is waited for, within the lease."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from fraisier.domain.errors import StoreUnavailable

T = TypeVar("T")

PAUSE_SECONDS = 0.5


def patiently(read: Callable[[], T], valid: Callable[[], bool]) -> T:
    """Return what `read()` returns; try again while the database is away and `valid()` is True.

    Raises StoreUnavailable once it is not.
    """
    while True:
        try:
            return read()
        except StoreUnavailable:
            if not valid():
                raise
        time.sleep(PAUSE_SECONDS)
