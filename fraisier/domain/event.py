"""Facts about a deployment: what the runner reports, and what the log records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEPLOYMENT_EVENTS = tuple(
    f"deployment.{name}"
    for name in (
        "queued", "break_glass", "started", "step", "host_started", "host_completed",
        "release_switched", "paused", "resumed", "tested", "completed", "failed", "cancelled",
        "superseded", "rolled_back", "rollback_failed", "interrupted",
    )
)  # fmt: skip
RUNNER_EVENTS = tuple(
    f"runner.{name}"
    for name in (
        "play_started", "task_started", "task_ok", "task_changed", "task_failed", "task_skipped",
        "host_unreachable",
    )
)  # fmt: skip
HEALTH_EVENTS = tuple(f"health_check.{name}" for name in ("started", "passed", "failed"))
METRICS_EVENTS = ("metrics.deployment", "metrics.service")
EVENT_TYPES = frozenset(
    (*DEPLOYMENT_EVENTS, *RUNNER_EVENTS, *HEALTH_EVENTS, *METRICS_EVENTS, "log.line")
)


@dataclass(frozen=True)
class Fact:
    """Something that happened, not recorded yet. `data` is JSON and holds no secret."""

    type: str
    host: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.type not in EVENT_TYPES:
            raise ValueError(f"unknown event type {self.type!r}")


@dataclass(frozen=True)
class Head:
    """How far the log of a deployment goes, and whether nothing can follow."""

    sequence: int
    ended: bool


@dataclass(frozen=True)
class Event:
    """A recorded fact: `sequence` counts from 1 without a gap within its deployment.

    `at` is UTC, in microseconds since 1970.
    """

    id: str
    deployment_id: str
    sequence: int
    type: str
    at: int
    host: str | None
    data: Mapping[str, Any]
