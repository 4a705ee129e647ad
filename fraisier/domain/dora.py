"""Figures of deployments that have ended: how long they took, and DORA's four keys. Pure.

The definitions are those of docs/HEALTH.md; a change of one is a change of the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from fraisier.domain.deployment import Status

SECOND = 1_000_000
DAY_SECONDS = 86_400.0
#: Ends of deployments that changed what serves, or were to.
_JUDGED = frozenset(
    {
        Status.SUCCESS.value,
        Status.FAILED.value,
        Status.ROLLED_BACK.value,
        Status.ROLLBACK_FAILED.value,
        Status.INTERRUPTED.value,
    }
)


@dataclass(frozen=True)
class Ended:
    """One deployment that has ended. Times are UTC microseconds since 1970.

    `touched` is False where it is known that what served before served all the while.
    """

    fraise: str
    environment: str
    kind: str
    status: str
    created_at: int
    started_at: int | None
    completed_at: int
    touched: bool = True

    @property
    def is_change(self) -> bool:
        """True for a deploy that reached hosts: what a failure rate is a rate of."""
        return self.kind == "deploy" and self.status in _JUDGED and self.touched

    @property
    def good(self) -> bool:
        """True for a success."""
        return self.status == Status.SUCCESS.value

    @property
    def seconds(self) -> float | None:
        """Return how long it took from its beginning; None where it never began."""
        began = self.started_at
        return None if began is None else _seconds(began, self.completed_at)


@dataclass(frozen=True)
class Spread:
    """How some durations are spread, in seconds; None where there are none."""

    count: int
    mean: float | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class FourKeys:
    """DORA's four keys, with what they were computed from; seconds, and None for unknown.

    `lead_seconds` counts from the request; `unrestored` are the targets that wait for a success.
    """

    successes: int
    per_day: float
    lead_seconds: float | None
    changes: int
    failures: int
    failure_rate: float | None
    restored: int
    restore_seconds: float | None
    unrestored: int


def spread(durations: Iterable[float]) -> Spread:
    """Return how durations are spread; percentiles are nearest-rank, so each is one of them."""
    found = sorted(durations)
    if not found:
        return Spread(0, None, None, None)
    return Spread(len(found), fmean(found), _rank(found, 0.5), _rank(found, 0.95))


def four_keys(ended: Iterable[Ended], days: float) -> FourKeys:
    """Return the four keys of what ended within so many days."""
    whole = list(ended)
    deploys = [one for one in whole if one.kind == "deploy" and one.good]
    lead = [_seconds(one.created_at, one.completed_at) for one in deploys]
    stories = [_story(past) for past in _by_target(whole)]
    changes = sum(story.changes for story in stories)
    failures = sum(story.failures for story in stories)
    restored = [seconds for story in stories for seconds in story.restored]
    return FourKeys(
        successes=len(deploys),
        per_day=len(deploys) / days,
        lead_seconds=median(lead) if lead else None,
        changes=changes,
        failures=failures,
        failure_rate=failures / changes if changes else None,
        restored=len(restored),
        restore_seconds=median(restored) if restored else None,
        unrestored=sum(story.down_since is not None for story in stories),
    )


@dataclass
class _Story:
    """What happened to one target, one deployment after the other."""

    changes: int = 0
    failures: int = 0
    restored: tuple[float, ...] = ()
    down_since: int | None = None
    last_was_good_change: bool = False

    def add(self, one: Ended) -> None:
        if one.is_change:
            self.changes += 1
            self.failures += not one.good
        if one.kind == "rollback" and self.last_was_good_change:
            self.failures += 1  # what had succeeded had to be taken back
        if one.kind == "rollback" or one.is_change:
            self._restore(one)
            self.last_was_good_change = one.is_change and one.good

    def _restore(self, one: Ended) -> None:
        if one.good and (self.down_since is not None or one.kind == "rollback"):
            down = one.created_at if self.down_since is None else self.down_since
            self._up(down, one.completed_at)
        elif one.status == Status.ROLLED_BACK.value and self.down_since is None:
            self._up(one.started_at or one.created_at, one.completed_at)
        elif not one.good and self.down_since is None:
            self.down_since = one.created_at if one.kind == "rollback" else one.completed_at

    def _up(self, since: int, at: int) -> None:
        self.restored = (*self.restored, _seconds(since, at))
        self.down_since = None


def _story(past: Sequence[Ended]) -> _Story:
    story = _Story()
    for one in past:
        if one.started_at is not None and one.status in _JUDGED:
            story.add(one)
    return story


def _by_target(ended: Iterable[Ended]) -> list[list[Ended]]:
    """Return the deployments of each target in the order of their ends."""
    found: dict[tuple[str, str], list[Ended]] = {}
    for one in sorted(ended, key=lambda each: each.completed_at):
        found.setdefault((one.fraise, one.environment), []).append(one)
    return list(found.values())


def _rank(found: Sequence[float], share: float) -> float:
    return found[max(0, math.ceil(share * len(found)) - 1)]


def _seconds(start: int, end: int) -> float:
    """Return the seconds between two times; two machines may have told them, so never below 0."""
    return max(0.0, (end - start) / SECOND)
