"""Deliveries of git hosts: what came, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from fraisier.domain.paging import Place
from fraisier.domain.push import Push


class IncomingStatus(StrEnum):
    """Where a delivery stands: `received` is recorded, and still to be dealt with."""

    RECEIVED = "received"
    TRIGGERED = "deployment_triggered"
    IGNORED = "ignored"
    PONG = "pong"


@dataclass(frozen=True)
class Outcome:
    """What a push came to for one target: a deployment, or the reason why there is none."""

    fraise: str
    environment: str
    deployment_id: str | None
    reason: str = ""


@dataclass(frozen=True)
class NewIncoming:
    """A verified delivery that is about to be recorded.

    `provider` is the git host's name, `delivery_id` what it calls the delivery, `digest` the
    SHA-256 of its body in hexadecimal.
    """

    provider: str
    delivery_id: str
    digest: str
    event: str
    trace_id: str
    pushes: tuple[Push, ...] = ()
    pong: bool = False


@dataclass(frozen=True)
class Incoming:
    """A delivery as recorded; `received_at` is in UTC microseconds since 1970."""

    id: str
    provider: str
    delivery_id: str
    received_at: int
    event: str
    trace_id: str
    status: IncomingStatus
    reason: str = ""
    pushes: tuple[Push, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=())


@dataclass(frozen=True)
class IncomingFilter:
    """Which deliveries to list, newest first; None means any."""

    provider: str | None = None
    status: IncomingStatus | None = None
    limit: int = 100
    offset: int = 0
    place: Place | None = None


class IncomingStore(Protocol):
    """The records of what came in. Each method is one transaction."""

    def now(self) -> int:
        """Return the time by the database's clock, in UTC microseconds."""

    def receive(self, new: NewIncoming) -> Incoming:
        """Record a delivery, or return what is recorded of it; raise KeyReused.

        KeyReused: its id stands for another body.
        """

    def settle(
        self, incoming_id: str, status: IncomingStatus, reason: str, outcomes: Sequence[Outcome]
    ) -> Incoming:
        """Record what came of a delivery, and return it; the first to say so is believed."""

    def redelivered(self, incoming_id: str, by: str, trace_id: str) -> Incoming:
        """Record that a delivery is to be dealt with anew, as another one; raise NotFound."""

    def unsettled(self, before: int) -> list[Incoming]:
        """Return some deliveries received before a moment that nobody has dealt with."""

    def incoming(self, wanted: IncomingFilter) -> list[Incoming]:
        """Return deliveries, newest first."""

    def count_incoming(self, wanted: IncomingFilter) -> int:
        """Return how many deliveries there are, whatever the limit and offset."""

    def prune_incoming(self, before: int) -> int:
        """Remove some of the deliveries received before a moment; return how many."""


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as records and answers have it."""
    return {**vars(outcome)}
