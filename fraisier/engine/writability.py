"""Whether the database takes changes: tried now and then, and nobody waits long for the answer."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from fraisier.domain.errors import StoreError

#: At most so many tries in so many seconds: strangers may ask, and each try is a write on the disk.
TRIES, IN_SECONDS = 5, 5.0
#: How long somebody who asks waits for the end of a try.
PATIENT_SECONDS = 2.0

log = logging.getLogger("fraisier.health")


class Writability:
    """Tries `write` when asked, but not too often; it raises StoreError where a change is refused.

    A try that waits for others, who hold the records, goes on beside; until it ends the answer is
    that of the last one. So it is where there were many tries just now.
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
