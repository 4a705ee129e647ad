"""Work beside a server's queue: in a thread of its own, one at a time, every so often."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from fraisier.domain.errors import StoreError

log = logging.getLogger("fraisier.worker")


class Beside:
    """Does `work` every `seconds`, at the first time at once; `failed` is what its log says.

    The thread does not keep a process from ending: what it does has to be whole at any moment.
    """

    def __init__(self, name: str, work: Callable[[], None], seconds: float, failed: str) -> None:
        self._name = name
        self._work = work
        self._seconds = seconds
        self._failed = failed
        self._begun = -seconds
        self._thread: threading.Thread | None = None

    def when_due(self) -> None:
        """Begin in a thread if it is time, and the last one has ended."""
        at_work = self._thread is not None and self._thread.is_alive()
        if at_work or time.monotonic() - self._begun < self._seconds:
            return
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._quietly, name=self._name, daemon=True)
        self._thread.start()

    def _quietly(self) -> None:
        try:
            self._work()
        except StoreError as error:
            log.warning("%s: %s", self._failed, error.message)
        except Exception:
            log.exception("%s", self._failed)
