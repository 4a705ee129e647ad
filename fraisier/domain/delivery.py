"""Receivers of events outside: webhooks, chats, email; what goes to each, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from fraisier.domain.notice import Notice
from fraisier.domain.paging import Place
from fraisier.domain.secret import SecretReference

WEBHOOK, EMAIL = "webhook", "email"
CHATS = ("slack", "discord", "teams")
#: What a webhook is told of, and what people are, where nothing is configured.
ALL_OF_DEPLOYMENTS = ("deployment.*",)
ENDS = ("deployment.completed",)
#: The type of the message that a test sends; it is no event.
PING = "ping"


class DeliveryStatus(StrEnum):
    """Where a delivery stands. `not_sent`: its receiver was disabled when its turn came."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    NOT_SENT = "not_sent"


@dataclass(frozen=True)
class Endpoint:
    """A receiver: a webhook, a chat or people by email.

    `id` is its name, unique among all. `url` may itself be a secret, so it is never printed; the
    first of `secrets` is the newest, the others are being replaced. `events` are patterns such as
    `deployment.*`; `fraises` and `environments` narrow them, empty means all. `template` is for
    chats and email, `sender` and `recipients` are for email.
    """

    id: str
    kind: str
    url: SecretReference | str = field(repr=False)
    secrets: tuple[SecretReference, ...] = ()
    events: tuple[str, ...] = ALL_OF_DEPLOYMENTS
    fraises: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    template: str | None = None
    sender: str = ""
    recipients: tuple[str, ...] = ()

    def wants(self, notice: Notice) -> bool:
        """Return whether this receiver is to be told of an event."""
        return (
            any(fnmatchcase(notice.event_type, pattern) for pattern in self.events)
            and (not self.fraises or notice.fraise in self.fraises)
            and (not self.environments or notice.environment in self.environments)
        )


@dataclass(frozen=True)
class NewDelivery:
    """What is to be delivered of one event: `body` is JSON text, the same at every attempt."""

    event_id: str
    event_type: str
    stream_id: str
    body: str


@dataclass(frozen=True)
class Delivery:
    """A delivery as recorded; times are UTC microseconds since 1970.

    `attempts` counts those since it was asked for last; `next_at` is when it is tried, or tried
    again if whoever has it in hand does not come back.
    """

    id: str
    endpoint: str
    event_id: str
    event_type: str
    stream_id: str
    body: str
    status: DeliveryStatus
    attempts: int
    created_at: int
    next_at: int | None
    ended_at: int | None


@dataclass(frozen=True)
class Attempt:
    """One try: when it began (UTC microseconds), how long it took, and what came of it.

    `status_code` is None where no answer came; `problem` is empty where it was delivered.
    """

    at: int
    seconds: float
    status_code: int | None
    problem: str
    number: int = 0


@dataclass(frozen=True)
class EndpointState:
    """How a receiver does; times are UTC microseconds. `pending` deliveries wait for it."""

    id: str
    failing_since: int | None = None
    disabled_at: int | None = None
    disabled_reason: str = ""
    pending: int = 0


@dataclass(frozen=True)
class DeliveryFilter:
    """Which deliveries to list, newest first; None means any."""

    endpoint: str | None = None
    status: DeliveryStatus | None = None
    limit: int = 100
    offset: int = 0
    place: Place | None = None


class DeliveryStore(Protocol):
    """The records of what goes out. Each method is one transaction; times are UTC microseconds.

    All times are by `now()`, the clock of the database.
    """

    def now(self) -> int:
        """Return the time by the database's clock."""

    def add_deliveries(self, endpoint: str, new: Sequence[NewDelivery]) -> int:
        """Record what is to be delivered, in its order, but for events it has; return how many.

        For a disabled endpoint they are recorded as not sent.
        """

    def due_endpoints(self, among: Sequence[str], at: int) -> list[str]:
        """Return those of some endpoints that something is due for, the longest waiting first."""

    def claim_delivery(self, endpoint: str, at: int, until: int) -> Delivery | None:
        """Take the next delivery that is due, for oneself until a moment; None where there is none.

        The first attempts of one stream are in its order: while one is under way, none is taken.
        """

    def release_delivery(self, delivery: Delivery, at: int) -> None:
        """Give back what was taken and not tried."""

    def attempted(self, delivery: Delivery, attempt: Attempt, next_at: int | None) -> EndpointState:
        """Record an attempt: it is delivered, tried again at `next_at`, or failed (None).

        Returns how the endpoint does now.
        """

    def tried_out(self, delivery: Delivery, attempt: Attempt, by: str) -> Delivery:
        """Record a test, which is over, and return it; one that got through enables the endpoint.

        One that failed changes nothing else.
        """

    def disable_endpoint(self, endpoint: str, reason: str, at: int) -> None:
        """Send an endpoint nothing more; what waits for it is not sent."""

    def delivery_lag(self) -> dict[str, float]:
        """Return for each endpoint how long, in seconds, a delivery has been due and untried."""

    def endpoint_states(self) -> dict[str, EndpointState]:
        """Return how every endpoint does that something is recorded of."""

    def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        """Return deliveries, newest first."""

    def count_deliveries(self, wanted: DeliveryFilter) -> int:
        """Return how many deliveries there are, whatever the limit and offset."""

    def delivery(self, delivery_id: str) -> Delivery:
        """Return one delivery, or raise NotFound."""

    def attempts_of(self, deliveries: Sequence[str]) -> Mapping[str, list[Attempt]]:
        """Return the attempts of each delivery, in order."""

    def redeliver(self, delivery_id: str, by: str, at: int) -> Delivery:
        """Let a delivery be tried anew, with the same id; raise Refused where it is disabled."""

    def prune_deliveries(self, before: int) -> int:
        """Remove some of the deliveries made before a moment; return how many."""
