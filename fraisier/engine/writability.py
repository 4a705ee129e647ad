"""Checks that the database accepts writes: a few real writes per second, with a bounded wait."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from fraisier.domain.errors import StoreError

#: At most so many writes in so many seconds: `/health` needs no token, and each write is on disk.
TRIES, IN_SECONDS = 5, 5.0
#: How long the request that starts a write waits for its end.
PATIENT_SECONDS = 2.0

log = logging.getLogger("fraisier.health")


class Writability:
    """Calls `write`, which raises StoreError when the database refuses it, and keeps the result.

    A write that waits for a lock goes on in its own thread. Until it ends, and when the limit of
    writes is reached, callers get the result of the last write.
    """

    def __init__(self, write: Callable[[], None], seconds: float = IN_SECONDS) -> None:
        self._write = write
        self._seconds = seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun = deque([-math.inf] * TRIES, maxlen=TRIES)
        self._refused = False

    def refused(self) -> bool:
        """Return whether the database refused the last change that was tried."""
        with self._lock:
            at, mine = time.monotonic(), None
            if self._thread is None and at - self._begun[0] >= self._seconds:
                self._begun.append(at)
                mine = threading.Thread(target=self._try, name="writability", daemon=True)
                try:
                    mine.start()
                except RuntimeError:  # there is no room for a thread: it is tried again later
                    return self._refused
                self._thread = mine
        if mine is not None:  # the others have the last answer: many may ask, and threads are few
            mine.join(PATIENT_SECONDS)
        return self._refused

    def _try(self) -> None:
        refused = True
        try:
            self._write()
            refused = False
        except StoreError as error:
            if not self._refused:
                log.error("the database takes no changes: %s", error.message)
        finally:
            with self._lock:
                self._refused, self._thread = refused, None
