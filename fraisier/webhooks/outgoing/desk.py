"""What people ask of the receivers: how each does, a test, the log, and to send something again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fraisier.domain.delivery import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryStatus,
    DeliveryStore,
    Endpoint,
    EndpointState,
)
from fraisier.domain.errors import NotFound, Refused, did_you_mean
from fraisier.domain.ids import new_id
from fraisier.domain.paging import Place
from fraisier.engine.views import timestamp
from fraisier.webhooks.outgoing.cutoff import Cutoff
from fraisier.webhooks.outgoing.payloads import new_delivery, ping_notice
from fraisier.webhooks.outgoing.receivers import Receiver
from fraisier.webhooks.outgoing.sender import ATTEMPT_SECONDS
from fraisier.webhooks.outgoing.sink import body_for

Json = dict[str, Any]


class Outgoing:
    """The verbs on webhooks and notifications. `ring` wakes the sender of this process.

    `endpoints` and `receivers` are asked each time, as they may follow a configuration.
    """

    def __init__(
        self,
        endpoints: Collection[Endpoint],
        store: DeliveryStore,
        receivers: Mapping[str, Receiver],
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._configured = endpoints
        self._store = store
        self._receivers = receivers
        self._ring = ring

    @property
    def _endpoints(self) -> Mapping[str, Endpoint]:
        return {each.id: each for each in self._configured}

    def endpoints(self) -> list[Json]:
        """Return every receiver that is configured, and how it does."""
        states = self._store.endpoint_states()
        return [
            _endpoint_json(each, states.get(each.id, EndpointState(each.id)))
            for each in self._endpoints.values()
        ]

    def test(self, name: str, by: str) -> Json:
        """Send a receiver a test, once, and return that delivery; raise NotFound.

        One that gets through enables a receiver that was disabled.
        """
        endpoint, at = self._endpoint(name), self._store.now()
        delivery = _trial(endpoint, at)
        begun = time.monotonic()
        with Cutoff(ATTEMPT_SECONDS) as cutoff:
            answer = self._receivers[name].send(delivery, at, cutoff)
        attempt = Attempt(at, round(time.monotonic() - begun, 3), answer.status, answer.problem)
        return self._shown([self._store.tried_out(delivery, attempt, by)])[0]

    def deliveries(
        self,
        name: str | None,
        status: str | None,
        limit: int,
        offset: int = 0,
        place: Place | None = None,
    ) -> tuple[list[Json], int]:
        """Return a page of the log, newest first, and how many there are; raise NotFound."""
        endpoint = None if name is None else self._endpoint(name).id
        which = None if status is None else DeliveryStatus(status)
        wanted = DeliveryFilter(endpoint, which, limit, offset, place)
        total = self._store.count_deliveries(wanted)
        return self._shown(self._store.deliveries(wanted)), total

    def redeliver(self, delivery_id: str, by: str) -> Json:
        """Let a delivery be sent again, with the same webhook-id; raise NotFound or Refused."""
        found = self._store.delivery(delivery_id)
        if found.endpoint not in self._endpoints:
            raise Refused(
                f"{found.endpoint} is not configured any more", "see: fraisier webhook list"
            )
        again = self._store.redeliver(delivery_id, by, self._store.now())
        self._ring()
        return self._shown([again])[0]

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            known = ", ".join(self._endpoints) or "none"
            raise NotFound(
                f'no webhook or notification "{name}"{did_you_mean(name, self._endpoints)}',
                f"known: {known}",
            )
        return self._endpoints[name]

    def _shown(self, found: Sequence[Delivery]) -> list[Json]:
        attempts = self._store.attempts_of([each.id for each in found])
        return [delivery_json(each, attempts[each.id]) for each in found]


def delivery_json(delivery: Delivery, attempts: Sequence[Attempt]) -> Json:
    """Return a delivery as the log shows it, with all its attempts."""
    return {
        "id": delivery.id,
        "endpoint": delivery.endpoint,
        "event": delivery.event_type,
        "event_id": delivery.event_id,
        "stream": delivery.stream_id,
        "status": delivery.status.value,
        "created_at": timestamp(delivery.created_at),
        "next_at": timestamp(delivery.next_at),
        "ended_at": timestamp(delivery.ended_at),
        "attempts": [
            {
                "number": each.number,
                "at": timestamp(each.at),
                "seconds": each.seconds,
                "status_code": each.status_code,
                "problem": each.problem,
            }
            for each in attempts
        ],
    }


def _endpoint_json(endpoint: Endpoint, state: EndpointState) -> Json:
    return {
        "name": endpoint.id,
        "type": endpoint.kind,
        "to": _shown_place(endpoint),
        "events": list(endpoint.events),
        "fraises": list(endpoint.fraises),
        "environments": list(endpoint.environments),
        "enabled": state.disabled_at is None,
        "disabled_at": timestamp(state.disabled_at),
        "disabled_reason": state.disabled_reason,
        "failing_since": timestamp(state.failing_since),
        "pending": state.pending,
    }


def _shown_place(endpoint: Endpoint) -> str:
    """Return where it goes, without what may be a secret: addresses, a host, or a variable."""
    if endpoint.recipients:
        return ", ".join(endpoint.recipients)
    if isinstance(endpoint.url, str):
        return urlsplit(endpoint.url).hostname or ""
    known = endpoint.url.kind == "env"
    return str(endpoint.url) if known else f"{{{endpoint.url.kind}: …}}"


def _trial(endpoint: Endpoint, at: int) -> Delivery:
    """Return the delivery that a test sends, before it is recorded."""
    notice = ping_notice(at)
    new = new_delivery(notice, body_for(endpoint, notice, ""))
    pending = DeliveryStatus.PENDING
    return Delivery(new_id("whk"), endpoint.id, **vars(new), status=pending, attempts=0,
                    created_at=at, next_at=None, ended_at=None)  # fmt: skip
