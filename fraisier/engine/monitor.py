"""Looks at what is deployed, every so often, beside a server's queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.health import Health
from fraisier.domain.ports import Store
from fraisier.domain.worker import takes
from fraisier.engine.checkup import MARGIN_SECONDS, Checkups

#: How long reaching the hosts may take: nobody waits, and that this machine is busy is no news.
CONTACT_SECONDS = 60.0
#: A target that could not be looked at, for others do or it changes, is tried again after these.
AGAIN_SECONDS = 5.0
#: For so long after a look should have ended nobody else looks.
GRACE_SECONDS = 30.0

log = logging.getLogger("fraisier.worker")


class Monitor:
    """Gives each monitored target its look when that is due, one process at a time.

    Several threads may call `round` at once: each takes targets of its own. A target that changes
    is left alone, and what was seen while it began to change does not count.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        checkups: Checkups,
        labels: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._checkups = checkups
        self._clock = clock
        self._targets = [
            target
            for target in catalogue.targets()
            if target.monitoring.interval > 0 and takes(labels, target)
        ]
        self._next: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def round(self) -> None:
        """Look at every target that is due and that nobody looks at; raise StoreError."""
        for target in self._targets:
            if self._mine(target):
                self._one(target)

    def _mine(self, target: Target) -> bool:
        """Return whether a target is due here, and let no other thread begin it as well."""
        key, at = (target.fraise, target.environment), self._clock()
        with self._lock:
            if self._next.get(key, at) > at:
                return False
            self._next[key] = at + AGAIN_SECONDS + _longest(target)
            return True

    def _one(self, target: Target) -> None:
        looked = False
        try:
            looked = self._look(target)
        finally:
            pause = target.monitoring.interval if looked else AGAIN_SECONDS
            with self._lock:
                self._next[target.fraise, target.environment] = self._clock() + pause

    def _look(self, target: Target) -> bool:
        """Look, and record that; False where it was not to be."""
        claimed = self._store.claim_check(target, _longest(target) + GRACE_SECONDS)
        if claimed is None:
            return False
        seen = self._checkups.look(target, _longest(target), target.monitoring.timeout)
        for verdict in self._store.record_check(claimed, target, seen) or ():
            after = verdict.after
            say = log.info if after.health is Health.HEALTHY else log.warning
            name = f"{target.fraise} {target.environment} {after.host}"
            say("%s is %s%s", name, after.health.value, f": {after.reason}" if after.reason else "")
        return True


def _longest(target: Target) -> float:
    """Return how many seconds a look may take in all."""
    return CONTACT_SECONDS + MARGIN_SECONDS + target.monitoring.timeout
