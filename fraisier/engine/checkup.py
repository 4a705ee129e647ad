"""One look at the health of what is deployed: each host is asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fraisier.domain.catalogue import Catalogue, Target
from fraisier.domain.errors import FraisierError, StoreError
from fraisier.domain.health import Health, Seen
from fraisier.domain.outcome import HostOutcome
from fraisier.domain.ports import Runner, Store
from fraisier.engine.hosts import Hosts

#: The provider's playbook that looks, and passes the health gate.
VERB = "verify"
#: How long one try of a health check may take where somebody waits for the answer, in seconds.
TRY_SECONDS = 5.0
#: Seconds beside those of one try: a gate that has no check of its own watches the unit so long.
MARGIN_SECONDS = 3.0
#: What a host answers where its service is not well; other answers say nothing of the service.
UNWELL = frozenset({"health_check_failed", "not_running", "nothing_deployed"})
#: Types of services that run when their time comes, and end.
JOBS = frozenset({"scheduled", "etl", "backup"})
NOTHING = "nothing was deployed here yet"
A_JOB = "it runs when its time comes, and ends: there is nothing to ask"


class Checkups:
    """Asks the hosts of a target by its provider's own health check. Takes no fence.

    `targets` finds a target with its hosts, also where an inventory has to name them.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: Store,
        targets: Callable[[str, str], Target],
        new_runner: Callable[[], Runner],
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._targets = targets
        self._new_runner = new_runner

    def look(self, target: Target, seconds: float, trying: float = TRY_SECONDS) -> list[Seen]:
        """Return what each host of a target answers, in at most so many `seconds` and a little.

        Of these the check itself may take `trying` seconds, if not less by its own timeout.
        What cannot be asked is unknown, with the reason; raises only StoreError.
        """
        placed = self._store.placements(target.fraise, target.environment)
        known = [host.name for host in target.hosts] or sorted(placed)
        if target.type in JOBS:
            return all_unknown(known, A_JOB)
        if not placed:
            return all_unknown(known, NOTHING)
        try:
            found = self._targets(target.fraise, target.environment)
            return self._ask(as_one_try(found, trying), seconds)
        except StoreError:
            raise
        except FraisierError as error:
            return all_unknown(known, error.message)

    def _ask(self, target: Target, seconds: float) -> list[Seen]:
        runner = self._new_runner()
        try:
            hosts = Hosts(self._catalogue, self._store, runner)
            outcome = hosts.run(target, VERB, seconds)
        finally:
            runner.close()
        if not outcome.hosts:
            return all_unknown([h.name for h in target.hosts], outcome.first_error()["message"])
        return [judged(host) for host in outcome.hosts.values()]


def as_one_try(target: Target, trying: float) -> Target:
    """Return the target as if its health check were to be tried once, without waiting for it."""
    service: dict[str, Any] = {**target.service, "min_healthy_time": 0}
    check = dict(service.get("health_check") or {})
    limit = min(float(check.get("timeout", 10)), trying)
    if check:
        service["health_check"] = {**check, "delay": 0, "retries": 0, "timeout": limit}
    service["healthy_deadline"] = limit + MARGIN_SECONDS
    return replace(target, service=service)


def judged(host: HostOutcome) -> Seen:
    """Return what a host's answer says of the health of its service."""
    if host.ok:
        return Seen(host.host, Health.HEALTHY)
    error = host.error or {}
    health = Health.UNHEALTHY if error.get("code") in UNWELL else Health.UNKNOWN
    return Seen(host.host, health, error.get("message") or f"it did not answer ({host.state})")


def all_unknown(hosts: list[str], reason: str) -> list[Seen]:
    """Return hosts of which one thing is known: why nothing is."""
    return [Seen(host, Health.UNKNOWN, reason) for host in hosts]
