"""A process's place among the workers: taken, renewed while it works, given up at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from fraisier.domain.errors import StoreError
from fraisier.domain.ids import now
from fraisier.domain.ports import Store
from fraisier.domain.worker import BEAT, LEASE_SECONDS, SELF_FENCE, NewWorker

#: A clock that differs by so many seconds from the database's is warned of, and how often they are
#: compared.
CLOCK_SECONDS, COMPARE_SECONDS = 5.0, 60.0
#: How soon a renewal that failed is tried again: the database may answer at any moment.
RETRY_SECONDS = 0.5

log = logging.getLogger("fraisier.worker")


def clock() -> float:
    """Return seconds on a clock that nobody sets and that counts a machine's sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Membership:
    """One worker's lease. A thread renews it; `valid()` is what its holder may act upon.

    The holder trusts its own clock for two thirds of a lease since the last renewal began, so that
    it has stopped by itself before anybody can take its work over. A lease that was not renewed by
    then is lost for good, also where the database would still renew it: what it held was stopped.
    `configuration()` gives the identity of the one that it works with, told at each renewal.
    """

    def __init__(
        self,
        store: Store,
        worker: NewWorker,
        lease: float = LEASE_SECONDS,
        configuration: Callable[[], str] = lambda: "",
    ) -> None:
        self.worker = worker
        self._store = store
        self._lease = lease
        self._configuration = configuration
        self._renewed = self._until = 0.0
        self._compared, self._warned = -COMPARE_SECONDS, False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.id = ""
        #: Why the lease could not be renewed last; empty where it was.
        self.trouble = ""

    def __enter__(self) -> Membership:
        """Join and keep the lease; raise StoreError where the records cannot be written."""
        self.keep()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Leave."""
        self.leave()

    def keep(self) -> None:
        """Join, and renew the lease until `leave`; raise StoreError."""
        self.join()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Give the place up; where that cannot be recorded, the lease runs out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(StoreError):
            self._store.leave(self.id)

    def join(self) -> None:
        """Take a place under a new id: the first, or the next one after a lease was lost.

        What was held under the id before is then for others to take over.
        """
        if self.id:
            self._store.leave(self.id)
        began = clock()
        self.id = self._store.join(self._described(), self._lease)
        with self._lock:
            self._trust(began)

    def valid(self) -> bool:
        """Return whether this process may go on with what it holds; once False, it stays so."""
        with self._lock:
            if clock() >= self._until:
                self._until = 0.0
            return self._until > 0.0

    def renew(self) -> None:
        """Renew the lease now; raise StoreError where that cannot be recorded."""
        began, mine = clock(), self.id
        renewed = self._store.beat(mine, self._lease, self._configuration())
        with self._lock:
            if mine == self.id:
                if renewed and clock() < self._until:
                    self._trust(began)
                else:
                    self._until = 0.0

    def renew_if_late(self) -> None:
        """Renew the lease where the thread could not in time, as the database was away."""
        if clock() - self._renewed > 2 * self._lease * BEAT:
            self.renew()

    def until(self) -> float:
        """Return until when that is so if the lease is not renewed, in seconds of `clock`."""
        return self._until

    def _described(self) -> NewWorker:
        return replace(self.worker, configuration=self._configuration())

    def _trust(self, since: float) -> None:
        self._renewed, self._until = since, since + self._lease * SELF_FENCE

    def _compare_clocks(self) -> None:
        """Warn, once, of a clock that is wrong; nothing that is recorded is by it."""
        if clock() - self._compared < COMPARE_SECONDS:
            return
        self._compared = clock()
        ahead = (now() - self._store.now()) / 1e6
        wrong = abs(ahead) > CLOCK_SECONDS
        if wrong and not self._warned:
            where = "ahead of" if ahead > 0 else "behind"
            log.warning("the clock here is %.0f s %s the database's", abs(ahead), where)
        self._warned = wrong

    def _keep_renewing(self) -> None:
        pause = usual = self._lease * BEAT
        while not self._stop.wait(pause):
            try:
                self.renew()
                pause, self.trouble = usual, ""
                self._compare_clocks()
            except StoreError as error:
                self.trouble = error.message
                if pause == usual:
                    log.warning("the lease could not be renewed: %s", error.message)
                pause = min(RETRY_SECONDS, usual)
