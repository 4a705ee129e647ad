"""Looks at what is deployed, every so often, beside a server's queue."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

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

#: A target's fraise and environment.
Key = tuple[str, str]

log = logging.getLogger("fraisier.worker")


class Monitor:
    """Gives each monitored target its look when that is due, one process at a time.

    Several threads may call `round` at once: each takes targets of its own. A target that changes
    is left alone, and what was seen while it began to change does not count. Each look is by the
    configuration that holds when it begins.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        checkups: Checkups,
        labels: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._checkups = checkups
        self._labels = labels
        self._clock = clock
        self._looked: dict[Key, float] = {}
        self._not_before: dict[Key, float] = {}
        self._lock = threading.Lock()

    def round(self) -> None:
        """Look once at every target that is due and that nobody looks at; raise StoreError."""
        seen: set[Key] = set()
        while self._look_at_next(seen):
            pass

    def _look_at_next(self, seen: set[Key]) -> bool:
        """Look at the target that is not `seen` and due the longest; False where none is."""
        with self._catalogue.pinned():
            target = self._take(seen)
            if target is not None:
                seen.add(_key(target))
                self._one(target)
        return target is not None

    def _take(self, seen: set[Key]) -> Target | None:
        """Return a target that is due here, and let no other thread begin it as well."""
        with self._lock:
            at = self._clock()
            others = (each for each in self._monitored() if _key(each) not in seen)
            due = [each for each in others if self._due(each) <= at]
            if not due:
                return None
            target = min(due, key=self._due)
            self._not_before[_key(target)] = at + AGAIN_SECONDS + _longest(target)
            return target

    def _monitored(self) -> Iterator[Target]:
        for target in self._catalogue.now.targets():
            if target.monitoring.interval > 0 and takes(self._labels, target):
                yield target

    def _due(self, target: Target) -> float:
        """Return when a target is due, by the interval that it has now."""
        looked = self._looked.get(_key(target), -math.inf) + target.monitoring.interval
        return max(looked, self._not_before.get(_key(target), -math.inf))

    def _one(self, target: Target) -> None:
        looked = False
        try:
            looked = self._look(target)
        finally:
            at = self._clock()
            with self._lock:
                if looked:
                    self._looked[_key(target)] = at
                self._not_before[_key(target)] = at if looked else at + AGAIN_SECONDS

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


def _key(target: Target) -> Key:
    return target.fraise, target.environment


def _longest(target: Target) -> float:
    """Return how many seconds a look may take in all."""
    return CONTACT_SECONDS + MARGIN_SECONDS + target.monitoring.timeout
