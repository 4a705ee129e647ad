"""The health of an environment, asked of its hosts: now and then, however many want to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol

from fraisier.domain.catalogue import Target
from fraisier.domain.health import Health, HostHealth, Seen
from fraisier.domain.ids import now
from fraisier.engine.checkup import all_unknown
from fraisier.engine.views import health_json, timestamp

Json = dict[str, Any]

#: For how many seconds an answer is given again.
KEPT_SECONDS = 10.0
#: How long all hosts of an environment together may be asked, in seconds: clients wait for 30.
LOOK_SECONDS = 20.0
#: How many targets are asked at once.
AT_ONCE = 4
#: Less time than this is not enough to ask a host.
LEAST_SECONDS = 2.0
_WORST_FIRST = (Health.UNHEALTHY, Health.UNKNOWN, Health.HEALTHY)


class Look(Protocol):
    """Asks the hosts of one target, for at most so many seconds."""

    def __call__(self, target: Target, seconds: float, /) -> Sequence[Seen]:
        """Return what each host answered."""


#: What an answer is of: each target's fraise and environment, as not everybody reaches all.
Asked = tuple[tuple[str, str], ...]
#: Tells what the looks at a target's hosts came to, those that are made by themselves.
Monitored = Callable[[Target], Sequence[HostHealth]]


class EnvironmentHealth:
    """What the hosts of each environment answered last; one look at a time, shared by all."""

    def __init__(
        self,
        look: Look,
        monitored: Monitored = lambda _target: [],
        kept: float = KEPT_SECONDS,
        limit: float = LOOK_SECONDS,
    ) -> None:
        self._look = look
        self._monitored = monitored
        self._kept = kept
        self._limit = limit
        self._lock = threading.Lock()
        self._turns: dict[Asked, threading.Lock] = {}
        self._answers: dict[Asked, tuple[float, Json]] = {}

    def known(self, targets: Sequence[Target]) -> Json | None:
        """Return what was answered of these a moment ago; None where that is too old."""
        found = self._answers.get(_asked(targets))
        return found[1] if found and time.monotonic() - found[0] < self._kept else None

    def of(self, name: str, targets: Sequence[Target]) -> Json:
        """Return how the hosts of an environment's targets are, asked now unless just asked.

        Those who ask meanwhile wait for the same answer. Raises StoreError.
        """
        asked = _asked(targets)
        with self._turn(asked):
            found = self.known(targets)
            if found is None:
                found = self._ask(name, targets)
                self._answers[asked] = (time.monotonic(), found)
            return found

    def _turn(self, asked: Asked) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(asked, threading.Lock())

    def _ask(self, name: str, targets: Sequence[Target]) -> Json:
        deadline = time.monotonic() + self._limit
        with ThreadPoolExecutor(AT_ONCE) as pool:
            # each thread sees the configuration that this request sees
            asks = [partial(copy_context().run, self._one, each, deadline) for each in targets]
            shown = list(pool.map(lambda ask: ask(), asks))
        return {"name": name, "health": worst([each["health"] for each in shown]), "targets": shown}

    def _one(self, target: Target, deadline: float) -> Json:
        left = deadline - time.monotonic()
        names = [host.name for host in target.hosts]
        late = f"not asked: the {self._limit:g} s for all hosts were over"
        seen = self._look(target, left) if left > LEAST_SECONDS else all_unknown(names, late)
        states = {one.host: health_json(one) for one in self._monitored(target)}
        return {
            "fraise": target.fraise,
            "environment": target.environment,
            "health": worst([each.health for each in seen]),
            "hosts": [
                {**seen_json(each, now()), "monitoring": states.get(each.host)} for each in seen
            ],
        }


def _asked(targets: Sequence[Target]) -> Asked:
    return tuple(sorted((target.fraise, target.environment) for target in targets))


def seen_json(seen: Seen, at: int) -> Json:
    """Return what one host answered, and when."""
    return {
        "host": seen.host,
        "health": seen.health.value,
        "reason": seen.reason or None,
        "checked_at": timestamp(at),
    }


def worst(states: Sequence[str]) -> str:
    """Return the worst of several states; unknown where there is none."""
    return next((one.value for one in _WORST_FIRST if one in states), Health.UNKNOWN.value)
