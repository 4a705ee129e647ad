"""Whether what is deployed is well: what a host answered, what that makes of its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Health(StrEnum):
    """How a host's service is. `unknown`: it could not be asked, or there is nothing to ask."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Monitoring:
    """How often what is deployed is looked at, in seconds; 0 is never.

    After `failure_threshold` looks in a row that found no good health a host counts as not well;
    `timeout` is how many seconds one look may take, beside reaching the host.
    """

    interval: float = 0.0
    failure_threshold: int = 3
    timeout: float = 10.0


NO_MONITORING = Monitoring()


@dataclass(frozen=True)
class Seen:
    """What one look at a host found; `reason` is empty where it is well."""

    host: str
    health: Health
    reason: str = ""


@dataclass(frozen=True)
class HostHealth:
    """What the looks at a host of a target came to. Times are UTC microseconds since 1970.

    `since`: when it came into this state; `failures`: how many looks in a row found it not well;
    `passed` and `failed` count all looks that there ever were.
    """

    host: str
    health: Health
    reason: str
    since: int
    seen_at: int
    failures: int = 0
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Claimed:
    """The right to look at a target; `fence` is that of its last deployment."""

    id: str
    fence: int


@dataclass(frozen=True)
class Verdict:
    """What one look made of a host. `news`: it is a change that is to be told."""

    before: HostHealth | None
    after: HostHealth
    news: bool

    @property
    def event_type(self) -> str:
        """Return the type of the event that tells of it."""
        well = self.after.health is Health.HEALTHY
        return "health_check.passed" if well else "health_check.failed"

    def data(self, check_type: str) -> dict[str, object]:
        """Return what the event says."""
        return {
            "type": check_type,
            "passed": self.after.health is Health.HEALTHY,
            "health": self.after.health.value,
            "before": self.before.health.value if self.before else Health.UNKNOWN.value,
            "reason": self.after.reason,
            "failures": self.after.failures,
        }


def after_look(
    before: HostHealth | None, seen: Seen, threshold: int, at: int
) -> tuple[HostHealth, bool]:
    """Return what a host is after one more look, and whether that is a change to be told.

    What is good is believed at once. What is not is believed after `threshold` looks in a row, and
    until then the state stays. A host that was never known to be otherwise is not told as well.
    """
    was = before or HostHealth(seen.host, Health.UNKNOWN, "", at, at)
    well = seen.health is Health.HEALTHY
    failures = 0 if well else was.failures + 1
    counted = replace(
        was,
        seen_at=at,
        failures=failures,
        passed=was.passed + well,
        failed=was.failed + (not well),
    )
    if well:
        since = was.since if was.health is Health.HEALTHY else at
        told = _is_down(was, threshold)
        return replace(counted, health=Health.HEALTHY, reason="", since=since), told
    if failures < threshold:
        reason = f"{seen.reason} (look {failures} of {threshold} before it counts)"
        return replace(counted, reason=reason), False
    since = was.since if was.health is seen.health else at
    down = replace(counted, health=seen.health, reason=seen.reason, since=since)
    return down, not _is_down(was, threshold)


def availability(hosts: Sequence[Health]) -> dict[str, int]:
    """Return how many hosts a service has, and how many of them are in each state."""
    counts = {state.value: sum(each is state for each in hosts) for state in Health}
    return {"hosts": len(hosts), **counts}


def _is_down(was: HostHealth, threshold: int) -> bool:
    """Return whether it was told that a host is not well."""
    return was.health is not Health.HEALTHY and was.failures >= threshold
